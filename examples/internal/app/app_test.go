package app

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// newTestApp returns an App on an empty database.
func newTestApp(t *testing.T) *App {
	t.Helper()
	a, _ := newTestAppWithStore(t)
	return a
}

func newTestAppWithStore(t *testing.T) (*App, *store) {
	t.Helper()
	db, _, err := openDatabase(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pool, err := db.DB(); err == nil {
			_ = pool.Close()
		}
	})
	store := &store{CredentialRepository: passkeys.NewMemoryCredentials()}
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Test", Origins: []string{"http://localhost"},
		Credentials: store, Logger: slog.New(slog.DiscardHandler), Limiter: passkeys.NewMemoryLimiter(nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &App{Passkeys: p, accounts: accounts{db}, sessions: scs.New()}, store
}

// store deletes nothing while it is down.
type store struct {
	passkeys.CredentialRepository
	down bool
}

func (s *store) Delete(ctx context.Context, userID string, id []byte) error {
	if s.down {
		return errors.New("down")
	}
	return s.CredentialRepository.Delete(ctx, userID, id)
}

// add registers a passkey that is as good as any here, and count says how many
// there are.
func (s *store) add(t *testing.T, userID string) {
	t.Helper()
	err := s.Add(t.Context(), passkeys.Credential{ID: []byte(rand.Text()), UserID: userID, PublicKey: []byte{1}, CreatedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *store) count(t *testing.T, userID string) int {
	t.Helper()
	list, err := s.ListByUser(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// browser returns the context of requests from one browser that is new here.
func (a *App) browser(t *testing.T) context.Context {
	t.Helper()
	ctx, err := a.sessions.Load(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// signUp goes through a sign-up and returns the new user.
func (a *App) signUp(t *testing.T, ctx context.Context, username string) passkeys.User {
	t.Helper()
	if err := a.BeginSignUp(ctx, netip.Addr{}, username); err != nil {
		t.Fatal(err)
	}
	user, err := a.CurrentUser(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Registered(ctx, user); err != nil {
		t.Fatal(err)
	}
	return user
}

func (a *App) count(t *testing.T) (n int64) {
	t.Helper()
	if err := a.accounts.db.Model(&account{}).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUsername(t *testing.T) {
	for _, row := range []struct {
		name, typed, display string // display is "" for a name that is refused
	}{
		{"as it is typed", "Ann", "Ann"},
		{"without the space around it", "  Ann Example\t", "Ann Example"},
		{"64 characters, whatever their bytes", strings.Repeat("é", 64), strings.Repeat("é", 64)},
		{"65 characters", strings.Repeat("x", 65), ""},
		{"nothing", "", ""},
		{"only space", " \t ", ""},
		{"what cannot be seen", "An\u202en", ""},
		{"a line break", "An\nn", ""},
		{"a NUL, which PostgreSQL cannot store", "An\x00n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newTestApp(t)
			ctx := a.browser(t)
			err := a.BeginSignUp(ctx, netip.Addr{}, row.typed)
			if row.display == "" {
				if !errors.Is(err, errUsernameInvalid) {
					t.Errorf("err = %v; want %v", err, errUsernameInvalid)
				}
				return
			}
			user, errUser := a.CurrentUser(ctx)
			if err != nil || errUser != nil || user.Name != row.display {
				t.Errorf("user = %+v, %v, %v; want the name %q", user, err, errUser, row.display)
			}
		})
	}
}

func TestSignUp(t *testing.T) {
	t.Run("creates nothing before there is a passkey", func(t *testing.T) {
		a := newTestApp(t)
		ctx := a.browser(t)
		if err := a.BeginSignUp(ctx, netip.Addr{}, "ann"); err != nil {
			t.Fatal(err)
		}
		if n := a.count(t); n != 0 {
			t.Errorf("there are %d accounts; want none", n)
		}
		if _, err := a.Me(ctx); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("Me: %v; want %v", err, passkeys.ErrUnauthenticated)
		}
		if err := a.BeginSignUp(a.browser(t), netip.Addr{}, "ann"); err != nil {
			t.Errorf("somebody else's sign-up: %v; want none, because the name is not taken yet", err)
		}
	})
	t.Run("is the same user at both ends of the registration, and signed in after it", func(t *testing.T) {
		a := newTestApp(t)
		ctx := a.browser(t)
		user := a.signUp(t, ctx, "Ann")
		after, err := a.CurrentUser(ctx)
		if err != nil || after != user {
			t.Errorf("CurrentUser = %+v, %v; want %+v", after, err, user)
		}
		if me, err := a.Me(ctx); err != nil || me.Username != "Ann" {
			t.Errorf("Me = %+v, %v; want Ann", me, err)
		}
	})
	t.Run("is refused for a name that is taken, in whatever spelling", func(t *testing.T) {
		a := newTestApp(t)
		a.signUp(t, a.browser(t), "André")
		for _, username := range []string{"André", "ANDRÉ", " andré ", "Andre\u0301"} {
			if err := a.BeginSignUp(a.browser(t), netip.Addr{}, username); !errors.Is(err, errUsernameTaken) {
				t.Errorf("%q: %v; want %v", username, err, errUsernameTaken)
			}
		}
	})
	t.Run("of two for one name that of the first passkey wins", func(t *testing.T) {
		a := newTestApp(t)
		first, second := a.browser(t), a.browser(t)
		for _, ctx := range []context.Context{first, second} {
			if err := a.BeginSignUp(ctx, netip.Addr{}, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		winner, _ := a.CurrentUser(second)
		if err := a.Registered(second, winner); err != nil {
			t.Fatal(err)
		}
		loser, _ := a.CurrentUser(first)
		if err := a.Registered(first, loser); !errors.Is(err, errUsernameTaken) {
			t.Errorf("Registered: %v; want %v, which takes the passkey back", err, errUsernameTaken)
		}
		if _, err := a.Me(first); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("Me: %v; want %v", err, passkeys.ErrUnauthenticated)
		}
	})
	t.Run("a further passkey makes no further account", func(t *testing.T) {
		a := newTestApp(t)
		ctx := a.browser(t)
		user := a.signUp(t, ctx, "ann")
		if err := a.Registered(ctx, user); err != nil {
			t.Fatal(err)
		}
		if n := a.count(t); n != 1 {
			t.Errorf("there are %d accounts; want 1", n)
		}
	})
}

func TestSession(t *testing.T) {
	a := newTestApp(t)
	user := a.signUp(t, a.browser(t), "Ann")

	t.Run("nobody is signed in at first", func(t *testing.T) {
		if _, err := a.CurrentUser(a.browser(t)); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("CurrentUser: %v; want %v", err, passkeys.ErrUnauthenticated)
		}
	})
	t.Run("signing in changes its token, and not the id that ceremonies are tied to", func(t *testing.T) {
		ctx := a.browser(t)
		id := a.SessionID(ctx)
		token, _, err := a.sessions.Commit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		me, err := a.Authenticated(ctx, user.ID)
		if err != nil || me.Username != "Ann" {
			t.Fatalf("Authenticated = %+v, %v; want Ann", me, err)
		}
		if a.sessions.Token(ctx) == token {
			t.Error("the token is the one from before")
		}
		if id == "" || a.SessionID(ctx) != id {
			t.Errorf("SessionID = %q; want %q, and not empty", a.SessionID(ctx), id)
		}
	})
	t.Run("signing up changes its token", func(t *testing.T) {
		ctx := a.browser(t)
		if err := a.BeginSignUp(ctx, netip.Addr{}, "bob"); err != nil {
			t.Fatal(err)
		}
		token, _, err := a.sessions.Commit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		bob, _ := a.CurrentUser(ctx)
		if err := a.Registered(ctx, bob); err != nil {
			t.Fatal(err)
		}
		if a.sessions.Token(ctx) == token {
			t.Error("the token is the one from before")
		}
	})
	t.Run("a sign-in ends a sign-up that was not finished", func(t *testing.T) {
		ctx := a.browser(t)
		if err := a.BeginSignUp(ctx, netip.Addr{}, "carol"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticated(ctx, user.ID); err != nil {
			t.Fatal(err)
		}
		if got, err := a.CurrentUser(ctx); err != nil || got != user {
			t.Errorf("CurrentUser = %+v, %v; want %+v", got, err, user)
		}
		if a.pending(ctx).ID != "" {
			t.Error("the session still remembers the sign-up")
		}
	})
	t.Run("signing out leaves nothing", func(t *testing.T) {
		ctx := a.browser(t)
		if _, err := a.Authenticated(ctx, user.ID); err != nil {
			t.Fatal(err)
		}
		if err := a.SignOut(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := a.CurrentUser(ctx); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("CurrentUser: %v; want %v", err, passkeys.ErrUnauthenticated)
		}
	})
	t.Run("the passkey of an account that is gone is not known", func(t *testing.T) {
		ctx := a.browser(t)
		if _, err := a.Authenticated(ctx, "nobody"); !errors.Is(err, passkeys.ErrCredentialNotFound) {
			t.Errorf("Authenticated: %v; want %v", err, passkeys.ErrCredentialNotFound)
		}
	})
}

func TestDeleteAccount(t *testing.T) {
	a, store := newTestAppWithStore(t)
	there, elsewhere, other := a.browser(t), a.browser(t), a.browser(t)
	ann, bob := a.signUp(t, there, "Ann"), a.signUp(t, other, "Bob")
	if _, err := a.Authenticated(elsewhere, ann.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{ann.ID, ann.ID, bob.ID} {
		store.add(t, id)
	}

	if _, err := a.DeleteAccount(a.browser(t)); !errors.Is(err, passkeys.ErrUnauthenticated) {
		t.Errorf("nobody's: %v; want %v", err, passkeys.ErrUnauthenticated)
	}
	store.down = true
	if _, err := a.DeleteAccount(there); !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Fatalf("while the store is down: %v", err)
	}
	for name, ctx := range map[string]context.Context{"this": there, "the other": elsewhere} {
		if _, err := a.CurrentUser(ctx); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("%s session: %v; want %v", name, err, passkeys.ErrUnauthenticated)
		}
		if err := a.Registered(ctx, ann); !errors.Is(err, passkeys.ErrUnauthenticated) {
			t.Errorf("a registration that ends in %s session: %v; want %v, which takes the passkey back", name, err, passkeys.ErrUnauthenticated)
		}
	}
	if _, err := a.Authenticated(a.browser(t), ann.ID); !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("a passkey that is left, with the store still down: %v", err)
	}
	store.down = false
	if _, err := a.Authenticated(a.browser(t), ann.ID); !errors.Is(err, passkeys.ErrCredentialNotFound) {
		t.Errorf("a passkey that is left: %v; want %v", err, passkeys.ErrCredentialNotFound)
	}
	if n := store.count(t, ann.ID); n != 0 {
		t.Errorf("%d passkeys are left when one has been tried", n)
	}

	again := a.browser(t)
	ann = a.signUp(t, again, "Ann") // the name is free
	store.add(t, ann.ID)
	signals, err := a.DeleteAccount(again)
	if err != nil || len(signals.AllAcceptedCredentials) != 1 || len(signals.AllAcceptedCredentials[0].AllAcceptedCredentialIDs) != 0 {
		t.Errorf("signals = %+v, %v; want one list, empty", signals, err)
	}
	if me, err := a.Me(other); err != nil || me.Username != "Bob" || a.count(t) != 1 || store.count(t, ann.ID) != 0 || store.count(t, bob.ID) != 1 {
		t.Errorf("what is left: %+v, %v, %d accounts, %d and %d passkeys", me, err, a.count(t), store.count(t, ann.ID), store.count(t, bob.ID))
	}
}

// A database that does not answer has not said that there is no account: nothing is done.
func TestADatabaseThatIsDownIsNoAnswer(t *testing.T) {
	a, store := newTestAppWithStore(t)
	anns := a.browser(t)
	ann := a.signUp(t, anns, "Ann")
	store.add(t, ann.ID)
	pool, err := a.accounts.db.DB()
	if err != nil {
		t.Fatal(err)
	}
	_ = pool.Close()
	for what, f := range map[string]func() error{
		"BeginSignUp":   func() error { return a.BeginSignUp(a.browser(t), netip.Addr{}, "Bob") },
		"CurrentUser":   func() error { _, err := a.CurrentUser(anns); return err },
		"Authenticated": func() error { _, err := a.Authenticated(a.browser(t), ann.ID); return err },
		"FindUser":      func() error { _, err := a.FindUser(anns, "Ann"); return err },
		"Me":            func() error { _, err := a.Me(anns); return err },
		"Registered":    func() error { return a.Registered(anns, ann) },
		"DeleteAccount": func() error { _, err := a.DeleteAccount(anns); return err },
	} {
		err := f()
		if _, ours := errors.AsType[*passkeys.Error](err); err == nil || ours {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := store.count(t, ann.ID); n != 1 {
		t.Errorf("%d passkeys are left", n)
	}
}

func TestFindUser(t *testing.T) {
	a := newTestApp(t)
	user := a.signUp(t, a.browser(t), "Ann")
	for username, want := range map[string]string{
		"Ann": user.ID, "aNN": user.ID, // as it was typed, in any case of letters
		"Anna": "", "": "", "A\x00nn": "", strings.Repeat("x", 1000): "", // nobody, and no error
	} {
		if got, err := a.FindUser(t.Context(), username); err != nil || got != want {
			t.Errorf("FindUser(%q) = %q, %v; want %q", username, got, err, want)
		}
	}
}

func TestFail(t *testing.T) {
	for _, row := range []struct {
		err    error
		status int
		says   string
	}{
		{errors.New("disk on fire"), 500, `{"error":{"code":"internal_error","message":"Something went wrong."}}`},
		{errUsernameTaken, 409, `{"error":{"code":"username_taken","message":"This username is taken."}}`},
	} {
		w := httptest.NewRecorder()
		Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), row.err)
		if w.Code != row.status || w.Body.String() != row.says {
			t.Errorf("%v: %d %s, want %d %s", row.err, w.Code, w.Body, row.status, row.says)
		}
	}
}

// Whether a name is taken is not for asking as often as one likes, and nobody needs to
// begin so many sign-ups.
func TestSignUpsAreLimited(t *testing.T) {
	a, _ := newTestAppWithStore(t)
	client, neighbour := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	asked := 0
	for range 1000 {
		if err := a.BeginSignUp(a.browser(t), client, "ann"); errors.Is(err, passkeys.ErrRateLimited) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		asked++
	}
	if asked == 0 || asked > 50 {
		t.Errorf("%d sign-ups are begun", asked)
	}
	if err := a.BeginSignUp(a.browser(t), neighbour, "ann"); !errors.Is(err, passkeys.ErrRateLimited) {
		t.Errorf("another address of the same network: %v", err)
	}
	if err := a.BeginSignUp(a.browser(t), netip.MustParseAddr("203.0.113.7"), "ann"); err != nil {
		t.Errorf("another network: %v", err)
	}
}

// The session of a visitor ends with what they may have begun; that of who is signed
// in lives on.
func TestSessionsOfVisitorsAreShort(t *testing.T) {
	a := newTestApp(t)
	ctx := a.browser(t)
	a.SessionID(ctx)
	if until := time.Until(a.sessions.Deadline(ctx)); until > visit || until < visit-time.Minute {
		t.Errorf("a visitor's lives for %v", until)
	}
	a.signUp(t, ctx, "ann")
	if until := time.Until(a.sessions.Deadline(ctx)); until < 23*time.Hour {
		t.Errorf("a user's lives for %v", until)
	}
}

func TestCookiesAreForHTTPSWhereThePagesAre(t *testing.T) {
	for _, row := range []struct {
		name    string
		origins []string
		want    bool
	}{
		{"localhost", []string{"http://localhost:8080"}, false},
		{"a domain", []string{"https://example.org"}, true},
		{"an application of Android's first", []string{"android:apk-key-hash:AAAA", "https://example.org"}, true},
		{"both", []string{"https://example.org", "http://localhost:8080"}, false},
	} {
		if got := secure(row.origins); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
	// And so is the cookie of the program.
	for origin, want := range map[string]bool{"https://example.org": true, "http://localhost:8080": false} {
		setenv(t, map[string]string{
			"ADDR": "localhost:0", "DATABASE_URL": filepath.Join(t.TempDir(), "test.db"),
			"PASSKEYS_RP_ID": strings.Split(strings.Split(origin, "://")[1], ":")[0], "PASSKEYS_EXPECTED_ORIGINS": origin,
		})
		errSeen := errors.New("seen")
		var got bool
		err := run(t.Context(), io.Discard, "Test", func(a *App) (http.Handler, error) {
			got = a.sessions.Cookie.Secure
			return nil, errSeen
		})
		if !errors.Is(err, errSeen) || got != want {
			t.Errorf("at %s: %v, %v", origin, got, err)
		}
	}
}

package passkeys_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestOneEventPerOutcome(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	id := func() string { return passkeys.EncodeID(b.stored().ID) }

	// Of an event's ceremony, new is one that was not seen before, and same is
	// that of the event before.
	const fresh, same = "new", "same"
	ceremony, seen := "", map[string]bool{}
	expect := func(want ...passkeys.AuditEvent) {
		t.Helper()
		b.events.mu.Lock()
		got := b.events.list
		b.events.list = nil
		b.events.mu.Unlock()
		if len(got) != len(want) {
			t.Fatalf("got %d events %+v, want %d", len(got), got, len(want))
		}
		for i := range want {
			want[i].Time = b.clock.Now()
			switch want[i].CeremonyID {
			case fresh:
				if ceremony = got[i].CeremonyID; len(ceremony) != 16 || seen[ceremony] {
					t.Errorf("a new ceremony has the id %q", ceremony)
				}
				seen[ceremony] = true
				want[i].CeremonyID = ceremony
			case same:
				want[i].CeremonyID = ceremony
			}
			if got[i] != want[i] {
				t.Errorf("got  %+v\nwant %+v", got[i], want[i])
			}
		}
	}

	r := b.create(a)
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationBegan, UserID: alice.ID, Mode: passkeys.ModeRegistration, CeremonyID: fresh})
	if _, err := b.FinishRegistration(ctx, r); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationSucceeded, UserID: alice.ID, CredentialID: id(), Mode: passkeys.ModeRegistration, CeremonyID: same})

	twin := a.Clone()
	twin.CredentialID = b.stored().ID
	twin.Forget(b.stored().ID)
	_, err := b.register(twin)
	if !errors.Is(err, passkeys.ErrCredentialExists) {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationBegan, UserID: alice.ID, Mode: passkeys.ModeRegistration, CeremonyID: fresh},
		passkeys.AuditEvent{Type: passkeys.RegistrationFailed, UserID: alice.ID, CredentialID: id(), Reason: passkeys.ReasonCredentialExists, Mode: passkeys.ModeRegistration, CeremonyID: same})

	s := b.get(a, alice.ID)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationBegan, UserID: alice.ID, Mode: passkeys.ModeUser, CeremonyID: fresh})
	if _, err := b.FinishAuthentication(ctx, s); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationSucceeded, UserID: alice.ID, CredentialID: id(), Mode: passkeys.ModeUser, CeremonyID: same})

	_, _ = b.FinishAuthentication(ctx, s)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, UserID: alice.ID, CredentialID: id(), Reason: passkeys.ReasonChallengeSpent, Mode: passkeys.ModeUser, CeremonyID: same})

	s.State = s.State[:len(s.State)-1]
	_, _ = b.FinishAuthentication(ctx, s)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, CredentialID: id(), Reason: passkeys.ReasonChallengeNotFound})

	s = b.get(a, "")
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationBegan, Mode: passkeys.ModeUsernameless, CeremonyID: fresh})
	b.clock.Advance(time.Hour)
	_, _ = b.FinishAuthentication(ctx, s)
	expect(passkeys.AuditEvent{Type: passkeys.ChallengeExpired, CredentialID: id(), Reason: passkeys.ReasonChallengeExpired, Mode: passkeys.ModeUsernameless, CeremonyID: same})

	// A state that is good, but not here: its ceremony is known.
	s = b.get(a, "")
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationBegan, Mode: passkeys.ModeUsernameless, CeremonyID: fresh})
	_, _ = b.FinishAuthentication(passkeys.WithSessionID(ctx, "another"), s)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, CredentialID: id(), Reason: passkeys.ReasonSessionMismatch, Mode: passkeys.ModeUsernameless, CeremonyID: same})
	_, _ = b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: s.State, Credential: r.Credential, UserID: alice.ID})
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationFailed, UserID: alice.ID, CredentialID: id(), Reason: passkeys.ReasonChallengePurpose, Mode: passkeys.ModeUsernameless, CeremonyID: same})

	// Nobody is nobody to the end.
	options, state := b.request(passkeys.AuthenticationRequest{Mode: passkeys.ModeUsername, Username: "nobody"})
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationBegan, Mode: passkeys.ModeUsername, CeremonyID: fresh})
	credential, err := a.Get(withoutAllowList(t, options))
	if err != nil {
		t.Fatal(err)
	}
	credential = bytes.ReplaceAll(credential, []byte(id()), []byte("AAAA"))
	_, _ = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: state, Credential: credential})
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, CredentialID: "AAAA", Reason: passkeys.ReasonCredentialUnknown, Mode: passkeys.ModeUsername, CeremonyID: same})

	for range 2 { // the second time there is nothing to do, and nothing to tell
		if err := b.Rename(ctx, alice.ID, b.stored().ID, "phone"); err != nil || b.stored().DeviceName != "phone" {
			t.Fatal(err)
		}
	}
	if err := b.Restore(ctx, alice.ID, b.stored().ID); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.CredentialRenamed, UserID: alice.ID, CredentialID: id()})

	gone := b.stored().ID
	for _, err := range []error{
		b.Rename(ctx, "bob-id", gone, "mine"), b.Revoke(ctx, "bob-id", gone), b.Restore(ctx, "bob-id", gone), b.Revoke(ctx, alice.ID, []byte("x")),
	} {
		if !errors.Is(err, passkeys.ErrNotFound) {
			t.Errorf("another user's, or nobody's: %v", err)
		}
	}
	if err := b.Rename(ctx, alice.ID, gone, "\x00"); !errors.Is(err, passkeys.ErrInvalidRequest) {
		t.Errorf("a name with NUL: %v", err)
	}
	expect()

	if err := b.Revoke(ctx, alice.ID, gone); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.CredentialRevoked, UserID: alice.ID, CredentialID: passkeys.EncodeID(gone)})
	if list, err := b.Credentials(ctx, alice.ID); err != nil || len(list) != 0 {
		t.Errorf("after the revocation: %d, %v", len(list), err)
	}
}

// A ceremony's id joins its events and no others, whatever a client sends, and
// gives nothing of the challenge away.
func TestCeremonyID(t *testing.T) {
	ctx := context.Background()
	for _, stored := range []bool{false, true} {
		var log bytes.Buffer
		b := newBench(t, func(c *passkeys.Config) {
			if stored {
				inMemory(c)
			}
		}, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		a := passkeytest.New(origin)
		b.mustRegister(a)
		b.events.reset()

		// Two ceremonies of the same words under way at once, from the same client.
		typed := passkeys.AuthenticationRequest{UserID: alice.ID, Username: "alice"}
		ctx := passkeys.WithRequestID(passkeys.WithSessionID(ctx, "session"), "request")
		var responses []passkeys.AuthenticationResponse
		var challenges, ids []string
		for range 2 {
			c, err := b.BeginAuthentication(ctx, typed)
			options, state := begun(t, c, err)
			credential, err := a.Get(options)
			if err != nil {
				t.Fatal(err)
			}
			responses = append(responses, passkeys.AuthenticationResponse{State: state, Credential: credential})
			challenges, ids = append(challenges, c.PublicKey.Challenge), append(ids, b.events.last().CeremonyID)
		}
		if len(ids[0]) != 16 || len(ids[1]) != 16 || ids[0] == ids[1] {
			t.Errorf("ids %q", ids)
		}

		// States that are none, and then finishes of the first: one event each.
		finish := func(state string, credential json.RawMessage) {
			_, _ = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: state, Credential: credential})
		}
		for _, state := range []string{"A" + responses[0].State, ids[0], challenges[0], "", "alice"} {
			finish(state, responses[0].Credential)
			if e := b.events.last(); e.CeremonyID != "" || e.Mode != "" || e.Reason != passkeys.ReasonChallengeNotFound {
				t.Errorf("%+v of the state %q", e, state)
			}
		}
		for i, row := range []struct {
			credential json.RawMessage
			why        passkeys.Reason
		}{
			{responses[1].Credential, passkeys.ReasonChallengeMismatch},
			{responses[0].Credential, ""},
			{responses[0].Credential, passkeys.ReasonChallengeSpent},
		} {
			finish(responses[0].State, row.credential)
			want := passkeys.AuditEvent{Reason: row.why, Mode: passkeys.ModeUsername, CeremonyID: ids[0]}
			if stored && i > 0 { // the first has spent it, and the store knows of none
				want = passkeys.AuditEvent{Reason: passkeys.ReasonChallengeNotFound}
			}
			if e := b.events.last(); e.Reason != want.Reason || e.Mode != want.Mode || e.CeremonyID != want.CeremonyID {
				t.Errorf("%+v, want %+v", e, want)
			}
		}
		if _, err := b.FinishAuthentication(ctx, responses[1]); err != nil || b.events.last().CeremonyID != ids[1] {
			t.Errorf("the second: %v, %+v", err, b.events.last())
		}
		if n := len(b.events.list); n != 2+5+3+1 {
			t.Errorf("%d events", n)
		}
		for i, challenge := range challenges {
			raw, err := passkeys.DecodeID(challenge)
			if err != nil {
				t.Fatal(err)
			}
			id, err := passkeys.DecodeID(ids[i])
			if err != nil || bytes.Contains(raw, id) {
				t.Errorf("the id %s is a part of the challenge %s, %v", ids[i], challenge, err)
			}
			for _, spelling := range []string{challenge, string(raw), base64.StdEncoding.EncodeToString(raw), hex.EncodeToString(raw)} {
				if text := fmt.Sprintf("%+v", b.events.list) + log.String(); strings.Contains(text, spelling[:16]) {
					t.Errorf("half of the challenge is in\n%s", text)
				}
			}
		}
	}
}

// The same challenge is the same ceremony: its id depends on nothing else that
// the client or the application says.
func TestCeremonyIDIsOfTheChallengeAlone(t *testing.T) {
	ctx := context.Background()
	ids := map[string]bool{}
	for _, begin := range []func(*bench) error{
		func(b *bench) error {
			_, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
			return err
		},
		func(b *bench) error {
			_, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{UserID: "typed"})
			return err
		},
		func(b *bench) error {
			_, err := b.BeginAuthentication(passkeys.WithSessionID(ctx, "session"), passkeys.AuthenticationRequest{Username: "typed"})
			return err
		},
		func(b *bench) error {
			_, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
			return err
		},
	} {
		b := newBench(t, func(c *passkeys.Config) { c.Rand = bytes.NewReader(make([]byte, 32)) })
		if err := begin(b); err != nil {
			t.Fatal(err)
		}
		ids[b.events.last().CeremonyID] = true
	}
	if len(ids) != 1 || ids[""] {
		t.Errorf("ids %v", ids)
	}
}

// Whoever reads the audit cannot find the challenge in the store by it.
func TestCeremonyIDIsNotWhatIsStored(t *testing.T) {
	b := newBench(t)
	b.mustRegister(passkeytest.New(origin))
	id, err := passkeys.DecodeID(b.events.last().CeremonyID)
	if err != nil || len(id) != 12 || bytes.Contains(b.stored().Spent, id) {
		t.Errorf("%x is in %x, %v", id, b.stored().Spent, err)
	}
}

// quitting is a repository that may quit before it answers.
type quitting struct {
	*passkeys.MemoryCredentials
	quit func() error
}

func (q *quitting) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	if err := q.quit(); err != nil {
		return passkeys.Credential{}, err
	}
	return q.MemoryCredentials.Get(ctx, id)
}

// A client that goes away wakes nobody up; a store that quits by itself does.
func TestAClientThatGoesAwayIsNoError(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	for _, row := range []struct {
		level string
		quit  func() error
	}{
		{"ERROR", func() error { return context.Canceled }},
		{"INFO", func() error { leave(); return nil }},
	} {
		var log bytes.Buffer
		store := &quitting{quit: func() error { return nil }}
		b := newBench(t, func(c *passkeys.Config) {
			store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
			c.Credentials, c.Logger = store, slog.New(slog.NewTextHandler(&log, nil))
		})
		a := passkeytest.New(origin)
		b.mustRegister(a)
		r := b.get(a, "")
		store.quit = row.quit
		if _, err := b.FinishAuthentication(ctx, r); !errors.Is(err, passkeys.ErrStorageUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if !strings.Contains(log.String(), "level="+row.level+" ") {
			t.Errorf("the log says %q, want it at level %s", &log, row.level)
		}
	}
}

// What is said of one failure is said of it alone.
func TestAFailureIsNotTheSentinel(t *testing.T) {
	b, a := newBench(t), passkeytest.New(origin)
	b.mustRegister(a)
	r := b.get(a, "")
	r.State = "none"
	_, err := b.FinishAuthentication(t.Context(), r)
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)
	if r := passkeys.ErrChallengeNotFound.Reason(); r != "" {
		t.Errorf("it is %s from now on", r)
	}
}

func TestEveryFailureHasAReason(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	_, _ = b.BeginRegistration(ctx, passkeys.RegistrationRequest{})
	_, _ = b.FinishRegistration(ctx, passkeys.RegistrationResponse{Credential: make([]byte, 64<<10+1)})
	_, _ = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{Credential: make([]byte, 64<<10+1)})
	s := newSite(t, b.Passkeys)
	s.header.Set("Content-Type", "text/plain")
	s.post("/register/finish", "{}", http.StatusUnsupportedMediaType)
	s.post("/authenticate/finish", "{}", http.StatusUnsupportedMediaType)
	if len(b.events.list) != 5 {
		t.Fatalf("%d events", len(b.events.list))
	}
	for _, e := range b.events.list {
		if e.Reason == "" {
			t.Errorf("%s has no reason", e.Type)
		}
	}
}

// Whoever is not signed in must not be able to fill the ledger.
func TestEventsAreSmall(t *testing.T) {
	b := newBench(t)
	id := passkeys.EncodeID(make([]byte, 40000))
	_, _ = b.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{Credential: []byte(
		`{"id":"` + id + `","rawId":"` + id[:1366] + `","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`)})
	id = passkeys.EncodeID(make([]byte, 20000))
	_, _ = b.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{Credential: []byte(
		`{"id":"` + id + `","rawId":"` + id + `","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`)})
	if len(b.events.list) != 2 {
		t.Fatalf("%d events", len(b.events.list))
	}
	for _, e := range b.events.list {
		if len(e.CredentialID) > 1364 {
			t.Errorf("an id of %d characters", len(e.CredentialID))
		}
	}
}

func TestSlogAudit(t *testing.T) {
	var out bytes.Buffer
	sink := passkeys.NewSlogAudit(slog.New(slog.NewTextHandler(&out, nil)))
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	sink.Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationSucceeded, Time: at, UserID: "u", Actor: "anna", CredentialID: "Yw", Mode: passkeys.ModeConditional, CeremonyID: "Y2VyZW1vbnk", RequestID: "r1"})
	sink.Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, Time: at, Reason: passkeys.ReasonOriginMismatch})
	want := `time=2030-01-02T03:04:05.000Z level=INFO msg="passkeys: authentication_succeeded" user_id=u actor=anna credential_id=Yw mode=conditional ceremony_id=Y2VyZW1vbnk request_id=r1
time=2030-01-02T03:04:05.000Z level=WARN msg="passkeys: authentication_failed" reason=origin_mismatch
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	out.Reset()
	quiet := passkeys.NewSlogAudit(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	quiet.Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, Time: at, Reason: passkeys.ReasonOriginMismatch})
	if out.Len() > 0 {
		t.Errorf("below the log's level: %s", &out)
	}
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	passkeys.NewSlogAudit(nil).Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationSucceeded, Time: at})
	if !strings.Contains(out.String(), "authentication_succeeded") {
		t.Errorf("the default log says %q", &out)
	}
}

// failing is a store each of whose methods fails once it is told to.
type failing struct {
	*passkeys.MemoryCredentials
	on string
}

var errDown = errors.New("the database has gone away")

func (f *failing) fail(method string) error {
	if f.on == method {
		return errDown
	}
	return nil
}

func (f *failing) Add(ctx context.Context, c passkeys.Credential) error {
	return errors.Join(f.fail("Add"), f.MemoryCredentials.Add(ctx, c))
}

func (f *failing) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	if err := f.fail("Get"); err != nil {
		return passkeys.Credential{}, err
	}
	return f.MemoryCredentials.Get(ctx, id)
}

func (f *failing) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	l, err := f.MemoryCredentials.ListByUser(ctx, userID)
	return l, errors.Join(f.fail("ListByUser"), err)
}

func (f *failing) Scan(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
	l, err := f.MemoryCredentials.Scan(ctx, after, limit)
	return l, errors.Join(f.fail("Scan"), err)
}

func (f *failing) Update(ctx context.Context, c passkeys.Credential) error {
	on := "Update"
	if c.Quarantined() {
		on = "Update to quarantine"
	}
	return cmp.Or(f.fail(on), f.MemoryCredentials.Update(ctx, c))
}

func (f *failing) Delete(ctx context.Context, userID string, id []byte) error {
	return errors.Join(f.fail("Delete"), f.MemoryCredentials.Delete(ctx, userID, id))
}

// lost is a challenge store that is down.
type lost struct{ passkeys.ChallengeStore }

func (lost) Put(context.Context, []byte, time.Time) (string, error) { return "", errDown }
func (lost) Consume(context.Context, string) ([]byte, error)        { return nil, errDown }

// bomb is a store that panics once it is told to.
type bomb struct {
	*passkeys.MemoryCredentials
	armed bool
}

func (s *bomb) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	if s.armed {
		panic("in a store")
	}
	return s.MemoryCredentials.Get(ctx, id)
}

func (s *bomb) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	if s.armed {
		panic("in a store")
	}
	return s.MemoryCredentials.ListByUser(ctx, userID)
}

func newMined(t *testing.T) (*bench, *bomb, *ledger) {
	t.Helper()
	store, heard := &bomb{}, &ledger{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials, c.Observer = store, heard
	})
	return b, store, heard
}

// aPanic has a step panic, and sees that the observer hears its end.
func (l *ledger) aPanic(t *testing.T, want string, step func()) {
	t.Helper()
	l.ended = nil
	func() {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: nothing panics", want)
			}
		}()
		step()
	}()
	if len(l.ended) != 1 || l.ended[0] != want+" hook_failed" || l.open != 0 {
		t.Errorf("%s: %q, %d open", want, l.ended, l.open)
	}
}

// Whatever panics in a step of a ceremony ends it, for the observer and the audit.
func TestAPanicEndsAStep(t *testing.T) {
	b, store, heard := newMined(t)
	ctx, a := t.Context(), passkeytest.New(origin)
	b.mustRegister(a)
	transfer := passkeys.Operation{Name: "transfer"}
	proof := b.mustConfirm(ctx, a, transfer).Sealed
	signIn, confirm, register := b.get(a, ""), b.confirming(ctx, a, transfer), b.create(passkeytest.New(origin))
	store.armed = true
	for want, step := range map[string]func(){
		"authentication.begin user": func() {
			_, _ = b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{UserID: alice.ID})
		},
		"authentication.finish usernameless": func() { _ = b.finish(signIn) },
		"registration.begin registration":    func() { _, _ = b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice}) },
		"registration.finish registration":   func() { _, _ = b.FinishRegistration(ctx, register) },
		"confirmation.begin confirmation":    func() { _, _ = b.BeginConfirmation(ctx, alice.ID, transfer) },
		"confirmation.use confirmation":      func() { _, _ = b.VerifyProof(ctx, proof, passkeys.ProofCheck{UserID: alice.ID, Operation: transfer}) },
		"confirmation.finish confirmation":   func() { _, _ = b.FinishConfirmation(ctx, confirm) },
	} {
		heard.aPanic(t, want, step)
		if e := b.events.last(); e.Reason != passkeys.ReasonHookFailed {
			t.Errorf("%s: the event is %+v", want, e)
		}
	}
}

// So it does by each route.
func TestAPanicEndsAStepByRoute(t *testing.T) {
	b, store, heard := newMined(t)
	s, a := newSite(t, b.Passkeys), passkeytest.New(origin)
	b.mustRegister(a)
	answered := func(path, body string, answer func([]byte) (json.RawMessage, error)) string {
		begun := s.post(path, body, http.StatusOK)
		credential, err := answer(begun)
		if err != nil {
			t.Fatal(err)
		}
		return finishBody(t, begun, credential)
	}
	request, err := b.RequestConfirmation(t.Context(), alice.ID, passkeys.Operation{Name: "transfer"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	request = `{"request":"` + request + `"}`
	rows := []struct{ path, body, want string }{
		{"/register/begin", "", "registration.begin registration"},
		{"/register/finish", answered("/register/begin", "", passkeytest.New(origin).Create), "registration.finish registration"},
		{"/authenticate/begin", `{"userId":"alice-id"}`, "authentication.begin user"},
		{"/authenticate/finish", answered("/authenticate/begin", "", a.Get), "authentication.finish usernameless"},
		{"/confirm/begin", request, "confirmation.begin confirmation"},
		{"/confirm/finish", answered("/confirm/begin", request, a.Get), "confirmation.finish confirmation"},
	}
	store.armed = true
	for _, row := range rows {
		heard.aPanic(t, row.want, func() { s.post(row.path, row.body, http.StatusInternalServerError) })
	}
}

func TestStoreFailuresAreNeverTheUsersFault(t *testing.T) {
	ctx := context.Background()
	var log bytes.Buffer
	for _, row := range []struct {
		on string
		do func(*bench, *passkeytest.Authenticator) error
	}{
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
			return err
		}},
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{UserID: alice.ID})
			return err
		}},
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.Credentials(ctx, alice.ID)
			return err
		}},
		{"Add", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.register(passkeytest.New(origin))
			return err
		}},
		{"Get", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.register(passkeytest.New(origin))
			return err
		}},
		{"Get", func(b *bench, a *passkeytest.Authenticator) error { _, err := b.signIn(a); return err }},
		{"Get", func(b *bench, _ *passkeytest.Authenticator) error {
			return b.Rename(ctx, alice.ID, b.stored().ID, "phone")
		}},
		{"Update", func(b *bench, a *passkeytest.Authenticator) error { _, err := b.signIn(a); return err }},
		{"Update", func(b *bench, _ *passkeytest.Authenticator) error {
			return b.Rename(ctx, alice.ID, b.stored().ID, "phone")
		}},
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error { return b.RevokeAll(ctx, alice.ID) }},
		{"Delete", func(b *bench, _ *passkeytest.Authenticator) error { return b.RevokeAll(ctx, alice.ID) }},
		{"Update to quarantine", func(b *bench, a *passkeytest.Authenticator) error {
			clone := a.Clone()
			b.mustSignIn(a)
			_, err := b.signIn(clone)
			return err
		}},
		{"Delete", func(b *bench, _ *passkeytest.Authenticator) error {
			return b.Revoke(ctx, alice.ID, b.stored().ID)
		}},
	} {
		t.Run(row.on, func(t *testing.T) {
			log.Reset()
			store := &failing{}
			b := newBench(t, func(c *passkeys.Config) {
				store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
				c.Credentials, c.SignCountPolicy = store, passkeys.FlagDisable
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			a := passkeytest.New(origin)
			b.mustRegister(a)
			store.on = row.on
			err := row.do(b, a)
			if !errors.Is(err, passkeys.ErrStorageUnavailable) || !errors.Is(err, errDown) || reason(err) != passkeys.ReasonStorageFailed {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), errDown.Error()) {
				t.Errorf("the client would read %q", err)
			}
			if !strings.Contains(log.String(), errDown.Error()) {
				t.Errorf("the operator would not read of it: %s", &log)
			}
		})
	}
	b := newBench(t, func(c *passkeys.Config) { c.Challenges = lost{} })
	if _, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{}); !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("begin without a challenge store: %v", err)
	}
	if _, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice}); !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("begin of a registration without one: %v", err)
	}
	whole := newBench(t)
	a := passkeytest.New(origin)
	whole.mustRegister(a)
	_, err := b.FinishAuthentication(ctx, whole.get(a, ""))
	b.refused(err, passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed)
}

func TestChallengesAreTheNext32Bytes(t *testing.T) {
	ctx := context.Background()
	source := bytes.NewReader([]byte(strings.Repeat("a", 32) + strings.Repeat("b", 32) + strings.Repeat("c", 31)))
	b := newBench(t, func(c *passkeys.Config) { c.Rand = iotest.OneByteReader(source) })
	r, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
	if err != nil || r.PublicKey.Challenge != passkeys.EncodeID([]byte(strings.Repeat("a", 32))) {
		t.Errorf("%+v, %v", r, err)
	}
	s, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil || s.PublicKey.Challenge != passkeys.EncodeID([]byte(strings.Repeat("b", 32))) {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if reason(err) != passkeys.ReasonRandomFailed || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that runs dry: %v", err)
	}
}

func TestInvalidUsersAreTheApplicationsFault(t *testing.T) {
	b := newBench(t)
	for _, u := range []passkeys.User{{}, {ID: strings.Repeat("x", 65)}, {ID: "x", Name: "\xff"}, {ID: "x", DisplayName: "\xff"}} {
		if _, err := b.BeginRegistration(context.Background(), passkeys.RegistrationRequest{User: u}); !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

func TestOptions(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Rand = bytes.NewReader(make([]byte, 96))
		c.AuthenticatorAttachment = passkeys.AttachmentPlatform
		c.ResidentKey = passkeys.ResidentKeyRequired
		c.Algorithms = []passkeys.Algorithm{passkeys.ES256}
	})
	a := passkeytest.New(origin)
	a.CredentialID, a.Transports = []byte("credential"), []string{"usb", "nfc"}

	creation, _ := b.creation(passkeys.User{ID: "alice-id"})
	_, state, _ := strings.Cut(string(creation), `,"state":`)
	wantCreation := `{"publicKey":{"rp":{"id":"example.org","name":"Example"},"user":{"id":"YWxpY2UtaWQ","name":"alice-id","displayName":"alice-id"},"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"timeout":300000,"excludeCredentials":[],"authenticatorSelection":{"authenticatorAttachment":"platform","residentKey":"required","requireResidentKey":true,"userVerification":"preferred"},"attestation":"none","extensions":{"credProps":true}},"state":` + state
	if string(creation) != wantCreation {
		t.Errorf("got  %s\nwant %s", creation, wantCreation)
	}
	b.mustRegister(a)

	request, _ := b.request(passkeys.AuthenticationRequest{UserID: "alice-id"})
	_, state, _ = strings.Cut(string(request), `,"state":`)
	wantRequest := `{"publicKey":{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","timeout":300000,"rpId":"example.org","allowCredentials":[{"id":"Y3JlZGVudGlhbA","type":"public-key","transports":["usb","nfc"]}],"userVerification":"preferred"},"state":` + state
	if string(request) != wantRequest {
		t.Errorf("got  %s\nwant %s", request, wantRequest)
	}
}

// gone is a repository whose client goes away after the credential is read, and
// which says with which context it was asked for the rest.
type gone struct {
	*passkeys.MemoryCredentials
	leave context.CancelFunc
	after error
}

func (g *gone) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	defer g.leave()
	return g.MemoryCredentials.Get(ctx, id)
}

func (g *gone) Update(ctx context.Context, c passkeys.Credential) error {
	if _, ok := ctx.Deadline(); !ok && c.Quarantined() {
		g.after = errors.New("no deadline")
	}
	return g.MemoryCredentials.Update(ctx, c)
}

func TestAClientThatGoesAwayAvertsNothing(t *testing.T) {
	store := &gone{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials, c.SignCountPolicy = store, passkeys.FlagDisable
	})
	a := passkeytest.New(origin)
	store.leave = func() {}
	b.mustRegister(a)
	clone := a.Clone()
	b.mustSignIn(a)
	r := b.get(clone, "")
	ctx, cancel := context.WithCancel(context.Background())
	store.leave = cancel
	_, err := b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
	if !b.stored().Quarantined() || store.after != nil {
		t.Errorf("quarantined: %v; %v", b.stored().Quarantined(), store.after)
	}
}

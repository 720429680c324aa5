package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// The optional hooks and what the routes see to at the door; what every adapter
// does alike is conformance's to test.

// site is the routes, with alice signed in.
type site struct {
	t       *testing.T
	handler http.Handler
	header  http.Header
	host    string // by which the server is asked
}

func newSite(t *testing.T, p *passkeys.Passkeys, configure ...func(*passkeys.Hooks[passkeys.Exchange])) *site {
	t.Helper()
	h := passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil },
	}
	for _, f := range configure {
		f(&h)
	}
	handler, err := passkeys.Handler(p, h)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, handler, http.Header{"Content-Type": {"application/json"}}, "example.org"}
}

func (s *site) do(method, path, body string, want int) []byte {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header, r.Host = s.header.Clone(), s.host
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Body)
	if err != nil || w.Code != want {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, b, want)
	}
	return b
}

func (s *site) post(path, body string, want int) []byte {
	s.t.Helper()
	return s.do(http.MethodPost, path, body, want)
}

func finishBody(t *testing.T, begun []byte, credential json.RawMessage) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"state": state(begun), "credential": credential})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func code(answer []byte) string {
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal(answer, &e)
	return e.Error.Code
}

func passkeysRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// What a middleware adds to one header is in no other.
func TestHeadersCanBeAddedTo(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	r := httptest.NewRequest(http.MethodPost, "/authenticate/begin", strings.NewReader("{}"))
	r.Header = s.header
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	h := w.Header()
	h.Add("Cache-Control", "private")
	h.Add("X-Content-Type-Options", "x")
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
}

func TestOriginHeader(t *testing.T) {
	const none = "-"
	b := newBench(t, func(c *passkeys.Config) {
		c.Origins = append(c.Origins, "https://example.co.uk", "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	})
	s := newSite(t, b.Passkeys)
	passed := 0
	for _, row := range []struct {
		says, origin string
		sites        string // values of Sec-Fetch-Site
		passes       bool
	}{
		{"Native applications and GETs send none.", none, "- same-origin same-site cross-site none x", true},
		{"It is ours, whatever an old browser or a proxy leaves out.", origin, "- same-origin none x", true},
		{"It is ours, before a server of another name.", origin, "same-site cross-site", true},
		{"It is a related origin's, or a frame's.", "https://example.co.uk", "- same-origin same-site cross-site none", true},
		{"It is an application's.", "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "- none", true},
		{"It is a page of ours under Referrer-Policy: no-referrer.", "null", "same-origin", true},
		{"It is a sandboxed frame, or has come over one of another site.", "null", "same-site cross-site", false},
		{"It is a browser that does not say which of the two.", "null", "- none", false},
		{"It is no value that there is.", "null", "x Same-Origin same-origin,cross-site", false},
		{"It is no spelling of null.", "NULL", "same-origin", false},
		{"It is another site.", "https://evil.example", "- same-site cross-site none", false},
		{"It is another name of the server, where no passkey works.", "https://evil.example", "same-origin", false},
		{"It is another site.", "https://example.org.evil.example", "- same-origin", false},
		{"It is two.", origin + " https://evil.example", "- same-origin", false},
	} {
		for site := range strings.FieldsSeq(row.sites) {
			for header, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": site} {
				if s.header.Del(header); value != none {
					s.header.Set(header, value)
				}
			}
			status := http.StatusForbidden
			if row.passes {
				status = http.StatusOK
				passed++
			}
			for _, answer := range [][]byte{s.post("/register/begin", "", status), s.post("/authenticate/begin", "{}", status), s.do(http.MethodGet, "/credentials", "", status)} {
				if !row.passes && (code(answer) != "wrong_origin" || strings.Contains(string(answer), "expected")) {
					t.Errorf("%s (%q, %q) %s", row.says, row.origin, site, answer)
				}
			}
		}
	}
	// A page that hides its name has that of the server which it asks.
	s.header.Set("Origin", "null")
	s.header.Set("Sec-Fetch-Site", "same-origin")
	for host, status := range map[string]int{
		"example.org": http.StatusOK, "example.co.uk": http.StatusOK,
		"files.example.org": http.StatusForbidden, "example.org:8443": http.StatusForbidden, "org": http.StatusForbidden, "": http.StatusForbidden,
	} {
		s.host = host
		s.post("/authenticate/begin", "{}", status)
	}
	passed++ // two begins of one
	if n := len(b.events.list); n != 2*passed {
		t.Errorf("%d events: what is refused at the door begins nothing", n)
	}
}

// Whoever develops is told which address to open; in production nobody is told
// what else there is.
func TestWrongOriginSaysWhatIsExpectedInDevelopment(t *testing.T) {
	const android = "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, row := range []struct {
		says    string
		origins []string
		want    string
	}{
		{"One page.", []string{"http://localhost:8080"}, `,"expected":["http://localhost:8080"]`},
		{"Two, and an application.", []string{"http://localhost", android, "http://localhost:3000"}, `,"expected":["http://localhost","http://localhost:3000"]`},
		{"Production.", []string{"https://example.org"}, ""},
		{"An extension, and a page.", []string{"chrome-extension://jnpfkofnigkaocfcdcdppaokjkmhjcio", "http://localhost:8080"}, `,"expected":["http://localhost:8080"]`},
		{"Production, with a page of its developers.", []string{"http://localhost:8080", "https://example.org"}, ""},
		{"An application alone.", []string{android}, ""},
		{"A tunnel.", []string{"https://localhost:8443"}, ""},
	} {
		s := newSite(t, newBench(t, func(c *passkeys.Config) {
			if c.Origins = row.origins; !slices.Contains(row.origins, "https://example.org") {
				c.RPID = "localhost"
			}
		}).Passkeys)
		s.header.Set("Origin", "http://127.0.0.1:8080")
		s.header.Set("Sec-Fetch-Site", "same-origin")
		answer := string(s.post("/authenticate/begin", "", http.StatusForbidden))
		_, got, _ := strings.Cut(answer, `"id":"`)
		if got = got[strings.IndexByte(got, '"')+1:]; got != row.want+"}}" {
			t.Errorf("%s %s", row.says, answer)
		}
		w := httptest.NewRecorder()
		passkeys.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), passkeys.ErrWrongOrigin)
		if strings.Contains(w.Body.String(), "expected") {
			t.Errorf("%s And every other answer: %s", row.says, w.Body)
		}
	}
}

// unreadBody is a body that must not be read.
type unreadBody struct{ t *testing.T }

func (b unreadBody) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

func TestABodyThatIsDeclaredTooLargeIsNotRead(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	r := httptest.NewRequest(http.MethodPost, "/authenticate/finish", unreadBody{t})
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 64<<10 + 1
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", w.Code)
	}
}

// reading is a challenge store that somebody reads.
type reading struct {
	*passkeys.MemoryChallenges
	payloads []byte
}

func (r *reading) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	r.payloads = append(r.payloads, payload...)
	return r.MemoryChallenges.Put(ctx, payload, expiresAt)
}

func TestNoSessionIsInAStore(t *testing.T) {
	store := &reading{MemoryChallenges: passkeys.NewMemoryChallenges()}
	b := newBench(t, func(c *passkeys.Config) {
		store.Now = c.Now
		c.Challenges = store
	})
	ctx := passkeys.WithSessionID(t.Context(), "the-token-of-a-session")
	if _, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(store.payloads, []byte(alice.ID)) || bytes.Contains(store.payloads, []byte("the-token")) {
		t.Errorf("there is %q", store.payloads)
	}
}

func TestCeremoniesAreTiedToTheSession(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.SessionID = func(x passkeys.Exchange) string { return x.R.Header.Get("X-Session") }
	})
	for _, row := range []struct {
		begin, end string
		fine       bool
	}{{"session-1", "session-2", false}, {"session-1", "", false}, {"", "session-2", false}, {"session-1", "session-1", true}, {"", "", true}} {
		for _, ceremony := range []struct {
			name string
			make func([]byte) (json.RawMessage, error)
		}{{"register", a.Create}, {"authenticate", a.Get}} {
			if ceremony.name == "authenticate" && len(a.Credentials()) == 0 {
				continue
			}
			s.header.Set("X-Session", row.begin)
			begun := s.post("/"+ceremony.name+"/begin", "", http.StatusOK)
			if row.begin != "" && strings.Contains(string(begun), row.begin) {
				t.Errorf("the session's id is in %s", begun)
			}
			credential, err := ceremony.make(withoutExcludeList(t, begun))
			if err != nil {
				t.Fatal(err)
			}
			s.header.Set("X-Session", row.end)
			if row.fine {
				s.post("/"+ceremony.name+"/finish", finishBody(t, begun, credential), http.StatusOK)
				continue
			}
			answer := s.post("/"+ceremony.name+"/finish", finishBody(t, begun, credential), http.StatusBadRequest)
			if code(answer) != "challenge_not_found" || b.events.last().Reason != passkeys.ReasonSessionMismatch {
				t.Errorf("%q to %q: %s (%s)", row.begin, row.end, answer, b.events.last().Reason)
			}
			for _, c := range a.Credentials() {
				if _, err := b.credentials.Get(context.Background(), c.ID); err != nil {
					a.Forget(c.ID) // what was not registered
				}
			}
		}
	}
}

func withoutExcludeList(t *testing.T, options []byte) []byte {
	t.Helper()
	return []byte(strings.Replace(string(options), `"excludeCredentials":[{`, `"ignored":[{`, 1))
}

func TestAuthorize(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	path := "/credentials/" + passkeys.EncodeID(b.stored().ID)
	var asked []passkeys.Action
	deny := true
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.Authorize = func(_ passkeys.Exchange, u passkeys.User, action passkeys.Action) error {
			asked = append(asked, action)
			if u != alice {
				t.Errorf("asked about %+v", u)
			}
			if deny {
				return passkeys.ErrForbidden
			}
			return nil
		}
	})
	before := len(b.events.list)
	s.post("/register/begin", "", http.StatusForbidden)
	s.post("/register/finish", "{}", http.StatusForbidden)
	s.do(http.MethodPatch, path, `{"deviceName":"x"}`, http.StatusForbidden)
	s.do(http.MethodDelete, path, "", http.StatusForbidden)
	if len(b.events.list) != before || b.stored().DeviceName != "" {
		t.Error("something happened all the same")
	}
	s.do(http.MethodGet, "/credentials", "", http.StatusOK) // looking needs no leave
	deny = false
	s.do(http.MethodPatch, path, `{"deviceName":"x"}`, http.StatusNoContent)
	s.do(http.MethodDelete, path, "", http.StatusNoContent)
	if got, want := asked, []passkeys.Action{"add", "add", "rename", "revoke", "rename", "revoke"}; !slices.Equal(got, want) {
		t.Errorf("asked about %v, want %v", got, want)
	}
}

func TestLastCredential(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	one, two := b.mustRegister(passkeytest.New(origin)), b.mustRegister(passkeytest.New(origin))
	other, fails := false, error(nil)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.HasOtherSignIn = func(passkeys.Exchange, passkeys.User) (bool, error) { return other, fails }
	})
	path := func(c *passkeys.Credential) string { return "/credentials/" + passkeys.EncodeID(c.ID) }

	for _, id := range [][]byte{one.ID, two.ID} {
		c, err := b.credentials.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		c.QuarantinedAt, c.QuarantineReason = b.clock.Now(), "test"
		if err := b.credentials.Update(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	s.do(http.MethodDelete, path(one), "", http.StatusNoContent) // neither works, so neither is a way in
	if err := b.credentials.Add(ctx, *one); err != nil {
		t.Fatal(err)
	}
	if answer := s.do(http.MethodDelete, path(one), "", http.StatusConflict); code(answer) != "last_credential" {
		t.Errorf("the other one is quarantined: %s", answer)
	}
	fails = errors.New("down")
	s.do(http.MethodDelete, path(one), "", http.StatusInternalServerError)
	fails = nil
	s.do(http.MethodDelete, "/credentials/AAAA", "", http.StatusNotFound)
	s.do(http.MethodDelete, path(two), "", http.StatusNoContent) // it was no way in
	s.do(http.MethodDelete, path(one), "", http.StatusConflict)
	other = true
	s.do(http.MethodDelete, path(one), "", http.StatusNoContent)
	if list, _ := b.Credentials(ctx, alice.ID); len(list) != 0 {
		t.Errorf("%d are left", len(list))
	}
}

// A developer is told once what would admit the page that they have open; who runs it
// for others is told nothing that a stranger could have written.
func TestADeveloperIsToldWhichOriginIsMissing(t *testing.T) {
	for _, row := range []struct {
		name    string
		origins []string
		sends   string
		want    string // in the log, once
	}{
		{"another port", []string{"http://localhost:8080"}, "http://localhost:5173", "PASSKEYS_EXPECTED_ORIGINS=http://localhost:8080,http://localhost:5173"},
		{"by its address", []string{"http://localhost:8080"}, "http://127.0.0.1:8080", "there are no passkeys at an IP address: open http://localhost:8080"},
		{"no origin", []string{"http://localhost:8080"}, "http://localhost:5173/x\nlevel=ERROR", ""},
		{"none", []string{"http://localhost:8080"}, "null", ""},
		{"production", []string{"https://example.org"}, "https://evil.example", ""},
	} {
		var log bytes.Buffer
		b := newBench(t, func(c *passkeys.Config) {
			if c.Origins = row.origins; row.name != "production" {
				c.RPID = "localhost"
			}
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		s := newSite(t, b.Passkeys)
		s.header.Set("Origin", row.sends)
		for range 3 {
			s.post("/authenticate/begin", "", http.StatusForbidden)
		}
		told := strings.Count(log.String(), "Config.Origins are")
		if row.want == "" && told != 0 || row.want != "" && (told != 1 || !strings.Contains(log.String(), row.want) || !strings.Contains(log.String(), "the page is at "+row.sends)) {
			t.Errorf("%s: the log says %s", row.name, &log)
		}
	}

	// A page that calls from elsewhere is told the same by its response.
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) {
		c.RPID, c.Origins, c.Logger = "localhost", []string{"http://localhost:8080"}, slog.New(slog.NewTextHandler(&log, nil))
	})
	a := passkeytest.New("http://localhost:5173")
	if _, err := b.register(a); reason(err) != passkeys.ReasonOriginMismatch || !strings.Contains(log.String(), "PASSKEYS_EXPECTED_ORIGINS=http://localhost:8080,http://localhost:5173") {
		t.Errorf("%v; the log says %s", err, &log)
	}
}

func TestMaxCredentials(t *testing.T) {
	ctx := context.Background()
	var store *counting
	b := newBench(t, func(c *passkeys.Config) {
		store = &counting{MemoryCredentials: c.Credentials.(*passkeys.MemoryCredentials)}
		c.Credentials, c.MaxCredentials = store, 2
	})
	b.mustRegister(passkeytest.New(origin))
	late := b.create(passkeytest.New(origin)) // begun while there is room
	b.mustRegister(passkeytest.New(origin))
	adds := store.adds
	_, err := b.FinishRegistration(ctx, late)
	b.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)
	if store.adds != adds {
		t.Error("it was stored for a moment")
	}
	_, err = b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
	b.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)

	free := newBench(t, func(c *passkeys.Config) { c.MaxCredentials = -1 })
	for range 51 {
		free.mustRegister(passkeytest.New(origin))
	}
	if _, err := newBench(t).BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice}); err != nil {
		t.Error(err)
	}
}

// A handler that is mounted wrongly answers as a mux does, and says so once to whom can
// mend it.
func TestAHandlerThatIsMountedWronglySaysSo(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	p := newBench(t).Passkeys
	for _, row := range []struct {
		name  string
		mount func(http.Handler) http.Handler
		want  string
	}{
		{"as it should be", func(h http.Handler) http.Handler { return http.StripPrefix("/auth/passkeys", h) }, ""},
		{"not stripped", func(h http.Handler) http.Handler { return h }, "seen=/auth/passkeys/authenticate/begin"},
		{"stripped of a slash", func(h http.Handler) http.Handler { return http.StripPrefix("/auth/passkeys/", h) }, "seen=authenticate/begin"},
	} {
		var log bytes.Buffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w := httptest.NewRecorder()
			row.mount(handler).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/auth/passkeys/authenticate/begin", nil))
			if (w.Code == http.StatusOK) != (row.want == "") {
				t.Errorf("%s: %d", row.name, w.Code)
			}
		}
		if lines := strings.Count(log.String(), "\n"); row.want == "" && lines != 0 || row.want != "" && (lines != 1 || !strings.Contains(log.String(), row.want)) {
			t.Errorf("%s: the log says %s", row.name, &log)
		}
	}
}

func TestDeviceNames(t *testing.T) {
	b := newBench(t)
	b.mustRegister(passkeytest.New(origin))
	s := newSite(t, b.Passkeys)
	path := "/credentials/" + passkeys.EncodeID(b.stored().ID)
	for _, row := range []struct {
		name string
		want string // "-" is refused
	}{
		{"My phone", "My phone"},
		{"  My phone\t\n", "My phone"},
		{"", ""},
		{"Zoe\u0308", "Zoë"},
		{"📱👩‍💻 الهاتف", "📱👩‍💻 الهاتف"},
		{strings.Repeat("ü", 64), strings.Repeat("ü", 64)},
		{strings.Repeat("u\u0308", 64), strings.Repeat("ü", 64)},
		{strings.Repeat("x", 65), "-"},
		{"a\x00b", "-"},
		{"a\nb", "-"},
		{"My phone\u202egpj", "-"}, // which reads otherwise
		{"\u2066x\u2069", "-"},
		{"\u200ex", "-"},
		{"a\u009fb", "-"},
	} {
		body, err := json.Marshal(map[string]string{"deviceName": row.name})
		if err != nil {
			t.Fatal(err)
		}
		before, status := b.stored().DeviceName, http.StatusNoContent
		if row.want == "-" {
			row.want, status = before, http.StatusBadRequest
		}
		s.do(http.MethodPatch, path, string(body), status)
		if got := b.stored().DeviceName; got != row.want {
			t.Errorf("%q became %q, want %q", row.name, got, row.want)
		}
	}
	r := b.create(passkeytest.New(origin))
	r.DeviceName = " Zoe\u0308 "
	if c, err := b.FinishRegistration(context.Background(), r); err != nil || c.Credential.DeviceName != "Zoë" {
		t.Errorf("at registration: %+v, %v", c, err)
	}
}

func TestBackupEligibilityPolicies(t *testing.T) {
	for _, row := range []struct {
		policy    passkeys.BackupEligibilityPolicy
		from, to  bool
		fine, and bool // and back again
	}{
		{"", false, true, false, false},
		{"", true, false, false, false},
		{passkeys.BackupEligibilityUpgrade, false, true, true, false},
		{passkeys.BackupEligibilityUpgrade, true, false, false, false},
		{passkeys.BackupEligibilityAllow, false, true, true, true},
		{passkeys.BackupEligibilityAllow, true, false, true, true},
	} {
		b := newBench(t, func(c *passkeys.Config) { c.BackupEligibility = row.policy })
		a := passkeytest.New(origin)
		a.BackupEligible = row.from
		b.mustRegister(a)
		for _, step := range []struct{ to, fine bool }{{row.to, row.fine}, {row.from, row.and || !row.fine}} {
			changes := b.stored().BackupEligible != step.to
			a.BackupEligible = step.to
			b.events.reset()
			_, err := b.signIn(a)
			if !step.fine {
				b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonBackupEligibilityChanged)
				continue
			}
			if err != nil || b.stored().BackupEligible != step.to {
				t.Errorf("%q, %v to %v: %v, stored %v", row.policy, row.from, step.to, err, b.stored().BackupEligible)
			}
			e := b.events.list // began, the change, succeeded
			if changes && (len(e) != 3 || e[1].Type != passkeys.BackupEligibilityChanged || e[2].Type != passkeys.AuthenticationSucceeded) {
				t.Errorf("%q: events %+v", row.policy, e)
			}
		}
	}
}

// What was there when a passkey was registered is asked of it again, and of no other;
// who cannot sign does not learn which it is.
func TestVerificationAsRegistered(t *testing.T) {
	for _, row := range []struct {
		name, sentence string
		before, now    bool // the user is verified
		forged         bool
		want           passkeys.Reason
	}{
		{"with it, and again", "Signs in.", true, true, false, ""},
		{"with it, and not again", "Whoever has the key alone is refused.", true, false, false, passkeys.ReasonUserVerificationMissing},
		{"without it", "Signs in as it was registered.", false, false, false, ""},
		{"without it, and now with", "Signs in.", false, true, false, ""},
		{"with it, and forged", "Is refused for its signature.", true, false, true, passkeys.ReasonSignatureInvalid},
	} {
		b := newBench(t, func(c *passkeys.Config) {
			c.UserVerification, c.ConfirmationUserVerification = passkeys.UserVerificationAsRegistered, passkeys.UserVerificationAsRegistered
		})
		creation, _ := b.creation(alice)
		request, _ := b.request(passkeys.AuthenticationRequest{})
		for _, options := range [][]byte{creation, request} {
			if !bytes.Contains(options, []byte(`"userVerification":"preferred"`)) {
				t.Fatalf("browsers are told %s", options)
			}
		}
		a := passkeytest.New(origin)
		a.UserNotVerified = !row.before
		b.mustRegister(a)
		a.UserNotVerified = !row.now
		if row.forged {
			a.Corrupt = func(r *passkeytest.Response) { r.Signature[8] ^= 1 }
		}
		if _, err := b.signIn(a); reason(err) != row.want {
			t.Errorf("%s: %q, want %q. %s", row.name, reason(err), row.want, row.sentence)
		}
		r := b.confirming(t.Context(), a, passkeys.Operation{})
		if _, err := b.FinishConfirmation(t.Context(), r); reason(err) != row.want {
			t.Errorf("a confirmation, %s: %q, want %q. %s", row.name, reason(err), row.want, row.sentence)
		}
	}
}

func TestUserVerificationReliable(t *testing.T) {
	for _, row := range []struct{ then, now, synced, reliable bool }{
		{true, true, false, true},
		{false, true, false, false}, // somebody set a PIN since
		{true, false, false, false},
		{false, false, false, false},
		{true, true, true, true},
		{false, true, true, true}, // behind the lock of its owner's account
		{true, false, true, false},
		{false, false, true, false},
	} {
		b := newBench(t)
		a := passkeytest.New(origin)
		a.BackupEligible = row.synced
		a.UserNotVerified = !row.then
		b.mustRegister(a)
		a.UserNotVerified = !row.now
		for range 2 { // the first sign-in does not make the second reliable
			if r := b.mustSignIn(a); r.UserVerified != row.now || r.UserVerificationReliable != row.reliable {
				t.Errorf("verified at registration %v, now %v, synced %v: %v, reliable %v", row.then, row.now, row.synced, r.UserVerified, r.UserVerificationReliable)
			}
		}
	}
}

// The log says which origin was refused, and no more of it than there can be of one.
func TestARefusedOriginIsLogged(t *testing.T) {
	var log strings.Builder
	s := newSite(t, newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }).Passkeys)
	seen := "https://" + strings.Repeat("e", 248)
	s.header.Set("Origin", seen+"vil.example")
	s.post("/authenticate/begin", "", http.StatusForbidden)
	if got := log.String(); !strings.Contains(got, "seen="+seen+" ") || !strings.Contains(got, origin) {
		t.Errorf("the log: %s", got)
	}
}

func TestRequestID(t *testing.T) {
	var log strings.Builder
	b := newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s := newSite(t, b.Passkeys)
	fail := func() (id string) {
		a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { c.Origin = "https://evil.example" }
		begun := s.post("/authenticate/begin", "", http.StatusOK)
		credential, err := a.Get(begun)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Error struct{ ID string } }
		if err := json.Unmarshal(s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusUnauthorized), &e); err != nil {
			t.Fatal(err)
		}
		return e.Error.ID
	}
	one, two := fail(), fail()
	if len(one) != 16 || one == two || b.events.last().RequestID != two || !strings.Contains(log.String(), "request_id="+one) {
		t.Errorf("ids %q and %q, the event's %q, in the log:\n%s", one, two, b.events.last().RequestID, &log)
	}
	inner := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(passkeys.WithRequestID(r.Context(), "trace-7")))
	})
	if id := fail(); id != "trace-7" || b.events.last().RequestID != "trace-7" {
		t.Errorf("the middleware's own: %q", id)
	}
}

func TestRoutesNeedTheirHooks(t *testing.T) {
	p := newBench(t).Passkeys
	if _, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{}); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Hooks.GetUser") {
		t.Errorf("without GetUser: %v", err)
	}
	hooks := passkeys.Hooks[int]{GetUser: func(int) (passkeys.User, error) { return alice, nil }}
	if _, err := passkeys.Routes((*passkeys.Passkeys)(nil), hooks); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Passkeys") {
		t.Errorf("without Passkeys: %v", err)
	}
	if _, err := passkeys.Routes((func(int) (*passkeys.Passkeys, error))(nil), hooks); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Passkeys") {
		t.Errorf("without a resolver: %v", err)
	}
	if _, err := passkeys.Routes(func(int) (*passkeys.Passkeys, error) { return p, nil }, passkeys.Hooks[int]{}); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Hooks.GetUser") {
		t.Errorf("a resolver without GetUser: %v", err)
	}
}

func TestAHookThatHasAnsweredLetsNothingPass(t *testing.T) {
	b := newBench(t)
	c := b.mustRegister(passkeytest.New(origin))
	for _, hook := range []string{"GetUser", "Authorize"} {
		s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
			refuse := func(x passkeys.Exchange) { http.Error(x.W, "no", http.StatusForbidden) } // and then nil, by habit
			if hook == "GetUser" {
				h.GetUser = func(x passkeys.Exchange) (passkeys.User, error) { refuse(x); return alice, nil }
			} else {
				h.Authorize = func(x passkeys.Exchange, _ passkeys.User, _ passkeys.Action) error { refuse(x); return nil }
			}
		})
		s.do(http.MethodDelete, "/credentials/"+passkeys.EncodeID(c.ID), "", http.StatusForbidden)
		b.stored() // is there
	}
}

func TestAHooksErrorIsAlwaysAnError(t *testing.T) {
	for _, status := range []int{0, 42, 200, 204, 302, 1000, 418} {
		s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(passkeys.Exchange) (passkeys.User, error) {
				return passkeys.User{}, &passkeys.Error{Code: "own", Status: status}
			}
		})
		want := status
		if status < 400 || status > 599 {
			want = http.StatusInternalServerError
		}
		if answer := s.do(http.MethodGet, "/credentials", "", want); code(answer) != "own" {
			t.Errorf("%d: %s", status, answer)
		}
	}
}

func TestAHooksNilErrorIsAnError(t *testing.T) {
	var typed *passkeys.Error
	for _, err := range []error{typed, fmt.Errorf("wrapped: %w", typed)} {
		var log strings.Builder
		s := newSite(t, newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return alice, err }
		})
		if answer := s.do(http.MethodGet, "/credentials", "", http.StatusInternalServerError); code(answer) != "internal_error" || !strings.Contains(log.String(), "nil *Error") {
			t.Errorf("%s, and the log says %q", answer, &log)
		}
	}
}

func TestAFlushIsAnAnswer(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
			return passkeys.User{}, http.NewResponseController(x.W).Flush()
		}
	})
	if answer := s.do(http.MethodGet, "/credentials", "", http.StatusOK); len(answer) != 0 {
		t.Errorf("%s came after the flush", answer)
	}
}

func TestAnInterimAnswerIsNone(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
			x.W.WriteHeader(http.StatusEarlyHints)
			return alice, nil
		}
	})
	server := httptest.NewServer(s.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/credentials", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || string(b) != "[]" {
		t.Errorf("%d %q, %v", answer.StatusCode, b, err)
	}
}

func TestAPanicInOnRegisteredIsAudited(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error { panic("in a hook") }
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	credential, err := passkeytest.New(origin).Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		s.post("/register/finish", finishBody(t, begun, credential), http.StatusOK)
	}()
	if e := b.events.last(); e.Type != passkeys.RegistrationFailed || e.Reason != passkeys.ReasonHookFailed {
		t.Errorf("the last event is %+v", e)
	}
	if list, _ := b.Credentials(context.Background(), alice.ID); len(list) != 0 {
		t.Error("the credential is there")
	}
}

func TestNamesAreFoldedAsFindUserDoes(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return "", nil }
		h.CanonicalName = func(name string) string { return strings.ReplaceAll(name, ".", "") }
	})
	list := func(name string) string {
		answer := string(s.post("/authenticate/begin", `{"username":"`+name+`"}`, http.StatusOK))
		_, rest, _ := strings.Cut(answer, `"allowCredentials":`)
		list, _, _ := strings.Cut(rest, `]`)
		return list
	}
	if list("a.b") != list("ab") || list("ab") == list("AB") {
		t.Error("the hook's folding is not the decoys'")
	}
}

func TestFindUsersIDIsChecked(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return strings.Repeat("x", 65), nil }
	})
	if answer := s.post("/authenticate/begin", `{"username":"x"}`, http.StatusInternalServerError); code(answer) != "configuration_error" {
		t.Errorf("%s", answer)
	}
}

func TestARequestWithoutABody(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	for path, want := range map[string]int{"/authenticate/begin": http.StatusOK, "/authenticate/finish": http.StatusBadRequest} {
		r, err := http.NewRequest(http.MethodPost, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestAuthenticateBeginModes(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	asked := 0
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(_ passkeys.Exchange, name string) (string, error) {
			asked++
			return map[string]string{"alice": alice.ID}[name], nil
		}
	})
	for _, row := range []struct {
		body  string
		mode  passkeys.Mode // "" is refused
		lists bool
	}{
		{``, passkeys.ModeUsernameless, false},
		{`{}`, passkeys.ModeUsernameless, false},
		{`{"mode":null,"userId":null,"username":null}`, passkeys.ModeUsernameless, false},
		{`{"mode":"","userId":"","username":""}`, passkeys.ModeUsernameless, false},
		{`{"mode":"conditional"}`, passkeys.ModeConditional, false},
		{`{"mode":"conditional","userId":"","username":""}`, passkeys.ModeConditional, false},
		{`{"mode":"immediate"}`, passkeys.ModeImmediate, false},
		{`{"Mode":"immediate"}`, passkeys.ModeUsernameless, false}, // another member, which may be there
		{`{"userId":"alice-id"}`, passkeys.ModeUser, true},
		{`{"username":"alice"}`, passkeys.ModeUsername, true},
		{`{"username":"nobody"}`, passkeys.ModeUsername, true},
		{`{"username":" "}`, passkeys.ModeUsername, true}, // a name that is none once it is folded

		{`{"mode":"optional"}`, "", false},
		{`{"mode":"Conditional"}`, "", false},
		{`{"mode":"conditional "}`, "", false},
		{`{"mode":"usernameless"}`, "", false}, // what is begun says these three, and none can be claimed
		{`{"mode":"user","userId":"alice-id"}`, "", false},
		{`{"mode":"username","username":"alice"}`, "", false},
		{`{"mode":"username","userId":"alice-id"}`, "", false}, // whose decoys would be those of a name
		{`{"mode":"registration"}`, "", false},
		{`{"mode":"registration","userId":"alice-id"}`, "", false},
		{`{"mode":"conditional","userId":"alice-id"}`, "", false},
		{`{"mode":"conditional","username":"alice"}`, "", false},
		{`{"mode":"immediate","userId":"alice-id"}`, "", false},
		{`{"mode":"immediate","username":"alice"}`, "", false},
		{`{"userId":"alice-id","username":"alice"}`, "", false},
		{`{"mode":1}`, "", false},
		{`{"mode":["conditional"]}`, "", false},
		{`{"mode":"conditional","mode":"conditional"}`, "", false},
		{`{"userId":"a","userId":"b"}`, "", false},
		{`{"username":"a","username":"b"}`, "", false},
		{`[]`, "", false},
		{`null`, "", false},
	} {
		before := asked
		if row.mode == "" {
			if answer := s.post("/authenticate/begin", row.body, http.StatusBadRequest); code(answer) != "invalid_request" {
				t.Errorf("%s: %s", row.body, answer)
			}
			if asked != before {
				t.Errorf("%s: refused, and FindUser was asked", row.body)
			}
			continue
		}
		var begun struct {
			PublicKey struct {
				AllowCredentials []passkeys.CredentialDescriptor
			}
		}
		answer := s.post("/authenticate/begin", row.body, http.StatusOK)
		if err := json.Unmarshal(answer, &begun); err != nil {
			t.Fatal(err)
		}
		if e := b.events.last(); e.Type != passkeys.AuthenticationBegan || e.Mode != row.mode || len(begun.PublicKey.AllowCredentials) > 0 != row.lists {
			t.Errorf("%s: %+v, %s", row.body, e, answer)
		}
		if (asked > before) != (row.mode == passkeys.ModeUsername) {
			t.Errorf("%s: FindUser was asked %d times", row.body, asked-before)
		}
	}

	// The mode rides in the state: a passkey that autofill offers signs in long
	// after, by the same finish.
	begun := s.post("/authenticate/begin", `{"mode":"conditional"}`, http.StatusOK)
	credential, err := a.Get(begun)
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(59 * time.Minute)
	s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusOK)
	if e := b.events.last(); e.Type != passkeys.AuthenticationSucceeded || e.Mode != passkeys.ModeConditional {
		t.Errorf("%+v", e)
	}
}

func TestModesNeedNoFindUser(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	s.post("/authenticate/begin", `{"mode":"conditional"}`, http.StatusOK)
	s.post("/authenticate/begin", `{"username":"alice"}`, http.StatusBadRequest)
	s.post("/authenticate/begin", `{"mode":"username"}`, http.StatusBadRequest)
}

func TestWriteError(t *testing.T) {
	withID := func(r *http.Request, id string) *http.Request {
		return r.WithContext(passkeys.WithRequestID(r.Context(), id))
	}
	for _, row := range []struct {
		name   string
		err    error
		id     string
		status int
		body   string
	}{
		{"one of ours", passkeys.ErrUnauthenticated, "r1", 401, `{"error":{"code":"unauthenticated","message":"Please sign in first.","id":"r1"}}`},
		{"without a request id", passkeys.ErrForbidden, "", 403, `{"error":{"code":"forbidden","message":"This is not allowed."}}`},
		{"wrapped", fmt.Errorf("secret: %w", passkeys.ErrNotFound), "r1", 404, `{"error":{"code":"not_found","message":"There is no such passkey.","id":"r1"}}`},
		{"joined", errors.Join(errors.New("secret"), passkeys.ErrLastCredential), "", 409, `{"error":{"code":"last_credential","message":"This is the only way to sign in and cannot be removed."}}`},
		{"another's", errors.New("secret"), "r1", 500, `{"error":{"code":"internal_error","message":"Something went wrong.","id":"r1"}}`},
		{"none", nil, "", 500, `{"error":{"code":"internal_error","message":"Something went wrong."}}`},
		{"a nil one of ours", (*passkeys.Error)(nil), "", 500, `{"error":{"code":"internal_error","message":"Something went wrong."}}`},
		{"the application's own", &passkeys.Error{Code: "account_locked", Status: 423, Message: `<b>"Locked"</b>`}, "", 423, `{"error":{"code":"account_locked","message":"\u003cb\u003e\"Locked\"\u003c/b\u003e"}}`},
		{"with a status that is no error's", &passkeys.Error{Code: "own", Status: 200}, "", 500, `{"error":{"code":"own","message":""}}`},
		{"with a status that is none", &passkeys.Error{Code: "own", Status: 42}, "", 500, `{"error":{"code":"own","message":""}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if row.id != "" {
				r = withID(r, row.id)
			}
			w := httptest.NewRecorder()
			passkeys.WriteError(w, r, row.err)
			if w.Code != row.status || w.Body.String() != row.body {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, row.status, row.body)
			}
			if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
		})
	}

	// As the routes answer: the two cannot be told apart.
	s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) {
			return passkeys.User{}, passkeys.ErrUnauthenticated
		}
	})
	theirs, ours := httptest.NewRecorder(), httptest.NewRecorder()
	r := withID(httptest.NewRequest(http.MethodGet, "/credentials", nil), "r1")
	s.handler.ServeHTTP(theirs, r)
	passkeys.WriteError(ours, r, passkeys.ErrUnauthenticated)
	if theirs.Code != ours.Code || theirs.Body.String() != ours.Body.String() || !reflect.DeepEqual(theirs.Header(), ours.Header()) {
		t.Errorf("%d %v %s, and by a route %d %v %s", ours.Code, ours.Header(), ours.Body, theirs.Code, theirs.Header(), theirs.Body)
	}
}

// everyRoute is a request for each.
var everyRoute = []struct{ method, path, body string }{
	{http.MethodPost, "/register/begin", ""},
	{http.MethodPost, "/register/finish", "{}"},
	{http.MethodPost, "/authenticate/begin", ""},
	{http.MethodPost, "/authenticate/finish", "{}"},
	{http.MethodGet, "/credentials", ""},
	{http.MethodPatch, "/credentials/AAAA", `{"deviceName":"x"}`},
	{http.MethodDelete, "/credentials/AAAA", ""},
}

func TestAResolverThatFindsNone(t *testing.T) {
	var typedNil *passkeys.Error
	for _, row := range []struct {
		name    string
		resolve func() (*passkeys.Passkeys, error)
		status  int
		code    string
		logged  string
	}{
		{"an error of ours", func() (*passkeys.Passkeys, error) { return nil, passkeys.ErrNotFound }, 404, "not_found", ""},
		{"an error of ours beside one", func() (*passkeys.Passkeys, error) { return newBench(t).Passkeys, passkeys.ErrForbidden }, 403, "forbidden", ""},
		{"another error", func() (*passkeys.Passkeys, error) { return nil, errors.New("the registry is down") }, 500, "internal_error", "the registry is down"},
		{"nothing", func() (*passkeys.Passkeys, error) { return nil, nil }, 500, "internal_error", "returned nil"},
		{"a nil error that is typed", func() (*passkeys.Passkeys, error) { return nil, typedNil }, 500, "internal_error", "a nil *Error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var log strings.Builder
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(before)
			hooks := 0
			handler, err := passkeys.Handler(func(passkeys.Exchange) (*passkeys.Passkeys, error) { return row.resolve() }, passkeys.Hooks[passkeys.Exchange]{
				GetUser:   func(passkeys.Exchange) (passkeys.User, error) { hooks++; return alice, nil },
				SessionID: func(passkeys.Exchange) string { hooks++; return "" },
			})
			if err != nil {
				t.Fatal(err)
			}
			s := &site{t, handler, http.Header{"Content-Type": {"application/json"}}, ""}
			for _, r := range everyRoute {
				log.Reset()
				answer := s.do(r.method, r.path, r.body, row.status)
				if code(answer) != row.code || strings.Contains(string(answer), "registry") || hooks != 0 {
					t.Errorf("%s %s: %s, %d hooks were asked", r.method, r.path, answer, hooks)
				}
				if (row.logged == "") != (log.Len() == 0) || !strings.Contains(log.String(), row.logged) {
					t.Errorf("%s %s: the log says %q", r.method, r.path, &log)
				}
				var e struct{ Error struct{ ID string } }
				if err := json.Unmarshal(answer, &e); err != nil || e.Error.ID == "" || row.logged != "" && !strings.Contains(log.String(), "request_id="+e.Error.ID) {
					t.Errorf("%s %s: %s has no id that is in the log %q", r.method, r.path, answer, &log)
				}
			}
		})
	}
}

func TestAResolverThatHasAnsweredLetsNothingPass(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	signIn := b.get(a, "")
	body, err := json.Marshal(signIn)
	if err != nil {
		t.Fatal(err)
	}
	b.events.reset()
	for _, found := range []*passkeys.Passkeys{nil, b.Passkeys} { // and be it by habit
		hooks := 0
		handler, err := passkeys.Handler(func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
			http.Error(x.W, "which tenant?", http.StatusTeapot)
			return found, nil
		}, passkeys.Hooks[passkeys.Exchange]{
			GetUser: func(passkeys.Exchange) (passkeys.User, error) { hooks++; return alice, nil },
			OnAuthenticated: func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error) {
				hooks++
				return nil, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &site{t, handler, http.Header{"Content-Type": {"application/json"}}, ""}
		for _, r := range append([]struct{ method, path, body string }{{http.MethodPost, "/authenticate/finish", string(body)}}, everyRoute...) {
			if answer := s.do(r.method, r.path, r.body, http.StatusTeapot); string(answer) != "which tenant?\n" || hooks != 0 || len(b.events.list) != 0 {
				t.Errorf("%s %s: %s, %d hooks were asked, %+v", r.method, r.path, answer, hooks, b.events.list)
			}
		}
	}
	if _, err := b.FinishAuthentication(t.Context(), signIn); err != nil {
		t.Errorf("the state is spent: %v", err)
	}
}

// Two tenants share the routes, the hooks and the secret, and nothing else.
func TestTenants(t *testing.T) {
	ctx := context.Background()
	tenants := map[string]*bench{}
	for _, id := range []string{"a.example", "b.example"} {
		tenants[id] = newBench(t, func(c *passkeys.Config) { c.RPID, c.Origins = id, []string{"https://" + id} })
	}
	handler, err := passkeys.Handler(func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		b := tenants[x.R.Host]
		if b == nil {
			return nil, passkeys.ErrNotFound
		}
		return b.Passkeys, nil
	}, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }})
	if err != nil {
		t.Fatal(err)
	}
	do := func(host, method, path, body string, want int) []byte {
		t.Helper()
		s := &site{t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = host
			handler.ServeHTTP(w, r)
		}), http.Header{"Content-Type": {"application/json"}, "Origin": {"https://" + host}}, ""}
		return s.do(method, path, body, want)
	}
	// One key for both, under one credential id; they agree in all they can.
	keys := map[string]*passkeytest.Authenticator{}
	for id := range tenants {
		keys[id] = passkeytest.New("https://" + id)
		keys[id].CredentialID = []byte("credential")
		begun := do(id, http.MethodPost, "/register/begin", "", http.StatusOK)
		if !strings.Contains(string(begun), `"rp":{"id":"`+id+`"`) {
			t.Errorf("%s: %s", id, begun)
		}
		credential, err := keys[id].Create(begun)
		if err != nil {
			t.Fatal(err)
		}
		do(id, http.MethodPost, "/register/finish", finishBody(t, begun, credential), http.StatusOK)
	}
	for id, other := range map[string]string{"a.example": "b.example", "b.example": "a.example"} {
		begun := do(id, http.MethodPost, "/authenticate/begin", "", http.StatusOK)
		credential, err := keys[id].Get(begun)
		if err != nil {
			t.Fatal(err)
		}
		// To the other tenant the state is none, although the secret is the same.
		answer := do(other, http.MethodPost, "/authenticate/finish", finishBody(t, begun, credential), http.StatusBadRequest)
		if e := tenants[other].events.last(); code(answer) != "challenge_not_found" || e.Reason != passkeys.ReasonRPIDMismatch || e.CeremonyID != "" {
			t.Errorf("%s at %s: %s, %+v", id, other, answer, e)
		}
		do(id, http.MethodPost, "/authenticate/finish", finishBody(t, begun, credential), http.StatusOK)

		creation := do(id, http.MethodPost, "/register/begin", "", http.StatusOK)
		another := passkeytest.New("https://" + id)
		credential, err = another.Create(creation)
		if err != nil {
			t.Fatal(err)
		}
		if answer := do(other, http.MethodPost, "/register/finish", finishBody(t, creation, credential), http.StatusBadRequest); code(answer) != "challenge_not_found" {
			t.Errorf("%s at %s: %s", id, other, answer)
		}
	}
	// What one does to its passkeys the other's do not feel.
	do("a.example", http.MethodDelete, "/credentials/"+passkeys.EncodeID([]byte("credential")), "", http.StatusNoContent)
	for id, want := range map[string]int{"a.example": 0, "b.example": 1} {
		if list, err := tenants[id].Credentials(ctx, alice.ID); err != nil || len(list) != want {
			t.Errorf("%s has %d passkeys, %v", id, len(list), err)
		}
	}
	// Each page has its own tenant's origins.
	r := httptest.NewRequest(http.MethodGet, "https://a.example/credentials", nil)
	r.Header.Set("Origin", "https://b.example")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a page of b at a: %d", w.Code)
	}
	do("c.example", http.MethodGet, "/credentials", "", http.StatusNotFound)
}

// A body is one object, read once. Each row is what encoding/json takes, or took
// for something else.
func TestBodiesAreReadStrictly(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s := newSite(t, b.Passkeys)
	begun := s.post("/authenticate/begin", "", http.StatusOK)
	credential, err := a.Get(begun)
	if err != nil {
		t.Fatal(err)
	}
	good := `"state":"` + state(begun) + `"`
	for _, body := range []string{
		`{` + good + `,` + good + `,"credential":` + string(credential) + `}`,
		`{"state":"other",` + good + `,"credential":` + string(credential) + `}`,
		`{` + good + `,"credential":` + string(credential) + `,"credential":` + string(credential) + `}`,
		`{` + good + `,"Credential":` + string(credential) + `}`,
		`{` + good + `,"credential":null}`,
		`{` + good + `,"credential":` + string(credential) + `}{}`,
		`[{` + good + `,"credential":` + string(credential) + `}]`,
		`{"state":7,"credential":` + string(credential) + `}`,
		"\ufeff{" + good + `,"credential":` + string(credential) + `}`,
		`{` + good + `,"credential":` + string(credential) + `,"later":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`,
	} {
		if answer := s.post("/authenticate/finish", body, http.StatusBadRequest); code(answer) != "invalid_request" || b.events.last().Reason != passkeys.ReasonRequestMalformed {
			t.Errorf("%.60s…: %s", body, answer)
		}
	}
	// By another name a state is none.
	if answer := s.post("/authenticate/finish", `{"STATE":"`+state(begun)+`","credential":`+string(credential)+`}`, http.StatusBadRequest); code(answer) != "challenge_not_found" {
		t.Errorf("STATE: %s", answer)
	}
	// What we do not know is passed over, and what went before has spent nothing.
	s.post("/authenticate/finish", `{"later":[{}],"STATE":"x",`+good+`,"later":1,"credential":`+string(credential)+`}`, http.StatusOK)
}

// nilError is a repository whose every failure is a nil *Error: one that is not nil.
type nilError struct{ passkeys.CredentialRepository }

func (nilError) Get(context.Context, []byte) (passkeys.Credential, error) {
	return passkeys.Credential{}, (*passkeys.Error)(nil)
}

func (nilError) ListByUser(context.Context, string) ([]passkeys.Credential, error) {
	return nil, (*passkeys.Error)(nil)
}

func TestANilErrorOfAStore(t *testing.T) {
	if said := (*passkeys.Error)(nil).Error(); !strings.Contains(said, "nil") {
		t.Errorf("it says %q", said)
	}
	a := passkeytest.New(origin)
	s := newSite(t, newBench(t, func(c *passkeys.Config) { c.Credentials = nilError{c.Credentials} }).Passkeys)
	if _, err := a.Create(s.post("/register/begin", "", http.StatusServiceUnavailable)); err == nil {
		t.Error("a registration begins")
	}
	whole := newSite(t, newBench(t).Passkeys)
	if _, err := a.Create(whole.post("/register/begin", "", http.StatusOK)); err != nil {
		t.Fatal(err)
	}
	begun := s.post("/authenticate/begin", "", http.StatusOK)
	credential, err := a.Get(begun)
	if err != nil {
		t.Fatal(err)
	}
	s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusServiceUnavailable)
	s.do(http.MethodGet, "/credentials", "", http.StatusServiceUnavailable)
}

// An id of any bytes is answered and logged whole, as text.
func TestAUserIDThatIsNoText(t *testing.T) {
	const id, text = "\x00\x06\x9a\x69\xa6\x9a\x4c\x3e\xa5\x6b\x37\xc7\xb3\x8d\x97\x3e", "AAaaaaaaTD6lazfHs42XPg"
	var log strings.Builder
	a := passkeytest.New(origin)
	s := newSite(t, newBench(t, func(c *passkeys.Config) {
		c.Audit = passkeys.NewSlogAudit(slog.New(slog.NewJSONHandler(&log, nil)))
	}).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: id}, nil }
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	if !strings.Contains(string(begun), `"user":{"id":"`+text+`","name":"`+text+`","displayName":"`+text+`"}`) {
		t.Errorf("begun with %s", begun)
	}
	credential, err := a.Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	s.post("/register/finish", finishBody(t, begun, credential), http.StatusOK)
	begun = s.post("/authenticate/begin", "", http.StatusOK)
	if credential, err = a.Get(begun); err != nil {
		t.Fatal(err)
	}
	if got := s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusOK); string(got) != `{"status":"ok","userId":"`+text+`"}` {
		t.Errorf("signed in as %s", got)
	}
	if n := strings.Count(log.String(), `"user_id":"`+text+`"`); n < 2 {
		t.Errorf("the log has it %d times: %s", n, &log)
	}
}

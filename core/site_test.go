package passkeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
	return &site{t, handler, http.Header{"Content-Type": {"application/json"}}}
}

func (s *site) do(method, path, body string, want int) []byte {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header = s.header.Clone()
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

func TestOriginHeader(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys)
	for _, row := range []struct {
		origin string
		status int
	}{
		{"", http.StatusOK}, // native applications and GETs send none
		{origin, http.StatusOK},
		{"https://evil.example", http.StatusForbidden},
		{"https://example.org.evil.example", http.StatusForbidden},
		{"null", http.StatusForbidden}, // a sandboxed frame
	} {
		if s.header.Del("Origin"); row.origin != "" {
			s.header.Set("Origin", row.origin)
		}
		s.post("/register/begin", "", row.status)
		s.post("/authenticate/begin", "{}", row.status)
		s.do(http.MethodGet, "/credentials", "", row.status)
	}
	if n := len(b.events.list); n != 4 {
		t.Errorf("%d events: what is refused at the door begins nothing", n)
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

	if err := b.credentials.Quarantine(ctx, two.ID, b.clock.Now(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := b.credentials.Quarantine(ctx, one.ID, b.clock.Now(), "test"); err != nil {
		t.Fatal(err)
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

func TestMaxCredentials(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, func(c *passkeys.Config) { c.MaxCredentials = 2 })
	b.mustRegister(passkeytest.New(origin))
	late := b.create(passkeytest.New(origin)) // begun while there is room
	b.mustRegister(passkeytest.New(origin))
	_, err := b.FinishRegistration(ctx, late)
	b.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)
	_, err = b.BeginRegistration(ctx, alice)
	b.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)

	free := newBench(t, func(c *passkeys.Config) { c.MaxCredentials = -1 })
	for range 51 {
		free.mustRegister(passkeytest.New(origin))
	}
	if _, err := newBench(t).BeginRegistration(ctx, alice); err != nil {
		t.Error(err)
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
	if c, err := b.FinishRegistration(context.Background(), r); err != nil || c.DeviceName != "Zoë" {
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

func TestUserVerificationReliable(t *testing.T) {
	for _, row := range []struct{ then, now, reliable bool }{
		{true, true, true},
		{false, true, false}, // somebody set a PIN since
		{true, false, false},
		{false, false, false},
	} {
		b := newBench(t)
		a := passkeytest.New(origin)
		a.UserNotVerified = !row.then
		b.mustRegister(a)
		a.UserNotVerified = !row.now
		for range 2 { // the first sign-in does not make the second reliable
			if r := b.mustSignIn(a); r.UserVerified != row.now || r.UserVerificationReliable != row.reliable {
				t.Errorf("verified at registration %v, now %v: %v, reliable %v", row.then, row.now, r.UserVerified, r.UserVerificationReliable)
			}
		}
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
	if _, err := passkeys.Routes(nil, passkeys.Hooks[int]{GetUser: func(int) (passkeys.User, error) { return alice, nil }}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("without Passkeys: %v", err)
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

func TestAPanicInOnRegisteredIsAudited(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.Credential) error { panic("in a hook") }
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

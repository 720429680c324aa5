package passkeys_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// ledger is an observer that writes down what it sees.
type ledger struct {
	mu             sync.Mutex
	open           int
	ended          []string
	authenticators []string // of each that ended
}

type ledgerKey struct{}

func (l *ledger) Observe(ctx context.Context, s passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	return context.WithValue(ctx, ledgerKey{}, s), func(o passkeys.Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		l.ended = append(l.ended, fmt.Sprintf("%s.%s %s %s", s.Ceremony, s.Name, o.Mode, o.Reason))
		l.authenticators = append(l.authenticators, o.Authenticator)
	}
}

func (l *ledger) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.ended
	l.ended = nil
	return all
}

func TestObserver(t *testing.T) {
	ctx := context.Background()
	l := &ledger{}
	inside := passkeys.Step{}
	store := &counting{}
	b := newBench(t, func(c *passkeys.Config) {
		c.Observer = l
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = contextual{store, &inside}
	})
	expect := func(what string, want ...string) {
		t.Helper()
		if got := l.take(); !slices.Equal(got, want) || l.open != 0 {
			t.Errorf("%s: %q, %d still open, want %q", what, got, l.open, want)
		}
	}
	a := passkeytest.New(origin)
	b.mustRegister(a)
	expect("a registration", "registration.begin registration ", "registration.finish registration ")
	b.mustSignIn(a)
	expect("a sign-in", "authentication.begin usernameless ", "authentication.finish usernameless ")
	if inside != (passkeys.Step{Ceremony: passkeys.CeremonyAuthentication, Name: passkeys.StepFinish}) {
		t.Errorf("the store was asked in the context of %+v", inside)
	}
	_ = b.finish(b.get(a, alice.ID))
	expect("by id", "authentication.begin user ", "authentication.finish user ")
	for mode, want := range map[passkeys.Mode]string{passkeys.ModeConditional: "conditional", passkeys.ModeImmediate: "immediate"} {
		if _, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{Mode: mode}); err != nil {
			t.Fatal(err)
		}
		expect(want, "authentication.begin "+want+" ")
	}
	r := b.get(a, "")
	_, _ = b.finish(r), b.finish(r)
	expect("a replay", "authentication.begin usernameless ", "authentication.finish usernameless ", "authentication.finish usernameless challenge_spent")
	r.State = "altered"
	_ = b.finish(r)
	expect("no state", "authentication.finish  challenge_not_found")
	r.Credential = []byte("{")
	_ = b.finish(r)
	expect("no credential", "authentication.finish  request_malformed")
	_, _ = b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{Mode: "typed by an attacker"})
	expect("no mode", "authentication.begin  request_malformed")
	_, _ = b.BeginRegistration(ctx, passkeys.RegistrationRequest{})
	expect("no user", "registration.begin registration user_invalid")

	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error { panic("in a hook") }
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return "", io.ErrUnexpectedEOF }
	})
	for path, step := range map[string]string{"/register/begin": "registration.begin", "/authenticate/begin": "authentication.begin",
		"/register/finish": "registration.finish", "/authenticate/finish": "authentication.finish"} {
		s.post(path, "[]", http.StatusBadRequest)
		expect("no body", step+"  request_malformed")
	}
	s.post("/authenticate/begin", `{"username":"alice"}`, http.StatusInternalServerError)
	expect("a hook", "authentication.begin  hook_failed")
	begun := s.post("/register/begin", "", http.StatusOK)
	credential, err := passkeytest.New(origin).Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		s.post("/register/finish", finishBody(t, begun, credential), http.StatusOK)
	}()
	expect("a panic", "registration.begin registration ", "registration.finish registration hook_failed")
}

// contextual says in which step a store was asked.
type contextual struct {
	*counting
	step *passkeys.Step
}

func (c contextual) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	*c.step, _ = ctx.Value(ledgerKey{}).(passkeys.Step)
	return c.counting.Get(ctx, id)
}

// Nothing that a client sends becomes a value of an observer's: whatever comes,
// they are of the sets that the source names.
func TestObserverSeesClosedSetsOnly(t *testing.T) {
	source := ""
	for _, file := range []string{"audit.go", "mode.go", "internal/engine/engine.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source += string(b)
	}
	known := map[string]bool{"": true}
	for _, m := range regexp.MustCompile(`(?m)^\t(?:Reason|Mode|[A-Z])\w+ +(?:Reason |Mode )?= "([a-z_]+)"`).FindAllStringSubmatch(source, -1) {
		known[m[1]] = true
	}
	if len(known) < 40 {
		t.Fatalf("only %d values found", len(known))
	}
	l := &ledger{}
	b := newBench(t, func(c *passkeys.Config) { c.Observer = l })
	a := passkeytest.New(origin)
	b.mustRegister(a)
	l.take()
	random := rand.New(rand.NewPCG(3, 3))
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return "", nil }
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error {
			return &passkeys.Error{Code: "typed", Status: 400}
		}
		h.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
			if random.IntN(2) == 0 {
				return nil
			}
			return passkeys.FreshWithin(0)
		}
	})
	proof := b.mustConfirm(t.Context(), a, transfer).Sealed
	l.take()
	words := []string{`"state":"x"`, `"mode":"conditional"`, `"mode":"evil"`, `"userId":"evil"`, `"username":"evil"`, `"credential":{}`, `"credential":`,
		`"mediation":"conditional"`, `"mediation":"evil"`, `"grant":"evil"`, `"request":"evil"`}
	n := 0
	for range 3000 {
		path := []string{"/register/begin", "/register/finish", "/authenticate/begin", "/authenticate/finish", "/confirm/begin", "/confirm/finish"}[random.IntN(6)]
		var members []string
		for range random.IntN(4) {
			members = append(members, words[random.IntN(len(words))])
		}
		body := "{" + strings.Join(members, ",") + "}"
		if random.IntN(3) == 0 {
			r := b.get(a, "")
			body = fmt.Sprintf(`{"state":%q,"credential":%s}`, r.State, r.Credential)
			mutant := []byte(body)
			mutant[random.IntN(len(mutant))] = byte(' ' + random.IntN(90))
			body = string(mutant)
		}
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(passkeys.ProofHeader, []string{"", "evil", proof}[random.IntN(3)])
		s.handler.ServeHTTP(httptest.NewRecorder(), request)
		for _, line := range l.take() {
			n++
			parts := strings.Split(line, " ")
			if len(parts) != 3 || !known[parts[1]] || !known[parts[2]] {
				t.Fatalf("%q after %s %s", line, path, body)
			}
		}
	}
	if n < 3000 {
		t.Errorf("only %d steps", n)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(l.authenticators))) {
		if name != "" && name != "other" { // which is what this one is
			t.Errorf("observed %q", name)
		}
	}
}

// changes is an observer that hears what becomes of passkeys.
type changes struct {
	ledger
	heard []passkeys.Change
}

func (c *changes) ObserveChange(_ context.Context, change passkeys.Change) {
	c.heard = append(c.heard, change)
}

func TestChangesAreObserved(t *testing.T) {
	c := &changes{}
	b := newBench(t, func(cfg *passkeys.Config) { cfg.Observer, cfg.SignCountPolicy = c, passkeys.FlagDisable })
	heard := func(what string, want ...passkeys.Change) {
		t.Helper()
		if !slices.Equal(c.heard, want) {
			t.Errorf("%s: heard %v, want %v", what, c.heard, want)
		}
		c.heard = nil
	}
	ctx := t.Context()
	a := passkeytest.New(origin)
	b.mustRegister(a)
	heard("a registration", passkeys.ChangeAdded)
	clone := a.Clone()
	for range 2 {
		b.mustSignIn(a)
		b.clock.Advance(time.Second)
	}
	heard("sign-ins")
	_, _ = b.signIn(clone)
	heard("a clone", passkeys.ChangeQuarantined)
	_, _ = b.signIn(clone)
	heard("of one that is quarantined")
	id := b.stored().ID
	for range 2 {
		_ = b.Restore(ctx, alice.ID, id)
		_ = b.Rename(ctx, alice.ID, id, "Phone")
	}
	heard("what changes, and what does not", passkeys.ChangeRestored, passkeys.ChangeRenamed)
	_ = b.Rename(ctx, "bob", id, "Mine")
	_ = b.Revoke(ctx, "bob", id)
	heard("of another's")
	_ = b.Admin("desk").RevokeAll(ctx, alice.ID)
	heard("by staff", passkeys.ChangeRevoked)

	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error {
			return passkeys.ErrForbidden
		}
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	credential, err := passkeytest.New(origin).Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	s.post("/register/finish", finishBody(t, begun, credential), http.StatusForbidden)
	heard("what is taken back")
}

// blind is an observer that has nothing to say.
type blind struct{}

func (blind) Observe(context.Context, passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	return nil, nil //nolint:nilnil // it may
}

func TestAnObserverThatReturnsNothingIsNone(t *testing.T) {
	b, a := newBench(t, func(c *passkeys.Config) { c.Observer = blind{} }), passkeytest.New(origin)
	b.mustRegister(a)
	b.mustSignIn(a)
}

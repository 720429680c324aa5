package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const origin = "https://example.org"

var alice = passkeys.User{ID: "alice-id", Name: "alice", DisplayName: "Alice"}

// events is a sink that remembers.
type events struct {
	mu   sync.Mutex
	list []passkeys.AuditEvent
}

func (e *events) Emit(_ context.Context, event passkeys.AuditEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

func (e *events) last() passkeys.AuditEvent {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == 0 {
		return passkeys.AuditEvent{}
	}
	return e.list[len(e.list)-1]
}

func (e *events) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = nil
}

// bench is a relying party, its stores, its clock and its ledger.
type bench struct {
	*passkeys.Passkeys
	t           testing.TB
	credentials *passkeys.MemoryCredentials
	clock       *passkeytest.Clock
	events      *events
}

func newBench(t testing.TB, configure ...func(*passkeys.Config)) *bench {
	t.Helper()
	b := &bench{t: t, credentials: passkeys.NewMemoryCredentials(), clock: &passkeytest.Clock{}, events: &events{}}
	cfg := passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{origin},
		Credentials: b.credentials, Now: b.clock.Now, Audit: b.events, Logger: slog.New(slog.DiscardHandler),
		Secret: bytes.Repeat([]byte{1}, 32),
	}
	for _, f := range configure {
		f(&cfg)
	}
	p, err := passkeys.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Passkeys = p
	return b
}

// begun is what a begin gave, as the browser gets it.
func begun[O passkeys.CreationOptions | passkeys.RequestOptions](t testing.TB, c *passkeys.Ceremony[O], err error) (options []byte, state string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	options, err = json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return options, c.State
}

// creation begins a registration.
func (b *bench) creation(u passkeys.User) (options []byte, state string) {
	b.t.Helper()
	c, err := b.BeginRegistration(context.Background(), passkeys.RegistrationRequest{User: u})
	return begun(b.t, c, err)
}

// request begins a sign-in.
func (b *bench) request(r passkeys.AuthenticationRequest) (options []byte, state string) {
	b.t.Helper()
	c, err := b.BeginAuthentication(context.Background(), r)
	return begun(b.t, c, err)
}

// create lets the authenticator answer a begin for alice.
func (b *bench) create(a *passkeytest.Authenticator) passkeys.RegistrationResponse {
	b.t.Helper()
	options, state := b.creation(alice)
	credential, err := a.Create(options)
	if err != nil {
		b.t.Fatal(err)
	}
	return passkeys.RegistrationResponse{State: state, Credential: credential}
}

func (b *bench) register(a *passkeytest.Authenticator) (*passkeys.Credential, error) {
	b.t.Helper()
	r, err := b.FinishRegistration(context.Background(), b.create(a))
	if err != nil {
		return nil, err
	}
	return &r.Credential, nil
}

func (b *bench) mustRegister(a *passkeytest.Authenticator) *passkeys.Credential {
	b.t.Helper()
	c, err := b.register(a)
	if err != nil {
		b.t.Fatalf("register: %v (%s)", err, reason(err))
	}
	return c
}

// get lets the authenticator answer a begin for userID.
func (b *bench) get(a *passkeytest.Authenticator, userID string) passkeys.AuthenticationResponse {
	b.t.Helper()
	options, state := b.request(passkeys.AuthenticationRequest{UserID: userID})
	credential, err := a.Get(options)
	if err != nil {
		b.t.Fatal(err)
	}
	return passkeys.AuthenticationResponse{State: state, Credential: credential}
}

func (b *bench) signIn(a *passkeytest.Authenticator) (*passkeys.AuthenticationResult, error) {
	b.t.Helper()
	return b.FinishAuthentication(context.Background(), b.get(a, ""))
}

func (b *bench) mustSignIn(a *passkeytest.Authenticator) *passkeys.AuthenticationResult {
	b.t.Helper()
	r, err := b.signIn(a)
	if err != nil {
		b.t.Fatalf("sign in: %v (%s)", err, reason(err))
	}
	return r
}

// stored is alice's only credential.
func (b *bench) stored() passkeys.Credential {
	b.t.Helper()
	list, err := b.credentials.ListByUser(context.Background(), alice.ID)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("ListByUser: %d credentials, %v", len(list), err)
	}
	return list[0]
}

func reason(err error) passkeys.Reason {
	var e *passkeys.Error
	if errors.As(err, &e) {
		return e.Reason()
	}
	return ""
}

// refused asserts an error, its precise reason, and that the ledger has both.
func (b *bench) refused(err error, want *passkeys.Error, why passkeys.Reason) {
	b.t.Helper()
	if !errors.Is(err, want) || reason(err) != why {
		b.t.Errorf("got %v (%s), want %s (%s)", err, reason(err), want.Code, why)
	}
	if got := b.events.last(); got.Reason != why {
		b.t.Errorf("the last event is %s (%s), want reason %s", got.Type, got.Reason, why)
	}
}

func TestCeremonies(t *testing.T) {
	for _, alg := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		for _, attestation := range []string{"none", "packed"} {
			for _, preference := range []passkeys.AttestationPreference{passkeys.AttestationNone, passkeys.AttestationDirect} {
				b := newBench(t, func(c *passkeys.Config) { c.Attestation = preference })
				a := passkeytest.New(origin)
				a.Algorithm, a.Attestation = alg, attestation
				c := b.mustRegister(a)
				if !equal(b.stored(), *c) {
					t.Errorf("%v %s: stored %+v, returned %+v", alg, attestation, b.stored(), c)
				}
				if c.UserID != alice.ID || int(c.Algorithm) != int(alg) || c.AttestationFormat != attestation || c.RPID != "example.org" || c.Discoverable != passkeys.Discoverable || !c.UVInitialized {
					t.Errorf("%v %s: registered %+v", alg, attestation, c)
				}
				b.clock.Advance(time.Second)
				r := b.mustSignIn(a)
				want := *c
				want.SignCount, want.LastUsedAt, want.Version = 1, b.clock.Now(), c.Version+1
				if want.Spent = r.Credential.Spent; len(c.Spent) == 0 || len(want.Spent) <= len(c.Spent) {
					t.Errorf("%v %s: it remembers %x, then %x", alg, attestation, c.Spent, want.Spent)
				}
				if r.UserID != alice.ID || !r.UserVerified || !equal(r.Credential, want) || !equal(b.stored(), want) {
					t.Errorf("%v %s: signed in %+v, want the credential %+v", alg, attestation, r, want)
				}
			}
		}
	}
}

func equal(a, b passkeys.Credential) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

package passkeys_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

var (
	transfer = passkeys.Operation{Name: "transfer", Payload: []byte("100 EUR to bob")}
	bob      = passkeys.User{ID: "bob-id", Name: "bob"}
)

// newConfirming is a bench at which alice has one passkey.
func newConfirming(t testing.TB, configure ...func(*passkeys.Config)) (*bench, *passkeytest.Authenticator) {
	t.Helper()
	b, phone := newBench(t, configure...), passkeytest.New(origin)
	b.mustRegister(phone)
	return b, phone
}

// confirming begins a confirmation by alice, and lets the authenticator answer.
func (b *bench) confirming(ctx context.Context, a *passkeytest.Authenticator, o passkeys.Operation) passkeys.ConfirmationResponse {
	b.t.Helper()
	c, err := b.BeginConfirmation(ctx, alice.ID, o)
	options, state := begun(b.t, c, err)
	credential, err := a.Get(options)
	if err != nil {
		b.t.Fatal(err)
	}
	return passkeys.ConfirmationResponse{State: state, Credential: credential, UserID: alice.ID}
}

func (b *bench) mustConfirm(ctx context.Context, a *passkeytest.Authenticator, o passkeys.Operation) *passkeys.ConfirmationResult {
	b.t.Helper()
	r, err := b.FinishConfirmation(ctx, b.confirming(ctx, a, o))
	if err != nil {
		b.t.Fatalf("confirm: %v (%s)", err, reason(err))
	}
	return r
}

// registered gives a user a passkey.
func (b *bench) registered(u passkeys.User, a *passkeytest.Authenticator) {
	b.t.Helper()
	options, state := b.creation(u)
	if _, err := b.FinishRegistration(b.t.Context(), passkeys.RegistrationResponse{State: state, Credential: answer(b.t, a, options)}); err != nil {
		b.t.Fatal(err)
	}
}

// disable quarantines alice's only passkey.
func (b *bench) disable() {
	b.t.Helper()
	c := b.stored()
	c.QuarantinedAt, c.QuarantineReason = b.clock.Now(), "test"
	if err := b.credentials.Update(context.Background(), c); err != nil {
		b.t.Fatal(err)
	}
}

// stands is what is stored of alice's.
func (b *bench) stands() string {
	b.t.Helper()
	list, err := b.credentials.ListByUser(context.Background(), alice.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprint(list)
}

// commitment is the challenge of a confirmation as its documentation has it.
func commitment(e passkeys.Evidence) []byte {
	b := append([]byte("passkeys/confirm/v1"), e.Nonce[:]...)
	for _, s := range []string{e.RPID, e.UserID, e.Operation} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	sum := sha256.Sum256(append(b, e.PayloadHash[:]...))
	return sum[:]
}

func TestConfirmation(t *testing.T) {
	for name, configure := range map[string]func(*passkeys.Config){"sealed": func(*passkeys.Config) {}, "in a store": inMemory} {
		for _, o := range []passkeys.Operation{transfer, {}} {
			t.Run(name+" "+o.Name, func(t *testing.T) {
				b, phone := newConfirming(t, configure)
				b.registered(bob, passkeytest.New(origin))
				before := b.stored()
				b.events.reset()
				ctx := passkeys.WithSessionID(t.Context(), "session")
				c, err := b.BeginConfirmation(ctx, alice.ID, o)
				options, state := begun(t, c, err)
				if got := c.PublicKey; got.UserVerification != passkeys.UserVerificationRequired || len(got.AllowCredentials) != 1 ||
					got.AllowCredentials[0].ID != passkeys.EncodeID(before.ID) || got.Timeout != 300_000 || len(state) > 1024 {
					t.Errorf("%s %s", options, state)
				}
				credential, err := phone.Get(options)
				if err != nil {
					t.Fatal(err)
				}
				b.clock.Advance(10 * time.Second)
				r, err := b.FinishConfirmation(ctx, passkeys.ConfirmationResponse{State: state, Credential: credential, UserID: alice.ID})
				if err != nil {
					t.Fatal(err)
				}
				p := r.Proof
				if p.UserID != alice.ID || !bytes.Equal(p.CredentialID, before.ID) || !p.At.Equal(b.clock.Now()) || !p.UserVerified || !p.Reliable ||
					p.Operation != o.Name || p.PayloadHash != sha256.Sum256(o.Payload) || len(r.Sealed) > 600 {
					t.Errorf("%+v", p)
				}
				life := 24 * time.Hour
				if o.Name != "" {
					life = 5 * time.Minute
				}
				if r.ExpiresAt.Sub(p.At) != life || r.ExpiresAt.Location() != time.UTC || p.At.Location() != time.UTC {
					t.Errorf("it ends %v after %v", r.ExpiresAt, p.At)
				}
				if e := r.Evidence; e.Verify(o.Payload) != nil || !e.UserVerified() || passkeys.EncodeID(commitment(e)) != c.PublicKey.Challenge {
					t.Errorf("%+v: %v", e, e.Verify(o.Payload))
				}
				if now := b.stored(); now.SignCount != before.SignCount+1 || !now.LastUsedAt.Equal(b.clock.Now()) {
					t.Errorf("the passkey is %+v", now)
				}
				used, err := b.VerifyProof(ctx, r.Sealed, passkeys.ProofCheck{UserID: alice.ID, Operation: o})
				if err != nil || fmt.Sprint(*used) != fmt.Sprint(p) {
					t.Errorf("%+v, want %+v: %v", used, p, err)
				}
				for i, want := range []passkeys.AuditEventType{passkeys.ConfirmationBegan, passkeys.ConfirmationSucceeded, passkeys.ConfirmationUsed} {
					e := b.events.list[i]
					id := passkeys.EncodeID(before.ID)
					if i == 0 {
						id = "" // that of nothing yet
					}
					if e.Type != want || e.UserID != alice.ID || e.CredentialID != id || e.Reason != "" || e.Mode != passkeys.ModeConfirmation || e.Operation != o.Name || e.CeremonyID != p.CeremonyID {
						t.Errorf("%+v, want %s", e, want)
					}
				}
				if n := len(b.events.list); n != 3 {
					t.Errorf("%d events", n)
				}
			})
		}
	}
}

// Without random bytes there is nothing to confirm with.
func TestNoConfirmationWithoutChance(t *testing.T) {
	var log bytes.Buffer
	b, _ := newConfirming(t, func(c *passkeys.Config) {
		c.Rand, c.Logger = bytes.NewReader(make([]byte, 32)), slog.New(slog.NewTextHandler(&log, nil)) // for the registration
	})
	_, err := b.BeginConfirmation(t.Context(), alice.ID, transfer)
	if request, err := b.RequestConfirmation(t.Context(), alice.ID, transfer, 0); request != "" || reason(err) != passkeys.ReasonRandomFailed {
		t.Errorf("RequestConfirmation: %q, %v", request, err)
	}
	if !strings.Contains(log.String(), "could not request a confirmation") { // it is no step, which has an event
		t.Errorf("the log says %q", &log)
	}
	if reason(err) != passkeys.ReasonRandomFailed {
		t.Errorf("BeginConfirmation: %v", err)
	}
	if _, err := b.VerifyProof(t.Context(), "", passkeys.ProofCheck{UserID: alice.ID, Operation: transfer}); reason(err) != passkeys.ReasonRandomFailed {
		t.Errorf("VerifyProof, which would ask for one: %v", err)
	}
}

// Only a passkey of theirs that works can confirm what a user does.
func TestBeginConfirmation(t *testing.T) {
	b, _ := newConfirming(t)
	foreign, disabled := b.stored(), b.stored()
	foreign.ID, foreign.RPID = []byte("of another site"), "example.com"
	disabled.ID, disabled.QuarantinedAt = []byte("disabled"), b.clock.Now()
	for _, c := range []passkeys.Credential{foreign, disabled} {
		if err := b.credentials.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.BeginConfirmation(t.Context(), alice.ID, transfer)
	if err != nil || len(c.PublicKey.AllowCredentials) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, row := range []struct {
		says, userID string
		operation    passkeys.Operation
		want         *passkeys.Error
		why          passkeys.Reason
	}{
		{"They have none.", bob.ID, transfer, passkeys.ErrNoCredentials, passkeys.ReasonCredentialUnknown},
		{"They are nobody.", "", transfer, passkeys.ErrConfiguration, passkeys.ReasonUserInvalid},
		{"They are too long.", strings.Repeat("u", 65), transfer, passkeys.ErrConfiguration, passkeys.ReasonUserInvalid},
		{"What is it?", alice.ID, passkeys.Operation{Payload: []byte("x")}, passkeys.ErrConfiguration, passkeys.ReasonOperationInvalid},
		{"It is too long.", alice.ID, passkeys.Operation{Name: strings.Repeat("n", 256)}, passkeys.ErrConfiguration, passkeys.ReasonOperationInvalid},
		{"It is no text.", alice.ID, passkeys.Operation{Name: "\xff"}, passkeys.ErrConfiguration, passkeys.ReasonOperationInvalid},
		{"It breaks a line of the log.", alice.ID, passkeys.Operation{Name: "a\nb"}, passkeys.ErrConfiguration, passkeys.ReasonOperationInvalid},
	} {
		_, err := b.BeginConfirmation(t.Context(), row.userID, row.operation)
		b.refused(err, row.want, row.why)
		if row.want != passkeys.ErrConfiguration {
			continue
		}
		for what, err := range map[string]error{
			"RequestConfirmation": second(b.RequestConfirmation(t.Context(), row.userID, row.operation, 0)),
			"VerifyProof":         second(b.VerifyProof(t.Context(), "", passkeys.ProofCheck{UserID: row.userID, Operation: row.operation})),
		} {
			if !errors.Is(err, row.want) || reason(err) != row.why {
				t.Errorf("%s %s: %v", row.says, what, err)
			}
		}
	}
	longest := passkeys.Operation{Name: strings.Repeat("n", 255)}
	for _, session := range []string{"", "session"} {
		ctx := passkeys.WithSessionID(t.Context(), session)
		c, err := b.BeginConfirmation(ctx, alice.ID, longest)
		if _, state := begun(t, c, err); len(state) > 1024 {
			t.Errorf("a state of %d", len(state))
		}
		if r, err := b.RequestConfirmation(ctx, alice.ID, longest, 24*time.Hour); err != nil || len(r) > 1024 {
			t.Errorf("a request of %d: %v", len(r), err)
		}
	}
	for _, d := range []time.Duration{-1, time.Millisecond, time.Second + 1, 24*time.Hour + time.Second} {
		if _, err := b.RequestConfirmation(t.Context(), alice.ID, transfer, d); !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("for %v: %v", d, err)
		}
		if _, err := b.VerifyProof(t.Context(), "", passkeys.ProofCheck{UserID: alice.ID, MaxAge: d}); !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("for %v: %v", d, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTheLongestProof(t *testing.T) {
	b, phone := newBench(t), passkeytest.New(origin)
	phone.CredentialID = bytes.Repeat([]byte{1}, 1023)
	b.mustRegister(phone)
	r := b.mustConfirm(passkeys.WithSessionID(t.Context(), "s"), phone, passkeys.Operation{Name: strings.Repeat("n", 255)})
	if len(r.Sealed) > 2200 {
		t.Errorf("%d characters", len(r.Sealed))
	}
}

// What would be refused at a sign-in is refused here, under a code that no client
// takes for the end of its session; and what was confirmed, or by whom, is refused
// where it is another's.
func TestConfirmationRefuses(t *testing.T) {
	for _, row := range []struct {
		name, says string
		configure  func(*passkeys.Config)
		prepare    func(b *bench, phone *passkeytest.Authenticator)
		change     func(b *bench, r *passkeys.ConfirmationResponse)
		want       *passkeys.Error
		why        passkeys.Reason
	}{
		{"unverified", "The user was not verified.", nil,
			func(_ *bench, a *passkeytest.Authenticator) { a.UserNotVerified = true }, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonUserVerificationMissing},
		{"not present", "The user was not present.", func(c *passkeys.Config) { c.ConfirmationUserVerification = passkeys.UserVerificationDiscouraged },
			func(_ *bench, a *passkeytest.Authenticator) { a.UserNotPresent = true }, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonUserPresenceMissing},
		{"signature", "It is not signed.", nil,
			func(_ *bench, a *passkeytest.Authenticator) {
				a.Corrupt = func(r *passkeytest.Response) { r.Signature[10]++ }
			}, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonSignatureInvalid},
		{"challenge", "Another challenge was signed.", nil,
			func(_ *bench, a *passkeytest.Authenticator) {
				a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) {
					c.Challenge = passkeys.EncodeID(make([]byte, 32))
				}
			}, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonChallengeMismatch},
		{"origin", "It was at another site.", nil,
			func(_ *bench, a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonOriginMismatch},
		{"quarantined", "The passkey has been disabled.", nil, nil,
			func(b *bench, _ *passkeys.ConfirmationResponse) { b.disable() }, passkeys.ErrConfirmationFailed, passkeys.ReasonCredentialQuarantined},
		{"revoked", "The passkey has been revoked.", nil, nil,
			func(b *bench, _ *passkeys.ConfirmationResponse) { _ = b.RevokeAll(context.Background(), alice.ID) }, passkeys.ErrConfirmationFailed, passkeys.ReasonCredentialUnknown},
		{"counter", "The counter went back.", nil,
			func(b *bench, a *passkeytest.Authenticator) {
				a.Counter, a.FixedCount = passkeytest.CounterFixed, 9
				b.mustSignIn(a)
			}, nil, passkeys.ErrConfirmationFailed, passkeys.ReasonSignCountRegressed},
		{"other user", "Another user finishes.", nil, nil,
			func(_ *bench, r *passkeys.ConfirmationResponse) { r.UserID = bob.ID }, passkeys.ErrChallengeNotFound, passkeys.ReasonUserChanged},
		{"nobody", "Nobody finishes.", nil, nil,
			func(_ *bench, r *passkeys.ConfirmationResponse) { r.UserID = "" }, passkeys.ErrChallengeNotFound, passkeys.ReasonUserChanged},
		{"other passkey", "Another user's passkey signs.", nil, nil,
			func(b *bench, r *passkeys.ConfirmationResponse) {
				theirs := passkeytest.New(origin)
				b.registered(bob, theirs)
				c, err := b.BeginConfirmation(context.Background(), alice.ID, transfer)
				options, state := begun(b.t, c, err)
				r.State = state
				if r.Credential, err = theirs.Get(withoutAllowList(b.t, options)); err != nil {
					b.t.Fatal(err)
				}
			}, passkeys.ErrConfirmationFailed, passkeys.ReasonUserMismatch},
		{"late", "It took too long.", nil, nil,
			func(b *bench, _ *passkeys.ConfirmationResponse) { b.clock.Advance(6 * time.Minute) }, passkeys.ErrChallengeExpired, passkeys.ReasonChallengeExpired},
		{"state", "Its state is none.", nil, nil,
			func(_ *bench, r *passkeys.ConfirmationResponse) { r.State = "x" }, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound},
		{"body", "It is no response.", nil, nil,
			func(_ *bench, r *passkeys.ConfirmationResponse) { r.Credential = json.RawMessage(`{}`) }, passkeys.ErrInvalidRequest, passkeys.ReasonRequestMalformed},
		{"prf", "It has keys of the user's.", nil, nil,
			func(_ *bench, r *passkeys.ConfirmationResponse) {
				r.Credential = bytes.Replace(r.Credential, []byte(`"clientExtensionResults":{`), []byte(`"clientExtensionResults":{"prf":{"results":{"first":"AA"}}`), 1)
			}, passkeys.ErrPRFResultsPresent, passkeys.ReasonPRFResultsPresent},
	} {
		t.Run(row.name, func(t *testing.T) {
			configure := row.configure
			if configure == nil {
				configure = func(*passkeys.Config) {}
			}
			b, phone := newConfirming(t, configure)
			if row.prepare != nil {
				row.prepare(b, phone)
			}
			r := b.confirming(t.Context(), phone, transfer)
			if row.change != nil {
				row.change(b, &r)
			}
			before := b.stands()
			result, err := b.FinishConfirmation(t.Context(), r)
			b.refused(err, row.want, row.why)
			if e := b.events.last(); e.UserID != r.UserID { // whosever the passkey is
				t.Errorf("%+v", e)
			}
			if result != nil || before != b.stands() {
				t.Errorf("%s %+v", row.says, result)
			}
		})
	}
}

// What is sealed for one use is good for no other, and in no other's hands.
func TestWhatIsSealedHasOneUse(t *testing.T) {
	for name, configure := range map[string]func(*passkeys.Config){"sealed": func(*passkeys.Config) {}, "in a store": inMemory} {
		t.Run(name, func(t *testing.T) {
			b, phone := newConfirming(t, configure)
			ctx := t.Context()
			s := newSite(t, b.Passkeys)
			signIn := func() passkeys.AuthenticationResponse { return b.get(phone, alice.ID) }
			register := func() passkeys.RegistrationResponse { return b.create(passkeytest.New(origin)) }
			confirm := func() passkeys.ConfirmationResponse { return b.confirming(ctx, phone, passkeys.Operation{}) }
			request := func() string {
				r, err := b.RequestConfirmation(ctx, alice.ID, passkeys.Operation{}, 0)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			proof := func() string { return b.mustConfirm(ctx, phone, passkeys.Operation{}).Sealed }
			purpose, none := passkeys.ReasonChallengePurpose, passkeys.ReasonChallengeNotFound
			asConfirmation := func(state string) error {
				r := confirm()
				r.State = state
				return second(b.FinishConfirmation(ctx, r))
			}
			asProof := func(sealed string) error {
				return second(b.VerifyProof(ctx, sealed, passkeys.ProofCheck{UserID: alice.ID}))
			}
			asRequest := func(sealed string) error {
				return errors.New(code(s.post("/confirm/begin", `{"request":"`+sealed+`"}`, http.StatusBadRequest)))
			}
			for _, row := range []struct {
				says string
				do   func() error
				want *passkeys.Error
				why  passkeys.Reason
			}{
				{"A sign-in's state confirms nothing.", func() error { return asConfirmation(signIn().State) }, passkeys.ErrChallengeNotFound, purpose},
				{"A registration's state confirms nothing.", func() error { return asConfirmation(register().State) }, passkeys.ErrChallengeNotFound, purpose},
				{"A grant confirms nothing.", func() error { return asConfirmation(b.grant(ctx)) }, passkeys.ErrChallengeNotFound, purpose},
				{"A request confirms nothing.", func() error { return asConfirmation(request()) }, passkeys.ErrChallengeNotFound, none},
				{"A proof confirms nothing.", func() error { return asConfirmation(proof()) }, passkeys.ErrChallengeNotFound, none},
				{"A confirmation signs nobody in.", func() error {
					r := confirm()
					return second(b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: r.State, Credential: r.Credential}))
				}, passkeys.ErrChallengeNotFound, purpose},
				{"A confirmation registers nothing.", func() error {
					r := register()
					r.State = confirm().State
					return second(b.FinishRegistration(ctx, r))
				}, passkeys.ErrChallengeNotFound, purpose},
				{"A confirmation grants nothing.", func() error {
					return second(b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice, Grant: confirm().State}))
				}, passkeys.ErrChallengeNotFound, purpose},
				{"A request proves nothing.", func() error { return asProof(request()) }, passkeys.ErrConfirmationRequired, purpose},
				{"A state proves nothing.", func() error { return asProof(confirm().State) }, passkeys.ErrConfirmationRequired, none},
				{"A proof asks for nothing.", func() error { return asRequest(proof()) }, passkeys.ErrChallengeNotFound, purpose},
				{"A state asks for nothing.", func() error { return asRequest(confirm().State) }, passkeys.ErrChallengeNotFound, none},
			} {
				if err := row.do(); !errors.Is(err, row.want) && err.Error() != row.want.Code || b.events.last().Reason != row.why {
					t.Errorf("%s %v (%s)", row.says, err, b.events.last().Reason)
				}
			}
		})
	}
}

// A confirmation's challenge is made from what it is of, so the response to one is
// that to no other; and a sign-in's is random.
func TestAResponseIsOfOneOperation(t *testing.T) {
	b, phone := newConfirming(t)
	phone.Counter = passkeytest.CounterZero
	one, other := b.confirming(t.Context(), phone, transfer), b.confirming(t.Context(), phone, transfer)
	one.State = other.State
	_, err := b.FinishConfirmation(t.Context(), one)
	b.refused(err, passkeys.ErrConfirmationFailed, passkeys.ReasonChallengeMismatch)
	signIn := b.get(phone, alice.ID)
	_, err = b.FinishConfirmation(t.Context(), passkeys.ConfirmationResponse{State: other.State, Credential: signIn.Credential, UserID: alice.ID})
	b.refused(err, passkeys.ErrConfirmationFailed, passkeys.ReasonChallengeMismatch)
}

func TestAConfirmationIsFinishedOnce(t *testing.T) {
	b, phone := newConfirming(t)
	phone.Counter = passkeytest.CounterZero
	r := b.confirming(t.Context(), phone, transfer)
	var done atomic.Int32
	atOnce(64, func() {
		if _, err := b.FinishConfirmation(t.Context(), r); err == nil {
			done.Add(1)
		} else if !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Error(err)
		}
	})
	if done.Load() != 1 {
		t.Errorf("%d have finished", done.Load())
	}
}

func atOnce(n int, f func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(f)
	}
	all.Wait()
}

// A proof is good for one operation, once, or where it is of none for a while; and
// for whoever made it, where they made it.
func TestVerifyProof(t *testing.T) {
	const session = "session"
	for _, row := range []struct {
		name, says string
		of         passkeys.Operation
		change     func(b *bench, phone *passkeytest.Authenticator, proof *string, c *passkeys.ProofCheck)
		session    string
		why        passkeys.Reason // "": it passes
	}{
		{"fresh", "It is still you.", passkeys.Operation{}, nil, session, ""},
		{"operation", "It is of this operation.", transfer, nil, session, ""},
		{"to the second", "It is as old as it may be.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			b.clock.Advance(5 * time.Minute)
		}, session, ""},
		{"old", "It is older than it may be.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			b.clock.Advance(5*time.Minute + time.Millisecond)
		}, session, passkeys.ReasonChallengeExpired},
		{"old enough", "The rule says how old it may be.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.MaxAge = time.Hour
			b.clock.Advance(time.Hour)
		}, session, ""},
		{"strict", "The rule says how old it may be.", transfer, func(b *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.MaxAge = time.Second
			b.clock.Advance(2 * time.Second)
		}, session, passkeys.ReasonChallengeExpired},
		{"expired", "A proof of an operation ends by itself.", transfer, func(b *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.MaxAge = 24 * time.Hour
			b.clock.Advance(5*time.Minute + time.Second)
		}, session, passkeys.ReasonChallengeExpired},
		{"a day", "So does any other.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.MaxAge = 24 * time.Hour
			b.clock.Advance(24*time.Hour + time.Second)
		}, session, passkeys.ReasonChallengeExpired},
		{"other clock", "Another server's clock is ahead a little.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			b.clock.Advance(-4 * time.Minute)
		}, session, ""},
		{"wrong clock", "It is from far in the future.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			b.clock.Advance(-5 * time.Minute)
		}, session, passkeys.ReasonChallengeExpired},
		{"other user", "It is another user's.", passkeys.Operation{}, func(_ *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.UserID = bob.ID
		}, session, passkeys.ReasonUserChanged},
		{"other session", "It is another session's.", passkeys.Operation{}, nil, "another", passkeys.ReasonSessionMismatch},
		{"no session", "It is a session's.", passkeys.Operation{}, nil, "", passkeys.ReasonSessionMismatch},
		{"other operation", "It is of another operation.", transfer, func(_ *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.Operation.Name = "transfer_all"
		}, session, passkeys.ReasonOperationMismatch},
		{"any operation", "It is of no operation, and proves none.", passkeys.Operation{}, func(_ *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.Operation = passkeys.Operation{Name: "transfer"}
		}, session, passkeys.ReasonOperationMismatch},
		{"not fresh", "It is of an operation, and proves nothing else.", transfer, func(_ *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.Operation = passkeys.Operation{}
		}, session, passkeys.ReasonOperationMismatch},
		{"one bit", "The payload differs in one bit.", transfer, func(_ *bench, _ *passkeytest.Authenticator, _ *string, c *passkeys.ProofCheck) {
			c.Operation.Payload = bytes.Clone(c.Operation.Payload)
			c.Operation.Payload[0] ^= 1
		}, session, passkeys.ReasonPayloadMismatch},
		{"altered", "It was altered.", passkeys.Operation{}, func(_ *bench, _ *passkeytest.Authenticator, proof *string, _ *passkeys.ProofCheck) {
			*proof = strings.Map(func(r rune) rune {
				if r == 'A' {
					return 'B'
				}
				return r
			}, *proof)
		}, session, passkeys.ReasonChallengeNotFound},
		{"spent", "It was used.", transfer, func(b *bench, _ *passkeytest.Authenticator, proof *string, c *passkeys.ProofCheck) {
			if _, err := b.VerifyProof(passkeys.WithSessionID(context.Background(), session), *proof, *c); err != nil {
				b.t.Error(err)
			}
		}, session, passkeys.ReasonChallengeSpent},
		{"reusable", "It may be used again.", transfer, func(b *bench, _ *passkeytest.Authenticator, proof *string, c *passkeys.ProofCheck) {
			c.Reusable = true
			if _, err := b.VerifyProof(passkeys.WithSessionID(context.Background(), session), *proof, *c); err != nil {
				b.t.Error(err)
			}
		}, session, ""},
		{"again", "That it is still you may be shown again.", passkeys.Operation{}, func(b *bench, _ *passkeytest.Authenticator, proof *string, c *passkeys.ProofCheck) {
			if _, err := b.VerifyProof(passkeys.WithSessionID(context.Background(), session), *proof, *c); err != nil {
				b.t.Error(err)
			}
		}, session, ""},
		{"quarantined", "Its passkey was disabled since.", transfer, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			b.disable()
		}, session, passkeys.ReasonCredentialQuarantined},
		{"revoked", "Its passkey was revoked since.", transfer, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			_ = b.RevokeAll(context.Background(), alice.ID)
		}, session, passkeys.ReasonCredentialUnknown},
		{"another's by now", "Its passkey is another user's since, key and all.", transfer, func(b *bench, _ *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			c := b.stored()
			_ = b.RevokeAll(context.Background(), alice.ID)
			c.UserID = bob.ID
			if err := b.credentials.Add(context.Background(), c); err != nil {
				b.t.Fatal(err)
			}
		}, session, passkeys.ReasonCredentialUnknown},
		{"another key", "Its passkey was revoked since, and its id registered again.", transfer, func(b *bench, phone *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			_ = b.RevokeAll(context.Background(), alice.ID)
			another := passkeytest.New(origin)
			another.CredentialID = phone.Credentials()[0].ID
			b.registered(alice, another)
		}, session, passkeys.ReasonCredentialUnknown},
		{"16 others", "So many others were used with its passkey that it was forgotten.", transfer, func(b *bench, phone *passkeytest.Authenticator, _ *string, _ *passkeys.ProofCheck) {
			for range 17 {
				b.mustSignIn(phone)
			}
		}, session, passkeys.ReasonChallengeSpent},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, phone := newConfirming(t)
			proof := b.mustConfirm(passkeys.WithSessionID(t.Context(), session), phone, row.of).Sealed
			check := passkeys.ProofCheck{UserID: alice.ID, Operation: row.of}
			if row.change != nil {
				row.change(b, phone, &proof, &check)
			}
			before, userID, operation := b.stands(), check.UserID, check.Operation.Name
			b.events.reset()
			p, err := b.VerifyProof(passkeys.WithSessionID(t.Context(), row.session), proof, check)
			e := b.events.last()
			if len(b.events.list) != 1 || e.UserID != userID || e.Operation != operation || e.Reason != row.why {
				t.Errorf("%s %+v", row.says, b.events.list)
			}
			if row.why == "" {
				if err != nil || p.UserID != alice.ID || e.Type != passkeys.ConfirmationUsed {
					t.Errorf("%s %+v, %v", row.says, p, err)
				}
				return
			}
			if p != nil || !errors.Is(err, passkeys.ErrConfirmationRequired) || e.Type != passkeys.ConfirmationFailed || b.stands() != before {
				t.Errorf("%s %+v, %v, %s", row.says, p, err, e.Type)
			}
		})
	}
}

// A secret that has leaked is worth nothing once it is replaced, though its states are
// still read, and decoys are made from it for ever.
func TestAnOldSecretProvesNothing(t *testing.T) {
	b, phone := newConfirming(t)
	proof := b.mustConfirm(t.Context(), phone, passkeys.Operation{}).Sealed
	request, err := b.RequestConfirmation(t.Context(), alice.ID, transfer, 0)
	if err != nil {
		t.Fatal(err)
	}
	rotated := newBench(t, func(c *passkeys.Config) {
		c.Credentials, c.OldSecrets, c.Secret = b.credentials, [][]byte{c.Secret}, bytes.Repeat([]byte{9}, 32)
	})
	_, err = rotated.VerifyProof(t.Context(), proof, passkeys.ProofCheck{UserID: alice.ID})
	if !errors.Is(err, passkeys.ErrConfirmationRequired) {
		t.Error(err)
	}
	newSite(t, rotated.Passkeys).post("/confirm/begin", `{"request":"`+request+`"}`, http.StatusBadRequest)
	r := b.confirming(t.Context(), phone, transfer) // begun before, and finished after it
	if _, err := rotated.FinishConfirmation(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// Of one proof at many servers at once, one use is all there is.
func TestAProofIsUsedOnce(t *testing.T) {
	b, phone := newConfirming(t)
	other := newBench(t, func(c *passkeys.Config) { c.Credentials = b.credentials })
	proof := b.mustConfirm(t.Context(), phone, transfer).Sealed
	var used atomic.Int32
	atOnce(64, func() {
		server := []*bench{b, other}[used.Load()%2]
		switch _, err := server.VerifyProof(t.Context(), proof, passkeys.ProofCheck{UserID: alice.ID, Operation: transfer}); {
		case err == nil:
			used.Add(1)
		case !errors.Is(err, passkeys.ErrConfirmationRequired):
			t.Error(err)
		}
	})
	if used.Load() != 1 {
		t.Errorf("it was used %d times", used.Load())
	}
}

// A check of freshness asks no store; whoever keeps one up has nothing to fear from
// it. That of an operation is two statements.
func TestACheckIsTwoStatements(t *testing.T) {
	var store *counting
	b, phone := newConfirming(t, func(c *passkeys.Config) {
		store = &counting{MemoryCredentials: c.Credentials.(*passkeys.MemoryCredentials)}
		c.Credentials = store
	})
	fresh, once := b.mustConfirm(t.Context(), phone, passkeys.Operation{}).Sealed, b.mustConfirm(t.Context(), phone, transfer).Sealed
	for _, row := range []struct {
		says, proof   string
		check         passkeys.ProofCheck
		gets, updates int
		passes        bool
	}{
		{"There is none.", "", passkeys.ProofCheck{Operation: transfer}, 0, 0, false},
		{"It is still you.", fresh, passkeys.ProofCheck{}, 0, 0, true},
		{"It is another one.", once, passkeys.ProofCheck{}, 0, 0, false},
		{"It may be used again.", once, passkeys.ProofCheck{Operation: transfer, Reusable: true}, 0, 0, true},
		{"It is used up.", once, passkeys.ProofCheck{Operation: transfer}, 1, 1, true},
		{"It was.", once, passkeys.ProofCheck{Operation: transfer}, 1, 0, false},
	} {
		store.gets, store.lists, store.adds, store.updates = 0, 0, 0, 0
		row.check.UserID = alice.ID
		_, err := b.VerifyProof(t.Context(), row.proof, row.check)
		if row.passes != (err == nil) || store.gets != row.gets || store.updates != row.updates || store.lists+store.adds != 0 {
			t.Errorf("%s %+v, %v", row.says, store, err)
		}
	}
}

// A store that fails is no proof, and no lack of one.
func TestAProofAndAStoreThatFails(t *testing.T) {
	for _, method := range []string{"Get", "Update"} {
		b, phone := newConfirming(t)
		proof := b.mustConfirm(t.Context(), phone, transfer).Sealed
		broken := newBench(t, func(c *passkeys.Config) { c.Credentials = &failing{b.credentials, method} })
		_, err := broken.VerifyProof(t.Context(), proof, passkeys.ProofCheck{UserID: alice.ID, Operation: transfer})
		broken.refused(err, passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed)
	}
}

// Whoever brings what is another's, in time or late, is whom the audit names.
func TestTheAuditNamesWhoAsks(t *testing.T) {
	for _, late := range []time.Duration{0, time.Hour} {
		b, phone := newConfirming(t)
		b.registered(bob, passkeytest.New(origin))
		registration, confirmation, grant := b.create(passkeytest.New(origin)), b.confirming(t.Context(), phone, transfer), b.grant(t.Context())
		registration.UserID, confirmation.UserID = bob.ID, bob.ID
		b.clock.Advance(late)
		for what, ask := range map[string]func() error{
			"a registration": func() error { _, err := b.FinishRegistration(t.Context(), registration); return err },
			"a confirmation": func() error { _, err := b.FinishConfirmation(t.Context(), confirmation); return err },
			"a grant": func() error {
				_, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: bob, Grant: grant})
				return err
			},
		} {
			if err := ask(); err == nil {
				t.Errorf("alice's %s is bob's", what)
			}
			if e := b.events.last(); e.UserID != bob.ID {
				t.Errorf("%s, %v late: the event is %+v", what, late, e)
			}
		}
	}
}

// What an error is made of is everybody's, and stays what it is.
func TestErrorsThatAreEverybodysStay(t *testing.T) {
	before := *passkeys.ErrConfirmationRequired
	t.Cleanup(func() { *passkeys.ErrConfirmationRequired = before })
	b, _ := newConfirming(t)
	if _, err := b.VerifyProof(t.Context(), "", passkeys.ProofCheck{UserID: alice.ID, Operation: transfer}); !errors.Is(err, passkeys.ErrConfirmationRequired) {
		t.Error(err)
	}
	guarded := passkeys.Require(b.Passkeys, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, passkeys.ErrConfirmationRequired },
	}, passkeys.Guard[passkeys.Exchange]{Bearer: true})(http.NotFoundHandler())
	w := httptest.NewRecorder()
	guarded.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("by the guard: %d", w.Code)
	}
	if now := passkeys.ErrConfirmationRequired; now.ConfirmationRequest() != "" || now.Status != http.StatusForbidden {
		t.Errorf("it has become %+v", now)
	}
}

package passkeys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// The state is sealed, nothing is kept between begin and finish, and yet each is
// used once.

// server is another process: what it shares with b is its secret and its store.
func (b *bench) server(configure ...func(*passkeys.Config)) *bench {
	b.t.Helper()
	return newBench(b.t, append([]func(*passkeys.Config){func(c *passkeys.Config) {
		c.Credentials, c.Now = b.credentials, b.clock.Now
	}}, configure...)...)
}

func (b *bench) finish(r passkeys.AuthenticationResponse) error {
	_, err := b.FinishAuthentication(context.Background(), r)
	return err
}

// together does f n times at once, and returns what each came to.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range errs {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

func TestOfManyFinishesOneSucceeds(t *testing.T) {
	const rounds, atOnce = 1000, 64
	for name, counter := range map[string]passkeytest.CounterMode{"counters-that-stay-0": passkeytest.CounterZero, "counters-that-count": passkeytest.CounterAutomatic} {
		t.Run(name, func(t *testing.T) {
			one := newBench(t)
			two := one.server()
			a := passkeytest.New(origin)
			a.Counter = counter
			one.mustRegister(a)
			for range rounds {
				r := one.get(a, "")
				succeeded := 0
				for _, err := range together(atOnce, func(i int) error { return []*bench{one, two}[i%2].finish(r) }) {
					switch {
					case err == nil:
						succeeded++
					case reason(err) != passkeys.ReasonChallengeSpent:
						t.Errorf("%v (%s)", err, reason(err))
					}
				}
				if succeeded != 1 {
					t.Fatalf("%d of %d finishes with one state succeeded", succeeded, atOnce)
				}
			}
		})
	}
}

// Two sign-ins with one synced passkey at one moment have two states, and both
// stand.
func TestSignInsAtOneMomentAllStand(t *testing.T) {
	const atOnce = 8
	b := newBench(t)
	a := passkeytest.New(origin)
	a.Counter = passkeytest.CounterZero
	b.mustRegister(a)
	for range 50 {
		b.clock.Advance(time.Hour)
		var group sync.WaitGroup
		for range atOnce {
			r := b.get(a, "")
			group.Go(func() {
				if err := b.finish(r); err != nil {
					t.Errorf("%v (%s)", err, reason(err))
				}
			})
		}
		group.Go(func() {
			if err := b.Rename(context.Background(), alice.ID, b.stored().ID, b.clock.Now().String()); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if got := b.stored(); got.DeviceName != b.clock.Now().String() || !got.LastUsedAt.Equal(b.clock.Now()) {
			t.Fatalf("the name is %q, the last use %v at %v", got.DeviceName, got.LastUsedAt, b.clock.Now())
		}
	}
}

// However often a passkey is used within the life of one state, no state is used
// twice, the newest is always good, and what is remembered stays small.
func TestManySignInsWithinOneStatesLife(t *testing.T) {
	for _, n := range []int{17, 1000} {
		for _, ticks := range []time.Duration{0, time.Millisecond} {
			t.Run(fmt.Sprint(n, " every ", ticks), func(t *testing.T) {
				b := newBench(t)
				a := passkeytest.New(origin)
				a.Counter = passkeytest.CounterZero
				b.mustRegister(a)
				var used []passkeys.AuthenticationResponse
				for range n {
					b.clock.Advance(ticks)
					r := b.get(a, "")
					if err := b.finish(r); err != nil {
						t.Fatalf("sign-in %d: %v (%s)", len(used)+1, err, reason(err))
					}
					used = append(used, r)
					if size := len(b.stored().Spent); size > 1024 {
						t.Fatalf("%d bytes are remembered of %d sign-ins", size, len(used))
					}
				}
				for i, r := range used {
					if err := b.finish(r); reason(err) != passkeys.ReasonChallengeSpent {
						t.Fatalf("sign-in %d of %d again: %v (%s)", i+1, n, err, reason(err))
					}
				}
				b.mustSignIn(a)
			})
		}
	}
}

// A server whose clock was far ahead, and is put right, does not go on as if it
// still were: its states would put the watermark before those of all others.
func TestAClockThatIsPutRight(t *testing.T) {
	one := newBench(t)
	ahead := 24 * time.Hour
	two := one.server(func(c *passkeys.Config) { c.Now = func() time.Time { return one.clock.Now().Add(ahead) } })
	a := passkeytest.New(origin)
	one.mustRegister(a)
	_ = two.get(a, "")
	ahead = 0
	for range 20 {
		one.clock.Advance(time.Second)
		two.mustSignIn(a)
	}
	one.mustSignIn(a)
}

// States that are used in another order than they were issued in.
func TestStatesUsedOutOfOrder(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	a.Counter = passkeytest.CounterZero
	b.mustRegister(a)
	var waiting []passkeys.AuthenticationResponse
	for range 40 {
		b.clock.Advance(time.Second)
		waiting = append(waiting, b.get(a, ""))
	}
	// The newest first: each that comes later was issued earlier.
	passed := 0
	for i := len(waiting) - 1; i >= 0; i-- {
		if b.finish(waiting[i]) == nil {
			passed++
		}
	}
	if passed != 17 {
		t.Errorf("%d of 40 passed, want the 16 that are remembered and the one that raised the watermark", passed)
	}
	for i, r := range waiting {
		if err := b.finish(r); err == nil {
			t.Errorf("state %d passed twice", i)
		}
	}
}

// The memory of a state outlives it on every server, though one's clock is five
// minutes before or behind the other's.
func TestClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		for _, mode := range []passkeys.Mode{passkeys.ModeUsernameless, passkeys.ModeConditional} {
			t.Run(fmt.Sprint(skew, " ", mode), func(t *testing.T) {
				one := newBench(t)
				two := one.server(func(c *passkeys.Config) {
					c.Now = func() time.Time { return one.clock.Now().Add(skew) }
				})
				a := passkeytest.New(origin)
				a.Counter = passkeytest.CounterZero
				one.mustRegister(a)
				ceremony, err := one.BeginAuthentication(context.Background(), passkeys.AuthenticationRequest{Mode: mode})
				options, state := begun(one.t, ceremony, err)
				credential, err := a.Get(options)
				if err != nil {
					t.Fatal(err)
				}
				r := passkeys.AuthenticationResponse{State: state, Credential: credential}
				if err := one.finish(r); err != nil {
					t.Fatal(err)
				}
				// For as long as any of the two takes the state for alive, and longer.
				for range 80 {
					one.clock.Advance(time.Minute)
					for _, server := range []*bench{one, two} {
						server.mustSignIn(a) // and so what is remembered is written anew
						if err := server.finish(r); err == nil {
							t.Fatalf("replayed %v after the begin", one.clock.Now())
						}
					}
				}
				if n := len(one.stored().Spent); n > 9+16*32 {
					t.Errorf("%d bytes are remembered", n)
				}
			})
		}
	}
}

func TestWhatIsRememberedDiesWithItsUse(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	for range 10 {
		b.mustSignIn(a)
	}
	full := len(b.stored().Spent)
	b.clock.Advance(time.Hour)
	b.mustSignIn(a)
	if left := len(b.stored().Spent); left >= full || left != 9+32 {
		t.Errorf("%d bytes, and %d an hour later", full, left)
	}
}

// A state is of one secret, one relying party, one purpose, one session and one
// user, and good as it is or not at all.
func TestForeignStates(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	secret := func(first byte, others ...byte) func(*passkeys.Config) {
		return func(c *passkeys.Config) {
			c.Secret, c.OldSecrets = bytes.Repeat([]byte{first}, 32), nil
			for _, o := range others {
				c.OldSecrets = append(c.OldSecrets, bytes.Repeat([]byte{o}, 32))
			}
		}
	}
	for _, row := range []struct {
		name, says string
		from       *bench
		begin, end context.Context
		want       passkeys.Reason
	}{
		{"own", "Another server with the same secret and store.", b.server(), ctx, ctx, ""},
		{"secret", "Another secret.", b.server(secret(2)), ctx, ctx, passkeys.ReasonChallengeNotFound},
		{"rotated", "A newer secret, not known here.", b.server(secret(2, 1)), ctx, ctx, passkeys.ReasonChallengeNotFound},
		{"session", "Another browser session.", b, passkeys.WithSessionID(ctx, "one"), passkeys.WithSessionID(ctx, "two"), passkeys.ReasonSessionMismatch},
		{"no session", "None at finish.", b, passkeys.WithSessionID(ctx, "one"), ctx, passkeys.ReasonSessionMismatch},
		{"RP id", "Another relying party under the same secret.", b.server(func(c *passkeys.Config) { c.RPID, c.Origins = "www.example.org", []string{"https://www.example.org"} }), ctx, ctx, passkeys.ReasonRPIDMismatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			ceremony, err := row.from.BeginAuthentication(row.begin, passkeys.AuthenticationRequest{})
			options, state := begun(b.t, ceremony, err)
			credential, err := a.Get(bytes.Replace(options, []byte("www.example.org"), []byte("example.org"), 1))
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.FinishAuthentication(row.end, passkeys.AuthenticationResponse{State: state, Credential: credential})
			if row.want == "" && err == nil {
				return
			}
			if !errors.Is(err, passkeys.ErrChallengeNotFound) || reason(err) != row.want {
				t.Errorf("%s %v (%s), want %s", row.says, err, reason(err), row.want)
			}
		})
	}

	t.Run("purpose", func(t *testing.T) {
		r, s := b.create(passkeytest.New(origin)), b.get(a, "")
		r.State, s.State = s.State, r.State
		if _, err := b.FinishRegistration(ctx, r); reason(err) != passkeys.ReasonChallengePurpose || !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("a sign-in's state at a registration: %v", err)
		}
		if err := b.finish(s); reason(err) != passkeys.ReasonChallengePurpose || !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("a registration's state at a sign-in: %v", err)
		}
	})
	t.Run("user", func(t *testing.T) {
		r := b.create(passkeytest.New(origin))
		r.UserID = "bob-id"
		if _, err := b.FinishRegistration(ctx, r); !errors.Is(err, passkeys.ErrChallengeNotFound) || reason(err) != passkeys.ReasonUserChanged {
			t.Errorf("alice's registration, finished by bob: %v", err)
		}
	})
	t.Run("altered", func(t *testing.T) {
		r := b.get(a, "")
		whole := r.State
		for n := range whole {
			flipped := []byte(whole)
			if flipped[n] ^= 1; flipped[n] == whole[n] {
				continue
			}
			for _, r.State = range []string{string(flipped), whole[:n], whole[n+1:], whole[:n] + whole[n+1:], whole + "AAAA"} {
				if err := b.finish(r); !errors.Is(err, passkeys.ErrChallengeNotFound) || reason(err) != passkeys.ReasonChallengeNotFound {
					t.Fatalf("character %d: %v", n, err)
				}
			}
		}
		r.State = whole
		if err := b.finish(r); err != nil {
			t.Errorf("and the whole one after them: %v", err)
		}
	})
}

// A secret takes the place of another without anybody noticing.
func TestSecretsRotate(t *testing.T) {
	before := newBench(t)
	secret := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	during := before.server(func(c *passkeys.Config) { c.Secret, c.OldSecrets = secret(2), [][]byte{secret(1)} })
	after := before.server(func(c *passkeys.Config) { c.Secret = secret(2) })
	a := passkeytest.New(origin)
	before.mustRegister(a)
	for _, row := range []struct {
		says      string
		from, to  *bench
		challenge bool
	}{
		{"begun before the rotation, finished during it", before, during, true},
		{"begun and finished during it", during, during, true},
		{"begun during it, finished after it", during, after, true},
		{"begun before it, finished after it", before, after, false},
		{"begun during it, finished where it has not arrived", during, before, false},
	} {
		r := row.from.get(a, "")
		if err := row.to.finish(r); (err == nil) != row.challenge || err != nil && !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("%s: %v", row.says, err)
		}
	}
}

// A million begins that nobody finishes cost no memory, and shut nobody out.
func TestAFloodCostsNothing(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, func(c *passkeys.Config) { c.Audit = nil })
	a := passkeytest.New(origin)
	b.mustRegister(a)
	r := b.get(a, "")
	before := heap()
	for range 1_000_000 {
		if _, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if err := b.finish(r); err != nil {
		t.Errorf("who began before the flood: %v", err)
	}
	runtime.KeepAlive(b)
}

// writes counts what is written to a store.
type writes struct {
	passkeys.CredentialRepository
	n int
}

func (w *writes) Add(ctx context.Context, c passkeys.Credential) error {
	w.n++
	return w.CredentialRepository.Add(ctx, c)
}

func (w *writes) Update(ctx context.Context, c passkeys.Credential) error {
	w.n++
	return w.CredentialRepository.Update(ctx, c)
}

func (w *writes) Delete(ctx context.Context, userID string, id []byte) error {
	w.n++
	return w.CredentialRepository.Delete(ctx, userID, id)
}

// unlisted is a store that cannot list, from the nth time on.
type unlisted struct {
	writes
	from int
}

func (u *unlisted) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	if u.from--; u.from < 0 {
		return nil, errDown
	}
	return u.CredentialRepository.ListByUser(ctx, userID)
}

// Where the server cannot see what a user has, it stores nothing and takes nothing away.
func TestNothingIsDoneUnseen(t *testing.T) {
	store := &unlisted{from: 1000}
	b := newBench(t, func(c *passkeys.Config) {
		store.CredentialRepository = c.Credentials
		c.Credentials = store
	})
	first := b.mustRegister(passkeytest.New(origin))
	r := b.create(passkeytest.New(origin))
	for _, row := range []struct {
		says         string
		from, writes int
	}{
		{"It sees that there is room before it stores one.", 0, 0},
		{"It sees that nobody else has stored one too many, or takes theirs back.", 1, 2},
	} {
		store.n, store.from = 0, row.from
		_, err := b.FinishRegistration(context.Background(), r)
		b.refused(err, passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed)
		store.from = 1000
		if list, err := b.Credentials(context.Background(), alice.ID); err != nil || len(list) != 1 || store.n != row.writes {
			t.Errorf("%s %d passkeys, %d writes, %v", row.says, len(list), store.n, err)
		}
	}
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.HasOtherSignIn = func(passkeys.Exchange, passkeys.User) (bool, error) { return false, nil }
	})
	store.n, store.from = 0, 0
	if answer := s.do(http.MethodDelete, "/credentials/"+passkeys.EncodeID(first.ID), "", http.StatusServiceUnavailable); store.n != 0 {
		t.Errorf("It may be the last: %s, %d writes", answer, store.n)
	}
}

// What fails writes nothing, and spends nothing.
func TestGarbageWritesNothing(t *testing.T) {
	ctx := context.Background()
	store := &writes{}
	b := newBench(t, func(c *passkeys.Config) {
		store.CredentialRepository = c.Credentials
		c.Credentials = store
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s, r := b.get(a, ""), b.create(passkeytest.New(origin))
	store.n = 0
	for name, garble := range map[string]func(*passkeytest.Response){
		"signature":     func(r *passkeytest.Response) { r.Signature = []byte("x") },
		"client data":   func(r *passkeytest.Response) { r.ClientDataJSON = []byte("{}") },
		"authenticator": func(r *passkeytest.Response) { r.AuthenticatorData = make([]byte, 37) },
		"id":            func(r *passkeytest.Response) { r.ID, r.RawID = "AAAA", "AAAA" },
		"user handle":   func(r *passkeytest.Response) { r.UserHandle = []byte("bob-id") },
		"attestation":   func(r *passkeytest.Response) { r.AttestationObject = []byte{0xa0} },
	} {
		a.Corrupt = garble
		if name != "attestation" {
			garbled := b.get(a, "")
			garbled.State = s.State
			if err := b.finish(garbled); err == nil {
				t.Errorf("%s: signed in", name)
			}
		}
		liar := passkeytest.New(origin)
		liar.Corrupt = garble
		garbled := b.create(liar)
		garbled.State = r.State
		if _, err := b.FinishRegistration(ctx, garbled); err == nil {
			t.Errorf("%s: registered", name)
		}
	}
	a.Corrupt = nil
	for _, body := range []string{"", "{}", "null", `{"id":"AA"}`} {
		_ = b.finish(passkeys.AuthenticationResponse{State: s.State, Credential: []byte(body)})
		_, _ = b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: r.State, Credential: []byte(body)})
	}
	if store.n != 0 {
		t.Errorf("%d writes", store.n)
	}
	if err := b.finish(s); err != nil {
		t.Errorf("the state is spent: %v (%s)", err, reason(err))
	}
	if _, err := b.FinishRegistration(ctx, r); err != nil {
		t.Errorf("the state is spent: %v (%s)", err, reason(err))
	}
}

// A registration's state is spent by its credential, whichever credential comes
// with it after that, for as long as the first is there.
func TestARegistrationsStateIsUsedOnce(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	ceremony, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
	options, state := begun(b.t, ceremony, err)
	finish := func() (*passkeys.RegistrationResult, error) {
		credential, err := passkeytest.New(origin).Create(options)
		if err != nil {
			t.Fatal(err)
		}
		return b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: state, Credential: credential, UserID: alice.ID})
	}
	first, err := finish()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := finish()
		b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
	}
	if err := b.Revoke(ctx, alice.ID, first.Credential.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := finish(); err != nil {
		t.Errorf("as documented, by the same user until it expires: %v", err)
	}
}

// What is remembered cannot be read: nothing is known of the challenge, and so
// nobody gets in. Of a later version it is as good as used; else the store is at
// fault, and nobody is blamed.
func TestUnreadableMemoryLetsNobodyIn(t *testing.T) {
	for name, row := range map[string]struct {
		memory []byte
		want   *passkeys.Error
		why    passkeys.Reason
	}{
		"a later version's": {append([]byte{2}, make([]byte, 8)...), passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent},
		"nonsense":          {[]byte{0}, passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed},
		"cut off":           {append([]byte{1}, make([]byte, 19)...), passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed},
	} {
		b := newBench(t)
		a := passkeytest.New(origin)
		b.mustRegister(a)
		b.edit(func(c *passkeys.Credential) { c.Spent = row.memory })
		_, err := b.signIn(a)
		b.refused(err, row.want, row.why)
		_, err = b.register(passkeytest.New(origin))
		b.refused(err, row.want, row.why)
		if !bytes.Equal(b.stored().Spent, row.memory) {
			t.Errorf("%s: %x was written", name, b.stored().Spent)
		}
	}
}

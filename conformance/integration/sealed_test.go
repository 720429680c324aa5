package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// sealed is an application of two servers that share a secret and the
// credentials, and a user of it with a passkey.
type sealed struct {
	credentials *gate
	servers     [2]*passkeys.Passkeys
	a           *passkeytest.Authenticator
	user        string
	id          []byte
}

func newSealed(t *testing.T, credentials passkeys.CredentialRepository, a *passkeytest.Authenticator) *sealed {
	t.Helper()
	s := &sealed{credentials: &gate{CredentialRepository: credentials}, a: a, user: rand.Text()}
	for i := range s.servers {
		s.servers[i] = newInstance(t, s.credentials)
	}
	if err := register(t.Context(), s.servers[0], a, s.user); err != nil {
		t.Fatal(err)
	}
	s.id = a.Credentials()[0].ID
	return s
}

// gate is a repository that can be told to let nobody go on who has read a
// credential until all have that are expected: then none can be refused because
// another was quicker, and they all race to write.
type gate struct {
	passkeys.CredentialRepository

	mu       sync.Mutex
	expected int
	open     chan struct{}
}

func (g *gate) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	c, err := g.CredentialRepository.Get(ctx, id)
	g.mu.Lock()
	open := g.open
	if g.expected--; g.expected == 0 {
		close(open)
	}
	wait := g.expected >= 0
	g.mu.Unlock()
	if wait {
		<-open
	}
	return c, err
}

// expect makes the next n who read wait for each other.
func (g *gate) expect(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected, g.open = n, make(chan struct{})
}

func (s *sealed) stored(ctx context.Context) (passkeys.Credential, error) {
	return s.credentials.Get(ctx, s.id)
}

// counting is an authenticator whose counter goes up, synced one whose counter
// stays 0.
func counting() *passkeytest.Authenticator { return passkeytest.New(origin) }

func synced() *passkeytest.Authenticator {
	a := passkeytest.New(origin)
	a.Counter, a.BackupEligible, a.BackupState = passkeytest.CounterZero, true, true
	return a
}

// TestSealed races sign-ins whose states are kept nowhere, on every store.
func TestSealed(t *testing.T) {
	t.Parallel()
	// Of 64 finishes each, all of which have read before one writes, and for each of the two
	// counters.
	rounds := map[string]int{"memory": 200, "sqlite": 50, "postgresql": 50, "mariadb": 50, "mariadb-found-rows": 10}
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			credentials := engine.stores(t).credentials
			for _, race := range []struct {
				name, says string
				a          func() *passkeytest.Authenticator
				rounds     int
				round      func(context.Context, *sealed) error
			}{
				{"one-state-synced", "Of 64 finishes with one state that have all read the credential exactly one succeeds, though the counter stays 0.", synced, rounds[engine.name], finishOften},
				{"one-state-counting", "Nor does one more where the counter counts.", counting, rounds[engine.name], finishOften},
				{"two-states", "Two sign-ins with one synced passkey at the same moment both succeed.", synced, 200, finishTwo},
				{"rename", "A rename and a sign-in at the same moment both stand.", counting, 200, renameMeanwhile},
				{"counter", "A counter never goes back, in whatever order the sign-ins arrive, and the next one succeeds.", counting, 50, finishInAnyOrder},
				{"quarantine", "A quarantine that comes between a sign-in's read and its write stands, and the sign-in does not.", counting, 5, quarantineBetween},
				{"revocation", "So does a revocation.", counting, 1, revokeBetween},
			} {
				t.Run(race.name, func(t *testing.T) {
					t.Log(race.says)
					s := newSealed(t, credentials, race.a())
					begun := time.Now()
					for i := range race.rounds {
						if err := race.round(t.Context(), s); err != nil {
							t.Fatalf("round %d: %v", i, err)
						}
					}
					t.Logf("%d rounds in %v", race.rounds, time.Since(begun).Round(time.Millisecond))
				})
			}
		})
	}
}

func finishOften(ctx context.Context, s *sealed) error {
	before, err := s.stored(ctx)
	if err != nil {
		return err
	}
	answer, err := answered(ctx, s.servers[0], s.a)
	if err != nil {
		return err
	}
	var succeeded atomic.Int32
	var errs [64]error
	s.credentials.expect(len(errs))
	concurrently(len(errs), func(i int) {
		if _, errs[i] = s.servers[i%2].FinishAuthentication(ctx, answer); errs[i] == nil {
			succeeded.Add(1)
		}
	})
	if n := succeeded.Load(); n != 1 {
		return errors.Join(fmt.Errorf("%d of %d succeeded", n, len(errs)), errors.Join(errs[:]...))
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, passkeys.ErrChallengeNotFound) {
			return err
		}
	}
	if _, err := s.servers[1].FinishAuthentication(ctx, answer); !errors.Is(err, passkeys.ErrChallengeNotFound) {
		return fmt.Errorf("once more: %w", err)
	}
	after, err := s.stored(ctx)
	if err == nil && after.Version != before.Version+1 {
		err = fmt.Errorf("the Version is %d after %d: more than one was written", after.Version, before.Version)
	}
	return err
}

func finishTwo(ctx context.Context, s *sealed) error {
	first, err := answered(ctx, s.servers[0], s.a)
	if err != nil {
		return err
	}
	second, err := answered(ctx, s.servers[1], s.a)
	if err != nil {
		return err
	}
	finish := func(i int, answer passkeys.AuthenticationResponse) func() error {
		return func() error {
			_, err := s.servers[i].FinishAuthentication(ctx, answer)
			return err
		}
	}
	s.credentials.expect(2)
	if err := errors.Join(both(finish(0, first), finish(1, second))); err != nil {
		return err
	}
	first2, second2 := both(finish(1, first), finish(0, second))
	if !errors.Is(first2, passkeys.ErrChallengeNotFound) || !errors.Is(second2, passkeys.ErrChallengeNotFound) {
		return errors.Join(errors.New("once more, and not refused as spent"), first2, second2)
	}
	return nil
}

func renameMeanwhile(ctx context.Context, s *sealed) error {
	before, err := s.stored(ctx)
	if err != nil {
		return err
	}
	answer, err := answered(ctx, s.servers[0], s.a)
	if err != nil {
		return err
	}
	name := rand.Text()
	s.credentials.expect(2)
	if err := errors.Join(both(
		func() error {
			_, err := s.servers[0].FinishAuthentication(ctx, answer)
			return err
		},
		func() error { return s.servers[1].Rename(ctx, s.user, s.id, name) },
	)); err != nil {
		return err
	}
	after, err := s.stored(ctx)
	if err == nil && (after.DeviceName != name || after.SignCount != before.SignCount+1) {
		err = fmt.Errorf("the name is %q, want %q; the counter %d, after %d", after.DeviceName, name, after.SignCount, before.SignCount)
	}
	return err
}

func finishInAnyOrder(ctx context.Context, s *sealed) error {
	before, err := s.stored(ctx)
	if err != nil {
		return err
	}
	const n = 8
	var answers [n]passkeys.AuthenticationResponse
	for i := range answers {
		if answers[i], err = answered(ctx, s.servers[0], s.a); err != nil {
			return err
		}
	}
	var counters [n]uint32 // of those that succeeded
	var errs [n]error
	finished := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		highest := before.SignCount
		for {
			now, err := s.stored(ctx)
			if err == nil && now.SignCount < highest {
				err = fmt.Errorf("the counter is %d, and was %d", now.SignCount, highest)
			}
			if highest = now.SignCount; err != nil {
				watched <- err
				return
			}
			select {
			case <-finished:
				watched <- nil
				return
			default:
			}
		}
	}()
	concurrently(n, func(i int) {
		result, err := s.servers[i%2].FinishAuthentication(ctx, answers[i])
		if err == nil {
			counters[i] = result.Credential.SignCount
		} else if !errors.Is(err, passkeys.ErrAssertionVerification) && !errors.Is(err, passkeys.ErrCloneDetected) { // the counter had passed it
			errs[i] = err
		}
	})
	close(finished)
	if err := errors.Join(<-watched, errors.Join(errs[:]...)); err != nil {
		return err
	}
	after, err := s.stored(ctx)
	if highest := slices.Max(counters[:]); err == nil && after.SignCount != before.SignCount+n || highest != after.SignCount {
		err = fmt.Errorf("the counter is %d after %d and sign-ins up to %d; %w", after.SignCount, before.SignCount, highest, err)
	}
	return errors.Join(err, signInOnce(ctx, s.servers[1], s.a))
}

// between is a repository in which something comes before the next Update.
type between struct {
	passkeys.CredentialRepository
	meanwhile func() error
}

func (b *between) Update(ctx context.Context, c passkeys.Credential) error {
	if meanwhile := b.meanwhile; meanwhile != nil {
		b.meanwhile = nil
		if err := meanwhile(); err != nil {
			return err
		}
	}
	return b.CredentialRepository.Update(ctx, c)
}

// finishMeanwhile signs in, and between its read and its write comes something.
func finishMeanwhile(ctx context.Context, s *sealed, meanwhile func() error) error {
	p, err := newPasskeys(&between{s.credentials, meanwhile}, nil)
	if err != nil {
		return err
	}
	answer, err := answered(ctx, p, s.a)
	if err == nil {
		_, err = p.FinishAuthentication(ctx, answer)
	}
	return err
}

func quarantineBetween(ctx context.Context, s *sealed) error {
	at := time.Now().UTC().Truncate(time.Microsecond)
	if err := finishMeanwhile(ctx, s, func() error {
		return changed(ctx, s.credentials, s.id, func(c *passkeys.Credential) { c.QuarantinedAt, c.QuarantineReason = at, "a reason" })
	}); !errors.Is(err, passkeys.ErrCloneDetected) {
		return fmt.Errorf("the sign-in: %w", err)
	}
	stored, err := s.stored(ctx)
	if err != nil || !stored.QuarantinedAt.Equal(at) || stored.QuarantineReason != "a reason" {
		return fmt.Errorf("stored: %+v; %w", stored, err)
	}
	return errors.Join(s.servers[0].Restore(ctx, s.user, s.id), signInOnce(ctx, s.servers[1], s.a))
}

func revokeBetween(ctx context.Context, s *sealed) error {
	if err := finishMeanwhile(ctx, s, func() error { return s.servers[0].Revoke(ctx, s.user, s.id) }); !errors.Is(err, passkeys.ErrCredentialNotFound) {
		return fmt.Errorf("the sign-in: %w", err)
	}
	list, err := s.credentials.ListByUser(ctx, s.user)
	if err == nil && slices.ContainsFunc(list, func(c passkeys.Credential) bool { return bytes.Equal(c.ID, s.id) }) {
		err = errors.New("it is there again")
	}
	return err
}

package passkeys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// What happens to a credential between its being read and being written.

// meanwhile is a repository in which something happens between a Get and the
// Update that follows it, once.
type meanwhile struct {
	*passkeys.MemoryCredentials
	happens func()
	updates int
}

func (m *meanwhile) Update(ctx context.Context, c passkeys.Credential) error {
	m.updates++
	if f := m.happens; f != nil {
		m.happens = nil
		f()
	}
	return m.MemoryCredentials.Update(ctx, c)
}

func newMeanwhile(t *testing.T, configure ...func(*passkeys.Config)) (*bench, *meanwhile, *passkeytest.Authenticator) {
	t.Helper()
	store := &meanwhile{}
	b := newBench(t, append([]func(*passkeys.Config){func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	}}, configure...)...)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	return b, store, a
}

// edit changes the stored credential as another server would.
func (b *bench) edit(f func(*passkeys.Credential)) {
	b.t.Helper()
	c := b.stored()
	f(&c)
	if err := b.credentials.Update(context.Background(), c); err != nil {
		b.t.Error(err)
	}
}

func TestUnderAllowARacePasses(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.Allow })
	store.happens = func() { b.edit(func(c *passkeys.Credential) { c.SignCount = 5 }) }
	b.mustSignIn(a)
	if c := b.stored(); c.SignCount != 5 || c.LastUsedAt.IsZero() {
		t.Errorf("stored %+v", c)
	}
}

func TestARenameOfWhatIsRevokedMeanwhile(t *testing.T) {
	b, store, _ := newMeanwhile(t)
	store.happens = func() { _ = b.credentials.Delete(t.Context(), alice.ID, b.stored().ID) }
	if err := b.Rename(t.Context(), alice.ID, b.stored().ID, "new"); !errors.Is(err, passkeys.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// What another sign-in has noted meanwhile is not news.
func TestAChangeThatIsKnownMeanwhile(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.BackupEligibility = passkeys.BackupEligibilityAllow })
	a.BackupEligible = true
	store.happens = func() { b.edit(func(c *passkeys.Credential) { c.BackupEligible = true }) }
	b.mustSignIn(a)
	for _, e := range b.events.list {
		if e.Type == passkeys.BackupEligibilityChanged {
			t.Errorf("the audit says %+v", e)
		}
	}
}

// Of two quarantines the first time and reason stay.
func TestTheFirstQuarantineStays(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.FlagDisable })
	clone := a.Clone()
	b.mustSignIn(a)
	first := b.clock.Now()
	store.happens = func() {
		b.edit(func(c *passkeys.Credential) { c.QuarantinedAt, c.QuarantineReason = first, "by hand" })
	}
	b.clock.Advance(time.Hour)
	_, err := b.signIn(clone)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
	if c := b.stored(); !c.QuarantinedAt.Equal(first) || c.QuarantineReason != "by hand" {
		t.Errorf("quarantined again: %v, %s", c.QuarantinedAt, c.QuarantineReason)
	}
}

// What an import does not know of a passkey's backup, its first sign-in says, and
// the policy goes by that.
func TestDeviceBoundCountersOfAnImport(t *testing.T) {
	b, _, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.DeviceBound })
	b.edit(func(c *passkeys.Credential) { c.SignCount, c.BackupUnknown = 7, true })
	clone := a.Clone()
	a.BackupEligible = true
	b.mustSignIn(a)
	if c := b.stored(); c.SignCount != 7 || c.BackupUnknown || !c.BackupEligible {
		t.Errorf("stored %+v", c)
	}
	b.edit(func(c *passkeys.Credential) { c.BackupEligible, c.BackupUnknown = false, true })
	_, err := b.signIn(clone)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
}

// A passkey that does not count, and is found to have counted meanwhile, may have
// been overtaken: that is no clone.
func TestACountThatBeginsMeanwhileIsNoClone(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.FlagDisable })
	a.Counter = passkeytest.CounterZero
	store.happens = func() { b.edit(func(c *passkeys.Credential) { c.SignCount = 5 }) }
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonSignCountRaced)
	if b.stored().Quarantined() {
		t.Error("quarantined")
	}
}

// Who registers the id of a clone's passkey before it is quarantined is not blamed.
func TestAQuarantineOfAnIDThatChangesHandsMeanwhile(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.FlagDisable })
	clone := a.Clone()
	b.mustSignIn(a)
	old := b.stored()
	store.happens = func() {
		b.clock.Advance(time.Second)
		theirs := old
		theirs.UserID, theirs.PublicKey, theirs.Version = "bob-id", []byte("another"), b.clock.Now().UnixMicro()
		if err := errors.Join(b.credentials.Delete(t.Context(), alice.ID, old.ID), b.credentials.Add(t.Context(), theirs)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.signIn(clone)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
	if c, err := b.credentials.Get(t.Context(), old.ID); err != nil || c.Quarantined() {
		t.Errorf("bob's is %+v, %v", c, err)
	}
}

// A clone of a passkey that is revoked before it can be quarantined is a clone.
func TestACloneOfWhatIsRevokedMeanwhile(t *testing.T) {
	b, store, a := newMeanwhile(t, func(c *passkeys.Config) { c.SignCountPolicy = passkeys.FlagDisable })
	clone := a.Clone()
	b.mustSignIn(a)
	store.happens = func() { _ = b.credentials.Delete(t.Context(), alice.ID, b.stored().ID) }
	_, err := b.signIn(clone)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
}

func TestWhatIsNotQuarantinedIsNotWritten(t *testing.T) {
	b, store, _ := newMeanwhile(t)
	store.updates = 0
	if err := b.Restore(t.Context(), alice.ID, b.stored().ID); err != nil || store.updates != 0 {
		t.Errorf("%v, %d writes", err, store.updates)
	}
}

// crowd is a store at which all who finish list before any of them adds.
type crowd struct {
	*passkeys.MemoryCredentials
	listed sync.WaitGroup
}

func (c *crowd) Add(ctx context.Context, credential passkeys.Credential) error {
	c.listed.Done()
	c.listed.Wait()
	return c.MemoryCredentials.Add(ctx, credential)
}

// However many are finished at one moment, a user keeps no more passkeys than they
// may have, and of one state no more than one; and each that was acknowledged is
// there.
func TestOfManyRegistrationsNoMoreStayThanMay(t *testing.T) {
	for _, row := range []struct {
		name, sentence string
		oneState       bool
		finishes, stay int
		why            passkeys.Reason
	}{
		{"within the limit", "All of them stay.", false, 5, 5, ""},
		{"beyond the limit", "No more stay than may, though each saw room.", false, 20, 5, passkeys.ReasonCredentialLimit},
		{"of one state", "At most one stays, though each saw it unspent.", true, 4, 1, passkeys.ReasonChallengeSpent},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := &crowd{}
			b := newBench(t, func(c *passkeys.Config) {
				store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
				c.Credentials, c.MaxCredentials = store, 5
			})
			options, state := b.creation(alice)
			responses := make([]passkeys.RegistrationResponse, row.finishes)
			for i := range responses {
				if !row.oneState {
					options, state = b.creation(alice)
				}
				credential, err := passkeytest.New(origin).Create(options)
				if err != nil {
					t.Fatal(err)
				}
				responses[i] = passkeys.RegistrationResponse{UserID: alice.ID, State: state, Credential: credential}
			}
			store.listed.Add(row.finishes)
			made := make([]*passkeys.RegistrationResult, row.finishes)
			errs := make([]error, row.finishes)
			var all sync.WaitGroup
			for i, r := range responses {
				all.Go(func() { made[i], errs[i] = b.FinishRegistration(t.Context(), r) })
			}
			all.Wait()
			kept := 0
			for i, err := range errs {
				if err == nil {
					kept++
					if _, err := store.Get(t.Context(), made[i].Credential.ID); err != nil {
						t.Errorf("acknowledged, and lost: %v", err)
					}
				} else if reason(err) != row.why {
					t.Errorf("refused for %s: %v", reason(err), err)
				}
			}
			list, err := store.ListByUser(t.Context(), alice.ID)
			if err != nil || len(list) != kept || kept > row.stay || row.why == "" && kept != row.stay {
				t.Errorf("%d acknowledged, %d stored, %v; want %d. %s", kept, len(list), err, row.stay, row.sentence)
			}
		})
	}
}

// Two sign-ins with one authenticator that counts, of which the one that was signed
// later comes first: the other is refused, and the passkey stays. A counter that
// goes back under a challenge that was issued later is a clone's.
func TestWhatComesOutOfOrderIsNoClone(t *testing.T) {
	for _, policy := range []passkeys.SignCountPolicy{passkeys.StrictReject, passkeys.DeviceBound, passkeys.FlagDisable} {
		b := newBench(t, func(c *passkeys.Config) { c.SignCountPolicy = policy })
		a := passkeytest.New(origin)
		b.mustRegister(a)
		clone := a.Clone()
		first := b.get(a, "")
		b.clock.Advance(time.Second)
		second := b.get(a, "")
		b.clock.Advance(time.Second)
		if err := b.finish(second); err != nil {
			t.Fatal(err)
		}
		b.refused(b.finish(first), passkeys.ErrAssertionVerification, passkeys.ReasonSignCountRaced)
		if b.stored().Quarantined() {
			t.Errorf("%s: an honest authenticator is quarantined", policy)
		}
		b.clock.Advance(time.Second)
		b.mustSignIn(a)
		b.clock.Advance(time.Second)
		b.refused(b.finish(b.get(clone, "")), passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
		if got := b.stored().Quarantined(); got != (policy == passkeys.FlagDisable) {
			t.Errorf("%s: of a clone: quarantined %v", policy, got)
		}
	}
}

// An id and its key that were revoked and registered as another's meanwhile are the
// other's in the audit as well, whether the sign-in stands or not.
func TestTheAuditNamesWhoseItIsByNow(t *testing.T) {
	b, store, a := newMeanwhile(t)
	for _, row := range []struct {
		name, sentence string
		unknown        bool
		event          passkeys.AuditEventType
	}{
		{"a handle that is alice's", "Does not sign bob in.", false, passkeys.AuthenticationFailed},
		{"a handle that is not known yet", "Signs bob in.", true, passkeys.AuthenticationSucceeded},
	} {
		theirs := b.stored()
		store.happens = func() {
			_ = b.credentials.Delete(t.Context(), theirs.UserID, theirs.ID)
			theirs.UserID, theirs.HandleUnknown, theirs.Version = "bob", row.unknown, theirs.Version+1000
			_ = b.credentials.Add(t.Context(), theirs)
		}
		_, _ = b.signIn(a)
		if e := b.events.last(); e.Type != row.event || e.UserID != "bob" {
			t.Errorf("%s: %s of %q. %s", row.name, e.Type, e.UserID, row.sentence)
		}
		back := theirs
		back.UserID, back.HandleUnknown = alice.ID, false
		_ = b.credentials.Delete(t.Context(), "bob", theirs.ID)
		_ = b.credentials.Add(t.Context(), back)
	}
}

package passkeys_test

import (
	"context"
	"errors"
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

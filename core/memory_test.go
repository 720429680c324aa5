package passkeys_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// The contract of the stores, as far as core cannot do without it; the whole of it
// is the conformance module's to test.

func kept(id string) passkeys.Credential {
	return passkeys.Credential{
		ID: []byte(id), UserID: "u", PublicKey: []byte("key"),
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600)),
	}
}

func TestMemoryCredentialsKeepsTheContract(t *testing.T) {
	ctx := t.Context()
	for _, row := range []struct {
		name, says string
		do         func(*passkeys.MemoryCredentials) error
		want       error
	}{
		{"add", "A credential is added.", func(m *passkeys.MemoryCredentials) error { return m.Add(ctx, kept("new")) }, nil},
		{"add twice", "An id is added once, whoever comes.", func(m *passkeys.MemoryCredentials) error {
			c := kept("a")
			c.UserID = "other"
			return m.Add(ctx, c)
		}, passkeys.ErrCredentialExists},
		{"add what is invalid", "What is not valid is not added.", func(m *passkeys.MemoryCredentials) error {
			return m.Add(ctx, passkeys.Credential{ID: []byte("new")})
		}, passkeys.ErrInvalidCredential},
		{"update", "What has not changed is updated.", func(m *passkeys.MemoryCredentials) error { return m.Update(ctx, kept("a")) }, nil},
		{"update twice", "An update raises the version.", func(m *passkeys.MemoryCredentials) error {
			return errors.Join(m.Update(ctx, kept("a")), m.Update(ctx, kept("a")))
		}, passkeys.ErrConflict},
		{"update a later one", "A version that is to come is another one too.", func(m *passkeys.MemoryCredentials) error {
			c := kept("a")
			c.Version = 1
			return m.Update(ctx, c)
		}, passkeys.ErrConflict},
		{"update to what is invalid", "What is not valid is not kept.", func(m *passkeys.MemoryCredentials) error {
			c := kept("a")
			c.PublicKey = nil
			return m.Update(ctx, c)
		}, passkeys.ErrInvalidCredential},
		{"update what is gone", "What is not there is not updated.", func(m *passkeys.MemoryCredentials) error { return m.Update(ctx, kept("new")) }, passkeys.ErrCredentialNotFound},
		{"delete", "A user's own is deleted.", func(m *passkeys.MemoryCredentials) error { return m.Delete(ctx, "u", []byte("a")) }, nil},
		{"delete another's", "Another user's is not.", func(m *passkeys.MemoryCredentials) error { return m.Delete(ctx, "other", []byte("a")) }, passkeys.ErrCredentialNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := passkeys.NewMemoryCredentials()
			if err := m.Add(ctx, kept("a")); err != nil {
				t.Fatal(err)
			}
			if err := row.do(m); !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%s Got %v, want %v", row.says, err, row.want)
			}
		})
	}
}

func TestMemoryCredentialsSharesNothing(t *testing.T) {
	ctx := t.Context()
	m := passkeys.NewMemoryCredentials()
	mine := kept("a")
	if err := m.Add(ctx, mine); err != nil {
		t.Fatal(err)
	}
	mine.PublicKey[0] = 'x'
	got, err := m.Get(ctx, []byte("a"))
	if err != nil || string(got.PublicKey) != "key" {
		t.Fatalf("%s, %v", got.PublicKey, err)
	}
	if want := time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC); got.CreatedAt != want {
		t.Errorf("created at %v, want %v", got.CreatedAt, want)
	}
	got.PublicKey[0] = 'x'
	if got, _ = m.Get(ctx, []byte("a")); string(got.PublicKey) != "key" {
		t.Errorf("%s", got.PublicKey)
	}
}

func TestMemoryCredentialsListsTheOldestFirst(t *testing.T) {
	ctx := t.Context()
	m := passkeys.NewMemoryCredentials()
	for _, c := range []struct {
		id   string
		days int
	}{{"d", 2}, {"a", 3}, {"c", 1}, {"b", 1}} {
		one := kept(c.id)
		one.CreatedAt = one.CreatedAt.AddDate(0, 0, c.days)
		if err := m.Add(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	list, err := m.ListByUser(ctx, "u")
	var ids []byte
	for _, c := range list {
		ids = append(ids, c.ID...)
	}
	if string(ids) != "bcda" || err != nil {
		t.Errorf("%s, %v", ids, err)
	}
}

func TestMemoryChallengesKeepsTheContract(t *testing.T) {
	clock := &passkeytest.Clock{}
	m := &passkeys.MemoryChallenges{Now: clock.Now}
	in5 := clock.Now().Add(5 * time.Minute)
	payload := []byte("payload")
	handle, err := m.Put(t.Context(), payload, in5)
	if err != nil {
		t.Fatal(err)
	}
	payload[0] = 'x'
	consume(t, m, handle, "payload", nil)
	consume(t, m, handle, "", passkeys.ErrChallengeNotFound)

	late := put(t, m, "late", in5)
	clock.Advance(5 * time.Minute)
	put(t, m, "another", clock.Now().Add(time.Minute)) // clears up what is long expired, and no more
	consume(t, m, late, "", passkeys.ErrChallengeExpired)
	for _, row := range []struct {
		name      string
		payload   []byte
		expiresAt time.Time
	}{
		{"expired", nil, clock.Now()},
		{"too large", bytes.Repeat([]byte{1}, 64<<10+1), clock.Now().Add(time.Minute)},
	} {
		if handle, err := m.Put(t.Context(), row.payload, row.expiresAt); handle != "" || !errors.Is(err, passkeys.ErrInvalidChallenge) {
			t.Errorf("%s: %q, %v", row.name, handle, err)
		}
	}
}

// A user who has no passkey any more is not remembered.
func TestMemoryCredentialsForgetUsers(t *testing.T) {
	ctx := t.Context()
	m := passkeys.NewMemoryCredentials()
	before := heap()
	for i := range 50_000 {
		c := passkeys.Credential{ID: binary.BigEndian.AppendUint32(nil, uint32(i)), UserID: fmt.Sprint("user ", i), PublicKey: []byte{1}}
		if err := errors.Join(m.Add(ctx, c), m.Delete(ctx, c.UserID, c.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	runtime.KeepAlive(m)
}

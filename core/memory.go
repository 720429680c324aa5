package passkeys

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"
)

// MemoryCredentials keeps credentials in memory, for tests and first steps: they
// are gone when the process ends. The zero value is ready to use.
type MemoryCredentials struct {
	mu     sync.Mutex
	byID   map[string]*Credential
	byUser map[string][]*Credential // in the order of ListByUser
}

var (
	_ CredentialRepository = (*MemoryCredentials)(nil)
	_ CredentialScanner    = (*MemoryCredentials)(nil)
)

// NewMemoryCredentials returns an empty repository.
func NewMemoryCredentials() *MemoryCredentials { return &MemoryCredentials{} }

// Add implements [CredentialRepository].
func (m *MemoryCredentials) Add(ctx context.Context, c Credential) error {
	if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[string(c.ID)] != nil {
		return ErrCredentialExists
	}
	if m.byID == nil {
		m.byID, m.byUser = map[string]*Credential{}, map[string][]*Credential{}
	}
	c = asKept(c)
	m.byID[string(c.ID)] = &c
	own := m.byUser[c.UserID]
	at, _ := slices.BinarySearchFunc(own, &c, func(a, b *Credential) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID, b.ID))
	})
	m.byUser[c.UserID] = slices.Insert(own, at, &c)
	return nil
}

// asKept is a copy with times as they are kept.
func asKept(c Credential) Credential {
	c = c.Clone()
	c.CreatedAt, c.LastUsedAt, c.QuarantinedAt = stored(c.CreatedAt), stored(c.LastUsedAt), stored(c.QuarantinedAt)
	return c
}

// stored is a time to the precision that every store keeps.
func stored(t time.Time) time.Time {
	return t.UTC().Truncate(time.Microsecond)
}

// Get implements [CredentialRepository].
func (m *MemoryCredentials) Get(ctx context.Context, id []byte) (Credential, error) {
	if err := ctx.Err(); err != nil {
		return Credential{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.byID[string(id)]
	if c == nil {
		return Credential{}, ErrCredentialNotFound
	}
	return c.Clone(), nil
}

// ListByUser implements [CredentialRepository].
func (m *MemoryCredentials) ListByUser(ctx context.Context, userID string) ([]Credential, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.byUser[userID]
	credentials := make([]Credential, len(own))
	for i, c := range own {
		credentials[i] = c.Clone()
	}
	return credentials, nil
}

// Scan implements [CredentialScanner], in the order of the IDs. Each call looks at
// all.
func (m *MemoryCredentials) Scan(ctx context.Context, after []byte, limit int) ([]Credential, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id := range m.byID {
		if id > string(after) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	page := make([]Credential, min(limit, len(ids)))
	for i := range page {
		page[i] = m.byID[ids[i]].Clone()
	}
	return page, nil
}

// Update implements [CredentialRepository].
func (m *MemoryCredentials) Update(ctx context.Context, c Credential) error {
	if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.byID[string(c.ID)]
	switch {
	case kept == nil:
		return ErrCredentialNotFound
	case kept.Version != c.Version:
		return ErrConflict
	}
	userID, createdAt := kept.UserID, kept.CreatedAt // what the lists are in the order of
	*kept = asKept(c)
	kept.UserID, kept.CreatedAt = userID, createdAt
	kept.Version++
	return nil
}

// Delete implements [CredentialRepository].
func (m *MemoryCredentials) Delete(ctx context.Context, userID string, id []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.byID[string(id)]
	if c == nil || c.UserID != userID {
		return ErrCredentialNotFound
	}
	delete(m.byID, string(id))
	own := slices.DeleteFunc(m.byUser[userID], func(o *Credential) bool { return o == c })
	if m.byUser[userID] = own; len(own) == 0 {
		delete(m.byUser, userID)
	}
	return nil
}

// MemoryChallenges keeps challenges in the memory of one process, never more
// than Capacity. When it is full the oldest makes room, so a flood of begins
// costs a known amount of memory. It also pushes out whoever began before it and
// has not finished: 65,536 begins do, from anywhere and in about a second. The
// sealed state that is the default of Config.Challenges has no such limit; this
// is for those who want a state to be spent by the first attempt in one process.
// The zero value is ready to use.
type MemoryChallenges struct {
	// Capacity is how many challenges are kept, at no more than 400 bytes each.
	// Default: 65,536, so 26 MB. Set it before the first use.
	Capacity int
	// Now is the clock. Default: time.Now. Set it before the first use.
	Now func() time.Time

	mu       sync.Mutex
	byHandle map[string]*list.Element
	oldest   list.List // of *heldChallenge, oldest first
}

var _ ChallengeStore = (*MemoryChallenges)(nil)

// NewMemoryChallenges returns an empty store with the defaults.
func NewMemoryChallenges() *MemoryChallenges { return &MemoryChallenges{} }

type heldChallenge struct {
	handle    string
	payload   []byte
	expiresAt time.Time
}

const (
	defaultCapacity = 1 << 16
	// lateness is how long an expired challenge is still called expired, before
	// it is forgotten.
	lateness = 5 * time.Minute
)

func (m *MemoryChallenges) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// Put implements [ChallengeStore].
func (m *MemoryChallenges) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	now := m.now()
	if err := cmp.Or(ctx.Err(), ValidateChallenge(payload, expiresAt, now)); err != nil {
		return "", err
	}
	c := &heldChallenge{rand.Text(), bytes.Clone(payload), expiresAt}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byHandle == nil {
		m.byHandle = map[string]*list.Element{}
	}
	capacity := m.Capacity
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	for e := m.oldest.Front(); e != nil; e = m.oldest.Front() {
		if m.oldest.Len() < capacity && now.Before(e.Value.(*heldChallenge).expiresAt.Add(lateness)) {
			break
		}
		m.remove(e)
	}
	m.byHandle[c.handle] = m.oldest.PushBack(c)
	return c.handle, nil
}

// Consume implements [ChallengeStore].
func (m *MemoryChallenges) Consume(ctx context.Context, handle string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byHandle[handle]
	if e == nil {
		return nil, ErrChallengeNotFound
	}
	c := m.remove(e)
	if !now.Before(c.expiresAt) {
		return nil, ErrChallengeExpired
	}
	return c.payload, nil
}

func (m *MemoryChallenges) remove(e *list.Element) *heldChallenge {
	c := m.oldest.Remove(e).(*heldChallenge)
	delete(m.byHandle, c.handle)
	return c
}

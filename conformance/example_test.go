package conformance_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// Drawer is a challenge store: a map, a mutex and a clock.
type Drawer struct {
	Now func() time.Time

	mu   sync.Mutex
	kept map[string]note
}

type note struct {
	payload   string
	expiresAt time.Time
}

// Put implements [passkeys.ChallengeStore].
func (d *Drawer) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case len(payload) > 64<<10:
		return "", errors.New("drawer: the payload is too large")
	case !expiresAt.After(d.Now()):
		return "", errors.New("drawer: the challenge has expired already")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		d.kept = map[string]note{}
	}
	handle := rand.Text()
	d.kept[handle] = note{string(payload), expiresAt}
	return handle, nil
}

// Consume implements [passkeys.ChallengeStore].
func (d *Drawer) Consume(ctx context.Context, handle string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.kept[handle]
	delete(d.kept, handle) // in one step with the look: of two callers one comes second
	switch {
	case !ok:
		return nil, passkeys.ErrChallengeNotFound
	case !d.Now().Before(n.expiresAt):
		return nil, passkeys.ErrChallengeExpired
	}
	return []byte(n.payload), nil
}

// In a test file of its own this is TestDrawer.
func testDrawer(t *testing.T) {
	clock := passkeytest.NewClock(time.Time{})
	conformance.TestChallenges(t, func(testing.TB) passkeys.ChallengeStore {
		return &Drawer{Now: clock.Now}
	}, conformance.Features{Now: clock.Now, Advance: clock.Advance})
}

func Example() {
	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Challenges:  &Drawer{Now: time.Now},
	})
	if err != nil {
		panic(err)
	}
	ceremony, err := p.BeginAuthentication(context.Background(), "")
	if err != nil {
		panic(err)
	}
	fmt.Printf("a state of %d characters\n", len(ceremony.State))

	// Output:
	// a state of 26 characters
}

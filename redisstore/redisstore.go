// Package redisstore keeps challenges in Redis, for applications of more than
// one process, and guards stateless ones against replay. It takes the
// application's own client, of whatever kind, and adds no connection and no
// goroutine to it.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: credentials,
//		Challenges:  redisstore.NewChallenges(client, nil),
//	})
//
// With ContextTimeoutEnabled a request's deadline also ends a command that waits
// for its reply; without it the client's own timeouts do.
//
// # What is stored
//
// One key for each ceremony that has begun, for as long as it may take. The
// key holds the SHA-256 of the handle, so that whoever reads the database
// cannot finish anybody's ceremony. Every operation is one command on one key,
// so a cluster will do: SET and GETDEL, or where the server is older than 6.2
// and does not know that, EVAL.
//
// # What can go wrong
//
// The client sends a command again when its reply is lost, three times by
// default. A challenge that was consumed by the lost one is gone then: the user
// starts again, and nothing is ever consumed twice. In the same way
// [ReplayGuard.Use] may refuse a sign-in that was genuine.
//
// A replica that takes over may not have heard of the last commands. A
// challenge it never got is ErrChallengeNotFound; one whose deletion it never
// got can be consumed again until it expires. Give Redis the memory it needs:
// what it evicts is ErrChallengeNotFound as well, or forgotten by the guard.
package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/redis/go-redis/v9"
)

// Options are for [NewChallenges] and [NewReplayGuard]. nil and the zero value
// mean the defaults.
type Options struct {
	// Prefix begins every key. Default: "passkeys:challenge:" for challenges,
	// "passkeys:used:" for the guard.
	Prefix string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// keys is what both types are made of.
type keys struct {
	client redis.UniversalClient
	prefix string
	now    func() time.Time
}

func newKeys(client redis.UniversalClient, o *Options, prefix string) keys {
	k := keys{client, prefix, time.Now}
	if o != nil && o.Prefix != "" {
		k.prefix = o.Prefix
	}
	if o != nil && o.Now != nil {
		k.now = o.Now
	}
	return k
}

func (k keys) key(name string) string {
	sum := sha256.Sum256([]byte(name))
	return k.prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// lifetime is how long a key must live, or not more than 0 if it is too late. It
// is rounded up to the millisecond, as fine as Redis has it, because a key with
// a lifetime of 0 or less would stay for ever; so would one whose sum overflows.
func (k keys) lifetime(expiresAt time.Time) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	lifetime := min(expiresAt.Sub(k.now()), century)
	if rest := lifetime % time.Millisecond; rest > 0 {
		lifetime += time.Millisecond - rest
	}
	return lifetime
}

// Challenges keeps challenges in Redis. Make one with [NewChallenges]. It is
// safe for concurrent use.
type Challenges struct {
	keys
	noGetDel atomic.Bool
}

var _ passkeys.ChallengeStore = (*Challenges)(nil)

// NewChallenges returns the challenges on the application's client. It does not
// ask the server anything.
func NewChallenges(client redis.UniversalClient, o *Options) *Challenges {
	return &Challenges{keys: newKeys(client, o, "passkeys:challenge:")}
}

const (
	maxPayload = 64 << 10
	// The length of rand.Text, which may grow.
	minHandle, maxHandle = 26, 64
)

var (
	errExpiryPast   = errors.New("redisstore: the challenge has expired before it was stored")
	errPayloadLarge = errors.New("redisstore: a challenge payload holds at most 64 KiB")
)

// Put implements [passkeys.ChallengeStore].
func (s *Challenges) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	lifetime := s.lifetime(expiresAt)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case len(payload) > maxPayload:
		return "", errPayloadLarge
	case lifetime <= 0:
		return "", errExpiryPast
	}
	handle := rand.Text()
	// The server's clock is not ours, so the expiry goes into the value too.
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(payload)), uint64(expiresAt.UnixMicro()))
	value = append(value, payload...)
	if err := s.client.Set(ctx, s.key(handle), value, lifetime).Err(); err != nil {
		return "", failed(ctx, err)
	}
	return handle, nil
}

// Consume implements [passkeys.ChallengeStore]. What Redis has dropped is
// ErrChallengeNotFound; ErrChallengeExpired is rare.
func (s *Challenges) Consume(ctx context.Context, handle string) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(handle) < minHandle || len(handle) > maxHandle || strings.Trim(handle, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "":
		return nil, passkeys.ErrChallengeNotFound
	}
	value, err := s.take(ctx, s.key(handle))
	switch {
	case errors.Is(err, redis.Nil):
		return nil, passkeys.ErrChallengeNotFound
	case err != nil:
		return nil, failed(ctx, err)
	case len(value) < 8: // not ours
		return nil, passkeys.ErrChallengeNotFound
	case s.now().UnixMicro() >= int64(binary.BigEndian.Uint64(value)):
		return nil, passkeys.ErrChallengeExpired
	default:
		return value[8:], nil
	}
}

// take reads and deletes a key at once.
func (s *Challenges) take(ctx context.Context, key string) ([]byte, error) {
	if !s.noGetDel.Load() {
		value, err := s.client.GetDel(ctx, key).Bytes()
		if err == nil || !strings.Contains(err.Error(), "unknown command") {
			return value, err
		}
		s.noGetDel.Store(true)
	}
	const script = `local value = redis.call("GET", KEYS[1]); redis.call("DEL", KEYS[1]); return value`
	text, err := s.client.Eval(ctx, script, []string{key}).Text()
	return []byte(text), err
}

// ReplayGuard remembers in Redis which stateless challenges were used. Make one
// with [NewReplayGuard]. It is safe for concurrent use.
type ReplayGuard struct{ keys }

var _ passkeys.ReplayGuard = (*ReplayGuard)(nil)

// NewReplayGuard returns a guard on the application's client, for
// [passkeys.StatelessChallenges]. It does not ask the server anything.
func NewReplayGuard(client redis.UniversalClient, o *Options) *ReplayGuard {
	return &ReplayGuard{newKeys(client, o, "passkeys:used:")}
}

// clockSkew is how far the clocks of the processes may differ: for as long, one
// of them may still take for alive what another let expire.
const clockSkew = 5 * time.Minute

// Use implements [passkeys.ReplayGuard]. What has expired is not a first use. An
// id is remembered for five minutes longer than it lives, because the clocks of
// the processes may differ.
func (g *ReplayGuard) Use(ctx context.Context, id string, expiresAt time.Time) (bool, error) {
	lifetime := g.lifetime(expiresAt)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case lifetime <= 0:
		return false, nil
	}
	first, err := g.client.SetNX(ctx, g.key(id), "", lifetime+clockSkew).Result()
	return first, failed(ctx, err)
}

// failed wraps the client's error, and adds the context's, if that has ended.
func failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("redisstore: %w: %w", ctx.Err(), err)
	default:
		return fmt.Errorf("redisstore: %w", err)
	}
}

// Package redisstore keeps challenges in Redis, for applications that want a state
// to be spent by the first attempt to finish it, even one that fails. By default
// it is spent by the first that succeeds, and nothing is kept between begin and
// finish, in any number of processes: whom that suits needs no Redis.
//
// It takes the application's own client, of whatever kind, and adds no connection
// and no goroutine to it.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: credentials,
//		Challenges:  redisstore.NewChallenges(client, nil),
//		Secret:      secret, // the same in every process: decoys are made from it
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
// so a cluster will do: SET and GETDEL, or where that is answered with an error, as
// by servers older than 6.2, proxies that do not pass it on, and users who may not,
// EVAL.
//
// # What can go wrong
//
// The client sends a command again when its reply is lost, three times by
// default. A challenge that was consumed by the lost one is gone then: the user
// starts again, and nothing is ever consumed twice.
//
// A replica that takes over may not have heard of the last commands. A
// challenge it never got is ErrChallengeNotFound; one whose deletion it never
// got can be consumed again until it expires, but no passkey signs in with it
// twice: the credential remembers it. Give Redis the memory it needs: what it
// evicts is ErrChallengeNotFound as well.
//
// # Limits
//
// [Limiter] is a [passkeys.Limiter] for any number of processes, by itself or beside
// the challenges.
package redisstore

import (
	"cmp"
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

// Options are for [NewChallenges]. nil and the zero value mean the defaults.
type Options struct {
	// Prefix begins every key. Default: "passkeys:challenge:".
	Prefix string
	// Script has challenges taken with EVAL, never with GETDEL: for a proxy that
	// closes the connection on a command that it does not know, which looks like any
	// other loss of a connection. Default: GETDEL, and EVAL once that was answered with
	// an error.
	Script bool
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Challenges keeps challenges in Redis. Make one with [NewChallenges]. It is
// safe for concurrent use.
type Challenges struct {
	client redis.UniversalClient
	prefix string
	now    func() time.Time
	script atomic.Bool // instead of GETDEL
}

var _ passkeys.ChallengeStore = (*Challenges)(nil)

// NewChallenges returns the challenges on the application's client. It does not
// ask the server anything. It panics if client is nil.
func NewChallenges(client redis.UniversalClient, o *Options) *Challenges {
	s := &Challenges{client: given(client), prefix: "passkeys:challenge:", now: time.Now}
	if o == nil {
		return s
	}
	s.script.Store(o.Script)
	s.prefix = cmp.Or(o.Prefix, s.prefix)
	if o.Now != nil {
		s.now = o.Now
	}
	return s
}

// errNil is for whoever has forgotten to make the client.
var errNil = errors.New("redisstore: the client is nil")

// given is a client, which is one.
func given(client redis.UniversalClient) redis.UniversalClient {
	missing := client == nil
	switch c := client.(type) {
	case *redis.Client:
		missing = c == nil
	case *redis.ClusterClient:
		missing = c == nil
	}
	if missing {
		panic(errNil)
	}
	return client
}

// The length of rand.Text, which may grow.
const minHandle, maxHandle = 26, 64

func (s *Challenges) key(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return s.prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Put implements [passkeys.ChallengeStore].
func (s *Challenges) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	now := s.now()
	if err := cmp.Or(ctx.Err(), passkeys.ValidateChallenge(payload, expiresAt, now)); err != nil {
		return "", err
	}
	handle := rand.Text()
	// The server's clock is not ours, so the expiry goes into the value too.
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(payload)), uint64(expiresAt.UnixMicro()))
	value = append(value, payload...)
	if err := s.client.Set(ctx, s.key(handle), value, lifetime(expiresAt.Sub(now))).Err(); err != nil {
		return "", failed(ctx, err)
	}
	return handle, nil
}

// lifetime is how long a key must live. It is rounded up to the millisecond, as
// fine as Redis has it, because a key with a lifetime of 0 would stay for ever;
// so would one whose sum with the time overflows.
func lifetime(d time.Duration) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	d = min(d, century)
	if rest := d % time.Millisecond; rest > 0 {
		d += time.Millisecond - rest
	}
	return d
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

// take reads and deletes a key at once. Where GETDEL is answered with an error it
// was not done, whatever the words, and the script is tried; once that has served,
// it is what is asked for.
func (s *Challenges) take(ctx context.Context, key string) ([]byte, error) {
	var refused redis.Error
	if !s.script.Load() {
		value, err := s.client.GetDel(ctx, key).Bytes()
		if errors.Is(err, redis.Nil) || !errors.As(err, &refused) { // it is none, or the connection's
			return value, err
		}
	}
	const script = `local value = redis.call("GET", KEYS[1]); redis.call("DEL", KEYS[1]); return value`
	text, err := s.client.Eval(ctx, script, []string{key}).Text()
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		s.script.Store(true)
	case refused != nil:
		err = fmt.Errorf("GETDEL: %w; EVAL: %w", refused, err)
	}
	return []byte(text), err
}

// failed wraps the client's error, and adds the context's, if that has ended.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("redisstore: %w: %w", ctx.Err(), err)
	}
	return fmt.Errorf("redisstore: %w", err)
}

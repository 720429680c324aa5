package integration

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
)

func TestRedis(t *testing.T) {
	client := redisClient(t, redisServer(t))
	t.Run("challenges", func(t *testing.T) { redisSuite(t, client) })
	t.Run("challenges-clock", func(t *testing.T) {
		t.Log("Challenges go by the store's clock as well as by the server's.")
		clock := passkeytest.NewClock(time.Time{})
		conformance.TestChallenges(t, func(testing.TB) passkeys.ChallengeStore {
			return redisstore.NewChallenges(client, &redisstore.Options{Prefix: prefix(), Now: clock.Now})
		}, conformance.Features{Now: clock.Now, Advance: clock.Advance})
	})
	t.Run("limiter", func(t *testing.T) { redisLimiter(t, client) })
	t.Run("stored", func(t *testing.T) { redisStored(t, client) })
	t.Run("dropped", func(t *testing.T) { redisDropped(t, client) })
	t.Run("foreign", func(t *testing.T) { redisForeign(t, client) })
}

func TestRedisWithoutGetDel(t *testing.T) {
	client := redisClient(t, oldRedisServer(t))
	if err := client.GetDel(t.Context(), "key").Err(); err == nil || errors.Is(err, redis.Nil) {
		t.Fatalf("GETDEL: %v; want an unknown command", err)
	}
	redisSuite(t, client)
	redisLimiter(t, client)
}

func redisSuite(t *testing.T, client redis.UniversalClient) {
	conformance.TestChallenges(t, func(testing.TB) passkeys.ChallengeStore {
		return redisstore.NewChallenges(client, &redisstore.Options{Prefix: prefix()})
	}, conformance.Features{})
}

func redisLimiter(t *testing.T, client redis.UniversalClient) {
	conformance.TestLimiter(t, func(_ testing.TB, o conformance.LimiterOptions) passkeys.Limiter {
		return redisstore.NewLimiter(client, &redisstore.LimiterOptions{Rates: o.Rates, Prefix: prefix(), Now: o.Now})
	})
	t.Run("expires", func(t *testing.T) {
		t.Log("A budget is one key, which is gone once it is whole.")
		p := prefix()
		l := redisstore.NewLimiter(client, &redisstore.LimiterOptions{Prefix: p})
		if _, err := l.Take(t.Context(), passkeys.Limit{Route: "/authenticate/begin", Client: netip.MustParsePrefix("203.0.113.7/32"), Account: "secret"}); err != nil {
			t.Fatal(err)
		}
		keys, err := client.Keys(t.Context(), p+"*").Result()
		if err != nil || len(keys) != 1 || strings.Contains(keys[0], "203") || strings.Contains(keys[0], "secret") {
			t.Fatalf("%q, %v", keys, err)
		}
		if ttl, err := client.PTTL(t.Context(), keys[0]).Result(); err != nil || ttl <= 0 || ttl > 3*time.Second {
			t.Errorf("it lives for %v, %v", ttl, err)
		}
	})
}

func redisClient(tb testing.TB, address string) redis.UniversalClient {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func prefix() string { return rand.Text() + ":" }

func redisStored(t *testing.T, client redis.UniversalClient) {
	t.Log("A challenge is one key that expires and holds no handle.")
	p := prefix()
	s := redisstore.NewChallenges(client, &redisstore.Options{Prefix: p})
	handle, err := s.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	key := onlyKey(t, client, p)
	if strings.Contains(key, handle) {
		t.Error("the key holds the handle")
	}
	if value, err := client.Get(t.Context(), key).Result(); err != nil || strings.Contains(value, handle) {
		t.Errorf("the value holds the handle, or %v", err)
	}
	expires(t, client, key, 59*time.Minute, time.Hour)
	if _, err := s.Consume(t.Context(), handle); err != nil {
		t.Fatal(err)
	}
	if n := client.Exists(t.Context(), key).Val(); n != 0 {
		t.Error("the key outlives its challenge")
	}
}

func redisDropped(t *testing.T, client redis.UniversalClient) {
	t.Log("The server drops a challenge by itself, be its time less than a millisecond.")
	p := prefix()
	clock := passkeytest.NewClock(time.Time{})
	s := redisstore.NewChallenges(client, &redisstore.Options{Prefix: p, Now: clock.Now})
	handle, err := s.Put(t.Context(), []byte("payload"), clock.Now().Add(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if keys, err := client.Keys(t.Context(), p+"*").Result(); err != nil || time.Now().After(deadline) {
			t.Fatalf("%d keys; %v", len(keys), err)
		} else if len(keys) == 0 {
			break
		}
	}
	if _, err := s.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) {
		t.Errorf("%v, though the server forgot it", err)
	}
}

func redisForeign(t *testing.T, client redis.UniversalClient) {
	t.Log("What somebody else put under the key is no challenge.")
	p := prefix()
	s := redisstore.NewChallenges(client, &redisstore.Options{Prefix: p})
	handle, err := s.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), onlyKey(t, client, p), "1234567", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) {
		t.Error(err)
	}
}

func onlyKey(t *testing.T, client redis.UniversalClient, prefix string) string {
	t.Helper()
	keys, err := client.Keys(t.Context(), prefix+"*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, want 1; %v", len(keys), err)
	}
	return keys[0]
}

func expires(t *testing.T, client redis.UniversalClient, key string, from, to time.Duration) {
	t.Helper()
	if ttl, err := client.PTTL(t.Context(), key).Result(); err != nil || ttl < from || ttl > to {
		t.Errorf("expires in %v, want %v to %v; %v", ttl, from, to, err)
	}
}

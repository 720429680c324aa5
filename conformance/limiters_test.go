package conformance

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func memoryLimiter(_ testing.TB, o LimiterOptions) passkeys.Limiter {
	return passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Rates: o.Rates, Now: o.Now})
}

func TestMemoryLimiter(t *testing.T) { TestLimiter(t, memoryLimiter) }

// taking is a limiter that does this.
type taking func(context.Context, passkeys.Limit) (time.Duration, error)

func (f taking) Take(ctx context.Context, l passkeys.Limit) (time.Duration, error) { return f(ctx, l) }

// paying counts what it refuses as well.
func paying(l *limited) *limited {
	sound := l.Limiter
	l.Limiter = taking(func(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
		wait, err := sound.Take(ctx, limit)
		if wait > 0 {
			limit.Failed = true
			_, err = sound.Take(ctx, limit)
		}
		return wait, err
	})
	return l
}

// piling has no bound for failures.
func piling(l *limited) *limited {
	sound, failures := l.Limiter, 0
	l.Limiter = taking(func(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
		if limit.Failed {
			failures++
		}
		wait, err := sound.Take(ctx, limit)
		if !limit.Failed && failures > 10 {
			return time.Duration(failures*failure) * every, err
		}
		return wait, err
	})
	return l
}

// readThenWrite decides before it sees what others write meanwhile.
func readThenWrite(l *limited) *limited {
	sound := l.Limiter
	var inside atomic.Int64
	l.Limiter = taking(func(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
		defer inside.Add(-1)
		inside.Add(1)
		time.Sleep(time.Millisecond)
		if inside.Load() > 1 {
			return 0, nil
		}
		return sound.Take(ctx, limit)
	})
	return l
}

func TestLimiterFaults(t *testing.T) {
	rows := limiterRows()
	testRows(t, rows)
	// asked is the sound limiter, asked for something else.
	asked := func(change func(*passkeys.Limit)) func(*limited) *limited {
		return func(l *limited) *limited {
			sound := l.Limiter
			l.Limiter = taking(func(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
				change(&limit)
				return sound.Take(ctx, limit)
			})
			return l
		}
	}
	// answered is the sound limiter, whose answer is another.
	answered := func(change func(l *limited, limit passkeys.Limit, wait time.Duration) time.Duration) func(*limited) *limited {
		return func(l *limited) *limited {
			sound := l.Limiter
			l.Limiter = taking(func(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
				wait, err := sound.Take(ctx, limit)
				return change(l, limit, wait), err
			})
			return l
		}
	}
	// other has other rates.
	other := func(change func(*passkeys.Rates)) func(*limited) *limited {
		return func(l *limited) *limited {
			rates := passkeys.Rates{Client: passkeys.Rate{Burst: burst, Every: every}, Account: passkeys.Rate{Burst: accountBurst, Every: accountEvery}, Failure: failure}
			change(&rates)
			l.Limiter = memoryLimiter(nil, LimiterOptions{rates, func() time.Time { return l.now }})
			return l
		}
	}
	testFaults(t, func(t *testing.T, f func(*testing.T)) { f(t) }, rows, func(t testing.TB) *limited { return newLimited(t, memoryLimiter) }, []fault[*limited]{
		{"nobody waits", answered(func(*limited, passkeys.Limit, time.Duration) time.Duration { return 0 }), "burst refill wait refused failed account apart concurrent"},
		{"one more passes", other(func(r *passkeys.Rates) { r.Client.Burst++ }), "burst refill wait refused failed concurrent"},
		{"it is full for ever", answered(func(l *limited, limit passkeys.Limit, wait time.Duration) time.Duration {
			if limit.Account == "" && l.now.After(time.Date(2026, 11, 27, 12, 0, 0, 200_000_000, time.UTC)) {
				return every
			}
			return wait
		}), "refill wait refused failed"},
		{"it does not say for how long", answered(func(_ *limited, _ passkeys.Limit, wait time.Duration) time.Duration {
			return min(wait, time.Nanosecond)
		}), "burst refill wait refused failed account apart"},
		{"who is refused pays", paying, "refused …"},
		{"failures cost as much as requests", asked(func(l *passkeys.Limit) { l.Failed = false }), "failed"},
		{"failures pile up", piling, "failed"},
		{"accounts are clients", asked(func(l *passkeys.Limit) { l.Account = "" }), "account apart"},
		{"routes are one", asked(func(l *passkeys.Limit) { l.Route = "" }), "apart"},
		{"it reads, then writes", readThenWrite, "concurrent"},
	})
}

package conformance

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// LimiterOptions are what the suite asks of a limiter that it has opened.
type LimiterOptions struct {
	Rates passkeys.Rates
	Now   func() time.Time // the limiter's clock
}

// TestLimiter holds a limiter to the contract of [passkeys.Limiter]. newLimiter is
// called once for each row; what it opens, it closes with t.Cleanup.
func TestLimiter(t *testing.T, newLimiter func(testing.TB, LimiterOptions) passkeys.Limiter) {
	t.Helper()
	test(t, limiterRows(), func(t testing.TB) *limited { return newLimited(t, newLimiter) })
}

// limited is a limiter with budgets that are easy to use up, and its clock.
type limited struct {
	passkeys.Limiter
	now time.Time
}

const (
	// So long that what the store lets expire by a clock of its own is there.
	burst, every               = 5, time.Minute
	accountBurst, accountEvery = 3, time.Hour
	failure                    = 2
)

func newLimited(t testing.TB, newLimiter func(testing.TB, LimiterOptions) passkeys.Limiter) *limited {
	l := &limited{now: time.Date(2026, 11, 27, 12, 0, 0, 123_456_000, time.UTC)}
	l.Limiter = newLimiter(t, LimiterOptions{
		Rates: passkeys.Rates{Client: passkeys.Rate{Burst: burst, Every: every}, Account: passkeys.Rate{Burst: accountBurst, Every: accountEvery}, Failure: failure},
		Now:   func() time.Time { return l.now },
	})
	return l
}

func limiterRows() []row[*limited] {
	return []row[*limited]{
		{"burst", "As many requests as Burst pass at once; the next has to wait, for Every at most.", limiterBurst},
		{"refill", "Each time that Every has passed one more request passes, and after enough of them a Burst, no more.", limiterRefill},
		{"wait", "Who waits for the time that they are told passes, and who does not, does not.", limiterWait},
		{"refused", "A request that has to wait costs nothing, however often it comes: nobody is kept out.", limiterRefused},
		{"failed", "A failure counts for Failure requests, there being room or not, and keeps nobody waiting for longer than that and a request.", limiterFailed},
		{"account", "An account has a budget of its own, apart from the client's.", limiterAccount},
		{"apart", "What one client uses up at one route for one account is nobody else's, nor of another.", limiterApart},
		{"concurrent", "Of many requests at once no more than Burst pass.", limiterConcurrent},
	}
}

// from is where the requests of the rows are from.
func from(s string) passkeys.Limit {
	return passkeys.Limit{Route: "/authenticate/begin", Client: netip.MustParsePrefix(s)}
}

// take returns how long a request has to wait.
func (l *limited) take(c *check, limit passkeys.Limit) time.Duration {
	wait, err := l.Take(c.ctx, limit)
	c.is(err, nil, "Take(%+v)", limit)
	return wait
}

// pass reports a request that has to wait, of so many.
func (l *limited) pass(c *check, what string, limit passkeys.Limit, n int) {
	for i := range n {
		if wait := l.take(c, limit); wait != 0 {
			c.errorf("%s: request %d of %d has to wait for %v", what, i+1, n, wait)
		}
	}
}

// waits reports one that has not to wait for so long. A store may keep times in
// milliseconds.
func (l *limited) waits(c *check, what string, limit passkeys.Limit, want time.Duration) {
	if wait := l.take(c, limit); wait <= want-time.Millisecond || wait > want+time.Millisecond {
		c.errorf("%s: it has to wait for %v, want %v", what, wait, want)
	}
}

func limiterBurst(c *check, l *limited) {
	l.pass(c, "at first", from("203.0.113.7/32"), burst)
	l.waits(c, "one more", from("203.0.113.7/32"), every)
}

func limiterRefill(c *check, l *limited) {
	a := from("203.0.113.7/32")
	l.pass(c, "at first", a, burst)
	for range 3 {
		l.now = l.now.Add(every)
		l.pass(c, "after Every", a, 1)
		l.waits(c, "and at once again", a, every)
	}
	l.now = l.now.Add(100 * every)
	l.pass(c, "after a while", a, burst)
	l.waits(c, "one more", a, every)
}

func limiterWait(c *check, l *limited) {
	a := from("2001:db8::/64")
	l.pass(c, "at first", a, burst)
	l.now = l.now.Add(every / 4)
	wait := l.take(c, a)
	l.now = l.now.Add(wait - 2*time.Millisecond)
	if l.take(c, a) == 0 {
		c.errorf("it passes before the time that it was told")
	}
	l.now = l.now.Add(2 * time.Millisecond)
	l.pass(c, "at the time that it was told", a, 1)
}

func limiterRefused(c *check, l *limited) {
	a := from("203.0.113.7/32")
	l.pass(c, "at first", a, burst)
	for range 100 {
		l.waits(c, "in between", a, every)
	}
	l.now = l.now.Add(every)
	l.pass(c, "after Every", a, 1)
}

func limiterFailed(c *check, l *limited) {
	a := from("203.0.113.7/32")
	failed := a
	failed.Failed = true
	l.take(c, failed)
	l.pass(c, "after a failure", a, burst-failure)
	l.waits(c, "one more", a, every)
	for range 100 {
		l.take(c, failed)
	}
	l.waits(c, "after a hundred", a, (failure+1)*every)
	l.now = l.now.Add((failure + 1) * every)
	l.pass(c, "and after that time", a, 1)
}

func limiterAccount(c *check, l *limited) {
	a := from("203.0.113.7/32")
	account := a
	account.Account = "00112233445566778899aabbccddeeff"
	l.pass(c, "the account", account, accountBurst)
	l.waits(c, "the account again", account, accountEvery)
	l.pass(c, "the client", a, burst)
	l.now = l.now.Add(accountEvery)
	l.pass(c, "the account after a while", account, 1)
}

func limiterApart(c *check, l *limited) {
	a := from("203.0.113.7/32")
	a.Account = "00112233445566778899aabbccddeeff"
	l.pass(c, "at first", a, accountBurst)
	l.waits(c, "one more", a, accountEvery)
	for _, other := range []passkeys.Limit{
		{Route: a.Route, Client: a.Client, Account: "ffeeddccbbaa99887766554433221100"},
		{Route: "/confirm/begin", Client: a.Client, Account: a.Account},
		{Route: a.Route, Client: netip.MustParsePrefix("203.0.113.8/32"), Account: a.Account},
		{Route: a.Route, Client: netip.MustParsePrefix("2001:db8::/64"), Account: a.Account},
		{Route: a.Route, Client: netip.MustParsePrefix("2001:db8:0:1::/64"), Account: a.Account},
	} {
		l.pass(c, fmt.Sprintf("%+v", other), other, accountBurst)
	}
}

func limiterConcurrent(c *check, l *limited) {
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if l.take(c, from("203.0.113.7/32")) == 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if n := passed.Load(); n != burst {
		c.errorf("%d pass, want %d", n, burst)
	}
}

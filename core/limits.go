package passkeys

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limiter slows down clients that ask too often. The routes ask it before they do
// anything else; a client that has to wait is answered [ErrRateLimited]. There are
// [MemoryLimiter], for one process, and that of redisstore, for any number; the suite
// conformance.TestLimiter holds any other to the same contract.
//
// A passkey cannot be guessed, so that a limit is there for what requests cost, and
// for who would try many names. It must not become a way to keep somebody out: what a
// [Limit] counts is always of one client, so that nobody uses up what is another's,
// however many names they know, and whoever waits for the time that they are told
// gets their turn.
type Limiter interface {
	// Take counts a request, and returns 0, or counts nothing, and returns how long
	// the client must wait. Of a failure (Limit.Failed) it counts more, whether there
	// is room or not, and what it returns is not looked at. Where it fails, the request
	// is let through and the error goes to Config.Logger: a limiter that is down must
	// not keep everybody out.
	Take(ctx context.Context, l Limit) (wait time.Duration, err error)
}

// Limit is what a [Limiter] counts by: each combination of the first three has a
// budget of its own.
type Limit struct {
	// Route is the path of the [Route], or the application's word for one of its own.
	Route string
	// Client is whom it is from: an IPv4 address, or the /64 of an IPv6 address, since
	// every customer of a provider has at least as many as that.
	Client netip.Prefix
	// Account is whom a sign-in by name or id, or a confirmation, is begun for: 32 hex
	// digits that only the server's secret can make, whether there is such a user or
	// not. "" for the request itself, which is counted first.
	Account string
	// Failed is set once a finish was refused, a decoy's as any other.
	Failed bool
}

// Rate is a budget: so many requests at once, and one more each time that Every has
// passed.
type Rate struct {
	Burst int
	Every time.Duration
}

// Rates are the budgets of a limiter. The zero value means the defaults, and so does
// a Burst, an Every or a Failure that is not positive.
type Rates struct {
	// Client is that of one client at one route. An office is one client. Default: 200
	// at once, and one more each 50 ms.
	Client Rate
	// Account is that of one client for one account. Default: 20 at once, and one more
	// each 3 s.
	Account Rate
	// Failure is how many requests a failure counts for. Default: 10.
	Failure int
}

// Budget is for those who write a [Limiter]: the key of what l counts by, 22 letters,
// digits, '-' and '_'; how much time of the budget it costs; and how much there is at
// once. That is the generic cell rate algorithm: beside the key stands the time at
// which the budget is whole again, from now on; a cost is added to it, and does not
// fit where it is later than now and most then. A failure is added even so, up to
// now, most and its cost.
func (r Rates) Budget(l Limit) (key string, cost, most time.Duration) {
	rate := r.Client.or(200, 50*time.Millisecond)
	if l.Account != "" {
		rate = r.Account.or(20, 3*time.Second)
	}
	cost = rate.Every
	if l.Failed {
		cost *= time.Duration(positive(r.Failure, 10))
	}
	sum := sha256.Sum256([]byte(l.Route + "\x00" + l.Client.String() + "\x00" + l.Account))
	return base64.RawURLEncoding.EncodeToString(sum[:16]), cost, rate.Every * time.Duration(rate.Burst)
}

// or is the rate with these defaults.
func (r Rate) or(burst int, every time.Duration) Rate {
	return Rate{positive(r.Burst, burst), positive(r.Every, every)}
}

func positive[N int | time.Duration](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

// MemoryLimiter counts in the memory of one process. The zero value is ready to use,
// with the defaults. It is safe for concurrent use.
type MemoryLimiter struct {
	o MemoryLimiterOptions

	mu    sync.Mutex
	whole map[string]time.Time // when the budget of a key is whole again
}

// MemoryLimiterOptions are for [NewMemoryLimiter]. nil and the zero value mean the
// defaults.
type MemoryLimiterOptions struct {
	Rates Rates
	// Entries is how many budgets are kept, of about 120 bytes each. Of more, one of
	// those that owe least is forgotten, so that a flood from many addresses does not
	// free one that has used up its own. Default: 65,536.
	Entries int
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// NewMemoryLimiter returns a limiter that has counted nothing.
func NewMemoryLimiter(o *MemoryLimiterOptions) *MemoryLimiter {
	l := &MemoryLimiter{}
	if o != nil {
		l.o = *o
	}
	return l
}

func (m *MemoryLimiter) now() time.Time {
	if m.o.Now != nil {
		return m.o.Now()
	}
	return time.Now()
}

// Len returns how many budgets are kept.
func (m *MemoryLimiter) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.whole)
}

// Take implements [Limiter]. It never fails.
func (m *MemoryLimiter) Take(ctx context.Context, l Limit) (time.Duration, error) {
	key, cost, most := m.o.Rates.Budget(l)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	whole, known := m.whole[key]
	if whole.Before(now) {
		whole = now
	}
	whole = whole.Add(cost)
	switch wait := whole.Sub(now) - most; {
	case wait <= 0:
	case !l.Failed:
		return wait, nil
	case wait > cost:
		whole = now.Add(most + cost)
	}
	if !known && len(m.whole) >= positive(m.o.Entries, 65_536) {
		m.forget()
	}
	if m.whole == nil {
		m.whole = map[string]time.Time{}
	}
	m.whole[key] = whole
	return 0, nil
}

// forget makes room: of a few entries, the one that owes least goes, which may be
// nothing.
func (m *MemoryLimiter) forget() {
	const few = 8
	seen, least := 0, ""
	for key, whole := range m.whole { // in an order of chance
		if seen++; seen > few {
			break
		}
		if least == "" || whole.Before(m.whole[least]) {
			least = key
		}
	}
	delete(m.whole, least)
}

// RateLimit asks Config.Limiter about a request, as the routes do for theirs: for an
// application's own, such as that of a sign-up. Route is any word for it. The client
// is an address as the framework knows it, or [RemoteIP]; of one that is not valid
// nothing is counted, which is logged once. The account, if there is one, is any word
// that names it.
//
// It returns nil, or an [*Error] that matches [ErrRateLimited] and that [WriteError]
// answers with a Retry-After.
func (p *Passkeys) RateLimit(ctx context.Context, route string, client netip.Addr, account string) error {
	if p.cfg.Limiter == nil {
		return nil
	}
	if account != "" {
		account = hex.EncodeToString(p.decoys.draw("account", []byte(account), 0)[:16])
	}
	if wait := p.take(ctx, client, Limit{Route: route, Account: account}); wait > 0 {
		limited := ErrRateLimited.because(ReasonRateLimited)
		limited.retryAfter = wait
		return limited
	}
	return nil
}

// take asks the limiter, for a client of which it does not know yet.
func (p *Passkeys) take(ctx context.Context, client netip.Addr, l Limit) time.Duration {
	bits := 64
	if client = client.Unmap(); client.Is4() {
		bits = 32
	}
	var err error
	if l.Client, err = client.Prefix(bits); err != nil || !l.Client.IsValid() {
		if !p.clientless.Swap(true) {
			p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: Config.Limiter counts nothing of a client without an address: set Hooks.ClientIP")
		}
		return 0
	}
	wait, err := p.cfg.Limiter.Take(ctx, l)
	if err != nil {
		p.logFailure(ctx, "Config.Limiter failed, and the request is let through", err)
		return 0
	}
	return wait
}

// RemoteIP is whom a request's connection is from: the client, or the proxy in front
// of the server. It is not valid where that is no IP address.
func RemoteIP(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr)
	return address.Addr()
}

// limit asks the limiter about this request, or about the account that it is for.
func (q request) limit(ctx context.Context, account string) error {
	return q.p.RateLimit(ctx, q.route, q.client, account)
}

// stepOf returns the step of a ceremony that a route is.
func stepOf(route string) (s Step, ok bool) {
	switch route {
	case "/register/begin":
		s = Step{CeremonyRegistration, StepBegin}
	case "/register/finish":
		s = Step{CeremonyRegistration, StepFinish}
	case "/authenticate/begin":
		s = Step{CeremonyAuthentication, StepBegin}
	case "/authenticate/finish":
		s = Step{CeremonyAuthentication, StepFinish}
	case "/confirm/begin":
		s = Step{CeremonyConfirmation, StepBegin}
	case "/confirm/finish":
		s = Step{CeremonyConfirmation, StepFinish}
	}
	return s, s.Name != ""
}

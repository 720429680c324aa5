package redisstore

import (
	"context"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/redis/go-redis/v9"
)

// LimiterOptions are for [NewLimiter]. nil and the zero value mean the defaults.
type LimiterOptions struct {
	Rates passkeys.Rates
	// Prefix begins every key. Default: "passkeys:limit:".
	Prefix string
	// Now is the clock of this process, which decides, not the server's: keep those of
	// all processes together. Default: time.Now.
	Now func() time.Time
}

// Limiter counts in Redis, for any number of processes: each request is one script on
// one key, which is gone once its budget is whole again. Make one with [NewLimiter]. It
// is safe for concurrent use.
type Limiter struct {
	client redis.UniversalClient
	rates  passkeys.Rates
	prefix string
	now    func() time.Time
}

var _ passkeys.Limiter = (*Limiter)(nil)

// NewLimiter returns a limiter on the application's client. It does not ask the server
// anything. Where Redis does not answer, requests are let through once the client gives
// up: let its timeouts be short. It panics if client is nil.
func NewLimiter(client redis.UniversalClient, o *LimiterOptions) *Limiter {
	l := &Limiter{client: given(client), prefix: "passkeys:limit:", now: time.Now}
	if o == nil {
		return l
	}
	l.rates = o.Rates
	if o.Prefix != "" {
		l.prefix = o.Prefix
	}
	if o.Now != nil {
		l.now = o.Now
	}
	return l
}

// take is the algorithm of passkeys.Rates.Budget, in microseconds, which a Lua number
// holds exactly.
const take = `
local now, cost, most, failed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == "1"
local whole = math.max(tonumber(redis.call("GET", KEYS[1]) or "0"), now) + cost
local wait = whole - now - most
if wait > 0 then
	if not failed then return wait end
	whole = math.min(whole, now + most + cost)
end
redis.call("SET", KEYS[1], string.format("%.0f", whole), "PX", string.format("%.0f", math.ceil((whole - now) / 1000)))
return 0`

// Take implements [passkeys.Limiter].
func (l *Limiter) Take(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
	key, cost, most := l.rates.Budget(limit)
	wait, err := l.client.Eval(ctx, take, []string{l.prefix + key}, l.now().UnixMicro(), cost.Microseconds(), most.Microseconds(), limit.Failed).Int64()
	if err != nil {
		return 0, failed(ctx, err)
	}
	return time.Duration(wait) * time.Microsecond, nil
}

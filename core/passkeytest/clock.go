package passkeytest

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when it is told to. Its Now method can stand
// in for time.Now. The zero value is a clock at 2030-01-01 00:00:00 UTC. It may
// be used by several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at t, or at 2030-01-01 00:00:00 UTC if t is zero.
func NewClock(t time.Time) *Clock {
	return &Clock{now: t}
}

// Now returns the clock's time, which is the same until Advance is called.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// Advance moves the clock by d, backwards if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.read().Add(d)
}

func (c *Clock) read() time.Time {
	if c.now.IsZero() {
		return time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return c.now
}

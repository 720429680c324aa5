package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// Features says in what a challenge store differs from the system's clock. The
// zero value is real time.
type Features struct {
	// Now and Advance are the store's clock, if a test can set it, such as the
	// methods of a passkeytest.Clock; set both or neither. Without them the
	// store must run on time.Now, and the suite takes about a second longer,
	// because it waits for challenges to expire.
	Now     func() time.Time
	Advance func(time.Duration)
}

// TestChallenges holds a store to the contract of [passkeys.ChallengeStore].
// newStore is called once for each row; what it opens, it closes with t.Cleanup.
// A store that is bounded must have room for 1,000 challenges.
func TestChallenges(t *testing.T, newStore func(testing.TB) passkeys.ChallengeStore, f Features) {
	t.Helper()
	test(t, challengeRows(f), newStore)
}

type challengeRow = row[passkeys.ChallengeStore]

func challengeRows(f Features) []challengeRow {
	clock := clock{f.Now, f.Advance}
	if f.Advance == nil {
		clock.now = time.Now
	}
	rows := []challengeRow{
		{"round-trip", "Consume returns the payload to the byte, from none to 64 KiB of them.", clock.payloads},
		{"put-refused", "Put refuses what ValidateChallenge refuses: a payload of more than 64 KiB, and an expiresAt that has passed.", clock.putRefused},
		{"handles", "A handle is letters, digits, '-', '_' and '.', room for 128 bits, at most 1,024 of them for 512 bytes.", clock.handles},
		{"handles-differ", "No two handles are the same, and each has its own payload.", clock.handlesDiffer},
		{"unknown", "A handle that Put never made, of any length, is ErrChallengeNotFound and harms no other.", clock.unknown},
		{"altered", "A handle that was altered in any place is ErrChallengeNotFound and does not spend the real one.", clock.altered},
		{"expired", "A challenge that has expired is ErrChallengeExpired or ErrChallengeNotFound, never its payload.", clock.expired},
		{"own-memory", "The caller may change the payload it passed in and the one it got back.", clock.ownMemory},
		{"single-use", "Consume ends the handle: the next is ErrChallengeNotFound.", clock.singleUse},
		{"single-use-concurrent", "Of N concurrent Consumes exactly one succeeds; the others are ErrChallengeNotFound.", clock.singleUseConcurrent},
		{"context", "A cancelled or expired context is an error for which errors.Is finds ctx.Err(), and spends nothing.", clock.context},
	}
	if f.Advance != nil {
		rows = append(rows, challengeRow{"kept", "A challenge is kept until it expires.", clock.kept})
	}
	return rows
}

// clock is the store's.
type clock struct {
	now     func() time.Time
	advance func(time.Duration) // nil: it moves by itself
}

// pass lets d pass.
func (cl clock) pass(ctx context.Context, d time.Duration) {
	if cl.advance != nil {
		cl.advance(d)
		return
	}
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// put keeps a payload that there is no reason to refuse.
func (cl clock) put(c *check, s passkeys.ChallengeStore, payload string) (handle string) {
	handle, err := s.Put(c.ctx, []byte(payload), cl.now().Add(5*time.Minute))
	c.is(err, nil, "Put of %d bytes", len(payload))
	return handle
}

// yields reports a handle behind which there is not this payload.
func (c *check) yields(s passkeys.ChallengeStore, handle, payload string) {
	got, err := s.Consume(c.ctx, handle)
	if c.is(err, nil, "Consume") && string(got) != payload {
		c.errorf("Consume: %d bytes %.32q, want %d bytes %.32q", len(got), got, len(payload), payload)
	}
}

// unknown reports a handle that is not ErrChallengeNotFound.
func (c *check) unknown(s passkeys.ChallengeStore, handle string) {
	got, err := s.Consume(c.ctx, handle)
	c.is(err, passkeys.ErrChallengeNotFound, "Consume of %.80q (%d bytes)", handle, len(handle))
	if len(got) != 0 {
		c.errorf("Consume of %.80q (%d bytes): a payload of %d bytes with the error", handle, len(handle), len(got))
	}
}

// everyByte is each byte once, and so neither UTF-8 nor text.
func everyByte() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func (cl clock) payloads(c *check, s passkeys.ChallengeStore) {
	for _, payload := range []string{"", "\x00", "a ", everyByte(), strings.Repeat("p", 512), strings.Repeat(everyByte(), 256)} {
		c.yields(s, cl.put(c, s, payload), payload)
	}
}

func (cl clock) putRefused(c *check, s passkeys.ChallengeStore) {
	large, now := make([]byte, 64<<10+1), cl.now()
	for _, refused := range []struct {
		payload   []byte
		expiresAt time.Time
	}{
		{large, now.Add(5 * time.Minute)},
		{nil, now.Add(-time.Second)},
		{nil, now.Add(-24 * time.Hour)},
		{nil, time.Time{}},
		{large, time.Time{}},
	} {
		handle, err := s.Put(c.ctx, refused.payload, refused.expiresAt)
		c.is(err, passkeys.ErrInvalidChallenge, "Put of %d bytes until %v", len(refused.payload), refused.expiresAt)
		if handle != "" {
			c.errorf("Put of %d bytes until %v: the handle %.80q with the error", len(refused.payload), refused.expiresAt, handle)
		}
	}
}

func (cl clock) handles(c *check, s passkeys.ChallengeStore) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	for _, size := range []int{0, 512, 64 << 10} {
		handle := cl.put(c, s, strings.Repeat("p", size))
		if strings.Trim(handle, alphabet) != "" {
			c.errorf("the handle %.80q holds other characters", handle)
		}
		if len(handle) < 22 { // of 65 characters, 21 hold 126 bits
			c.errorf("a handle of %d characters holds less than 128 bits", len(handle))
		}
		if size <= 512 && len(handle) > 1024 {
			c.errorf("a handle of %d characters for %d bytes", len(handle), size)
		}
	}
}

func (cl clock) handlesDiffer(c *check, s passkeys.ChallengeStore) {
	const n = 1000
	payload := func(i int) string { return fmt.Sprintf("payload %d", i%(n/2)) } // each twice
	handles := make([]string, n)
	together(8, func(worker int) {
		for i := worker; i < n; i += 8 {
			handles[i] = cl.put(c, s, payload(i))
		}
	})
	if distinct := slices.Compact(slices.Sorted(slices.Values(handles))); len(distinct) != n {
		c.errorf("%d different handles for %d challenges", len(distinct), n)
	}
	for i := range n { // in another order: 7 and n have no common divisor
		i = i * 7 % n
		if c.yields(s, handles[i], payload(i)); c.failed() {
			return
		}
	}
}

func (cl clock) unknown(c *check, s passkeys.ChallengeStore) {
	genuine := cl.put(c, s, "payload")
	for _, handle := range []string{"", " ", "\x00", ".", "..", "../" + genuine, "*", "%", "_", "-1", "0", "'\"\\;--", "\xff", "{}", "é",
		strings.Repeat("0", len(genuine)), strings.Repeat("A", 1<<20), strings.Repeat(genuine, 1<<20/max(len(genuine), 1))} {
		c.unknown(s, handle)
	}
	foreign, err := passkeys.NewMemoryChallenges().Put(c.ctx, []byte("payload"), time.Now().Add(time.Hour))
	c.is(err, nil, "Put into another store")
	c.unknown(s, foreign)
	c.yields(s, genuine, "payload")
}

func (cl clock) altered(c *check, s passkeys.ChallengeStore) {
	genuine := cl.put(c, s, "payload")
	if genuine == "" {
		return
	}
	half := len(genuine) / 2
	variants := []string{genuine[1:], genuine[:len(genuine)-1], genuine[:half], genuine[half:], genuine + genuine,
		strings.ToUpper(genuine), strings.ToLower(genuine), strings.Map(swapCase, genuine)}
	for _, extra := range []string{"A", "=", " ", "\n", "\r\n", "\x00", ".", "%00", "\u200b"} {
		variants = append(variants, extra+genuine, genuine[:half]+extra+genuine[half:], genuine+extra)
	}
	for i := range genuine {
		variants = append(variants, genuine[:i]+string(neighbour(genuine[i]))+genuine[i+1:])
	}
	for _, v := range variants {
		if v != genuine {
			c.unknown(s, v)
		}
	}
	c.yields(s, genuine, "payload")
}

func swapCase(r rune) rune {
	if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
		return r ^ 0x20
	}
	return r
}

// neighbour returns the base64url digit that differs from b in its lowest bit
// alone: at the end of a string lenient decoders do not look at it.
func neighbour(b byte) byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if i := strings.IndexByte(digits, b); i >= 0 {
		return digits[i^1]
	}
	return 'A'
}

func (cl clock) expired(c *check, s passkeys.ChallengeStore) {
	const soon = time.Second
	var handles []string
	for _, hours := range []int{0, 14, -12} { // a store must not keep the wall clock's digits
		at := cl.now().Add(soon).In(time.FixedZone("", hours*3600))
		handle, err := s.Put(c.ctx, []byte("payload"), at)
		c.is(err, nil, "Put until %v", at)
		handles = append(handles, handle)
	}
	c.yields(s, handles[0], "payload")
	for _, left := range []time.Duration{1, time.Microsecond, 999 * time.Microsecond, 1500 * time.Microsecond} {
		// What is that near may expire on the way, which is an error; what is
		// finer than the store's clock must not become "for ever".
		if handle, err := s.Put(c.ctx, []byte("payload"), cl.now().Add(left)); err == nil {
			handles = append(handles, handle)
		}
	}
	cl.pass(c.ctx, soon+50*time.Millisecond)
	for _, handle := range handles {
		got, err := s.Consume(c.ctx, handle)
		if len(got) != 0 || !errors.Is(err, passkeys.ErrChallengeExpired) && !errors.Is(err, passkeys.ErrChallengeNotFound) {
			c.errorf("Consume of an expired challenge: %d bytes and error %v, want none and ErrChallengeExpired or ErrChallengeNotFound", len(got), err)
		}
	}
}

func (cl clock) kept(c *check, s passkeys.ChallengeStore) {
	handle, err := s.Put(c.ctx, []byte("payload"), cl.now().Add(24*time.Hour))
	c.is(err, nil, "Put for 24 hours")
	cl.pass(c.ctx, 24*time.Hour-time.Second)
	c.yields(s, handle, "payload")
}

func (cl clock) ownMemory(c *check, s passkeys.ChallengeStore) {
	passed := []byte("payload")
	var handles [2]string
	for i := range handles {
		var err error
		handles[i], err = s.Put(c.ctx, passed, cl.now().Add(5*time.Minute))
		c.is(err, nil, "Put")
	}
	clear(passed)
	got, err := s.Consume(c.ctx, handles[0])
	if c.is(err, nil, "Consume") && string(got) != "payload" {
		c.errorf("Consume after what was passed in changed: %q", got)
	}
	clear(got)
	c.yields(s, handles[1], "payload")
}

func (cl clock) context(c *check, s passkeys.ChallengeStore) {
	handle := cl.put(c, s, "payload")
	for _, ctx := range c.ended() {
		_, err := s.Put(ctx, []byte("payload"), cl.now().Add(5*time.Minute))
		c.is(err, ctx.Err(), "Put")
		_, err = s.Consume(ctx, handle)
		c.is(err, ctx.Err(), "Consume")
	}
	c.yields(s, handle, "payload")
}

func (cl clock) singleUse(c *check, s passkeys.ChallengeStore) {
	handle := cl.put(c, s, "payload")
	c.yields(s, handle, "payload")
	for range 2 {
		c.unknown(s, handle)
	}
}

func (cl clock) singleUseConcurrent(c *check, s passkeys.ChallengeStore) {
	const n = 64
	for range 4 {
		handle := cl.put(c, s, "payload")
		var got atomic.Int32
		together(n, func(int) {
			payload, err := s.Consume(c.ctx, handle)
			if err == nil && string(payload) == "payload" {
				got.Add(1)
				return
			}
			c.is(err, passkeys.ErrChallengeNotFound, "a concurrent Consume")
		})
		if got := got.Load(); got != 1 {
			c.errorf("%d of %d concurrent Consumes succeeded, want 1", got, n)
		}
		if c.failed() {
			return
		}
	}
}

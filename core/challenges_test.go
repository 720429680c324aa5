package passkeys_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// What the stores of this package promise beyond the contract, to which the
// conformance module holds them.

func put(t *testing.T, s passkeys.ChallengeStore, payload string, expiresAt time.Time) string {
	t.Helper()
	handle, err := s.Put(context.Background(), []byte(payload), expiresAt)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func consume(t *testing.T, s passkeys.ChallengeStore, handle, want string, wantErr error) {
	t.Helper()
	got, err := s.Consume(context.Background(), handle)
	if string(got) != want || !errors.Is(err, wantErr) {
		t.Errorf("got %q, %v; want %q, %v", got, err, want, wantErr)
	}
}

func TestMemoryChallengesAreBounded(t *testing.T) {
	clock := &passkeytest.Clock{}
	s := passkeys.NewMemoryChallenges()
	s.Capacity, s.Now = 3, clock.Now
	in5 := clock.Now().Add(5 * time.Minute)

	var handles []string
	for i := range 5 {
		handles = append(handles, put(t, s, fmt.Sprint(i), in5))
	}
	consume(t, s, handles[0], "", passkeys.ErrChallengeNotFound) // the oldest made room
	consume(t, s, handles[1], "", passkeys.ErrChallengeNotFound)
	consume(t, s, handles[3], "3", nil)
	put(t, s, "5", in5) // into the gap that 3 left
	consume(t, s, handles[2], "2", nil)
	consume(t, s, handles[4], "4", nil)
}

// inMemory keeps challenges in memory, where the first attempt spends them.
func inMemory(c *passkeys.Config) { c.Challenges = &passkeys.MemoryChallenges{Now: c.Now} }

// A flood of begins that nobody finishes, three times as many as are kept: the
// memory stays where the documentation says, and a user in the midst of it gets
// in.
func TestAFloodCostsAKnownAmountOfMemory(t *testing.T) {
	const kept, each = 65536, 300 // MemoryChallenges.Capacity
	b := newBench(t, func(c *passkeys.Config) { c.Audit = nil }, inMemory)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	var r passkeys.AuthenticationResponse
	before := heap()
	for i := range 3 * kept {
		if _, err := b.BeginAuthentication(context.Background(), passkeys.AuthenticationRequest{}); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 2 * kept:
			r = b.get(a, "")
		case 2*kept + kept/2:
			if _, err := b.FinishAuthentication(context.Background(), r); err != nil {
				t.Errorf("%d others began since: %v", kept/2, err)
			}
		}
	}
	if grown := heap() - before; grown > kept*each {
		t.Errorf("%d bytes for each challenge, want at most %d", grown/kept, each)
	} else {
		t.Logf("%d bytes for each challenge", grown/kept)
	}
	runtime.KeepAlive(b)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryChallengesForgetTheExpired(t *testing.T) {
	clock := &passkeytest.Clock{}
	s := passkeys.NewMemoryChallenges()
	s.Now = clock.Now
	early := put(t, s, "early", clock.Now().Add(time.Minute))
	late := put(t, s, "late", clock.Now().Add(time.Minute))
	clock.Advance(time.Minute)
	consume(t, s, early, "", passkeys.ErrChallengeExpired)
	clock.Advance(5 * time.Minute)
	put(t, s, "new", clock.Now().Add(time.Minute)) // clears up
	consume(t, s, late, "", passkeys.ErrChallengeNotFound)
}

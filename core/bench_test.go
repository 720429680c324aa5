package passkeys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// BenchmarkFinishAuthentication reports how many raw P-256 verifications a
// finished sign-in costs, both measured in turn in the same loop, and by their
// medians, so that the ratio holds on a noisy machine.
//
// A sealed state is good for one sign-in, so each has a begin and a signature of
// its own, made while the timer stands. What is timed is all that a server does:
// the state is opened, the credential read, the response verified, and the
// credential written with as many spent challenges as it can remember.
func BenchmarkFinishAuthentication(b *testing.B) {
	ctx := context.Background()
	t := newBench(b, func(c *passkeys.Config) { c.Audit = nil })
	a := passkeytest.New(origin)
	a.Counter = passkeytest.CounterZero
	t.mustRegister(a)
	for range 16 {
		t.mustSignIn(a)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("challenge"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}

	var ours, raw []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		response := t.get(a, "")
		b.StartTimer()
		start := time.Now()
		if _, err := t.FinishAuthentication(ctx, response); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("the raw signature does not verify")
		}
		ours, raw = append(ours, middle.Sub(start)), append(raw, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(raw)
	b.ReportMetric(float64(ours[len(ours)/2])/float64(raw[len(raw)/2]), "verifications")
}

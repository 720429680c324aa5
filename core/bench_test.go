package passkeys_test

import (
	"bytes"
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
func BenchmarkFinishAuthentication(b *testing.B) {
	ctx := context.Background()
	challenge := bytes.Repeat([]byte{7}, 32)
	t := newBench(b, func(c *passkeys.Config) {
		// One challenge, so that one response can be finished again and again.
		c.Challenges = &forgetful{}
		c.Rand = bytes.NewReader(bytes.Repeat(challenge, 2))
		c.Audit = nil
	})
	a := passkeytest.New(origin)
	a.Counter = passkeytest.CounterZero
	t.mustRegister(a)
	response := t.get(a, "")

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(challenge)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}

	var ours, raw []time.Duration
	b.ReportAllocs()
	for b.Loop() {
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

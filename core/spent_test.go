package passkeys

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/seal"
)

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	goldenTime    = time.Date(2026, 11, 25, 17, 43, 26, 123456000, time.UTC)
	goldenPayload = payload{
		purpose: forAuthentication, mode: ModeUsername,
		issuedAt: goldenTime, expiresAt: goldenTime.Add(6 * time.Minute),
		challenge: bytes.Repeat([]byte{7}, challengeSize),
		realm:     realm("example.org"),
		userID:    "alice-id",
		session:   strings.Repeat("s", 32),
	}
)

// What begins on a server of one version may be finished on one of the next, or
// of the one before, while a deployment rolls: a golden file is never changed.
func TestPayloadsOfEveryVersion(t *testing.T) {
	v2 := fromHex(t, golden(t, "payload-v2.hex"))
	if got := goldenPayload.encode(); !bytes.Equal(got, v2) {
		t.Errorf("written %x\nwant    %x", got, v2)
	}
	read, err := decodePayload(v2)
	if err != nil || !bytes.Equal(read.encode(), v2) || !read.expiresAt.Equal(goldenPayload.expiresAt) {
		t.Errorf("read as %+v, %v", read, err)
	}
	proof := goldenPayload
	proof.purpose, proof.mode, proof.subject = forProof, ModeConfirmation, subject{"transfer", strings.Repeat("h", 32), 5 * time.Minute}
	proof.credentialID, proof.key, proof.verified, proof.reliable = "credential", strings.Repeat("k", tagSize), true, true
	confirmation := proof
	confirmation.purpose, confirmation.credentialID, confirmation.key, confirmation.verified, confirmation.reliable = forConfirmation, "", "", false, false
	for file, want := range map[string]payload{"payload-v2-confirmation.hex": confirmation, "payload-v2-proof.hex": proof} {
		b := fromHex(t, golden(t, file))
		if got := want.encode(); !bytes.Equal(got, b) {
			t.Errorf("written %x\nwant    %x", got, b)
		}
		if read, err := decodePayload(b); err != nil || !bytes.Equal(read.encode(), b) {
			t.Errorf("%s: read as %+v, %v", file, read, err)
		}
	}
	state := seal.New("state", bytes.Repeat([]byte{1}, 32))
	plain, ok := state.Open(golden(t, "state-v2.txt"))
	if !ok || !bytes.Equal(plain, v2) {
		t.Errorf("the state is read as %x, %v", plain, ok)
	}
	for name, other := range map[string][]byte{
		"version 1":          fromHex(t, golden(t, "payload-v1.hex")),
		"a later version":    append([]byte{3}, v2[1:]...),
		"an unknown purpose": append([]byte{2, 9}, v2[2:]...),
		"no mode":            append([]byte{2, 2, 0}, v2[3:]...),
		"an unknown mode":    append([]byte{2, 2, 200}, v2[3:]...),
		"another mode":       append([]byte{2, 2, ModeConditional.code()}, v2[3:]...),
		"more":               append(bytes.Clone(v2), 0),
		"less":               v2[:len(v2)-1],
		"nothing":            nil,
	} {
		if _, err := decodePayload(other); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// A mode goes with its ceremony, and with somebody or nobody in particular.
func TestModes(t *testing.T) {
	for _, m := range append([]Mode{"", "other"}, slices.Collect(func(yield func(Mode) bool) {
		for _, m := range modes() {
			if !yield(m) {
				return
			}
		}
	})...) {
		known := m != "" && m != "other"
		if got := modeOf(m.code()); known && got != m || !known && got != "" {
			t.Errorf("%q has a code that is %q's", m, got)
		}
		fits, want := 0, 1
		if m == ModeUpgrade { // the grant and what it begins
			want = 2
		}
		for _, p := range []purpose{0, forRegistration, forAuthentication, forUpgrade, forUpgrade + 1} {
			for _, named := range []bool{false, true} {
				if m.of(p, named) {
					fits++
				}
			}
		}
		if known && fits != want || !known && fits != 0 {
			t.Errorf("%q goes with %d kinds of challenges", m, fits)
		}
	}
}

func TestSpentOfEveryVersion(t *testing.T) {
	v1 := fromHex(t, golden(t, "spent-v1.hex"))
	s := spent{watermark: goldenTime.UnixMicro(), n: 2, uses: [maxUses + 1]use{
		{goldenTime.UnixMicro() + 1, goldenTime.UnixMicro() + 2, [tagSize]byte(bytes.Repeat([]byte{3}, tagSize))},
		{goldenTime.UnixMicro() + 4, goldenTime.UnixMicro() + 5, [tagSize]byte(bytes.Repeat([]byte{6}, tagSize))},
	}}
	if got := s.encode(); !bytes.Equal(got, v1) {
		t.Errorf("written %x\nwant    %x", got, v1)
	}
	if read, err := decodeSpent(v1); err != nil || !bytes.Equal(read.encode(), v1) {
		t.Errorf("read as %+v, %v", read, err)
	}
	if read, err := decodeSpent(nil); err != nil || read != (spent{}) {
		t.Errorf("nothing is read as %+v, %v", read, err)
	}
	for name, other := range map[string][]byte{
		"a later version": append([]byte{2}, v1[1:]...),
		"less":            v1[:len(v1)-1],
		"more":            append(bytes.Clone(v1), 0),
		"no version":      append([]byte{0}, v1[1:]...),
		"a version alone": v1[:1],
		"too many":        append(bytes.Clone(v1), make([]byte, spentUse*(maxUses-1))...),
	} {
		if _, err := decodeSpent(other); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if most := spentHead + maxUses*spentUse; most > maxSpent {
		t.Errorf("%d bytes, and a store keeps %d", most, maxSpent)
	}
}

// Of more uses than there is room for, the one that was issued first is forgotten,
// in whatever order they were used: the watermark takes no more with it than it
// must.
func TestTheFirstIssuedIsForgottenFirst(t *testing.T) {
	at := func(second int) use {
		issued := goldenTime.Add(time.Duration(second) * time.Second)
		return use{issuedAt: issued.UnixMicro(), expiresAt: issued.Add(time.Hour).UnixMicro(), tag: [tagSize]byte{byte(second)}}
	}
	var s spent
	for second := 2 * maxUses; second > 0; second -= 2 { // the latest first
		s.add(at(second), goldenTime)
	}
	s.add(at(100), goldenTime)
	for _, row := range []struct {
		second int
		used   bool
		says   string
	}{
		{1, true, "What was issued before it counts as used."},
		{2, true, "It counts as used itself."},
		{3, false, "What was issued after it does not."},
		{4, true, "What was used after it is remembered."},
		{31, false, "What was issued among the others counts as unused."},
		{32, true, "The first that was used is remembered."},
		{100, true, "So is the last."},
	} {
		if s.holds(at(row.second)) != row.used {
			t.Errorf("issued at %d: %s", row.second, row.says)
		}
	}
}

// Whatever is used when, by servers whose clocks differ: what was used is never
// taken for unused by a server for which the state is still alive.
func TestNothingIsForgottenThatIsAlive(t *testing.T) {
	source := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		var kept []byte
		var used []use
		now := goldenTime
		for range 100 {
			now = now.Add(time.Duration(source.IntN(60)) * time.Second)
			at := func() time.Time { // by the clock of one server or another
				return now.Add(time.Duration(source.Int64N(int64(clockSkew))) - clockSkew/2)
			}
			issued := at().Add(-time.Duration(source.IntN(600)) * time.Second)
			u := use{issuedAt: issued.UnixMicro(), expiresAt: issued.Add(time.Duration(1+source.IntN(3600)) * time.Second).UnixMicro()}
			for i := range u.tag {
				u.tag[i] = byte(source.Uint32())
			}
			s, err := decodeSpent(kept)
			if err != nil {
				t.Fatal(err)
			}
			if !s.holds(u) {
				s.add(u, at())
				used = append(used, u)
			}
			if kept = s.encode(); len(kept) > spentHead+maxUses*spentUse {
				t.Fatalf("%d bytes", len(kept))
			}
			for _, o := range used {
				if alive := at().UnixMicro() < o.expiresAt; alive && !s.holds(o) {
					t.Fatalf("%+v is forgotten at %v", o, now)
				}
			}
		}
	}
}

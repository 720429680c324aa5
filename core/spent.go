package passkeys

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// A credential remembers which challenges it was used with, and so makes each
// single-use by itself, wherever it is stored and however many servers there
// are: finish refuses a challenge that is remembered, and stores the memory of
// it in the compare-and-set that records the sign-in.
const (
	// maxUses is how many challenges a credential remembers one by one.
	maxUses = 16
	// clockSkew is how far the clocks of the servers may differ: for as long, one
	// may still take for alive what another let expire.
	clockSkew = 5 * time.Minute

	spentVersion = 1
	spentHead    = 1 + 8
	spentUse     = 8 + 8 + tagSize
	tagSize      = 16
)

var errSpent = errors.New("passkeys: Credential.Spent cannot be read")

// errSpentLater is for what a later version wrote, while a deployment rolls.
var errSpentLater = errors.New("passkeys: Credential.Spent is of a later version")

// spent is Credential.Spent.
type spent struct {
	// watermark, in microseconds since 1970: whatever was issued by then counts
	// as used.
	watermark int64
	n         int
	uses      [maxUses + 1]use // n of them, the earliest issued first; room to add one
}

// use is one challenge that was used.
type use struct {
	issuedAt, expiresAt int64 // microseconds since 1970
	tag                 [tagSize]byte
}

func useOf(c payload) use {
	sum := sha256.Sum256(c.challenge)
	return use{c.issuedAt.UnixMicro(), c.expiresAt.UnixMicro(), [tagSize]byte(sum[:])}
}

// holds reports whether the challenge counts as used.
func (s *spent) holds(u use) bool { return u.issuedAt <= s.watermark || s.remembers(u) }

// remembers reports whether the challenge is one of those that are remembered.
func (s *spent) remembers(u use) bool {
	return slices.ContainsFunc(s.uses[:s.n], func(o use) bool { return o.tag == u.tag })
}

// add remembers a use, and forgets those whose challenge no server takes for
// alive any more. Of more than it can hold, it forgets the one that was issued
// first, and from then on counts all as used that were issued no later.
func (s *spent) add(u use, now time.Time) {
	dead := now.Add(-clockSkew).UnixMicro()
	uses := slices.DeleteFunc(s.uses[:s.n], func(o use) bool { return o.expiresAt <= dead })
	at, _ := slices.BinarySearchFunc(uses, u, func(a, b use) int { return cmp.Compare(a.issuedAt, b.issuedAt) })
	uses = slices.Insert(uses, at, u)
	if len(uses) > maxUses {
		s.watermark = max(s.watermark, uses[0].issuedAt)
		uses = slices.Delete(uses, 0, 1)
	}
	s.n = len(uses)
}

// encode writes version and watermark, and issue time, expiry and tag of each
// use. It is a format of our own because it outlives a release.
func (s *spent) encode() []byte {
	b := make([]byte, 0, spentHead+s.n*spentUse)
	b = append(b, spentVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(s.watermark))
	for _, u := range s.uses[:s.n] {
		b = binary.BigEndian.AppendUint64(b, uint64(u.issuedAt))
		b = binary.BigEndian.AppendUint64(b, uint64(u.expiresAt))
		b = append(b, u.tag[:]...)
	}
	return b
}

// decodeSpent reads what encode wrote; nothing is the memory of no use.
func decodeSpent(b []byte) (spent, error) {
	if len(b) == 0 {
		return spent{}, nil
	}
	if b[0] > spentVersion {
		return spent{}, errSpentLater
	}
	n := (len(b) - spentHead) / spentUse
	if b[0] != spentVersion || len(b) != spentHead+n*spentUse || n > maxUses {
		return spent{}, errSpent
	}
	s := spent{watermark: int64(binary.BigEndian.Uint64(b[1:])), n: n}
	for i := range n {
		at := b[spentHead+i*spentUse:]
		s.uses[i] = use{int64(binary.BigEndian.Uint64(at)), int64(binary.BigEndian.Uint64(at[8:])), [tagSize]byte(at[16:])}
	}
	return s, nil
}

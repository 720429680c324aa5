package passkeys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// StatelessChallenges keeps nothing: the handle is the payload itself, sealed.
// Any number of processes share it by sharing the keys.
//
// Without a Guard a handle can be consumed again until it expires. Whoever
// captures a finish request, a proxy's log for instance, can send it again and
// is signed in, and signature counters that stay 0, as those of synced passkeys
// do, will not stop him. Set a Guard to make handles single-use; every other
// store does that by itself.
type StatelessChallenges struct {
	// Guard makes handles single-use. Default: none does. Set it before the
	// first use.
	Guard ReplayGuard
	// Now is the clock. Default: time.Now. Set it before the first use.
	Now func() time.Time

	keys [][]byte
}

var _ ChallengeStore = (*StatelessChallenges)(nil)

// ReplayGuard remembers which handles were used, for all processes that share
// the keys. It is safe for concurrent use.
type ReplayGuard interface {
	// Use reports whether this is the first use of id, atomically: of N
	// concurrent calls with one id exactly one is told true. It may forget the
	// id after expiresAt. An error means that it could not tell.
	Use(ctx context.Context, id string, expiresAt time.Time) (first bool, err error)
}

const (
	sealVersion = 1
	sealSalt    = 24
	// sealBlock is what the sealed content is padded to, so that the handle's
	// length says nothing about the user it was issued for: all of ours fit one
	// block.
	sealBlock = 240
	sealInfo  = "github.com/passkeys-go/passkeys stateless challenge v1"
	maxHandle = 128 << 10
)

// NewStatelessChallenges returns a store on one or more keys of at least 32
// random bytes each. The first seals, all open: to rotate, put the new key in
// front, and drop the old one after Config.ChallengeTTL.
func NewStatelessChallenges(keys ...[]byte) (*StatelessChallenges, error) {
	if len(keys) == 0 {
		return nil, ErrConfiguration.explained("NewStatelessChallenges: needs a key")
	}
	s := &StatelessChallenges{}
	for i, key := range keys {
		if len(key) < 32 {
			return nil, ErrConfiguration.explained(fmt.Sprintf("NewStatelessChallenges: key %d: %d bytes; must be at least 32", i, len(key)))
		}
		s.keys = append(s.keys, append([]byte{}, key...))
	}
	return s, nil
}

func (s *StatelessChallenges) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// aead derives a key of its own for each handle, so that there is no limit to
// how many one key can seal, and the nonce can be constant.
func aead(key, salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, salt, sealInfo, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Put implements [ChallengeStore].
func (s *StatelessChallenges) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	if err := checkChallenge(ctx, payload, expiresAt, s.now()); err != nil {
		return "", err
	}
	size := 12 + len(payload)
	plain := make([]byte, 0, size+sealBlock)
	plain = binary.BigEndian.AppendUint64(plain, uint64(expiresAt.UnixMilli()))
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(payload)))
	plain = append(plain, payload...)
	plain = plain[:(size+sealBlock-1)/sealBlock*sealBlock]

	token := make([]byte, 1+sealSalt, 1+sealSalt+len(plain)+16)
	token[0] = sealVersion
	_, _ = rand.Read(token[1:]) // never fails: it ends the process instead
	gcm, err := aead(s.keys[0], token[1:])
	if err != nil {
		return "", err
	}
	token = gcm.Seal(token, make([]byte, gcm.NonceSize()), plain, token[:1]) //nolint:gosec // each key seals once: see aead
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// Consume implements [ChallengeStore].
func (s *StatelessChallenges) Consume(ctx context.Context, handle string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	plain, salt := s.open(handle)
	if plain == nil {
		return nil, ErrChallengeNotFound
	}
	expiresAt := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
	if !s.now().Before(expiresAt) {
		return nil, ErrChallengeExpired
	}
	if s.Guard != nil {
		first, err := s.Guard.Use(ctx, base64.RawURLEncoding.EncodeToString(salt), expiresAt)
		if err != nil {
			return nil, err
		}
		if !first {
			return nil, ErrChallengeNotFound
		}
	}
	return plain[12 : 12+binary.BigEndian.Uint32(plain[8:])], nil
}

// open returns what handle seals, or nil. What opens was written by Put, so its
// lengths hold.
func (s *StatelessChallenges) open(handle string) (plain, salt []byte) {
	if len(handle) > maxHandle {
		return nil, nil
	}
	token, err := engine.Decode(handle)
	if err != nil || len(token) < 1+sealSalt || token[0] != sealVersion {
		return nil, nil
	}
	salt, sealed := token[1:1+sealSalt], token[1+sealSalt:]
	for _, key := range s.keys {
		gcm, err := aead(key, salt)
		if err != nil {
			return nil, nil
		}
		if plain, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), sealed, token[:1]); err == nil {
			return plain, salt
		}
	}
	return nil, nil
}

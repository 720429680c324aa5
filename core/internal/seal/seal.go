// Package seal encrypts what the browser carries for the server, so that it can
// neither be read nor made by anyone else.
//
// The cipher is XAES-256-GCM (C2SP): AES-256-GCM under a key derived for each
// message from its nonce of 24 random bytes. So there is no limit worth
// counting to how much one key seals, where plain AES-GCM with random nonces is
// at its end after 2³² messages: an hour of a flood.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

const (
	// version is the first byte of what is sealed, and authenticated.
	version   = 2
	nonceSize = 24
	tagSize   = 16
	// block is what the content is padded to, so that its length says nothing
	// about whom it is for.
	block = 192
	// maxText is the longest text that is worth decoding.
	maxText = 4 << 10
)

// Derive returns 32 bytes that depend on the secret and on what they are for.
func Derive(secret []byte, use string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "github.com/passkeys-go/passkeys "+use, 32)
	if err != nil {
		panic(err) // only where 32 bytes are too many to derive
	}
	return key
}

// Sealer seals for one use. It is safe for concurrent use.
type Sealer struct{ keys []xaes }

// New returns a sealer for this use. The first secret seals, all open.
func New(use string, secrets ...[]byte) *Sealer {
	s := &Sealer{}
	for _, secret := range secrets {
		s.keys = append(s.keys, newXAES([32]byte(Derive(secret, use))))
	}
	return s
}

// Seal returns plain as letters, digits, '-' and '_': all that are padded to one
// length, the same number of them. It takes at most 2 KiB.
func (s *Sealer) Seal(plain []byte) string {
	size := 1 + nonceSize + (2+len(plain)+block-1)/block*block
	token := make([]byte, size, size+tagSize)
	head, padded := token[:1+nonceSize], token[1+nonceSize:]
	head[0] = version
	_, _ = rand.Read(head[1:]) // never fails: it ends the process instead
	binary.BigEndian.PutUint16(padded, uint16(len(plain)))
	copy(padded[2:], plain)

	gcm, nonce := s.keys[0].cipher([nonceSize]byte(head[1:]))
	return base64.RawURLEncoding.EncodeToString(gcm.Seal(head, nonce, padded, head[:1]))
}

// Open returns what was sealed for this use under one of the secrets, and
// whether there is such.
func (s *Sealer) Open(text string) (plain []byte, ok bool) {
	if len(text) > maxText {
		return nil, false
	}
	token, _ := strictjson.DecodeBase64URL(text)
	if len(token) < 1+nonceSize+tagSize+block || token[0] != version {
		return nil, false
	}
	for i := range s.keys {
		gcm, nonce := s.keys[i].cipher([nonceSize]byte(token[1:]))
		// What opens was padded by Seal, so its length holds.
		if padded, err := gcm.Open(nil, nonce, token[1+nonceSize:], token[:1]); err == nil {
			return padded[2 : 2+binary.BigEndian.Uint16(padded)], true
		}
	}
	return nil, false
}

// xaes is a key of XAES-256-GCM: the block cipher under it, and the subkey of
// its CMAC (NIST SP 800-38B §6.1).
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key [32]byte) xaes {
	x := xaes{block: newAES(key[:])}
	x.block.Encrypt(x.k1[:], x.k1[:])
	msb := byte(0)
	for i := len(x.k1) - 1; i >= 0; i-- {
		msb, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|msb
	}
	x.k1[len(x.k1)-1] ^= msb * 0b1000_0111
	return x
}

// cipher derives the key for one nonce by a KDF in counter mode with CMAC (NIST
// SP 800-108r1 §4.1): two blocks, each of the counter, the label X and half of
// the nonce. The other half is the nonce under that key.
func (x *xaes) cipher(nonce [nonceSize]byte) (cipher.AEAD, []byte) {
	var derived [32]byte
	for i := range 2 {
		half := derived[i*aes.BlockSize:][:aes.BlockSize]
		copy(half, []byte{0, byte(i + 1), 'X', 0})
		copy(half[4:], nonce[:12])
		for j := range half {
			half[j] ^= x.k1[j]
		}
		x.block.Encrypt(half, half)
	}
	gcm, err := cipher.NewGCM(newAES(derived[:]))
	if err != nil {
		panic(err) // only for another block size than that of AES
	}
	return gcm, nonce[12:]
}

func newAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	return b
}

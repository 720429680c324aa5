package passkeytest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// Algorithm is a COSE algorithm identifier (WebAuthn Level 3 §5.8.5).
type Algorithm int

// The algorithms an [Authenticator] knows.
const (
	ES256 Algorithm = -7   // ECDSA on P-256 with SHA-256
	EdDSA Algorithm = -8   // Ed25519
	RS256 Algorithm = -257 // RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits
)

func (alg Algorithm) known() bool {
	return alg == ES256 || alg == EdDSA || alg == RS256
}

func newKey(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, ErrNoAlgorithm
}

// coseKey returns a public key as a COSE_Key (RFC 9053 §7, RFC 8230 §4).
func coseKey(alg Algorithm, public crypto.PublicKey) ([]byte, error) {
	key := cborMap{3: int(alg)}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		// The point is 0x04, x and y. Its coordinates keep their leading zeros,
		// which COSE demands and big.Int.Bytes would drop.
		point, err := public.Bytes()
		if err != nil {
			return nil, err
		}
		key[1], key[-1], key[-2], key[-3] = 2, 1, point[1:33], point[33:]
	case ed25519.PublicKey:
		key[1], key[-1], key[-2] = 1, 6, []byte(public)
	case *rsa.PublicKey:
		exponent := binary.BigEndian.AppendUint32(nil, uint32(public.E))
		key[1], key[-1], key[-2] = 3, public.N.Bytes(), bytes.TrimLeft(exponent, "\x00")
	}
	return appendCBOR(nil, key), nil
}

// sign signs what assertions and attestations alike sign (WebAuthn Level 3
// §6.3.3).
func (c *Credential) sign(r *Response) ([]byte, error) {
	hash := crypto.SHA256
	if c.Algorithm == EdDSA {
		hash = 0 // Ed25519 signs the message itself
	}
	client := sha256.Sum256(r.ClientDataJSON)
	return crypto.SignMessage(c.key, rand.Reader, slices.Concat(r.AuthenticatorData, client[:]), hash)
}

// cborMap is a CBOR map of ints and strings to ints, strings, []bytes and
// cborMaps.
type cborMap map[any]any

// appendCBOR appends v in CTAP2 canonical CBOR.
func appendCBOR(b []byte, v any) []byte {
	switch v := v.(type) {
	case int:
		if v < 0 {
			return appendCBORHead(b, 1, -1-v)
		}
		return appendCBORHead(b, 0, v)
	case []byte:
		return append(appendCBORHead(b, 2, len(v)), v...)
	case string:
		return append(appendCBORHead(b, 3, len(v)), v...)
	case cborMap:
		// A key's encoding starts with its type and size, and no key's is the
		// beginning of another's: the canonical order is that of the bytes.
		pairs := make([][]byte, 0, len(v))
		for key, value := range v {
			pairs = append(pairs, appendCBOR(appendCBOR(nil, key), value))
		}
		slices.SortFunc(pairs, bytes.Compare)
		return append(appendCBORHead(b, 5, len(v)), bytes.Join(pairs, nil)...)
	}
	panic(fmt.Sprintf("passkeytest: no CBOR encoding for %T", v))
}

// appendCBORHead appends a major type and its argument, as short as possible.
func appendCBORHead(b []byte, major byte, n int) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
}

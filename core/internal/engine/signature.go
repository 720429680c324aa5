package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// verifySignature reports whether the holder of a COSE key has signed the message.
// Nearly every passkey has a key that es256Point knows. The standard library says
// the same of it as webauthncose does, which would decode it twice, look twice for
// its point on the curve, and encode the signature again to see that it is DER.
func verifySignature(cose, message, signature []byte) bool {
	if point, ok := es256Point(cose); ok {
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		digest := sha256.Sum256(message)
		return err == nil && ecdsa.VerifyASN1(key, digest[:], signature)
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return false
	}
	ok, err := webauthncose.VerifySignature(key, message, signature)
	return ok && err == nil
}

// es256Point returns the uncompressed point of an ES256 key in the encoding that
// CTAP2 prescribes, {1: 2, 3: -7, -1: 1, -2: x, -3: y}. Whether it is on the curve
// is not looked at.
func es256Point(cose []byte) ([]byte, bool) {
	const beforeX, beforeY = "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", "\x22\x58\x20"
	if len(cose) != 77 || string(cose[:10]) != beforeX || string(cose[42:45]) != beforeY {
		return nil, false
	}
	return slices.Concat([]byte{4}, cose[10:42], cose[45:]), true
}

package engine

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The ceremonies of these tests, of one relying party with one challenge.

var (
	challenge = bytes.Repeat([]byte{7}, 32)
	party     = RelyingParty{ID: "example.org", Origins: []string{"https://example.org"}, Algorithms: []int64{-7, -8, -35, -36, -257}}
	framed    = RelyingParty{ID: "example.org", Origins: []string{"https://example.org"}, TopOrigins: []string{"https://top.example"}}
)

const (
	flagUP, flagUV, flagBE, flagBS, flagAT, flagED = 1, 4, 8, 16, 64, 128
)

// keyPair is a passkey.
type keyPair struct {
	name    string
	cose    []byte
	private crypto.Signer
	hash    crypto.Hash
}

// keyPairs are one of each type.
var keyPairs = sync.OnceValue(func() (pairs []keyPair) {
	add := func(name string, private crypto.Signer, hash crypto.Hash, cose map[int]any) {
		b, err := webauthncbor.Marshal(cose)
		if err != nil {
			panic(err)
		}
		pairs = append(pairs, keyPair{name, b, private, hash})
	}
	for _, c := range []struct {
		name     string
		curve    elliptic.Curve
		hash     crypto.Hash
		alg, crv int
	}{
		{"ES256", elliptic.P256(), crypto.SHA256, -7, 1},
		{"ES384", elliptic.P384(), crypto.SHA384, -35, 2},
		{"ES512", elliptic.P521(), crypto.SHA512, -36, 3},
	} {
		k, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		xy := point[1:]
		add(c.name, k, c.hash, map[int]any{1: 2, 3: c.alg, -1: c.crv, -2: xy[:len(xy)/2], -3: xy[len(xy)/2:]})
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	add("EdDSA", private, 0, map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(public)})
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	add("RS256", k, crypto.SHA256, map[int]any{1: 3, 3: -257, -1: k.N.Bytes(), -2: []byte{1, 0, 1}})
	return pairs
})

// sign is the signature of a response with this client and authenticator data.
func (k keyPair) sign(clientData, authData []byte) []byte {
	hash := sha256.Sum256(clientData)
	message := slices.Concat(authData, hash[:])
	if k.hash != 0 {
		h := k.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	signature, err := k.private.Sign(rand.Reader, message, k.hash)
	if err != nil {
		panic(err)
	}
	return signature
}

// assert is a response with this client and authenticator data, signed.
func (k keyPair) assert(clientData, authData []byte) *AssertionResponse {
	return &AssertionResponse{
		Response: Response{RawID: []byte("id"), ClientDataJSON: clientData}, AuthenticatorData: authData, Signature: k.sign(clientData, authData),
	}
}

func clientDataJSON() []byte {
	return fmt.Appendf(nil, `{"type":"webauthn.get","challenge":%q,"origin":"https://example.org","crossOrigin":false}`, encode(challenge))
}

// authData is authenticator data with these flags, the counter 5, and what follows.
func authData(flags byte, rest ...byte) []byte {
	hash := sha256.Sum256([]byte("example.org"))
	return slices.Concat(hash[:], []byte{flags, 0, 0, 0, 5}, rest)
}

// reason is the reason of a verdict, "" of acceptance.
func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		t.Fatalf("%v is no Failure", err)
	}
	return f.Reason
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// creationOptions are what passkeytest's authenticators register with.
func creationOptions(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"rp": map[string]any{"id": "example.org"}, "user": map[string]any{"id": "dQ"}, "challenge": encode(challenge),
		"pubKeyCredParams": []any{map[string]any{"type": "public-key", "alg": -7}}, "extensions": map[string]any{"credProps": true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

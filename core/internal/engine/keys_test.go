package engine

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Type, curve and algorithm of a key belong together (WebAuthn L3 §5.8.5): for every
// other combination the key is refused, for it could never sign in.
func TestEveryPairOfKeyAndAlgorithm(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := func(curve elliptic.Curve) (x, y []byte) {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		n := (len(point) - 1) / 2
		return point[1 : 1+n], point[1+n:]
	}
	type key struct {
		name string
		cose map[int]any
	}
	keys := []key{{"RSA", map[int]any{1: 3, -1: private.N.Bytes(), -2: big.NewInt(int64(private.E)).Bytes()}}}
	for crv := 1; crv <= 8; crv++ { // P-256, P-384, P-521, X25519, X448, Ed25519, Ed448, secp256k1
		keys = append(keys, key{fmt.Sprint("OKP ", crv), map[int]any{1: 1, -1: crv, -2: []byte(ed)}})
		for _, of := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			x, y := ec(of)
			keys = append(keys, key{fmt.Sprintf("EC2 %d with a point of %s", crv, of.Params().Name), map[int]any{1: 2, -1: crv, -2: x, -3: y}})
		}
	}
	// The second of each is the same, fully specified (RFC 9864).
	sound := map[string][]int{
		"EC2 1 with a point of P-256": {-7, -9}, "EC2 2 with a point of P-384": {-35, -51}, "EC2 3 with a point of P-521": {-36, -52},
		"OKP 6": {-8, -19}, "RSA": {-257},
	}
	for _, k := range keys {
		for _, alg := range []int{-7, -8, -9, -19, -35, -36, -37, -38, -39, -47, -48, -51, -52, -53, -257, -258, -259, -65535, 0, 7} {
			k.cose[3] = alg
			raw, err := webauthncbor.Marshal(k.cose)
			if err != nil {
				t.Fatal(err)
			}
			got, err := checkPublicKey(raw)
			if want := slices.Contains(sound[k.name], alg); want != (err == nil) || err == nil && got != int64(alg) {
				t.Errorf("%s that says %d: taken %t, as %d; want %t", k.name, alg, err == nil, got, want)
			}
		}
	}
}

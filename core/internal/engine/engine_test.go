package engine

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"testing"
)

func TestValidEd25519(t *testing.T) {
	for range 2000 {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !validEd25519(key) {
			t.Fatalf("%x is a key", key)
		}
		if validEd25519(append(key, 0)) {
			t.Fatalf("%x is a key and a byte", key)
		}
	}
	// Half of all y belong to a point.
	valid := 0
	for range 2000 {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		if validEd25519(key) {
			valid++
		}
	}
	if valid < 850 || valid > 1150 {
		t.Errorf("%d of 2,000 random strings are keys, want about half", valid)
	}
	for _, small := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"0100000000000000000000000000000000000000000000000000000000000080",
	} {
		key, _ := hex.DecodeString(small)
		if validEd25519(key) {
			t.Errorf("%s is of small order", small)
		}
	}
	// A y beyond the field: the same point as y-p, written in another way.
	key := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19+1))
	key.Add(key, big.NewInt(1+9)) // p + 9
	le := key.FillBytes(make([]byte, 32))
	for i, j := 0, 31; i < j; i, j = i+1, j-1 {
		le[i], le[j] = le[j], le[i]
	}
	if validEd25519(le) || validEd25519(le[:31]) {
		t.Error("one point has two encodings")
	}
}

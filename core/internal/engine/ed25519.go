package engine

import (
	"math/big"
	"slices"
)

// validEd25519 reports whether key is the encoding of a point of Ed25519 whose
// order is not small (RFC 8032 §5.1.3). The standard library looks no earlier
// than when it verifies, and then cannot say whether the key or the signature is
// at fault; of small order there are eight points, for which signatures can be
// made without a key.
func validEd25519(key []byte) bool {
	if len(key) != 32 {
		return false
	}
	le := slices.Clone(key)
	le[31] &= 0x7f // the sign of x
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)

	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return false // not the canonical encoding
	}
	// The y of the points of order 1, 2, 4 and 8.
	order8, _ := new(big.Int).SetString("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16)
	for _, small := range []*big.Int{new(big.Int), one, new(big.Int).Sub(p, one), order8, new(big.Int).Sub(p, order8)} {
		if y.Cmp(small) == 0 {
			return false
		}
	}
	// x² = (y²-1)/(dy²+1) with d = -121665/121666. A quotient is a square if and
	// only if the product is, so none of the divisions is needed:
	// (y²-1)(121666-121665y²)·121666 has the same character.
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, one)
	v := new(big.Int).Sub(big.NewInt(121666), new(big.Int).Mul(yy, big.NewInt(121665)))
	square := u.Mul(u, v)
	square.Mul(square, big.NewInt(121666))
	return big.Jacobi(square.Mod(square, p), p) == 1
}

package passkeytest

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestAppendCBOR(t *testing.T) {
	for _, test := range []struct {
		name, why string
		value     any
		want      string
	}{
		{"zero", "the smallest head", 0, "00"},
		{"23", "the largest one-byte head", 23, "17"},
		{"24", "the smallest two-byte head", 24, "1818"},
		{"256", "the smallest three-byte head", 256, "190100"},
		{"65536", "the smallest five-byte head", 65536, "1a00010000"},
		{"ES256", "a negative number is stored as its complement", int(ES256), "26"},
		{"RS256", "the complement takes two bytes", int(RS256), "390100"},
		{"bytes", "RFC 8949 appendix A", []byte{1, 2, 3, 4}, "4401020304"},
		{"no bytes", "an empty signature is a byte string all the same", []byte(nil), "40"},
		{"text", "RFC 8949 appendix A", "IETF", "6449455446"},
		{"empty map", "the statement of the none format", cborMap{}, "a0"},
		{"nested map", "maps hold maps", cborMap{"a": cborMap{1: 2}}, "a16161a10102"},
		{"order of numbers", "0 and up come before -1 and down", cborMap{-2: 0, -1: 0, 3: 0, 1: 0}, "a40100030020002100"},
		{"order of texts", "shorter keys come first", cborMap{"bb": 0, "c": 0, "aaa": 0, "a": 0}, "a4616100616300626262006361616100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hex.EncodeToString(appendCBOR(nil, test.value)); got != test.want {
				t.Errorf("%s: got %s, want %s", test.why, got, test.want)
			}
		})
	}
}

func TestAppendCBORPanics(t *testing.T) {
	defer func() {
		if s, _ := recover().(string); !strings.Contains(s, "float64") {
			t.Errorf("panic with %q, want the type it cannot encode", s)
		}
	}()
	appendCBOR(nil, 1.5)
}

package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// The two test vectors of C2SP's XAES-256-GCM, one for each value of the bit that
// is shifted out of the subkey.
func TestXAES(t *testing.T) {
	nonce := [nonceSize]byte([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"))
	for _, row := range []struct {
		key        byte
		data, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x := newXAES([32]byte(bytes.Repeat([]byte{row.key}, 32)))
		gcm, n := x.cipher(nonce)
		if got := hex.EncodeToString(gcm.Seal(nil, n, []byte("XAES-256-GCM"), []byte(row.data))); got != row.want {
			t.Errorf("key %d: %s, want %s", row.key, got, row.want)
		}
	}
}

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func TestWhatOpens(t *testing.T) {
	const plain = "payload"
	for _, row := range []struct {
		name, says string
		sealer     *Sealer
		opens      bool
	}{
		{"same", "The same use and secret open it.", New("state", secret(1)), true},
		{"rotated", "So does a later secret beside it.", New("state", secret(2), secret(1)), true},
		{"dropped", "A later secret alone does not.", New("state", secret(2)), false},
		{"use", "Nor does the same secret for another use.", New("proof", secret(1)), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, ok := row.sealer.Open(New("state", secret(1)).Seal([]byte(plain)))
			if ok != row.opens || ok && string(got) != plain {
				t.Errorf("%s Got %q, %v", row.says, got, ok)
			}
		})
	}
	rotated := New("state", secret(2), secret(1))
	if _, ok := New("state", secret(2)).Open(rotated.Seal([]byte(plain))); !ok {
		t.Error("the first secret does not seal")
	}
}

func TestAlteredDoesNotOpen(t *testing.T) {
	s := New("state", secret(1))
	text := s.Seal([]byte("payload"))
	token, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, altered string) {
		t.Helper()
		if got, ok := s.Open(altered); ok {
			t.Errorf("%s: opened as %q", what, got)
		}
	}
	for i := range len(token) * 8 {
		flipped := bytes.Clone(token)
		flipped[i/8] ^= 1 << (i % 8)
		refused("a bit flipped", base64.RawURLEncoding.EncodeToString(flipped))
	}
	for n := range text {
		refused("its end cut off", text[:n])
		refused("its beginning cut off", text[n+1:])
	}
	other := s.Seal([]byte("payload"))
	for n := range len(text) {
		if half := text[:n] + other[n:]; half != text && half != other { // they may begin or end alike
			refused("half of one and half of another", half)
		}
	}
	refused("reordered", text[:len(text)/2]+text[len(text)/2+4:]+text[len(text)/2:len(text)/2+4])
	for _, odd := range []string{"", "A", " " + text, text + "=", text + "AAAA", text + "\n", text[:8] + "\n" + text[8:], strings.Repeat("A", 1<<20)} {
		refused("odd", odd)
	}
	// The last characters of a text have bits that no byte is made of.
	if i := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[len(text)-1]); len(token)%3 != 0 {
		refused("another spelling", text[:len(text)-1]+string("BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A"[i]))
	}
}

// What another version seals is its own, though the key and the cipher be the same.
func TestVersions(t *testing.T) {
	s := New("state", secret(1))
	for _, row := range []struct {
		name, says    string
		version       byte
		authenticated []byte
		opens         bool
	}{
		{"this", "What this version seals opens.", version, []byte{version}, true},
		{"before", "What the version before sealed does not.", version - 1, []byte{version - 1}, false},
		{"after", "Nor does what the version after it will seal.", version + 1, []byte{version + 1}, false},
		{"renamed", "Nor that under the number of this one.", version, []byte{version + 1}, false},
		{"unauthenticated", "Nor a number that nothing vouches for.", version, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := make([]byte, 1+nonceSize)
			token[0] = row.version
			gcm, nonce := s.keys[0].cipher([nonceSize]byte(token[1:]))
			text := base64.RawURLEncoding.EncodeToString(gcm.Seal(token, nonce, make([]byte, block), row.authenticated))
			if _, ok := s.Open(text); ok != row.opens {
				t.Errorf("%s It opened: %v", row.says, ok)
			}
		})
	}
}

// What is too long to be a state costs nothing.
func TestLongTextIsNotDecoded(t *testing.T) {
	s := New("state", secret(1))
	text := s.Seal(make([]byte, 2048))
	if n := testing.AllocsPerRun(10, func() { s.Open(text) }); n == 0 {
		t.Error("opening allocates nothing, so this test proves nothing")
	}
	text = strings.Repeat("A", maxText+1)
	if n := testing.AllocsPerRun(10, func() { s.Open(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A text tells nothing of what it seals: neither how long it is, nor whether two
// seal the same.
func TestTextTellsNothing(t *testing.T) {
	s := New("state", secret(1))
	empty, full := s.Seal(nil), s.Seal(bytes.Repeat([]byte{'x'}, block-2))
	if len(empty) != len(full) {
		t.Errorf("%d and %d characters", len(empty), len(full))
	}
	if again := s.Seal(nil); again == empty || again[:16] == empty[:16] && again[2:30] == empty[2:30] {
		t.Error("two of one content look alike")
	}
	if strings.Trim(full, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("%q is not fit for a URL", full)
	}
	if longer, longest := s.Seal(make([]byte, block-1)), s.Seal(make([]byte, 2*block-2)); len(longer) != len(longest) {
		t.Errorf("%d and %d characters", len(longer), len(longest))
	}
	for _, n := range []int{0, 1, block - 2, block - 1, 2048} {
		if got, ok := s.Open(s.Seal(make([]byte, n))); !ok || len(got) != n {
			t.Errorf("%d bytes came back as %d, %v", n, len(got), ok)
		}
	}
}

func TestDerivedSecretsDiffer(t *testing.T) {
	a, b, c := Derive(secret(1), "decoys"), Derive(secret(1), "state"), Derive(secret(2), "decoys")
	if bytes.Equal(a, b) || bytes.Equal(a, c) || !bytes.Equal(a, Derive(secret(1), "decoys")) || len(a) != 32 {
		t.Error("one for each secret and use")
	}
}

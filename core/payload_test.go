package passkeys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPayload(t *testing.T) {
	for _, c := range []payload{
		{purpose: forRegistration, expiresAt: time.UnixMilli(1893456000123), challenge: bytes.Repeat([]byte{7}, 32), userID: strings.Repeat("u", 64), session: strings.Repeat("s", 32)},
		{purpose: forAuthentication, expiresAt: time.UnixMilli(0), challenge: []byte{0}, userID: ""},
		{purpose: forAuthentication, expiresAt: time.UnixMilli(-1), challenge: bytes.Repeat([]byte{9}, 255), userID: "\xff\x00"},
	} {
		b := c.encode()
		got, err := decodePayload(b)
		if err != nil || got.purpose != c.purpose || !got.expiresAt.Equal(c.expiresAt) || !bytes.Equal(got.challenge, c.challenge) || got.userID != c.userID || got.session != c.session {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
		for n := range b {
			if _, err := decodePayload(b[:n]); !errors.Is(err, errPayload) {
				t.Errorf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if _, err := decodePayload(append(b, 0)); !errors.Is(err, errPayload) {
			t.Errorf("a byte too many: %v", err)
		}
		b[0]++
		if _, err := decodePayload(b); !errors.Is(err, errPayload) {
			t.Errorf("another version: %v", err)
		}
	}
}

func TestPayloadHasAChallenge(t *testing.T) {
	c := payload{purpose: forAuthentication, expiresAt: time.UnixMilli(1)}
	if _, err := decodePayload(c.encode()); !errors.Is(err, errPayload) {
		t.Errorf("an empty challenge, which an empty one would match: %v", err)
	}
}

// A server that is being upgraded reads what its predecessor wrote.
func TestPayloadFormatIsStable(t *testing.T) {
	c := payload{purpose: forAuthentication, expiresAt: time.UnixMilli(1893456000123), challenge: []byte{1, 2, 3}, userID: "me", session: "s"}
	if got := hex.EncodeToString(c.encode()); got != "0102000001b8dac5b47b03010203026d650173" {
		t.Errorf("got %s", got)
	}
}

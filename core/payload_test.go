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
		{purpose: forRegistration, mode: ModeRegistration, issuedAt: time.UnixMicro(1893456000123455), expiresAt: time.UnixMicro(1893456000123456), challenge: bytes.Repeat([]byte{7}, 32), realm: strings.Repeat("r", 16), userID: strings.Repeat("u", 64), session: strings.Repeat("s", 32)},
		{purpose: forAuthentication, mode: ModeUsernameless, issuedAt: time.UnixMicro(0), expiresAt: time.UnixMicro(0), challenge: []byte{0}},
		{purpose: forAuthentication, mode: ModeUser, issuedAt: time.UnixMicro(-2), expiresAt: time.UnixMicro(-1), challenge: bytes.Repeat([]byte{9}, 255), userID: "\xff\x00"},
		{purpose: forAuthentication, mode: ModeUsername, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u"},
		{purpose: forAuthentication, mode: ModeConditional, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, realm: "r"},
		{purpose: forAuthentication, mode: ModeImmediate, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, session: "s"},
		{purpose: forUpgrade, mode: ModeUpgrade, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u", session: "s"},
		{purpose: forConfirmation, mode: ModeConfirmation, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u", subject: subject{"o", strings.Repeat("h", 32), time.Second}},
		{purpose: forRequest, mode: ModeConfirmation, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u", session: "s", subject: subject{strings.Repeat("o", 255), strings.Repeat("h", 32), 24 * time.Hour}},
		{purpose: forProof, mode: ModeConfirmation, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u", subject: subject{hash: "h"}, credentialID: strings.Repeat("c", 1023), verified: true},
		{purpose: forProof, mode: ModeConfirmation, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u", credentialID: "c", key: "k", reliable: true},
		{purpose: forRegistration, mode: ModeUpgrade, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, userID: "u"},
	} {
		b := c.encode()
		got, err := decodePayload(b)
		if err != nil || got.purpose != c.purpose || got.mode != c.mode || !got.issuedAt.Equal(c.issuedAt) || !got.expiresAt.Equal(c.expiresAt) ||
			!bytes.Equal(got.challenge, c.challenge) || got.realm != c.realm || got.userID != c.userID || got.session != c.session || got.subject != c.subject || got.credentialID != c.credentialID || got.key != c.key || got.verified != c.verified || got.reliable != c.reliable {
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
		for _, step := range []byte{1, 255} { // the next version, and the one before
			b[0] += step
			if _, err := decodePayload(b); !errors.Is(err, errPayload) {
				t.Errorf("version %d: %v", b[0], err)
			}
			b[0] -= step
		}
	}
}

func TestPayloadHasAChallenge(t *testing.T) {
	c := payload{purpose: forAuthentication, mode: ModeUsernameless, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(1)}
	if _, err := decodePayload(c.encode()); !errors.Is(err, errPayload) {
		t.Errorf("an empty challenge, which an empty one would match: %v", err)
	}
}

// A payload says three times what it is for, by its purpose, its mode and whether
// it names somebody: one in which they contradict each other is none.
func TestPayloadIsOfOneMind(t *testing.T) {
	valid := map[string]bool{
		"1 registration u": true, "2 usernameless ": true, "2 conditional ": true, "2 immediate ": true, "2 user u": true, "2 username u": true,
		"1 upgrade u": true, "3 upgrade u": true,
		"4 confirmation u": true, "5 confirmation u": true, "6 confirmation u": true,
	}
	seen, all := 0, modes()
	for purpose := range purpose(9) {
		for _, mode := range append(all[:], "", "another") {
			for _, userID := range []string{"", "u"} {
				c := payload{purpose: purpose, mode: mode, challenge: []byte{1}, userID: userID}
				_, err := decodePayload(c.encode())
				what := string('0'+rune(purpose)) + " " + string(mode) + " " + userID
				if valid[what] != (err == nil) {
					t.Errorf("purpose, mode, user %q: %v", what, err)
				}
				if err == nil {
					seen++
				}
			}
		}
	}
	if seen != len(valid) {
		t.Errorf("%d are valid, want %d", seen, len(valid))
	}
	b := payload{purpose: forAuthentication, mode: ModeUsernameless, challenge: []byte{1}}.encode()
	for code := range 256 {
		b[2] = byte(code)
		_, err := decodePayload(b)
		if fine := code == 2 || code == 5 || code == 6; fine != (err == nil) {
			t.Errorf("mode %d: %v", code, err)
		}
	}
}

// A server that is being upgraded reads what its predecessor wrote.
func TestPayloadFormatIsStable(t *testing.T) {
	for _, row := range []struct {
		purpose purpose
		mode    Mode
		head    string
	}{{forAuthentication, ModeUser, "020203"}, {forUpgrade, ModeUpgrade, "020307"}, {forRegistration, ModeUpgrade, "020107"}} {
		c := payload{purpose: row.purpose, mode: row.mode, issuedAt: time.UnixMicro(1893455640123456), expiresAt: time.UnixMicro(1893456000123456),
			challenge: []byte{1, 2, 3}, realm: "r", userID: "me", session: "s"}
		if got, want := hex.EncodeToString(c.encode()), row.head+"0006ba167ed3d840"+"0006ba1694490240"+"03010203"+"0172"+"026d65"+"0173"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

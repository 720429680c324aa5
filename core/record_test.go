package passkeys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// whole is a credential in which no field is zero.
func whole() passkeys.Credential {
	at := time.Date(2026, 11, 25, 17, 43, 26, 123456000, time.UTC)
	return passkeys.Credential{
		ID:                []byte("credential id\xfb\xff"),
		UserID:            "alice-id",
		UserHandle:        []byte{0, 0xff, 0xfe},
		RPID:              "example.org",
		PublicKey:         []byte{0xa5, 1, 2, 3, 0x26},
		Algorithm:         passkeys.ES256,
		SignCount:         4294967295,
		BackupEligible:    true,
		BackupState:       true,
		BackupUnknown:     true,
		UVInitialized:     true,
		Transports:        []string{"hybrid", "internal"},
		Discoverable:      passkeys.Discoverable,
		PRFEnabled:        true,
		AAGUID:            passkeys.AAGUID{0xea, 0x9b, 0x8d, 0x66, 0x4d, 0x01, 0x1d, 0x21, 0x3c, 0xe4, 0xb6, 0xb4, 0x8c, 0xb5, 0x75, 0xd4},
		AttestationFormat: "packed",
		DeviceName:        `Zoë's "phone" 📱 <&>`,
		CreatedAt:         at,
		LastUsedAt:        at.Add(time.Hour),
		QuarantinedAt:     at.Add(2 * time.Hour),
		QuarantineReason:  passkeys.ReasonSignCountRegressed,
		Spent:             []byte{1, 2, 3},
		Version:           1764092606123456,
	}
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}

// What a version has written must be read by every later one. A golden file is
// never changed: a new version adds its own.
func TestRecordsOfEveryVersion(t *testing.T) {
	before := whole()
	before.PRFEnabled = false
	unknown, no, binary := before, before, before
	unknown.UserHandle, unknown.HandleUnknown = nil, true
	no.Discoverable = passkeys.NotDiscoverable
	binary.UserID = "\x00\x06\x9a\xff"
	least := passkeys.Credential{ID: []byte{1}, UserID: "u", PublicKey: []byte{2}}
	for _, row := range []struct {
		file, says string
		want       passkeys.Credential
	}{
		{"credential-v1.json", "Every field that there was first.", before},
		{"credential-v1-prf.json", "Every field, as of prf.", whole()},
		{"credential-v1-least.json", "As few as there can be.", least},
		{"credential-v1-handle-unknown.json", "One that was imported without its handle.", unknown},
		{"credential-v1-not-discoverable.json", "One that says so.", no},
		{"credential-v1-binary-user.json", "A user's id that is not UTF-8.", binary},
	} {
		t.Run(row.file, func(t *testing.T) {
			text := golden(t, row.file)
			var read passkeys.Credential
			if err := json.Unmarshal([]byte(text), &read); err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(row.want)
			if err != nil {
				t.Fatal(err)
			}
			if string(written) != text {
				t.Errorf("%s\nwritten %s\nwant    %s", row.says, written, text)
			}
			if again, err := json.Marshal(read); err != nil || string(again) != text {
				t.Errorf("%s\nread and written %s, %v\nwant             %s", row.says, again, err, text)
			}
			if !read.CreatedAt.Equal(row.want.CreatedAt) || read.UserID != row.want.UserID || read.HandleUnknown != row.want.HandleUnknown || read.PRFEnabled != row.want.PRFEnabled || !bytes.Equal(read.Spent, row.want.Spent) {
				t.Errorf("%s Read as %+v", row.says, read)
			}
		})
	}
}

// A server of this version may get a record that its successor wrote, and must
// neither lose what it does not know nor take it for its own.
func TestRecordOfALaterVersion(t *testing.T) {
	text := golden(t, "credential-v1.json")
	later := strings.Replace(text, `{"v":1,`, `{"v":1,"attestationObject":"AAAA","ID":"x","prf":{"salts":[1,2.50]},`, 1)
	var c passkeys.Credential
	if err := json.Unmarshal([]byte(later), &c); err != nil {
		t.Fatal(err)
	}
	if string(c.ID) != string(whole().ID) {
		t.Errorf("a member in other letters was taken for the id: %q", c.ID)
	}
	c = c.Clone()
	c.DeviceName = "renamed"
	written, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"attestationObject":"AAAA"`, `"ID":"x"`, `"prf":{"salts":[1,2.50]}`, `"deviceName":"renamed"`} {
		if strings.Count(string(written), want) != 1 {
			t.Errorf("without %s: %s", want, written)
		}
	}
}

func TestRecordsRefused(t *testing.T) {
	text := golden(t, "credential-v1.json")
	for name, bad := range map[string]string{
		"no object":         `[]`,
		"null":              `null`,
		"no version":        strings.Replace(text, `"v":1,`, ``, 1),
		"a later version":   strings.Replace(text, `"v":1,`, `"v":2,`, 1),
		"version 0":         strings.Replace(text, `"v":1,`, `"v":0,`, 1),
		"padded base64url":  strings.Replace(text, `"publicKey":"pQECAyY"`, `"publicKey":"pQECAyY="`, 1),
		"standard base64":   strings.Replace(text, `"userHandle":"AP_-"`, `"userHandle":"AP/+"`, 1),
		"no time":           strings.Replace(text, `"createdAt":"2026`, `"createdAt":"x2026`, 1),
		"no UUID":           strings.Replace(text, `"aaguid":"ea9b`, `"aaguid":"zz9b`, 1),
		"no key":            strings.Replace(text, `"publicKey":"pQECAyY"`, `"publicKey":""`, 1),
		"an unknown handle": strings.Replace(text, `"rpId"`, `"handleUnknown":true,"rpId"`, 1),
		"two users":         strings.Replace(text, `"userId"`, `"userIdBytes":"AAAA","userId"`, 1),
		"discoverable":      strings.Replace(text, `"discoverable":"yes"`, `"discoverable":"maybe"`, 1),
		"a negative count":  strings.Replace(text, `"signCount":4294967295`, `"signCount":-1`, 1),
		"a large count":     strings.Replace(text, `"signCount":4294967295`, `"signCount":4294967296`, 1),
	} {
		c := passkeys.Credential{DeviceName: "before"}
		if bad == text {
			t.Errorf("%s: the row changes nothing", name)
		}
		if err := json.Unmarshal([]byte(bad), &c); err == nil || c.DeviceName != "before" {
			t.Errorf("%s: %v, %+v", name, err, c)
		}
	}
	if _, err := json.Marshal(passkeys.Credential{}); !errors.Is(err, passkeys.ErrInvalidCredential) {
		t.Errorf("a credential without an id: %v", err)
	}
}

package passkeys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// What a version has written must be read, and hold, in every later one: a golden
// file is never changed.
func TestEvidenceOfEveryVersion(t *testing.T) {
	for _, row := range []struct{ file, userID string }{
		{"evidence-v1.json", "alice-id"},
		{"evidence-v1-binary-user.json", "\xff\x00alice"},
	} {
		text := golden(t, row.file)
		var e passkeys.Evidence
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if err := e.Verify([]byte("100 EUR to bob")); err != nil || e.RPID != "example.org" || e.UserID != row.userID || e.Operation != "transfer" || !e.UserVerified() {
			t.Errorf("%+v: %v", e, err)
		}
		b, err := json.Marshal(e)
		if err != nil || string(b) != strings.TrimSpace(text) {
			t.Errorf("%s\nis written %s", text, b)
		}
	}
}

// Everything in it is signed, or committed to by what is: nothing can be altered.
func TestEvidenceCannotBeAltered(t *testing.T) {
	b, phone := newConfirming(t)
	sound := b.mustConfirm(t.Context(), phone, transfer).Evidence
	if err := sound.Verify(transfer.Payload); err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[passkeys.Evidence]()
	for i := range fields.NumField() {
		e := sound
		field := reflect.ValueOf(&e).Elem().Field(i)
		switch field.Interface().(type) {
		case string:
			field.SetString(field.String() + "x")
		case []byte:
			altered := bytes.Clone(field.Bytes())
			altered[len(altered)/2] ^= 1
			field.SetBytes(altered)
		default: // an array
			at := field.Index(0)
			at.SetUint(at.Uint() ^ 1)
		}
		if err := e.Verify(transfer.Payload); !errors.Is(err, passkeys.ErrInvalidEvidence) {
			t.Errorf("%s altered: %v", fields.Field(i).Name, err)
		}
	}
	// What is between two members belongs to one of them.
	e := sound
	e.UserID, e.Operation = e.UserID+e.Operation[:1], e.Operation[1:]
	if err := e.Verify(transfer.Payload); err == nil {
		t.Error("the user's id and the operation are one text")
	}
	for _, payload := range [][]byte{nil, []byte("101 EUR to bob"), append(bytes.Clone(transfer.Payload), 0)} {
		if err := sound.Verify(payload); !errors.Is(err, passkeys.ErrInvalidEvidence) {
			t.Errorf("of %q: %v", payload, err)
		}
	}
	if err := (passkeys.Evidence{}).Verify(nil); !errors.Is(err, passkeys.ErrInvalidEvidence) {
		t.Errorf("of nothing: %v", err)
	}
	another := sound // signed by a key that everybody has, or that takes an hour
	another.PublicKey = append([]byte{0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 0x0f, 0xff}, bytes.Repeat([]byte{0xff}, 0x0fff)...)
	another.PublicKey = append(another.PublicKey, 0x21, 0x43, 1, 0, 1)
	if err := another.Verify(transfer.Payload); !errors.Is(err, passkeys.ErrInvalidEvidence) || !strings.HasSuffix(err.Error(), "public_key_invalid") {
		t.Errorf("%v", err)
	}
}

// A sign-in is evidence of no operation, and presence none of verification.
func TestEvidenceSaysWhatItIs(t *testing.T) {
	b, phone := newConfirming(t, func(c *passkeys.Config) {
		c.ConfirmationUserVerification = passkeys.UserVerificationDiscouraged
		c.TopOrigins = []string{"https://partner.example"}
	})
	phone.UserNotVerified = true
	phone.CrossOrigin, phone.TopOrigin = true, "https://partner.example"
	r := b.mustConfirm(t.Context(), phone, transfer)
	if e := r.Evidence; e.Verify(transfer.Payload) != nil || e.UserVerified() || r.Proof.UserVerified || r.Proof.Reliable {
		t.Errorf("%+v: %v", e, e.Verify(transfer.Payload))
	}
	if (passkeys.Evidence{}).UserVerified() {
		t.Error("nothing is verified")
	}
	phone.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { c.Type = "webauthn.create" }
	e := r.Evidence
	options, _ := b.request(passkeys.AuthenticationRequest{UserID: alice.ID})
	var p struct {
		Response struct{ ClientDataJSON, AuthenticatorData, Signature passkeytest.Base64URL }
	}
	signed, err := phone.Get([]byte(strings.Replace(string(options), challengeOf(t, options), passkeys.EncodeID(commitment(e)), 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(signed, &p); err != nil {
		t.Fatal(err)
	}
	e.ClientDataJSON, e.AuthenticatorData, e.Signature = p.Response.ClientDataJSON, p.Response.AuthenticatorData, p.Response.Signature
	if err := e.Verify(transfer.Payload); err == nil || !strings.HasSuffix(err.Error(), "ceremony_type_mismatch") {
		t.Errorf("%v", err)
	}
}

func challengeOf(t *testing.T, options []byte) string {
	t.Helper()
	var o struct{ PublicKey struct{ Challenge string } }
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	return o.PublicKey.Challenge
}

func TestEvidenceIsReadStrictly(t *testing.T) {
	text := strings.TrimSpace(golden(t, "evidence-v1.json"))
	var e passkeys.Evidence
	if err := json.Unmarshal([]byte(strings.Replace(text, `{`, `{"later":{"v":2},`, 1)), &e); err != nil {
		t.Errorf("with a member of a later version: %v", err)
	}
	for says, row := range map[string][2]string{
		"A later version.":           {`"v":1`, `"v":2`},
		"No version.":                {`"v":1,`, ``},
		"A version that is text.":    {`"v":1`, `"v":"1"`},
		"One member twice.":          {`"operation":`, `"operation":"other","operation":`},
		"Two users.":                 {`"userId":`, `"userIdBytes":"AA","userId":`},
		"A hash that is short.":      {`"payloadHash":"`, `"payloadHash":"AA","x":"`},
		"A nonce that is short.":     {`"nonce":"`, `"nonce":"AA","x":"`},
		"A number.":                  {`"operation":"transfer"`, `"operation":1`},
		"Bytes that are spelled so.": {`"signature":"`, `"signature":"=`},
	} {
		altered := strings.Replace(text, row[0], row[1], 1)
		before := fmt.Sprint(e)
		if err := json.Unmarshal([]byte(altered), &e); altered == text || !errors.Is(err, passkeys.ErrInvalidEvidence) || fmt.Sprint(e) != before {
			t.Errorf("%s %v", says, err)
		}
	}
}

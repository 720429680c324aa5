package passkeys_test

import (
	"encoding/json"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestExtraIsWrittenBehindTheOthers(t *testing.T) {
	creation := passkeys.CreationOptions{
		RP: passkeys.RPEntity{ID: "example.org"}, Hints: []passkeys.Hint{passkeys.HintHybrid},
		Extra: map[string]json.RawMessage{"b": []byte(`{"x" : [1,2]}`), "a": []byte(`"<"`), "c": nil},
	}
	request := passkeys.RequestOptions{RPID: "example.org", Extra: creation.Extra}
	for _, options := range []any{creation, &creation, request, &request} {
		got, err := json.Marshal(options)
		if err != nil {
			t.Fatal(err)
		}
		if want := `,"a":"\u003c","b":{"x":[1,2]},"c":null}`; !strings.HasSuffix(string(got), want) || !json.Valid(got) {
			t.Errorf("got %s, want it to end in %s", got, want)
		}
	}
	// The rest is as it is without.
	for _, pair := range [][2]any{
		{creation, passkeys.CreationOptions{RP: creation.RP, Hints: creation.Hints}},
		{request, passkeys.RequestOptions{RPID: request.RPID}},
		{passkeys.RequestOptions{Extra: map[string]json.RawMessage{}}, passkeys.RequestOptions{}},
	} {
		with, errWith := json.Marshal(pair[0])
		without, errWithout := json.Marshal(pair[1])
		if errWith != nil || errWithout != nil || !strings.HasPrefix(string(with), string(without[:len(without)-1])) || strings.Contains(string(without), "Extra") {
			t.Errorf("%s, %v, and without %s, %v", with, errWith, without, errWithout)
		}
	}
}

func TestExtraAddsAndDoesNotReplace(t *testing.T) {
	for name, known := range map[string]bool{
		"rp": true, "user": true, "challenge": true, "pubKeyCredParams": true, "timeout": true, "excludeCredentials": true,
		"authenticatorSelection": true, "attestation": true, "extensions": true, "hints": true, "attestationFormats": true,
		"rpId": false, "Challenge": false, "": false, "later": false,
	} {
		_, err := json.Marshal(passkeys.CreationOptions{
			Hints: []passkeys.Hint{passkeys.HintHybrid}, AttestationFormats: []string{"packed"},
			Extra: map[string]json.RawMessage{name: []byte("1")},
		})
		if known != (err != nil) || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q in creation options: %v", name, err)
		}
	}
	for name, known := range map[string]bool{
		"challenge": true, "timeout": true, "rpId": true, "allowCredentials": true, "userVerification": true, "hints": true,
		"extensions": false, "rp": false, "later": false,
	} {
		_, err := json.Marshal(passkeys.RequestOptions{
			Hints: []passkeys.Hint{passkeys.HintHybrid}, Extra: map[string]json.RawMessage{name: []byte("1")},
		})
		if known != (err != nil) || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q in request options: %v", name, err)
		}
	}
	// Of a ceremony whose options are none there is nothing, not even a half.
	if got, err := (passkeys.Ceremony[passkeys.RequestOptions]{PublicKey: &passkeys.RequestOptions{Extra: map[string]json.RawMessage{"rpId": []byte("1")}}}).MarshalJSON(); got != nil || err == nil {
		t.Errorf("a ceremony: %s, %v", got, err)
	}
	// Nor can a value break out of its place.
	for _, value := range []string{``, ` `, `{`, `1,"challenge":"AAAA"`, `1}`, `"`} {
		if got, err := json.Marshal(passkeys.RequestOptions{Extra: map[string]json.RawMessage{"later": []byte(value)}}); err == nil {
			t.Errorf("the value %q: %s", value, got)
		}
	}
}

// An application adds to what begin gives it, and that is all it changes.
func TestOptionsCanBeAddedTo(t *testing.T) {
	member := json.RawMessage(`"x"`)
	for _, configured := range []map[string]json.RawMessage{nil, {"configured": member}} {
		b := newBench(t, func(c *passkeys.Config) { c.CreationExtra, c.RequestExtra = configured, configured })
		for range 2 {
			creation, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
			if err != nil {
				t.Fatal(err)
			}
			request, err := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if len(creation.PublicKey.Extra) != len(configured) || len(request.PublicKey.Extra) != len(configured) {
				t.Fatalf("%v and %v, of %v", creation.PublicKey.Extra, request.PublicKey.Extra, configured)
			}
			creation.PublicKey.Extra["added"], request.PublicKey.Extra["added"] = member, member
			for _, extra := range []map[string]json.RawMessage{creation.PublicKey.Extra, request.PublicKey.Extra} {
				if v, ok := extra["configured"]; ok {
					v[1] = 'y'
				}
			}
		}
		if string(member) != `"x"` {
			t.Errorf("the application's own is %s", member)
		}
	}
}

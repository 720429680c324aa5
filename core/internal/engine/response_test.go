package engine

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// change replaces one part of a response's JSON, which must be in it once.
func change(t *testing.T, whole, old, with string) []byte {
	t.Helper()
	if strings.Count(whole, old) != 1 {
		t.Fatalf("%s is in %s %d times", old, whole, strings.Count(whole, old))
	}
	return []byte(strings.Replace(whole, old, with, 1))
}

type rewrite struct {
	name, old, with string
	ok              bool
}

// envelope are the rules that both responses are under.
var envelope = []rewrite{
	{"the id is another", `"id":"aWQ"`, `"id":"aWE"`, false},
	{"the id is padded", `"id":"aWQ"`, `"id":"aWQ="`, false},
	{"the id has another spelling", `"id":"aWQ"`, `"id":"aWR"`, false},
	{"no id", `"id":"aWQ",`, ``, false},
	{"a null id", `"id":"aWQ"`, `"id":null`, false},
	{"no rawId", `"rawId":"aWQ",`, ``, false},
	{"empty ids", `"id":"aWQ","rawId":"aWQ"`, `"id":"","rawId":""`, false},
	{"no ids", `"id":"aWQ","rawId":"aWQ",`, ``, false},
	{"ID is not id", `"id":"aWQ"`, `"ID":"aWQ"`, false},
	{"rawId twice", `"rawId":"aWQ"`, `"rawId":"aWQ","rawId":"aWQ"`, false},
	{"another type", `"type":"public-key"`, `"type":"public-key2"`, false},
	{"no type", `"type":"public-key",`, ``, false},
	{"TYPE decides nothing", `"type":"public-key"`, `"type":"public-key","TYPE":1`, true},
	{"no client data", `"clientDataJSON":"e30",`, ``, false},
	{"empty client data", `"clientDataJSON":"e30"`, `"clientDataJSON":""`, false},
	{"client data twice", `"clientDataJSON":"e30"`, `"clientDataJSON":"e30","clientDataJSON":"e30"`, false},
	{"a response that is none", `"response":{`, `"response":null,"x":{`, false},
	{"no response", `"response":{`, `"Response":{`, false},
	{"any attachment", `"platform"`, `["x"]`, true},
	{"any extension results", `"clientExtensionResults":{}`, `"clientExtensionResults":[{"prf":1}]`, true},
	{"no extension results", `"clientExtensionResults":{},`, ``, true},
	{"members to come", `"response":{`, `"new":{"response":[]},"response":{"new":1,"new":2,`, true},
}

func parses(t *testing.T, whole string, rows []rewrite, parse func([]byte) error) {
	t.Helper()
	if err := parse([]byte(whole)); err != nil {
		t.Fatalf("%s: %v", whole, err)
	}
	for _, row := range slices.Concat(envelope, rows) {
		t.Run(row.name, func(t *testing.T) {
			mutant := change(t, whole, row.old, row.with)
			if err := parse(mutant); row.ok != (err == nil) || err != nil && !errors.Is(err, strictjson.ErrMalformed) {
				t.Errorf("%s: %v", mutant, err)
			}
		})
	}
	for _, other := range []string{``, `null`, `[]`, `{}`, `"x"`, whole + whole} {
		if err := parse([]byte(other)); !errors.Is(err, strictjson.ErrMalformed) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// member reads a response as a member of a body, beside the state.
func member(raw []byte, into Form) error {
	var state string
	body := `{"credential":` + string(raw) + `,"state":"s"}`
	err := strictjson.Read([]byte(body), strictjson.String("state", &state), Member("credential", into))
	if err == nil && state != "s" {
		return errors.New("the state is not read")
	}
	return err
}

func TestParseAssertion(t *testing.T) {
	const whole = `{"id":"aWQ","rawId":"aWQ","type":"public-key","authenticatorAttachment":"platform","clientExtensionResults":{},` +
		`"response":{"clientDataJSON":"e30","authenticatorData":"YXV0aA","signature":"c2ln","userHandle":"dXNlcg"}}`
	rows := []rewrite{
		{"no authenticator data", `"authenticatorData":"YXV0aA",`, ``, false},
		{"empty authenticator data", `"YXV0aA"`, `""`, false},
		{"no signature", `"signature":"c2ln",`, ``, false},
		{"an empty signature", `"c2ln"`, `""`, false},
		{"a null signature", `"c2ln"`, `null`, false},
		{"a null user handle", `"dXNlcg"`, `null`, true},
		{"an empty user handle", `"dXNlcg"`, `""`, true},
		{"no user handle", `,"userHandle":"dXNlcg"`, ``, true},
		{"a user handle twice", `"userHandle":"dXNlcg"`, `"userHandle":"dXNlcg","userHandle":null`, false},
		{"a user handle that is padded", `"dXNlcg"`, `"dXNlcg=="`, false},
		{"a user handle that is a number", `"dXNlcg"`, `7`, false},
	}
	t.Run("by itself", func(t *testing.T) {
		parses(t, whole, rows, func(b []byte) error {
			return Parse(b, new(AssertionResponse))
		})
	})
	t.Run("in a body", func(t *testing.T) {
		parses(t, whole, rows, func(b []byte) error { return member(b, new(AssertionResponse)) })
	})
	if err := strictjson.Read([]byte(`{"state":"s"}`), Member("credential", new(AssertionResponse))); err == nil {
		t.Error("a body needs no credential")
	}
	var r AssertionResponse
	if err := Parse([]byte(whole), &r); err != nil || string(r.RawID) != "id" || string(r.ClientDataJSON) != "{}" || string(r.AuthenticatorData) != "auth" ||
		string(r.Signature) != "sig" || string(r.UserHandle) != "user" {
		t.Errorf("%+v", r)
	}
	r = AssertionResponse{}
	if err := Parse(change(t, whole, `"dXNlcg"`, `null`), &r); err != nil || len(r.UserHandle) != 0 {
		t.Errorf("%+v", r)
	}
}

const attestation = `{"id":"aWQ","rawId":"aWQ","type":"public-key","authenticatorAttachment":"platform","clientExtensionResults":{},` +
	`"response":{"clientDataJSON":"e30","attestationObject":"b2Jq","transports":["usb"],"publicKey":"AA","publicKeyAlgorithm":-7}}`

func TestParseAttestation(t *testing.T) {
	rows := []rewrite{
		{"no attestation object", `"attestationObject":"b2Jq",`, ``, false},
		{"an empty attestation object", `"b2Jq"`, `""`, false},
		{"an attestation object twice", `"attestationObject":"b2Jq"`, `"attestationObject":"b2Jq","attestationObject":"b2Jq"`, false},
		{"any transports", `["usb"]`, `{"usb":[]}`, true},
		{"transports twice", `"transports":["usb"]`, `"transports":["usb"],"transports":["usb"]`, false},
		{"convenience of any type", `"publicKeyAlgorithm":-7`, `"publicKeyAlgorithm":"x"`, true},
	}
	t.Run("by itself", func(t *testing.T) {
		parses(t, attestation, rows, func(b []byte) error {
			return Parse(b, new(AttestationResponse))
		})
	})
	t.Run("in a body", func(t *testing.T) {
		parses(t, attestation, rows, func(b []byte) error { return member(b, new(AttestationResponse)) })
	})
	if err := strictjson.Read([]byte(`{"state":"s"}`), Member("credential", new(AttestationResponse))); err == nil {
		t.Error("a body needs no credential")
	}
	var r AttestationResponse
	if err := Parse([]byte(attestation), &r); err != nil || string(r.RawID) != "id" || string(r.ClientDataJSON) != "{}" || !bytes.Equal(r.AttestationObject, []byte("obj")) {
		t.Errorf("%+v", r)
	}
}

func TestTransports(t *testing.T) {
	for _, row := range []struct {
		name, transports string
		want             []string
	}{
		{"those that exist", `["usb","nfc","ble","smart-card","hybrid","internal"]`, []string{"usb", "nfc", "ble", "smart-card", "hybrid", "internal"}},
		{"each once", `["usb","internal","usb"]`, []string{"usb", "internal"}},
		{"cable is hybrid", `["cable"]`, []string{"hybrid"}},
		{"cable and hybrid are one", `["hybrid","cable"]`, []string{"hybrid"}},
		{"what is unknown is dropped", `["lightning","USB","","usb"]`, []string{"usb"}},
		{"null is dropped", `[null,"usb"]`, []string{"usb"}},
		{"none", `[]`, nil},
		{"null", `null`, nil},
		{"a string", `"usb"`, nil},
		{"a number among them", `["usb",1]`, nil},
		{"half a surrogate pair among them", `["usb","\ud800"]`, nil},
	} {
		var r AttestationResponse
		err := Parse(change(t, attestation, `["usb"]`, row.transports), &r)
		if err != nil || !slices.Equal(r.Transports(), row.want) {
			t.Errorf("%s: %q, %v, want %q", row.name, r.Transports(), err, row.want)
		}
	}
	if got := new(AttestationResponse).Transports(); got != nil {
		t.Errorf("absent: %q", got)
	}
}

func TestDiscoverable(t *testing.T) {
	for _, row := range []struct {
		name, extensions string
		rk, said         bool
	}{
		{"it is", `{"credProps":{"rk":true}}`, true, true},
		{"it is not", `{"credProps":{"rk":false}}`, false, true},
		{"among others", `{"appid":7,"credProps":{"x":[],"rk":true,"authenticatorDisplayName":"k"},"appid":8}`, true, true},
		{"no rk", `{"credProps":{}}`, false, false},
		{"a null rk", `{"credProps":{"rk":null}}`, false, false},
		{"rk as text", `{"credProps":{"rk":"true"}}`, false, false},
		{"rk as a number", `{"credProps":{"rk":1}}`, false, false},
		{"RK is not rk", `{"credProps":{"RK":true}}`, false, false},
		{"rk twice", `{"credProps":{"rk":true,"rk":true}}`, false, false},
		{"credProps twice", `{"credProps":{"rk":true},"credProps":null}`, false, false},
		{"credProps as true", `{"credProps":true}`, false, false},
		{"no credProps", `{}`, false, false},
		{"no object", `[true]`, false, false},
		{"null", `null`, false, false},
	} {
		var r AttestationResponse
		if err := Parse(change(t, attestation, `"clientExtensionResults":{}`, `"clientExtensionResults":`+row.extensions), &r); err != nil {
			t.Fatal(err)
		}
		if rk, said := r.Discoverable(); rk != row.rk || said != row.said {
			t.Errorf("%s: %v, %v", row.name, rk, said)
		}
	}
	if rk, said := new(AttestationResponse).Discoverable(); rk || said {
		t.Errorf("absent: %v, %v", rk, said)
	}
}

func TestPRFEnabled(t *testing.T) {
	for extensions, want := range map[string]bool{
		`{"prf":{"enabled":true}}`:                        true,
		`{"x":1,"prf":{"x":[],"enabled":true}}`:           true,
		`{"prf":{"enabled":false}}`:                       false,
		`{"prf":{"enabled":true,"enabled":true}}`:         false,
		`{"prf":{"enabled":true},"prf":{"enabled":true}}`: false,
		`{"prf":{"enabled":1}}`:                           false,
		`{"prf":{"enabled":true}`:                         false,
		`[]`:                                              false,
	} {
		if r := (AttestationResponse{Response: Response{extensions: []byte(extensions)}}); r.PRFEnabled() != want {
			t.Errorf("%s: want %v", extensions, want)
		}
	}
}

func TestHoldsPRFResults(t *testing.T) {
	const assertion = `{"id":"aWQ","rawId":"aWQ","type":"public-key","clientExtensionResults":{},` +
		`"response":{"clientDataJSON":"e30","authenticatorData":"YXV0aA","signature":"c2ln"}}`
	for _, row := range []struct {
		name, extensions string
		want             bool
	}{
		{"one", `{"prf":{"results":{"first":"AAAA"}}}`, true},
		{"two, of a new passkey", `{"credProps":{"rk":true},"prf":{"enabled":true,"results":{"first":"AAAA","second":"AAAA"}}}`, true},
		{"none of them", `{"prf":{"results":{}}}`, true},
		{"as text", `{"prf":{"results":"AAAA"}}`, true},
		{"as false", `{"prf":{"results":false}}`, true},
		{"an escaped name", `{"pr\u0066":{"r\u0065sults":{"first":"AAAA"}}}`, true},
		{"and something odd behind them", `{"prf":{"results":{"first":"AAAA"}},"prf":1,"credProps":"x"}`, true},
		{"they are twice", `{"prf":{"results":{"first":"AAAA"},"results":null}}`, true},
		{"null", `{"prf":{"results":null}}`, false},
		{"enabled alone", `{"prf":{"enabled":true}}`, false},
		{"prf is null", `{"prf":null}`, false},
		{"prf is true", `{"prf":true}`, false},
		{"Results are not results", `{"prf":{"Results":{"first":"AAAA"}},"PRF":{"results":{}}}`, false},
		{"of another extension", `{"x":{"results":{"first":"AAAA"}},"results":{}}`, false},
		{"no object", `[{"prf":{"results":{}}}]`, false},
		{"nothing", `{}`, false},
	} {
		for _, r := range []interface {
			Form
			HoldsPRFResults() bool
		}{new(AssertionResponse), new(AttestationResponse)} {
			whole := assertion
			if _, ok := r.(*AttestationResponse); ok {
				whole = attestation
			}
			if err := Parse(change(t, whole, `"clientExtensionResults":{}`, `"clientExtensionResults":`+row.extensions), r); err != nil {
				t.Fatal(err)
			}
			if got := r.HoldsPRFResults(); got != row.want {
				t.Errorf("%s, in %T: %v", row.name, r, got)
			}
		}
	}
	if new(AssertionResponse).HoldsPRFResults() {
		t.Error("absent: held")
	}
}

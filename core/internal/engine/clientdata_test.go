package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/passkeys-go/passkeys/core/passkeytest"
)

var clientDataRows = []struct {
	name, data string // C stands for the challenge
	reason     string
	framed     string // the reason where other sites may embed ours; "=" for the same
}{
	{"as browsers write it", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":false}`, "", "="},
	{"crossOrigin may be absent", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org"}`, "", "="},
	{"behind a byte order mark", "\ufeff" + `{"type":"webauthn.get","challenge":"C","origin":"https://example.org"}`, "", "="},
	{"behind two", "\ufeff\ufeff" + `{"type":"webauthn.get","challenge":"C","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"in another order, with white space", ` { "origin" : "https://example.org", "challenge":"C", "type":"webauthn.get" } `, "", "="},
	{"with escapes", `{"t\u0079pe":"webauthn\u002eget","challenge":"C","origin":"https:\/\/example.org"}`, "", "="},

	{"tokenBinding is reserved: a string", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","tokenBinding":"unused"}`, "", "="},
	{"tokenBinding is reserved: an unknown status", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","tokenBinding":{"status":"none"}}`, "", "="},
	{"tokenBinding is reserved: no status", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","tokenBinding":{}}`, "", "="},
	{"tokenBinding is reserved: as it once was", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","tokenBinding":{"status":"present","id":"AA"}}`, "", "="},
	{"unknown members are ignored", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","new_keys_may_be_added_here":{}}`, "", "="},
	{"unknown members are ignored, twice too", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","x":1,"x":[{"type":2}]}`, "", "="},

	{"Origin is not origin", `{"type":"webauthn.get","challenge":"C","origin":"https://evil.example","Origin":"https://example.org"}`, OriginMismatch, "="},
	{"Type is not type", `{"type":"webauthn.create","Type":"webauthn.get","challenge":"C","origin":"https://example.org"}`, CeremonyTypeMismatch, "="},
	{"CROSSORIGIN is not crossOrigin", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"CROSSORIGIN":false}`, CrossOrigin, ""},
	{"TopOrigin is not topOrigin", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"topOrigin":"https://evil.example","TopOrigin":"https://top.example"}`, CrossOrigin, TopOriginMismatch},
	{"Challenge is not challenge", `{"type":"webauthn.get","challenge":"AA","Challenge":"C","origin":"https://example.org"}`, ChallengeMismatch, "="},
	{"ORIGIN decides nothing", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","ORIGIN":"x"}`, "", "="},

	{"the other ceremony", `{"type":"webauthn.create","challenge":"C","origin":"https://example.org"}`, CeremonyTypeMismatch, "="},
	{"no type", `{"challenge":"C","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"a null type", `{"type":null,"challenge":"C","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"type twice", `{"type":"webauthn.get","type":"webauthn.get","challenge":"C","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"another challenge", `{"type":"webauthn.get","challenge":"AA","origin":"https://example.org"}`, ChallengeMismatch, "="},
	{"the challenge and more", `{"type":"webauthn.get","challenge":"CA","origin":"https://example.org"}`, ChallengeMismatch, "="},
	{"the challenge, padded", `{"type":"webauthn.get","challenge":"C=","origin":"https://example.org"}`, ChallengeMismatch, "="},
	{"no challenge", `{"type":"webauthn.get","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"challenge twice", `{"type":"webauthn.get","challenge":"AA","challenge":"C","origin":"https://example.org"}`, ClientDataMalformed, "="},
	{"another origin", `{"type":"webauthn.get","challenge":"C","origin":"https://evil.example"}`, OriginMismatch, "="},
	{"an origin in other letters", `{"type":"webauthn.get","challenge":"C","origin":"https://EXAMPLE.org"}`, OriginMismatch, "="},
	{"an origin with its default port", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org:443"}`, OriginMismatch, "="},
	{"an origin with a path", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org/"}`, OriginMismatch, "="},
	{"the top's origin", `{"type":"webauthn.get","challenge":"C","origin":"https://top.example"}`, OriginMismatch, "="},
	{"no origin", `{"type":"webauthn.get","challenge":"C"}`, ClientDataMalformed, "="},
	{"origin twice", `{"type":"webauthn.get","challenge":"C","origin":"https://evil.example","origin":"https://example.org"}`, ClientDataMalformed, "="},

	{"in a frame of another site", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true}`, CrossOrigin, ""},
	{"in a frame of a site we know", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"topOrigin":"https://top.example"}`, CrossOrigin, ""},
	{"in a frame of a site we do not know", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"topOrigin":"https://evil.example"}`, CrossOrigin, TopOriginMismatch},
	{"in a frame of our own", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"topOrigin":"https://example.org"}`, CrossOrigin, TopOriginMismatch},
	{"topOrigin without crossOrigin", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","topOrigin":"https://top.example"}`, TopOriginMismatch, "="},
	{"an empty topOrigin is one", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"topOrigin":""}`, CrossOrigin, TopOriginMismatch},
	{"crossOrigin twice", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":true,"crossOrigin":false}`, ClientDataMalformed, "="},
	{"crossOrigin as text", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":"true"}`, ClientDataMalformed, "="},
	{"topOrigin as a number", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","topOrigin":1}`, ClientDataMalformed, "="},
	{"null is as good as absent", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","crossOrigin":null,"topOrigin":null}`, "", "="},

	{"nothing", ``, ClientDataMalformed, "="},
	{"an empty object", `{}`, ClientDataMalformed, "="},
	{"an array", `[]`, ClientDataMalformed, "="},
	{"something after it", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org"} x`, ClientDataMalformed, "="},
	{"no UTF-8", `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","x":"` + "\xff" + `"}`, ClientDataMalformed, "="},
	{"UTF-16", "\xff\xfe{\x00}\x00", ClientDataMalformed, "="},
	{"half a surrogate pair", `{"type":"webauthn.get","challenge":"C","origin":"\ud800"}`, ClientDataMalformed, "="},
}

func TestClientData(t *testing.T) {
	key := keyPairs()[0]
	for _, row := range clientDataRows {
		t.Run(row.name, func(t *testing.T) {
			data := strings.Replace(row.data, `"C`, `"`+encode(challenge), 1)
			response := key.assert([]byte(data), authData(flagUP))
			if _, err := party.VerifyAssertion(response, challenge, key.cose, false); reason(t, err) != row.reason {
				t.Errorf("%s: %q, want %q", data, reason(t, err), row.reason)
			}
			want := row.framed
			if want == "=" {
				want = row.reason
			}
			if _, err := framed.VerifyAssertion(response, challenge, key.cose, false); reason(t, err) != want {
				t.Errorf("%s in a frame: %q, want %q", data, reason(t, err), want)
			}
		})
	}
}

// A registration's client data is read by the same rules, and what is read is what
// the library's validation gets: it has an opinion of tokenBinding.
func TestClientDataOfRegistration(t *testing.T) {
	for _, row := range clientDataRows {
		t.Run(row.name, func(t *testing.T) {
			a := passkeytest.New("https://example.org")
			a.Attestation = "packed"
			a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) {
				data := strings.Replace(row.data, `"C`, `"`+encode(challenge), 1)
				data = strings.NewReplacer("webauthn.get", "webauthn.create", "webauthn.create", "webauthn.get", `webauthn\u002eget`, `webauthn\u002ecreate`).Replace(data)
				c.Raw = []byte(data)
			}
			answer, err := a.Create(creationOptions(t))
			if err != nil {
				t.Fatal(err)
			}
			rp := party
			rp.Attestation = AttestSelf
			response := new(AttestationResponse)
			if err := Parse(answer, response); err != nil {
				if row.data != "" {
					t.Fatal(err)
				}
				return // empty client data does not get this far
			}
			if _, err := rp.VerifyAttestation(response, challenge, Requirements{}); reason(t, err) != row.reason {
				t.Errorf("%s: %q, want %q", response.ClientDataJSON, reason(t, err), row.reason)
			}
			// What was made unasked is refused in any frame of another site, also of
			// one that may embed us.
			rp.TopOrigins = framed.TopOrigins
			want := row.reason
			if want == CrossOrigin && row.framed != "" && row.framed != "=" {
				want = row.framed
			}
			if _, err := rp.VerifyAttestation(response, challenge, Requirements{Conditional: true}); reason(t, err) != want {
				t.Errorf("%s, unasked: %q, want %q", response.ClientDataJSON, reason(t, err), want)
			}
		})
	}
}

// What a log gets to see is short, whatever a client sends.
func TestFailuresAreClipped(t *testing.T) {
	long := strings.Repeat("x", 1000)
	key := keyPairs()[0]
	for _, data := range []string{
		`{"type":"` + long + `","challenge":"C","origin":"https://example.org"}`,
		`{"type":"webauthn.get","challenge":"C","origin":"` + long + `"}`,
		`{"type":"webauthn.get","challenge":"C","origin":"https://example.org","topOrigin":"` + long + `"}`,
	} {
		data = strings.Replace(data, `"C"`, `"`+encode(challenge)+`"`, 1)
		_, err := party.VerifyAssertion(key.assert([]byte(data), authData(flagUP)), challenge, key.cose, false)
		f, ok := errors.AsType[*Failure](err)
		if !ok || len(f.Seen) != 256 {
			t.Errorf("%v", err)
		}
	}
}

package engine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestAuthenticatorData(t *testing.T) {
	other := authData(flagUP | flagUV)
	other[0] ^= 1
	extensions := []byte{0xa1, 0x61, 'x', 0x01} // {"x": 1}
	for _, row := range []struct {
		name       string
		data       []byte
		reason     string
		verifyUser string // the reason where the user must be verified
	}{
		{"a user who is present", authData(flagUP), "", UserVerificationMissing},
		{"a user who is verified", authData(flagUP | flagUV), "", ""},
		{"nobody", authData(0), UserPresenceMissing, UserPresenceMissing},
		{"verified and not present", authData(flagUV), UserPresenceMissing, UserPresenceMissing},
		{"another RP", other, RPIDMismatch, RPIDMismatch},
		{"eligible for backup", authData(flagUP | flagUV | flagBE), "", ""},
		{"backed up", authData(flagUP | flagUV | flagBE | flagBS), "", ""},
		{"backed up and not eligible", authData(flagUP | flagUV | flagBS), BackupFlagsInvalid, BackupFlagsInvalid},
		{"reserved flags", authData(flagUP | flagUV | 2 | 32), "", ""},
		{"extensions", authData(flagUP|flagUV|flagED, extensions...), "", ""},
		{"extensions without their flag", authData(flagUP|flagUV, extensions...), AuthenticatorDataMalformed, AuthenticatorDataMalformed},
		{"no extensions but their flag", authData(flagUP | flagUV | flagED), AuthenticatorDataMalformed, AuthenticatorDataMalformed},
		{"extensions and more", authData(flagUP|flagUV|flagED, append(slices.Clone(extensions), 0)...), AuthenticatorDataMalformed, AuthenticatorDataMalformed},
		{"no credential but its flag", authData(flagUP | flagUV | flagAT), AuthenticatorDataMalformed, AuthenticatorDataMalformed},
		{"a byte too many", authData(flagUP|flagUV, 0), AuthenticatorDataMalformed, AuthenticatorDataMalformed},
		{"a byte too few", authData(flagUP | flagUV)[:36], AuthenticatorDataMalformed, AuthenticatorDataMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			key := keyPairs()[0]
			response := key.assert(clientDataJSON(), row.data)
			got, err := party.VerifyAssertion(response, challenge, key.cose, false)
			if reason(t, err) != row.reason {
				t.Errorf("%q, want %q", reason(t, err), row.reason)
			}
			if _, err := party.VerifyAssertion(response, challenge, key.cose, true); reason(t, err) != row.verifyUser {
				t.Errorf("%q, want %q where the user must be verified", reason(t, err), row.verifyUser)
			}
			flags := row.data[32]
			if want := (AuthenticatorData{5, flags&flagUV != 0, flags&flagBE != 0, flags&flagBS != 0}); err == nil && got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// Who may be absent is decided by registration alone, and for one call.
func TestRequirements(t *testing.T) {
	for _, row := range []struct {
		name    string
		flags   passkeytest.Flags
		require Requirements
		reason  string
	}{
		{"present", flagUP, Requirements{}, ""},
		{"present, and must be verified", flagUP, Requirements{VerifyUser: true}, UserVerificationMissing},
		{"present and verified, as required", flagUP | flagUV, Requirements{VerifyUser: true}, ""},
		{"absent", 0, Requirements{}, UserPresenceMissing},
		{"absent, unasked", 0, Requirements{Conditional: true}, ""},
		{"present, unasked", flagUP, Requirements{Conditional: true}, ""},
		{"absent, unasked, where users must be verified", 0, Requirements{Conditional: true, VerifyUser: true}, ""},
		{"present and verified, unasked", flagUP | flagUV, Requirements{Conditional: true, VerifyUser: true}, ""},
		{"backed up but not eligible, unasked", passkeytest.FlagBackupState, Requirements{Conditional: true}, BackupFlagsInvalid},
	} {
		for _, format := range []string{"none", "packed"} {
			t.Run(row.name+" "+format, func(t *testing.T) {
				a := passkeytest.New("https://example.org")
				a.Attestation = format
				a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) {
					d.Flags = d.Flags&^(flagUP|flagUV) | row.flags
				}
				answer, err := a.Create(creationOptions(t))
				if err != nil {
					t.Fatal(err)
				}
				response := new(AttestationResponse)
				if err := Parse(answer, response); err != nil {
					t.Fatal(err)
				}
				rp := party
				rp.Attestation = AttestVerified
				got, err := rp.VerifyAttestation(response, challenge, row.require)
				if reason(t, err) != row.reason {
					t.Fatalf("%q, want %q", reason(t, err), row.reason)
				}
				if err == nil && (got.AttestationFormat != format || got.UserVerified != (row.flags&flagUV != 0)) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// A signature is of one key, one encoding and one message.
func TestSignatures(t *testing.T) {
	for i, key := range keyPairs() {
		t.Run(key.name, func(t *testing.T) {
			response := key.assert(clientDataJSON(), authData(flagUP))
			check := func(name, want string, cose, signature []byte) {
				t.Helper()
				mutant := *response
				mutant.Signature = signature
				if _, err := party.VerifyAssertion(&mutant, challenge, cose, false); reason(t, err) != want {
					t.Errorf("%s: %q, want %q", name, reason(t, err), want)
				}
			}
			s := response.Signature
			check("as it is", "", key.cose, s)
			check("no key", SignatureInvalid, nil, s)
			check("no COSE key", SignatureInvalid, []byte{0xa0}, s)
			check("a byte behind the key", SignatureInvalid, append(slices.Clone(key.cose), 0), s)
			check("a key cut short", SignatureInvalid, key.cose[:len(key.cose)-1], s)
			check("the next one's key", SignatureInvalid, keyPairs()[(i+1)%len(keyPairs())].cose, s)
			check("a byte behind the signature", SignatureInvalid, key.cose, append(slices.Clone(s), 0))
			check("a signature cut short", SignatureInvalid, key.cose, s[:len(s)-1])
			check("a signature of zeros", SignatureInvalid, key.cose, make([]byte, len(s)))
			if key.hash != 0 && s[0] == 0x30 && s[1] < 0x80 {
				long := slices.Concat([]byte{0x30, 0x81}, s[1:])
				check("a length in the long form", SignatureInvalid, key.cose, long)
				check("r and s of zero", SignatureInvalid, key.cose, []byte{0x30, 6, 2, 1, 0, 2, 1, 0})
				check("r and s negative", SignatureInvalid, key.cose, []byte{0x30, 6, 2, 1, 0xff, 2, 1, 0xff})
			}
		})
	}
}

// BenchmarkVerifyAssertion reports how many raw P-256 verifications it costs to
// read and verify a sign-in's response, both measured in turn in the same loop, and
// by their medians, so that the ratio holds on a noisy machine.
func BenchmarkVerifyAssertion(b *testing.B) {
	passkey := keyPairs()[0]
	clientData, auth := clientDataJSON(), authData(flagUP|flagUV)
	id := encode(bytes.Repeat([]byte{9}, 32))
	body := []byte(`{"state":"` + encode(make([]byte, 120)) + `","credential":{"id":"` + id + `","rawId":"` + id +
		`","response":{"authenticatorData":"` + encode(auth) + `","clientDataJSON":"` + encode(clientData) +
		`","signature":"` + encode(passkey.sign(clientData, auth)) + `","userHandle":"` + id +
		`"},"type":"public-key","clientExtensionResults":{},"authenticatorAttachment":"platform"}}`)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(body)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}

	var ours, raw []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		var state string
		r := new(AssertionResponse)
		if err := strictjson.Read(body, strictjson.String("state", &state).Required(), Member("credential", r)); err != nil {
			b.Fatal(err)
		}
		if _, err := party.VerifyAssertion(r, challenge, passkey.cose, true); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("the raw signature does not verify")
		}
		ours, raw = append(ours, middle.Sub(start)), append(raw, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(raw)
	b.ReportMetric(float64(ours[len(ours)/2])/float64(raw[len(raw)/2]), "verifications")
}

package engine

import (
	"bytes"
	"slices"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// AssertionResponse is AuthenticationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it. Client extension results are none that we asked for.
type AssertionResponse struct {
	RawID             []byte
	ClientDataJSON    []byte
	AuthenticatorData []byte
	Signature         []byte
	UserHandle        []byte // empty if there is none

	id   []byte
	kind string
}

// ParseAssertion reads a response that is well-formed: the required members are
// there and not empty, and its two ids are one. The error is
// [strictjson.ErrMalformed].
func ParseAssertion(raw []byte) (*AssertionResponse, error) {
	r := new(AssertionResponse)
	if strictjson.Read(raw, r.fields()...) != nil || !r.wellFormed() {
		return nil, strictjson.ErrMalformed
	}
	return r, nil
}

// Member is the required member of a larger object that holds a response to be
// read into r, under the rules of [ParseAssertion].
func (r *AssertionResponse) Member(name string) strictjson.Field {
	return strictjson.Object(name, r.fields()...).If(r.wellFormed).Required()
}

func (r *AssertionResponse) fields() []strictjson.Field {
	return []strictjson.Field{
		strictjson.Base64URL("id", &r.id),
		strictjson.Base64URL("rawId", &r.RawID),
		strictjson.String("type", &r.kind),
		strictjson.Object("response",
			strictjson.Base64URL("clientDataJSON", &r.ClientDataJSON),
			strictjson.Base64URL("authenticatorData", &r.AuthenticatorData),
			strictjson.Base64URL("signature", &r.Signature),
			strictjson.Base64URL("userHandle", &r.UserHandle)),
	}
}

// wellFormed is the check of what was read, where absent is as good as empty.
func (r *AssertionResponse) wellFormed() bool {
	return r.kind == "public-key" && len(r.RawID) > 0 && bytes.Equal(r.id, r.RawID) &&
		len(r.ClientDataJSON) > 0 && len(r.AuthenticatorData) > 0 && len(r.Signature) > 0
}

// AttestationResponse is RegistrationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it: its convenience members (authenticatorData, publicKey,
// publicKeyAlgorithm) are unsigned copies and are not.
type AttestationResponse struct {
	RawID             []byte
	ClientDataJSON    []byte
	AttestationObject []byte

	id         []byte
	kind       string
	transports []byte // JSON, like the extensions
	extensions []byte
}

// ParseAttestation reads a response that is well-formed, as [ParseAssertion].
func ParseAttestation(raw []byte) (*AttestationResponse, error) {
	r := new(AttestationResponse)
	if strictjson.Read(raw, r.fields()...) != nil || !r.wellFormed() {
		return nil, strictjson.ErrMalformed
	}
	return r, nil
}

// Member is the required member of a larger object that holds a response to be
// read into r, under the rules of [ParseAttestation].
func (r *AttestationResponse) Member(name string) strictjson.Field {
	return strictjson.Object(name, r.fields()...).If(r.wellFormed).Required()
}

func (r *AttestationResponse) fields() []strictjson.Field {
	return []strictjson.Field{
		strictjson.Base64URL("id", &r.id),
		strictjson.Base64URL("rawId", &r.RawID),
		strictjson.String("type", &r.kind),
		strictjson.Object("response",
			strictjson.Base64URL("clientDataJSON", &r.ClientDataJSON),
			strictjson.Base64URL("attestationObject", &r.AttestationObject),
			strictjson.Raw("transports", &r.transports)),
		strictjson.Raw("clientExtensionResults", &r.extensions),
	}
}

func (r *AttestationResponse) wellFormed() bool {
	return r.kind == "public-key" && len(r.RawID) > 0 && bytes.Equal(r.id, r.RawID) &&
		len(r.ClientDataJSON) > 0 && len(r.AttestationObject) > 0
}

// Transports returns the client's hints on how to reach the authenticator:
// those that exist, each once. It is unsigned and a hint, so what is odd about
// it is dropped, not refused.
func (r *AttestationResponse) Transports() []string {
	sent, _ := strictjson.Strings(r.transports)
	var known []string
	for _, t := range sent {
		if t == "cable" { // what Chrome once called hybrid
			t = "hybrid"
		}
		if KnownTransport(t) && !slices.Contains(known, t) {
			known = append(known, t)
		}
	}
	return known
}

// KnownTransport reports whether t is one of WebAuthn L3 §5.8.4.
func KnownTransport(t string) bool {
	switch t {
	case "usb", "nfc", "ble", "smart-card", "hybrid", "internal":
		return true
	}
	return false
}

// Discoverable returns whether the client says that the credential is
// discoverable (WebAuthn L3 §10.1.3), and whether it says so or otherwise at all.
// Unsigned, like every client output: what is odd about it says nothing.
func (r *AttestationResponse) Discoverable() (rk, said bool) {
	if strictjson.Read(r.extensions, strictjson.Object("credProps", strictjson.Bool("rk", &rk).Present(&said))) != nil {
		return false, false
	}
	return rk, said
}

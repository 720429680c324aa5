package engine

import (
	"bytes"
	"slices"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// Response is what the responses of both ceremonies have (WebAuthn L3 §5.1).
type Response struct {
	RawID          []byte
	ClientDataJSON []byte

	id         []byte
	kind       string
	extensions []byte // JSON
}

// AssertionResponse is AuthenticationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it.
type AssertionResponse struct {
	Response
	AuthenticatorData []byte
	Signature         []byte
	UserHandle        []byte // empty if there is none
}

// AttestationResponse is RegistrationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it: its convenience members (authenticatorData, publicKey,
// publicKeyAlgorithm) are unsigned copies and are not.
type AttestationResponse struct {
	Response
	AttestationObject []byte

	transports []byte // JSON
}

// Form is the response of either ceremony.
type Form interface {
	fields() []strictjson.Field
	wellFormed() bool
}

// Parse reads a response that is well-formed: the required members are there and
// not empty, and its two ids are one. The error is [strictjson.ErrMalformed].
func Parse(raw []byte, r Form) error {
	if strictjson.Read(raw, r.fields()...) != nil || !r.wellFormed() {
		return strictjson.ErrMalformed
	}
	return nil
}

// Member is the required member of a larger object that holds a response to be
// read into r, under the rules of [Parse].
func Member(name string, r Form) strictjson.Field {
	return strictjson.Object(name, r.fields()...).If(r.wellFormed).Required()
}

func (r *Response) envelope(response ...strictjson.Field) []strictjson.Field {
	return []strictjson.Field{
		strictjson.Base64URL("id", &r.id),
		strictjson.Base64URL("rawId", &r.RawID),
		strictjson.String("type", &r.kind),
		strictjson.Object("response", append(response, strictjson.Base64URL("clientDataJSON", &r.ClientDataJSON))...),
		strictjson.Raw("clientExtensionResults", &r.extensions),
	}
}

// wellFormed is the check of what was read, where absent is as good as empty.
func (r *Response) wellFormed() bool {
	return r.kind == "public-key" && len(r.RawID) > 0 && bytes.Equal(r.id, r.RawID) && len(r.ClientDataJSON) > 0
}

func (r *AssertionResponse) fields() []strictjson.Field {
	return r.envelope(
		strictjson.Base64URL("authenticatorData", &r.AuthenticatorData),
		strictjson.Base64URL("signature", &r.Signature),
		strictjson.Base64URL("userHandle", &r.UserHandle))
}

func (r *AssertionResponse) wellFormed() bool {
	return r.Response.wellFormed() && len(r.AuthenticatorData) > 0 && len(r.Signature) > 0
}

func (r *AttestationResponse) fields() []strictjson.Field {
	return r.envelope(
		strictjson.Base64URL("attestationObject", &r.AttestationObject),
		strictjson.Raw("transports", &r.transports))
}

func (r *AttestationResponse) wellFormed() bool {
	return r.Response.wellFormed() && len(r.AttestationObject) > 0
}

// HoldsPRFResults reports whether the client sent the outputs of the prf extension
// along (WebAuthn L3 §10.1.4): keys of the user's, which toJSON does not leave out.
// What is odd about the rest takes nothing away from that.
func (r *Response) HoldsPRFResults() (holds bool) {
	var results []byte
	_ = strictjson.Read(r.extensions, strictjson.Object("prf", strictjson.Raw("results", &results).Present(&holds)))
	return holds
}

// PRFEnabled reports whether the client says that the credential derives keys
// (WebAuthn L3 §10.1.4). Unsigned, like every client output: what is odd about it
// says nothing.
func (r *AttestationResponse) PRFEnabled() bool {
	enabled := false
	return strictjson.Read(r.extensions, strictjson.Object("prf", strictjson.Bool("enabled", &enabled))) == nil && enabled
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

package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
)

// ErrMalformed says that a response is not of the shape of WebAuthn L3 §5.1: a
// member is missing, of another type, or no base64url.
var ErrMalformed = errors.New("engine: malformed response")

// Bytes is a base64url string without padding, decoded.
type Bytes []byte

// UnmarshalText decodes text.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = Decode(text)
	return err
}

// Decode decodes base64url without padding, strictly: each value has one
// spelling. The standard library's strict decoder still skips line breaks, which
// the length of the result gives away.
func Decode[T string | []byte](text T) ([]byte, error) {
	out := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	n, err := base64.RawURLEncoding.Strict().Decode(out, []byte(text))
	if err != nil || base64.RawURLEncoding.EncodedLen(n) != len(text) {
		return nil, ErrMalformed
	}
	return out[:n], nil
}

// AssertionResponse is AuthenticationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it. Client extension results are none that we asked for.
type AssertionResponse struct {
	ID       Bytes  `json:"id"`
	RawID    Bytes  `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientDataJSON    Bytes `json:"clientDataJSON"`
		AuthenticatorData Bytes `json:"authenticatorData"`
		Signature         Bytes `json:"signature"`
		UserHandle        Bytes `json:"userHandle"`
	} `json:"response"`
}

// Check returns ErrMalformed if a required member is missing or inconsistent.
func (r *AssertionResponse) Check() error {
	if r.Type != "public-key" || len(r.RawID) == 0 || !slices.Equal(r.ID, r.RawID) ||
		len(r.Response.ClientDataJSON) == 0 || len(r.Response.AuthenticatorData) == 0 || len(r.Response.Signature) == 0 {
		return ErrMalformed
	}
	return nil
}

// AttestationResponse is RegistrationResponseJSON (WebAuthn L3 §5.1), as far as
// a server reads it: its convenience members (authenticatorData, publicKey,
// publicKeyAlgorithm) are unsigned copies and are not.
type AttestationResponse struct {
	ID       Bytes  `json:"id"`
	RawID    Bytes  `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientDataJSON    Bytes           `json:"clientDataJSON"`
		AttestationObject Bytes           `json:"attestationObject"`
		Transports        json.RawMessage `json:"transports"`
	} `json:"response"`
	Extensions json.RawMessage `json:"clientExtensionResults"`
}

// Check returns ErrMalformed if a required member is missing or inconsistent.
func (r *AttestationResponse) Check() error {
	if r.Type != "public-key" || len(r.RawID) == 0 || !slices.Equal(r.ID, r.RawID) ||
		len(r.Response.ClientDataJSON) == 0 || len(r.Response.AttestationObject) == 0 {
		return ErrMalformed
	}
	return nil
}

// Transports returns the client's hints on how to reach the authenticator:
// those that exist, each once. It is unsigned and a hint, so what is odd about
// it is dropped, not refused.
func (r *AttestationResponse) Transports() []string {
	var sent, known []string
	if json.Unmarshal(r.Response.Transports, &sent) != nil {
		return nil
	}
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

// Discoverable reports whether the client says that the credential is
// discoverable (WebAuthn L3 §10.1.3). Unsigned, like every client output.
func (r *AttestationResponse) Discoverable() bool {
	var x struct {
		CredProps struct {
			RK bool `json:"rk"`
		} `json:"credProps"`
	}
	return json.Unmarshal(r.Extensions, &x) == nil && x.CredProps.RK
}

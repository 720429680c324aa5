package passkeys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Ceremony is what begin gives to the browser: options and the state that finish
// will know them by.
type Ceremony[Options CreationOptions | RequestOptions] struct {
	// PublicKey may be added to before it is sent.
	PublicKey *Options
	// Mediation goes beside PublicKey into the argument of
	// navigator.credentials.create: "conditional" for an upgrade, else "".
	Mediation string
	// State goes back with the browser's response: at most 1,024 letters, digits,
	// '-', '_' and '.'.
	State string
}

// MarshalJSON returns {"publicKey": …, "state": "…"}, with "mediation" between
// the two where there is one.
func (c Ceremony[Options]) MarshalJSON() ([]byte, error) {
	options := []byte("null")
	if c.PublicKey != nil {
		var err error
		if options, err = any(c.PublicKey).(json.Marshaler).MarshalJSON(); err != nil {
			return nil, err
		}
	}
	rest, _ := json.Marshal(struct { // strings always marshal
		Mediation string `json:"mediation,omitempty"`
		State     string `json:"state"`
	}{c.Mediation, c.State})
	rest[0] = ','
	return slices.Concat([]byte(`{"publicKey":`), options, rest), nil
}

// CreationOptions is PublicKeyCredentialCreationOptionsJSON (WebAuthn L3 §5.4),
// fit for PublicKeyCredential.parseCreationOptionsFromJSON. Bytes are base64url
// without padding; Timeout is in milliseconds.
type CreationOptions struct {
	RP                     RPEntity               `json:"rp"`
	User                   UserEntity             `json:"user"`
	Challenge              string                 `json:"challenge"`
	PubKeyCredParams       []CredentialParameter  `json:"pubKeyCredParams"`
	Timeout                int64                  `json:"timeout"`
	ExcludeCredentials     []CredentialDescriptor `json:"excludeCredentials"`
	AuthenticatorSelection AuthenticatorSelection `json:"authenticatorSelection"`
	Hints                  []Hint                 `json:"hints,omitempty"`
	Attestation            AttestationPreference  `json:"attestation"`
	AttestationFormats     []string               `json:"attestationFormats,omitempty"`
	Extensions             CreationExtensions     `json:"extensions"`

	// Extra are members that this package does not know, such as those of a later
	// level of WebAuthn: written behind the others. A name that is written already
	// is an error of MarshalJSON.
	Extra map[string]json.RawMessage `json:"-"`
}

// MarshalJSON adds Extra to the fields.
func (o CreationOptions) MarshalJSON() ([]byte, error) {
	type plain CreationOptions
	return withExtra(plain(o), o.Extra)
}

// RPEntity is the relying party (WebAuthn L3 §5.4.2).
type RPEntity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// UserEntity is the user (WebAuthn L3 §5.4.3).
type UserEntity struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// CredentialParameter is a kind of credential that may be created (WebAuthn L3
// §5.3).
type CredentialParameter struct {
	Type string    `json:"type"`
	Alg  Algorithm `json:"alg"`
}

// CredentialDescriptor names a credential (WebAuthn L3 §5.8.3).
type CredentialDescriptor struct {
	ID         string   `json:"id"`
	Type       string   `json:"type"`
	Transports []string `json:"transports,omitempty"`
}

// AuthenticatorSelection says which authenticators will do (WebAuthn L3 §5.4.4).
type AuthenticatorSelection struct {
	AuthenticatorAttachment AuthenticatorAttachment `json:"authenticatorAttachment,omitempty"`
	ResidentKey             ResidentKeyRequirement  `json:"residentKey"`
	RequireResidentKey      bool                    `json:"requireResidentKey"`
	UserVerification        UserVerification        `json:"userVerification"`
}

// RequestOptions is PublicKeyCredentialRequestOptionsJSON (WebAuthn L3 §5.5),
// fit for PublicKeyCredential.parseRequestOptionsFromJSON. Bytes are base64url
// without padding; Timeout is in milliseconds.
type RequestOptions struct {
	Challenge        string                 `json:"challenge"`
	Timeout          int64                  `json:"timeout"`
	RPID             string                 `json:"rpId"`
	AllowCredentials []CredentialDescriptor `json:"allowCredentials"`
	UserVerification UserVerification       `json:"userVerification"`
	Hints            []Hint                 `json:"hints,omitempty"`
	Extensions       RequestExtensions      `json:"extensions,omitzero"`

	// Extra is as in [CreationOptions].
	Extra map[string]json.RawMessage `json:"-"`
}

// MarshalJSON adds Extra to the fields.
func (o RequestOptions) MarshalJSON() ([]byte, error) {
	type plain RequestOptions
	return withExtra(plain(o), o.Extra)
}

// cloneExtra returns a copy, which can be added to.
func cloneExtra(extra map[string]json.RawMessage) map[string]json.RawMessage {
	clone := make(map[string]json.RawMessage, len(extra))
	for name, value := range extra {
		clone[name] = bytes.Clone(value)
	}
	return clone
}

// withExtra marshals options, and adds to their members.
func withExtra(options any, extra map[string]json.RawMessage) ([]byte, error) {
	b, err := json.Marshal(options)
	if err != nil || len(extra) == 0 {
		return b, err
	}
	var known map[string]json.RawMessage
	if err := json.Unmarshal(b, &known); err != nil {
		return nil, err
	}
	for name := range extra {
		if _, ok := known[name]; ok {
			return nil, fmt.Errorf("passkeys: Extra: %q is a member already", name)
		}
	}
	more, err := json.Marshal(extra)
	if err != nil || len(known) == 0 {
		return more, err
	}
	b[len(b)-1] = ','
	return append(b, more[1:]...), nil
}

const publicKeyType = "public-key"

func descriptors(credentials []Credential) []CredentialDescriptor {
	d := make([]CredentialDescriptor, len(credentials))
	for i, c := range credentials {
		d[i] = CredentialDescriptor{ID: EncodeID(c.ID), Type: publicKeyType, Transports: slices.Clone(c.Transports)}
	}
	return d
}

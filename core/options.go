package passkeys

import "slices"

// Ceremony is what begin gives to the browser. It marshals to
// {"publicKey": …, "state": "…"}.
type Ceremony struct {
	// PublicKey is *CreationOptions at registration, *RequestOptions at sign-in.
	// An application that drives the ceremonies by hand may add to them before
	// it sends them.
	PublicKey any `json:"publicKey"`
	// State is the handle of the challenge. The browser sends it back with its
	// credential.
	State string `json:"state"`
}

// CreationOptions is PublicKeyCredentialCreationOptionsJSON (WebAuthn L3 §5.1.8),
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
	Attestation            AttestationPreference  `json:"attestation"`
	Extensions             CreationExtensions     `json:"extensions"`
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

// CreationExtensions asks the browser whether the new credential is
// discoverable (WebAuthn L3 §10.1.3).
type CreationExtensions struct {
	CredProps bool `json:"credProps"`
}

// RequestOptions is PublicKeyCredentialRequestOptionsJSON (WebAuthn L3 §5.1.9),
// fit for PublicKeyCredential.parseRequestOptionsFromJSON. Bytes are base64url
// without padding; Timeout is in milliseconds.
type RequestOptions struct {
	Challenge        string                 `json:"challenge"`
	Timeout          int64                  `json:"timeout"`
	RPID             string                 `json:"rpId"`
	AllowCredentials []CredentialDescriptor `json:"allowCredentials"`
	UserVerification UserVerification       `json:"userVerification"`
}

const publicKeyType = "public-key"

func descriptors(credentials []Credential) []CredentialDescriptor {
	d := make([]CredentialDescriptor, len(credentials))
	for i, c := range credentials {
		d[i] = CredentialDescriptor{ID: EncodeID(c.ID), Type: publicKeyType, Transports: slices.Clone(c.Transports)}
	}
	return d
}

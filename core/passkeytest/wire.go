package passkeytest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// ClientData is the client data of a ceremony before it is signed (WebAuthn
// Level 3 §5.8.1). It is encoded in the order of its fields, as §5.8.1.1
// demands.
type ClientData struct {
	Type        string `json:"type"`      // "webauthn.create" or "webauthn.get"
	Challenge   string `json:"challenge"` // base64url without padding
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
	TopOrigin   string `json:"topOrigin,omitempty"`

	// Extra holds members to add after the others, as browsers do from time to
	// time to keep servers from comparing the JSON with a template.
	Extra map[string]any `json:"-"`

	// Raw, when not nil, is used instead of all of the above.
	Raw []byte `json:"-"`
}

func (d *ClientData) encode() ([]byte, error) {
	if d.Raw != nil {
		return d.Raw, nil
	}
	known, err := marshal(d)
	if err != nil || len(d.Extra) == 0 {
		return known, err
	}
	extra, err := marshal(d.Extra)
	if err != nil {
		return nil, fmt.Errorf("passkeytest: encode ClientData.Extra: %w", err)
	}
	known[len(known)-1] = ',' // instead of the brace which extra brings along
	return append(known, extra[1:]...), nil
}

// Flags are the flags of authenticator data (WebAuthn Level 3 §6.1).
type Flags byte

// The bits of [Flags], in the names of the specification.
const (
	FlagUserPresent    Flags = 0x01 // UP
	FlagUserVerified   Flags = 0x04 // UV
	FlagBackupEligible Flags = 0x08 // BE
	FlagBackupState    Flags = 0x10 // BS
	FlagAttestedData   Flags = 0x40 // AT: a credential is included
	FlagExtensionData  Flags = 0x80 // ED: extension outputs are included
)

// AuthenticatorData is the authenticator data of a ceremony before it is signed
// (WebAuthn Level 3 §6.1).
type AuthenticatorData struct {
	RPIDHash  []byte // SHA-256 of the RP ID
	Flags     Flags
	SignCount uint32

	// The attested credential data (§6.5). Create and Get both fill it in, and
	// it is encoded when Flags has FlagAttestedData, which Create sets.
	AAGUID       [16]byte
	CredentialID []byte
	PublicKey    []byte // a COSE_Key in CBOR

	// Extensions is a CBOR map of extension outputs. It is encoded as it is,
	// whether or not Flags has FlagExtensionData.
	Extensions []byte

	// Raw, when not nil, is used instead of all of the above.
	Raw []byte
}

func (d *AuthenticatorData) encode() []byte {
	if d.Raw != nil {
		return d.Raw
	}
	b := bytes.Clone(d.RPIDHash)
	b = append(b, byte(d.Flags))
	b = binary.BigEndian.AppendUint32(b, d.SignCount)
	if d.Flags&FlagAttestedData != 0 {
		b = append(b, d.AAGUID[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(d.CredentialID)))
		b = append(b, d.CredentialID...)
		b = append(b, d.PublicKey...)
	}
	return append(b, d.Extensions...)
}

// Response is an answer: what Corrupt gets to change, and what the JSON that
// [Authenticator.Create] and [Authenticator.Get] return can be decoded into. Its
// JSON is that of WebAuthn Level 3 §5.1, without the fields that are nil, 0 or
// an empty string.
type Response struct {
	ID                     string         `json:"id,omitzero"`    // base64url without padding
	RawID                  string         `json:"rawId,omitzero"` // the same
	Type                   string         `json:"type,omitzero"`  // "public-key"
	Attachment             string         `json:"authenticatorAttachment,omitzero"`
	ClientExtensionResults map[string]any `json:"clientExtensionResults,omitzero"`

	AuthenticatorResponse `json:"response"`
}

// AuthenticatorResponse is the authenticator's part of a [Response] (WebAuthn
// Level 3 §5.2).
//
// Servers read a new credential from AttestationObject. The AuthenticatorData,
// PublicKey and PublicKeyAlgorithm of an answer to Create repeat parts of it for
// the convenience of pages: changing them does not change it.
type AuthenticatorResponse struct {
	ClientDataJSON    Base64URL `json:"clientDataJSON,omitzero"`
	AuthenticatorData Base64URL `json:"authenticatorData,omitzero"`

	// In the answers of Create.
	AttestationObject  Base64URL `json:"attestationObject,omitzero"`
	PublicKey          Base64URL `json:"publicKey,omitzero"` // DER of a SubjectPublicKeyInfo
	PublicKeyAlgorithm Algorithm `json:"publicKeyAlgorithm,omitzero"`
	Transports         []string  `json:"transports,omitzero"`

	// In the answers of Get.
	Signature  Base64URL `json:"signature,omitzero"` // in DER for ES256
	UserHandle Base64URL `json:"userHandle,omitzero"`
}

// options is what an authenticator needs of the options of either ceremony
// (WebAuthn Level 3 §5.4 and §5.5).
type options struct {
	Challenge Base64URL `json:"challenge"`

	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID Base64URL `json:"id"`
	} `json:"user"`
	PubKeyCredParams   []parameters `json:"pubKeyCredParams"`
	ExcludeCredentials []descriptor `json:"excludeCredentials"`
	Extensions         struct {
		CredProps                  bool      `json:"credProps"`
		PRF                        *struct{} `json:"prf"`
		CredentialProtectionPolicy string    `json:"credentialProtectionPolicy"`
	} `json:"extensions"`

	RPID             string       `json:"rpId"`
	AllowCredentials []descriptor `json:"allowCredentials"`
}

type parameters struct {
	Type string    `json:"type"`
	Alg  Algorithm `json:"alg"`
}

type descriptor struct {
	Type string    `json:"type"`
	ID   Base64URL `json:"id"`
}

// decodeOptions decodes data, or its publicKey member if it has one.
func decodeOptions(data []byte) (*options, error) {
	var envelope struct {
		PublicKey *options `json:"publicKey"`
		options
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, fmt.Errorf("passkeytest: decode the options: %w", err)
	}
	opts := cmp.Or(envelope.PublicKey, &envelope.options)
	if len(opts.Challenge) == 0 {
		return nil, errors.New("passkeytest: the options have no challenge")
	}
	return opts, nil
}

// Base64URL is bytes which are base64url without padding in JSON.
type Base64URL []byte

// MarshalText encodes b. It returns no error.
func (b Base64URL) MarshalText() ([]byte, error) {
	return []byte(encodeBase64(b)), nil
}

// UnmarshalText decodes text, and returns an error if it is not base64url or has
// padding.
func (b *Base64URL) UnmarshalText(text []byte) error {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("%q is not base64url without padding", text)
	}
	*b = decoded
	return nil
}

func encodeBase64(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(b)
}

// marshal is json.Marshal, but leaves <, > and & alone, as browsers do.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

package passkeys

import (
	"context"
	"encoding/json"
)

// Extensions are what the options ask of a passkey beyond signing (WebAuthn L3 §9,
// §10). The zero value asks for nothing but credProps, which says whether a new
// passkey is discoverable. What comes back without having been asked for is ignored.
type Extensions struct {
	// PRF has passkeys derive keys: a page gets 32 bytes for a salt, the same each
	// time, and of no other passkey (WebAuthn L3 §10.1.4). They are for the page
	// alone, and a response that holds them is [ErrPRFResultsPresent]. Whether a new
	// passkey can is in [Credential].PRFEnabled.
	PRF bool
	// PRFSalts returns what a user's passkey derives keys from. Without a
	// credentialID it is what a new passkey is asked with, or whichever the user
	// chooses; without a userID, whoever that is. Default: one salt for all, the
	// bytes of "passkeys/prf/v1".
	//
	// It is asked for decoys too, and for users who do not exist, by ids that stay
	// the same: it must answer all alike, and as fast. So derive salts from the ids
	// rather than look them up. They are no secrets. Another salt is another key:
	// what was encrypted under the one before is lost, so they must never change.
	PRFSalts func(ctx context.Context, userID string, credentialID []byte) (PRFSalts, error)
	// LargeBlob asks that new passkeys can keep a little data, which a page reads
	// and writes at a sign-in (WebAuthn L3 §10.1.5). Default: it is not asked for.
	LargeBlob LargeBlobSupport
	// CredentialProtection asks new passkeys to hide from whoever was not verified
	// (CTAP 2.1 §12.1). Default: the authenticator's own.
	CredentialProtection CredentialProtection
	// EnforceCredentialProtection refuses new passkeys that do not say that they are
	// protected so, or better: most that are no security keys. Without attestation it
	// is the page's word.
	EnforceCredentialProtection bool
	// CreationExtra and RequestExtra are the inputs of extensions that this package
	// does not know, by their identifiers. Default: none.
	CreationExtra, RequestExtra map[string]json.RawMessage
}

// PRFSalts are what keys are derived from: one for each of First and Second, which
// may be of any length. An empty Second asks for one key, an empty First for none.
type PRFSalts struct {
	First, Second []byte
}

// MarshalJSON returns AuthenticationExtensionsPRFValues, in base64url (WebAuthn L3
// §10.1.4).
func (s PRFSalts) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		First  base64url `json:"first"`
		Second base64url `json:"second,omitempty"`
	}{s.First, s.Second})
}

// LargeBlobSupport says whether a new passkey must be able to keep data (WebAuthn
// L3 §10.1.5).
type LargeBlobSupport string

// The supports. With the first there is no new passkey where it cannot.
const (
	LargeBlobRequired  LargeBlobSupport = "required"
	LargeBlobPreferred LargeBlobSupport = "preferred"
)

// CredentialProtection says when a passkey answers at all (CTAP 2.1 §12.1).
type CredentialProtection string

// The protections, each stronger than the one before.
const (
	// CredentialProtectionNone: always.
	CredentialProtectionNone CredentialProtection = "userVerificationOptional"
	// CredentialProtectionList: to whoever was verified, or can name it.
	CredentialProtectionList CredentialProtection = "userVerificationOptionalWithCredentialIDList"
	// CredentialProtectionRequired: to whoever was verified. Browsers make such a
	// passkey only where Config.UserVerification is required.
	CredentialProtectionRequired CredentialProtection = "userVerificationRequired"
)

// level is the protection as authenticators have it, 0 for none that there is.
func (c CredentialProtection) level() uint64 {
	switch c {
	case CredentialProtectionNone:
		return 1
	case CredentialProtectionList:
		return 2
	case CredentialProtectionRequired:
		return 3
	}
	return 0
}

// protection is the level that a new passkey must show.
func (e *Extensions) protection() uint64 {
	if e.EnforceCredentialProtection {
		return e.CredentialProtection.level()
	}
	return 0
}

// validate returns which field contradicts the rest, and how.
func (e *Extensions) validate(cfg *Config) (field, what string) {
	switch {
	case e.PRFSalts != nil && !e.PRF:
		return "PRFSalts", "must not be set without PRF"
	case e.EnforceCredentialProtection && e.CredentialProtection.level() < 2:
		return "EnforceCredentialProtection", "needs a CredentialProtection that protects"
	case e.CredentialProtection == CredentialProtectionRequired && cfg.UserVerification != UserVerificationRequired:
		return "CredentialProtection", "needs UserVerification to be required" // or browsers make none
	case e.CredentialProtection == CredentialProtectionRequired && cfg.ConfirmationUserVerification == UserVerificationDiscouraged:
		return "CredentialProtection", "hides passkeys where ConfirmationUserVerification is discouraged"
	}
	if _, err := json.Marshal(CreationExtensions{PRF: &PRFInputs{}, LargeBlob: &LargeBlobInputs{}, CredentialProtectionPolicy: "-", EnforceCredentialProtectionPolicy: true, Extra: e.CreationExtra}); err != nil {
		return "CreationExtra", err.Error()
	}
	if _, err := json.Marshal(RequestExtensions{PRF: &PRFInputs{}, Extra: e.RequestExtra}); err != nil {
		return "RequestExtra", err.Error()
	}
	return "", ""
}

// CreationExtensions are the inputs of a registration's extensions: PRF, CredProps
// and LargeBlob as in WebAuthn L3 §10.1, the other two as in CTAP 2.1 §12.1.
type CreationExtensions struct {
	CredProps                         bool                 `json:"credProps"`
	PRF                               *PRFInputs           `json:"prf,omitempty"`
	LargeBlob                         *LargeBlobInputs     `json:"largeBlob,omitempty"`
	CredentialProtectionPolicy        CredentialProtection `json:"credentialProtectionPolicy,omitempty"`
	EnforceCredentialProtectionPolicy bool                 `json:"enforceCredentialProtectionPolicy,omitempty"`

	// Extra is as in [CreationOptions].
	Extra map[string]json.RawMessage `json:"-"`
}

// MarshalJSON adds Extra to the fields.
func (e CreationExtensions) MarshalJSON() ([]byte, error) {
	type plain CreationExtensions
	return withExtra(plain(e), e.Extra)
}

// RequestExtensions are the inputs of the extensions of a sign-in or confirmation.
type RequestExtensions struct {
	PRF *PRFInputs `json:"prf,omitempty"`

	// Extra is as in [CreationOptions].
	Extra map[string]json.RawMessage `json:"-"`
}

// MarshalJSON adds Extra to the fields.
func (e RequestExtensions) MarshalJSON() ([]byte, error) {
	type plain RequestExtensions
	return withExtra(plain(e), e.Extra)
}

// IsZero reports whether there are none: then the options have no such member.
func (e RequestExtensions) IsZero() bool { return e.PRF == nil && len(e.Extra) == 0 }

// PRFInputs is AuthenticationExtensionsPRFInputs (WebAuthn L3 §10.1.4).
type PRFInputs struct {
	Eval *PRFSalts `json:"eval,omitempty"`
	// EvalByCredential has the salts of those that are listed, by their ids as
	// [EncodeID] has them.
	EvalByCredential map[string]PRFSalts `json:"evalByCredential,omitempty"`
}

// LargeBlobInputs is AuthenticationExtensionsLargeBlobInputs (WebAuthn L3 §10.1.5),
// as a server fills it in.
type LargeBlobInputs struct {
	Support LargeBlobSupport `json:"support"`
}

// creationExtensions are the inputs for a new passkey of this user.
func (p *Passkeys) creationExtensions(ctx context.Context, userID string) (CreationExtensions, error) {
	e := &p.cfg.Extensions
	prf, err := p.prf(ctx, userID, nil)
	inputs := CreationExtensions{
		CredProps:                         true,
		PRF:                               prf,
		CredentialProtectionPolicy:        e.CredentialProtection,
		EnforceCredentialProtectionPolicy: e.EnforceCredentialProtection,
		Extra:                             cloneExtra(e.CreationExtra),
	}
	if e.LargeBlob != "" {
		inputs.LargeBlob = &LargeBlobInputs{e.LargeBlob}
	}
	return inputs, err
}

// requestExtensions are the inputs for one of the passkeys that are listed, or, if
// none are, for any.
func (p *Passkeys) requestExtensions(ctx context.Context, userID string, allowed []Credential) (RequestExtensions, error) {
	prf, err := p.prf(ctx, userID, allowed)
	return RequestExtensions{PRF: prf, Extra: cloneExtra(p.cfg.Extensions.RequestExtra)}, err
}

// prf asks the listed passkeys for keys, each with its own salts if there are such.
func (p *Passkeys) prf(ctx context.Context, userID string, listed []Credential) (*PRFInputs, error) {
	salts := p.cfg.Extensions.PRFSalts
	switch {
	case !p.cfg.Extensions.PRF:
		return nil, nil
	case salts == nil:
		return &PRFInputs{Eval: &PRFSalts{First: []byte("passkeys/prf/v1")}}, nil
	case len(listed) == 0:
		listed = []Credential{{}}
	}
	inputs := &PRFInputs{EvalByCredential: map[string]PRFSalts{}}
	for i := range listed {
		s, err := salts(ctx, userID, listed[i].ID)
		switch {
		case err != nil:
			return nil, asError(err).because(ReasonHookFailed)
		case len(s.First) == 0 && len(s.Second) > 0:
			return nil, ErrConfiguration.explained("PRFSalts: a Second without a First").because(ReasonHookFailed)
		case len(s.First) == 0: // it is asked for no key
		case listed[i].ID == nil:
			inputs.Eval = &s
		default:
			inputs.EvalByCredential[EncodeID(listed[i].ID)] = s
		}
	}
	return inputs, nil
}

// Package engine verifies the responses of the two WebAuthn ceremonies. It is
// the one package that imports go-webauthn, whose types and texts end here: what
// goes in is bytes, what comes out is a verdict of our own with a reason from a
// closed set.
//
// Every rule is checked twice. Our own checks come first, in the order of
// WebAuthn L3 §7.1 and §7.2: they are stricter where the library is lenient
// (origins match byte for byte) and know which rule was broken. Then the same
// input goes through the library's validation, which also verifies the
// signatures; what only it refuses is an invalid signature or statement.
package engine

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// The reasons for which a response is refused.
const (
	ClientDataMalformed        = "client_data_malformed"
	CeremonyTypeMismatch       = "ceremony_type_mismatch"
	ChallengeMismatch          = "challenge_mismatch"
	OriginMismatch             = "origin_mismatch"
	CrossOrigin                = "cross_origin"
	TopOriginMismatch          = "top_origin_mismatch"
	AuthenticatorDataMalformed = "authenticator_data_malformed"
	RPIDMismatch               = "rp_id_mismatch"
	UserPresenceMissing        = "user_presence_missing"
	UserVerificationMissing    = "user_verification_missing"
	BackupFlagsInvalid         = "backup_flags_invalid"
	AttestationMalformed       = "attestation_malformed"
	AttestationInvalid         = "attestation_invalid"
	AttestationMissing         = "attestation_missing"
	AttestationUntrusted       = "attestation_untrusted"
	AlgorithmNotAllowed        = "algorithm_not_allowed"
	PublicKeyInvalid           = "public_key_invalid"
	CredentialIDInvalid        = "credential_id_invalid"
	SignatureInvalid           = "signature_invalid"
)

// Failure is the one error of this package: which rule was broken, and where it
// helps an operator, what was seen and what was expected. Neither is ever a
// challenge or a key.
type Failure struct {
	Reason         string
	Seen, Expected string
}

func (f *Failure) Error() string { return "engine: " + f.Reason }

func fail(reason string) error { return &Failure{Reason: reason} }

// RelyingParty is what every response is held to.
type RelyingParty struct {
	ID          string
	Origins     []string // matched byte for byte
	TopOrigins  []string // of the pages that may embed ours; empty: none may
	Algorithms  []int64  // COSE identifiers a new credential may have
	VerifyUser  bool     // require the UV flag
	Attestation AttestationLevel
	Metadata    *Metadata // for AttestTrusted
}

// AttestationLevel is what is asked of an attestation statement.
type AttestationLevel int

// The levels, each asking for more than the one before.
const (
	AttestIgnored  AttestationLevel = iota // not even looked at
	AttestVerified                         // none will do, but what comes must verify
	AttestSelf                             // there must be one
	AttestTrusted                          // and it must lead to a root in Metadata
)

// AuthenticatorData is what a verified response says about its authenticator.
type AuthenticatorData struct {
	SignCount      uint32
	UserVerified   bool
	BackupEligible bool
	BackupState    bool
}

// Registration is a verified new credential.
type Registration struct {
	AuthenticatorData
	CredentialID      []byte
	PublicKey         []byte
	Algorithm         int64
	AAGUID            [16]byte
	AttestationFormat string
}

// VerifyAssertion verifies a sign-in's response (WebAuthn L3 §7.2) against the
// challenge and the credential's public key. The counter, the user handle and
// the backup eligibility are the caller's to judge.
func (rp *RelyingParty) VerifyAssertion(r *AssertionResponse, challenge, publicKey []byte) (AuthenticatorData, error) {
	parsed := protocol.ParsedCredentialAssertionData{
		Response: protocol.ParsedAssertionResponse{Signature: r.Response.Signature},
		Raw: protocol.CredentialAssertionResponse{AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(r.Response.ClientDataJSON)},
			AuthenticatorData:     protocol.URLEncodedBase64(r.Response.AuthenticatorData),
		}},
	}
	client, auth := &parsed.Response.CollectedClientData, &parsed.Response.AuthenticatorData
	expected := base64.RawURLEncoding.EncodeToString(challenge)
	if err := rp.checkClientData(client, r.Response.ClientDataJSON, protocol.AssertCeremony, expected); err != nil {
		return AuthenticatorData{}, err
	}
	if auth.Unmarshal(r.Response.AuthenticatorData) != nil {
		return AuthenticatorData{}, fail(AuthenticatorDataMalformed)
	}
	if err := rp.checkAuthenticatorData(auth); err != nil {
		return AuthenticatorData{}, err
	}
	if err := parsed.Verify(expected, rp.ID, "", rp.Origins, nil, rp.TopOrigins,
		protocol.TopOriginExplicitVerificationMode, len(rp.TopOrigins) > 0, rp.VerifyUser, true,
		publicKey, protocol.SignaturePolicy{}); err != nil {
		return AuthenticatorData{}, fail(SignatureInvalid)
	}
	return authenticatorData(auth), nil
}

// VerifyAttestation verifies a registration's response (WebAuthn L3 §7.1)
// against the challenge.
func (rp *RelyingParty) VerifyAttestation(r *AttestationResponse, challenge []byte) (*Registration, error) {
	parsed := protocol.ParsedCredentialCreationData{
		ParsedPublicKeyCredential: protocol.ParsedPublicKeyCredential{RawID: r.RawID},
		Raw: protocol.CredentialCreationResponse{AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(r.Response.ClientDataJSON)},
		}},
	}
	client, object := &parsed.Response.CollectedClientData, &parsed.Response.AttestationObject
	auth := &object.AuthData
	expected := base64.RawURLEncoding.EncodeToString(challenge)
	if err := rp.checkClientData(client, r.Response.ClientDataJSON, protocol.CreateCeremony, expected); err != nil {
		return nil, err
	}
	if webauthncbor.Unmarshal(r.Response.AttestationObject, object) != nil {
		return nil, fail(AttestationMalformed)
	}
	if auth.Unmarshal(object.RawAuthData) != nil || !auth.Flags.HasAttestedCredentialData() {
		return nil, fail(AuthenticatorDataMalformed)
	}
	if err := rp.checkAuthenticatorData(auth); err != nil {
		return nil, err
	}
	id := auth.AttData.CredentialID
	if len(id) == 0 || len(id) > 1023 || !slices.Equal(id, r.RawID) {
		return nil, fail(CredentialIDInvalid)
	}
	algorithm, err := checkPublicKey(auth.AttData.CredentialPublicKey)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(rp.Algorithms, algorithm) {
		return nil, fail(AlgorithmNotAllowed)
	}
	format := object.Format
	if !ValidFormat(format) {
		return nil, fail(AttestationMalformed)
	}
	if rp.Attestation == AttestIgnored {
		object.Format, object.AttStatement, object.SubStatements = string(protocol.AttestationFormatNone), nil, nil
	}
	verify := func(mds metadata.Provider) error {
		_, err := parsed.Verify(expected, rp.ID, rp.Origins, nil, rp.TopOrigins,
			protocol.TopOriginExplicitVerificationMode, len(rp.TopOrigins) > 0, rp.VerifyUser, true,
			mds, []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(algorithm)}},
			protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
		return err
	}
	if verify(nil) != nil {
		return nil, &Failure{AttestationInvalid, clip(format), ""}
	}
	if rp.Attestation >= AttestSelf && object.Type == string(metadata.None) {
		return nil, fail(AttestationMissing)
	}
	if rp.Attestation == AttestTrusted && (rp.Metadata == nil || !certified(object.Type) || hearsay(object) || verify(rp.Metadata.provider) != nil) {
		return nil, &Failure{AttestationUntrusted, aaguid(auth), ""}
	}
	return &Registration{
		AuthenticatorData: authenticatorData(auth),
		CredentialID:      id,
		PublicKey:         auth.AttData.CredentialPublicKey,
		Algorithm:         algorithm,
		AAGUID:            [16]byte(auth.AttData.AAGUID),
		AttestationFormat: format,
	}, nil
}

func (rp *RelyingParty) checkClientData(c *protocol.CollectedClientData, raw []byte, ceremony protocol.CeremonyType, challenge string) error {
	if json.Unmarshal(raw, c) != nil {
		return fail(ClientDataMalformed)
	}
	switch {
	case c.Type != ceremony:
		return &Failure{CeremonyTypeMismatch, clip(string(c.Type)), string(ceremony)}
	case subtle.ConstantTimeCompare([]byte(c.Challenge), []byte(challenge)) != 1:
		return fail(ChallengeMismatch)
	case !slices.Contains(rp.Origins, c.Origin):
		return &Failure{OriginMismatch, clip(c.Origin), join(rp.Origins)}
	case c.CrossOrigin && len(rp.TopOrigins) == 0:
		return fail(CrossOrigin)
	case c.TopOrigin != "" && (!c.CrossOrigin || !slices.Contains(rp.TopOrigins, c.TopOrigin)):
		return &Failure{TopOriginMismatch, clip(c.TopOrigin), join(rp.TopOrigins)}
	}
	return nil
}

func (rp *RelyingParty) checkAuthenticatorData(a *protocol.AuthenticatorData) error {
	hash := sha256.Sum256([]byte(rp.ID))
	switch {
	case !slices.Equal(a.RPIDHash, hash[:]):
		return &Failure{RPIDMismatch, hex.EncodeToString(a.RPIDHash), hex.EncodeToString(hash[:]) + ", the hash of " + rp.ID}
	case !a.Flags.HasUserPresent():
		return fail(UserPresenceMissing)
	case rp.VerifyUser && !a.Flags.HasUserVerified():
		return fail(UserVerificationMissing)
	case a.Flags.HasBackupState() && !a.Flags.HasBackupEligible():
		return fail(BackupFlagsInvalid)
	}
	return nil
}

func authenticatorData(a *protocol.AuthenticatorData) AuthenticatorData {
	return AuthenticatorData{
		SignCount:      a.Counter,
		UserVerified:   a.Flags.HasUserVerified(),
		BackupEligible: a.Flags.HasBackupEligible(),
		BackupState:    a.Flags.HasBackupState(),
	}
}

// ValidFormat reports whether s can be the identifier of an attestation statement
// format (WebAuthn L3 §8.1).
func ValidFormat(s string) bool {
	return len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

// certified reports whether an attestation of this type leads to a certificate.
func certified(attestationType string) bool {
	switch metadata.AuthenticatorAttestationType(attestationType) {
	case metadata.BasicFull, metadata.AttCA, metadata.AnonCA:
		return true
	default:
		return false
	}
}

// hearsay reports whether the statement does not sign what is said of the model.
// A U2F signature covers neither the AAGUID nor the flags (WebAuthn L3 §8.6); its
// own authenticators have the zero AAGUID, and are found by their certificate.
func hearsay(o *protocol.AttestationObject) bool {
	const u2f = string(protocol.AttestationFormatFIDOUniversalSecondFactor)
	unsigned := o.Format == u2f || slices.ContainsFunc(o.SubStatements, func(s protocol.NonCompoundAttestationObject) bool { return s.Format == u2f })
	return unsigned && [16]byte(o.AuthData.AttData.AAGUID) != [16]byte{}
}

func aaguid(a *protocol.AuthenticatorData) string { return hex.EncodeToString(a.AttData.AAGUID) }

// checkPublicKey refuses a key that could never verify a signature, or would
// verify too many, and returns its algorithm. The library looks at the key only
// where a statement is signed with it, and at an RSA key hardly at all.
func checkPublicKey(cose []byte) (algorithm int64, err error) {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil || len(cose) > 4096 {
		return 0, fail(PublicKeyInvalid)
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		return k.Algorithm, nil
	case webauthncose.OKPPublicKeyData:
		if !validEd25519(k.XCoord) {
			return 0, fail(PublicKeyInvalid)
		}
		return k.Algorithm, nil
	case webauthncose.RSAPublicKeyData:
		e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k)
		n := k.Modulus
		size := new(big.Int).SetBytes(n).BitLen()
		// An even modulus is no product of two odd primes; exponent 1 makes
		// every signature its own message; a larger one than 2³¹-1 the standard
		// library refuses to verify with.
		if err != nil || e < 3 || e%2 == 0 || e > 1<<31-1 || size < 2048 || size > 4096 || n[0] == 0 || n[len(n)-1]%2 == 0 {
			return 0, fail(PublicKeyInvalid)
		}
		return k.Algorithm, nil
	}
	return 0, fail(PublicKeyInvalid)
}

// clip keeps what an attacker can make a log write to a line.
func clip(s string) string { return s[:min(len(s), 256)] }

// join lists what was expected, for an operator's log.
func join(origins []string) string {
	b, _ := json.Marshal(origins) // a []string always marshals
	return string(b)
}

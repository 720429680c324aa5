// Package engine verifies the responses of the two WebAuthn ceremonies. It is
// the one package that imports go-webauthn, whose types and texts end here: what
// goes in is bytes, what comes out is a verdict of our own with a reason from a
// closed set.
//
// Our own checks come first, in the order of WebAuthn L3 §7.1 and §7.2: they are
// stricter where the library is lenient (origins match byte for byte) and know
// which rule was broken. Of a sign-in only the signature is left then, and the
// library's own validation is what the tests hold ours to, verdict by verdict. A
// registration goes through it in production too, for the formats, certificates
// and metadata of attestation; what only it refuses is an invalid statement.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"github.com/google/uuid"

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
	ProtectionMissing          = "protection_missing"
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

// Requirements are what a registration asks of the user, beyond the relying party.
type Requirements struct {
	VerifyUser bool // the UV flag must be set
	// Conditional: the browser was asked to make the passkey unasked (WebAuthn L3
	// §5.1.3). Then nobody need be present (§7.1 step 15), nor verified; and no page
	// of another site may embed the one that asked, whatever TopOrigins say.
	Conditional bool
	// Protection is the least level of the extension credProtect that the
	// authenticator must say it has set; 0 asks for nothing (CTAP 2.1 §12.1).
	Protection uint64
}

// VerifyAssertion verifies a sign-in's response (WebAuthn L3 §7.2) against the
// challenge and the credential's public key; with verifyUser the UV flag must be
// set. The counter, the user handle and the backup eligibility are the caller's
// to judge.
func (rp *RelyingParty) VerifyAssertion(r *AssertionResponse, challenge, publicKey []byte, verifyUser bool) (AuthenticatorData, error) {
	if _, err := rp.checkClientData(r.ClientDataJSON, protocol.AssertCeremony, challenge); err != nil {
		return AuthenticatorData{}, err
	}
	var auth protocol.AuthenticatorData
	if auth.Unmarshal(r.AuthenticatorData) != nil {
		return AuthenticatorData{}, fail(AuthenticatorDataMalformed)
	}
	if err := rp.checkAuthenticatorData(&auth, Requirements{VerifyUser: verifyUser}); err != nil {
		return AuthenticatorData{}, err
	}
	hash := sha256.Sum256(r.ClientDataJSON)
	if !verifySignature(publicKey, slices.Concat(r.AuthenticatorData, hash[:]), r.Signature) {
		return AuthenticatorData{}, fail(SignatureInvalid)
	}
	return authenticatorData(&auth), nil
}

// VerifyAlone verifies an assertion as VerifyAssertion does, for whoever knows no
// more of the relying party than its id: the browser has seen to it that the page
// was one of its domain.
func VerifyAlone(rpID string, r *AssertionResponse, challenge, publicKey []byte) error {
	if _, err := checkPublicKey(publicKey); err != nil { // here it is the caller's word
		return err
	}
	c, _ := parseClientData(r.ClientDataJSON) // what is wrong with them is found again
	rp := RelyingParty{ID: rpID, Origins: []string{c.origin}, TopOrigins: []string{c.topOrigin}}
	_, err := rp.VerifyAssertion(r, challenge, publicKey, false)
	return err
}

// VerifyAttestation verifies a registration's response (WebAuthn L3 §7.1)
// against the challenge.
func (rp *RelyingParty) VerifyAttestation(r *AttestationResponse, challenge []byte, require Requirements) (*Registration, error) {
	client, err := rp.checkClientData(r.ClientDataJSON, protocol.CreateCeremony, challenge)
	if err != nil {
		return nil, err
	}
	if require.Conditional && client.crossOrigin {
		return nil, fail(CrossOrigin)
	}
	require.VerifyUser = require.VerifyUser && !require.Conditional
	parsed := protocol.ParsedCredentialCreationData{
		ParsedPublicKeyCredential: protocol.ParsedPublicKeyCredential{RawID: r.RawID},
		// What the library would read into it could be another reading.
		Response: protocol.ParsedAttestationResponse{CollectedClientData: protocol.CollectedClientData{
			Type: protocol.CreateCeremony, Challenge: client.challenge, Origin: client.origin,
			CrossOrigin: client.crossOrigin, TopOrigin: client.topOrigin,
		}},
		Raw: protocol.CredentialCreationResponse{AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(r.ClientDataJSON)},
		}},
	}
	object := &parsed.Response.AttestationObject
	auth := &object.AuthData
	if webauthncbor.Unmarshal(r.AttestationObject, object) != nil {
		return nil, fail(AttestationMalformed)
	}
	if auth.Unmarshal(object.RawAuthData) != nil || !auth.Flags.HasAttestedCredentialData() {
		return nil, fail(AuthenticatorDataMalformed)
	}
	if err := rp.checkAuthenticatorData(auth, require); err != nil {
		return nil, err
	}
	if !slices.Equal(auth.AttData.CredentialID, r.RawID) { // which is not empty
		return nil, fail(CredentialIDInvalid)
	}
	algorithm, err := checkPublicKey(auth.AttData.CredentialPublicKey)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(rp.Algorithms, algorithm) {
		return nil, fail(AlgorithmNotAllowed)
	}
	if protection(auth) < require.Protection {
		return nil, fail(ProtectionMissing)
	}
	format := object.Format
	if !ValidFormat(format) {
		return nil, fail(AttestationMalformed)
	}
	if rp.Attestation == AttestIgnored {
		object.Format, object.AttStatement, object.SubStatements = string(protocol.AttestationFormatNone), nil, nil
	}
	if !affordable(object) {
		return nil, &Failure{AttestationInvalid, clip(format), ""}
	}
	var provider metadata.Provider
	trust := &witness{}
	if rp.Attestation == AttestTrusted && rp.Metadata != nil {
		trust.ExtendedProvider = rp.Metadata.provider
		provider = trust
	}
	_, err = parsed.Verify(client.challenge, rp.ID, rp.Origins, nil, rp.TopOrigins,
		protocol.TopOriginExplicitVerificationMode, len(rp.TopOrigins) > 0, require.VerifyUser, !require.Conditional,
		provider, []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(algorithm)}},
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	switch untrusted := &(Failure{AttestationUntrusted, aaguid(auth), ""}); {
	case err != nil && trust.asked:
		return nil, untrusted
	case err != nil:
		return nil, &Failure{AttestationInvalid, clip(format), ""}
	case rp.Attestation >= AttestSelf && object.Type == string(metadata.None):
		return nil, fail(AttestationMissing)
	case rp.Attestation == AttestTrusted && (rp.Metadata == nil || !certified(object.Type) || hearsay(object)):
		return nil, untrusted
	}
	return registration(auth, algorithm, format), nil
}

func registration(auth *protocol.AuthenticatorData, algorithm int64, format string) *Registration {
	return &Registration{
		AuthenticatorData: authenticatorData(auth),
		CredentialID:      auth.AttData.CredentialID,
		PublicKey:         auth.AttData.CredentialPublicKey,
		Algorithm:         algorithm,
		AAGUID:            [16]byte(auth.AttData.AAGUID),
		AttestationFormat: format,
	}
}

// witness is metadata that knows whether it was asked: it is, once a statement's
// signature has been verified, so what fails after is trust.
type witness struct {
	metadata.ExtendedProvider
	asked bool
}

func (w *witness) GetEntry(ctx context.Context, aaguid uuid.UUID) (*metadata.Entry, error) {
	w.asked = true
	return w.ExtendedProvider.GetEntry(ctx, aaguid)
}

func (rp *RelyingParty) checkAuthenticatorData(a *protocol.AuthenticatorData, require Requirements) error {
	hash := sha256.Sum256([]byte(rp.ID))
	switch {
	case !slices.Equal(a.RPIDHash, hash[:]):
		return &Failure{RPIDMismatch, hex.EncodeToString(a.RPIDHash), hex.EncodeToString(hash[:]) + ", the hash of " + rp.ID}
	case !require.Conditional && !a.Flags.HasUserPresent():
		return fail(UserPresenceMissing)
	case require.VerifyUser && !a.Flags.HasUserVerified():
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

// protection is the level of credProtect that the authenticator says it has set, 0
// where it says nothing of the kind.
func protection(a *protocol.AuthenticatorData) uint64 {
	var outputs map[string]any
	_ = webauthncbor.Unmarshal(a.ExtData, &outputs) // read once already, or not there
	level, _ := outputs["credProtect"].(uint64)
	return level
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
		// library refuses to verify with. The library reads a key that says ES256,
		// too, and then verifies nothing with it; no other RSA can be asked for.
		if err != nil || webauthncose.COSEAlgorithmIdentifier(k.Algorithm) != webauthncose.AlgRS256 || e < 3 || e%2 == 0 || e > 1<<31-1 || size < 2048 || size > 4096 || n[0] == 0 || n[len(n)-1]%2 == 0 {
			return 0, fail(PublicKeyInvalid)
		}
		return k.Algorithm, nil
	}
	return 0, fail(PublicKeyInvalid)
}

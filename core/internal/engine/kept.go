package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// What others have kept of a registration that they have verified: no signature
// says so any more, and it is their word.

// ReadPublicKey is for a key that somebody else has kept: it returns the COSE_Key in
// CTAP2 canonical CBOR, and its algorithm, and refuses what could never verify a
// signature.
func ReadPublicKey(cose []byte) (canonical []byte, algorithm int64, err error) {
	var members any
	if webauthncbor.Unmarshal(cose, &members) != nil {
		return nil, 0, fail(PublicKeyInvalid)
	}
	if canonical, err = webauthncbor.Marshal(members); err != nil {
		return nil, 0, fail(PublicKeyInvalid)
	}
	algorithm, err = checkPublicKey(canonical)
	return canonical, algorithm, err
}

// ReadAuthenticatorData reads the authenticator data of a registration (WebAuthn L3
// §6.1), which must be of the relying party. The key is for ReadPublicKey to judge.
func ReadAuthenticatorData(rpID string, authData []byte) (*Registration, error) {
	var auth protocol.AuthenticatorData
	if auth.Unmarshal(authData) != nil || !auth.Flags.HasAttestedCredentialData() {
		return nil, fail(AuthenticatorDataMalformed)
	}
	rp := RelyingParty{ID: rpID}
	if err := rp.checkAuthenticatorData(&auth, Requirements{Conditional: true}); err != nil {
		return nil, err
	}
	return registration(&auth, 0, ""), nil
}

// ReadAttestationObject reads the authenticator data and the format of an
// attestation object (§6.5.4). The statement is not looked at.
func ReadAttestationObject(rpID string, object []byte) (*Registration, error) {
	var o protocol.AttestationObject
	if webauthncbor.Unmarshal(object, &o) != nil || !ValidFormat(o.Format) {
		return nil, fail(AttestationMalformed)
	}
	r, err := ReadAuthenticatorData(rpID, o.RawAuthData)
	if err == nil {
		r.AttestationFormat = o.Format
	}
	return r, err
}

// AuthenticatorDataOf is the authenticator data that r was registered with, but for
// the extensions' outputs.
func AuthenticatorDataOf(rpID string, r Registration) []byte {
	hash := sha256.Sum256([]byte(rpID))
	flags := protocol.FlagUserPresent | protocol.FlagAttestedCredentialData
	if r.UserVerified {
		flags |= protocol.FlagUserVerified
	}
	if r.BackupEligible {
		flags |= protocol.FlagBackupEligible
	}
	if r.BackupState {
		flags |= protocol.FlagBackupState
	}
	b := append(hash[:], byte(flags))
	b = binary.BigEndian.AppendUint32(b, r.SignCount)
	b = append(b, r.AAGUID[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.CredentialID)))
	return slices.Concat(b, r.CredentialID, r.PublicKey)
}

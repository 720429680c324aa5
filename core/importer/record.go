package importer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/internal/engine"
)

const recordPrefix = "$webauthn$v=1$"

// FormatRecord returns a credential as c2sp.org/passkey-record has it: one line of
// text, in which the user, the times and the name are not. The record's
// authenticator data are as of the registration, with a counter of 0; whether the
// passkey is backed up is as it was seen last. An error wraps
// [passkeys.ErrInvalidCredential]: the credential has no RPID, or was imported and
// its flags are not known yet.
func FormatRecord(c passkeys.Credential) (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	if c.RPID == "" || c.BackupUnknown {
		return "", fmt.Errorf("%w: a record needs the RPID and the backup flags", passkeys.ErrInvalidCredential)
	}
	data := engine.AuthenticatorDataOf(c.RPID, engine.Registration{
		AuthenticatorData: engine.AuthenticatorData{UserVerified: c.UVInitialized, BackupEligible: c.BackupEligible, BackupState: c.BackupState},
		CredentialID:      c.ID,
		PublicKey:         c.PublicKey,
		AAGUID:            c.AAGUID,
	})
	transports := ""
	if len(c.Transports) > 0 {
		sorted := slices.Compact(slices.Sorted(slices.Values(c.Transports)))
		transports = "transports=" + strings.Join(sorted, "+") + "$"
	}
	return recordPrefix + transports + base64.RawStdEncoding.EncodeToString(data), nil
}

// readRecord reads what FormatRecord writes, and others do.
func (r *reader) readRecord() error {
	column := r.layout.record
	transports, data, err := parseRecord(r.cell(column).string())
	if err != nil {
		return refuse(ReasonValueMalformed, column)
	}
	a, err := engine.ReadAuthenticatorData(r.rpID, data)
	if err != nil {
		reason := ReasonValueMalformed
		switch failure, _ := errors.AsType[*engine.Failure](err); failure.Reason {
		case engine.RPIDMismatch:
			reason = ReasonRPID
		case engine.BackupFlagsInvalid:
			reason = ReasonFlagsInvalid
		}
		return refuse(reason, column)
	}
	if len(a.CredentialID) == 0 {
		return refuse(ReasonIDInvalid, column)
	}
	c := &r.credential
	c.ID, c.AAGUID = a.CredentialID, a.AAGUID
	c.BackupEligible, c.BackupState, c.UVInitialized = a.BackupEligible, a.BackupState, a.UserVerified
	r.setTransports(transports)
	return r.setKey(a.PublicKey, column)
}

// parseRecord splits a record. Parameters that are not known are skipped.
func parseRecord(s string) (transports []string, data []byte, err error) {
	rest, ok := strings.CutPrefix(s, recordPrefix)
	if !ok {
		return nil, nil, errValue
	}
	if parameters, payload, ok := strings.Cut(rest, "$"); ok {
		for _, parameter := range strings.Split(parameters, ",") {
			if list, ok := strings.CutPrefix(parameter, "transports="); ok {
				transports = strings.Split(list, "+")
			}
		}
		rest = payload
	}
	if strings.ContainsAny(rest, "\r\n") {
		return nil, nil, errValue
	}
	data, err = base64.RawStdEncoding.Strict().DecodeString(rest)
	return transports, data, err
}

package passkeys

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Credentials returns the user's passkeys, quarantined ones among them, oldest
// first. It returns [ErrStorageUnavailable] if the store fails.
func (p *Passkeys) Credentials(ctx context.Context, userID string) ([]Credential, error) {
	list, err := p.cfg.Credentials.ListByUser(ctx, userID)
	if err != nil {
		return nil, p.managed(ctx, "", userID, nil, err)
	}
	return list, nil
}

// Rename gives the user's passkey another name. Space around it is cut off and
// the rest put into Unicode's NFC; it may be empty. It returns [ErrNotFound] if
// he has none with this id, [ErrInvalidRequest] for a name of more than 64 runes
// or with control characters, and [ErrStorageUnavailable] if the store fails.
func (p *Passkeys) Rename(ctx context.Context, userID string, id []byte, deviceName string) error {
	deviceName, err := cleanDeviceName(deviceName)
	if err != nil {
		return err
	}
	return p.managed(ctx, CredentialRenamed, userID, id, p.cfg.Credentials.Rename(ctx, userID, id, deviceName))
}

// Revoke removes the user's passkey: it cannot sign in any more. It returns
// [ErrNotFound] if he has none with this id and [ErrStorageUnavailable] if the
// store fails.
func (p *Passkeys) Revoke(ctx context.Context, userID string, id []byte) error {
	return p.managed(ctx, CredentialRevoked, userID, id, p.cfg.Credentials.Delete(ctx, userID, id))
}

// Restore ends the quarantine of the user's passkey. It has no route: whether a
// passkey that may have been copied is to be trusted again is the application's
// to decide. It returns [ErrNotFound] if the user has none with this id and
// [ErrStorageUnavailable] if the store fails.
func (p *Passkeys) Restore(ctx context.Context, userID string, id []byte) error {
	return p.managed(ctx, CredentialRestored, userID, id, p.cfg.Credentials.Restore(ctx, userID, id))
}

// cleanDeviceName returns the name as it is kept.
func cleanDeviceName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if ValidateDeviceName(name) != nil || strings.ContainsFunc(name, unicode.IsControl) {
		return "", ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return name, nil
}

// managed emits the event of a change that succeeded, and turns a store's error
// into ours.
func (p *Passkeys) managed(ctx context.Context, done AuditEventType, userID string, id []byte, err error) error {
	switch {
	case errors.Is(err, ErrCredentialNotFound):
		return ErrNotFound
	case err != nil:
		err = storeError(err)
		p.logFailure(ctx, "a store failed", err)
		return err
	}
	p.audit(ctx, AuditEvent{Type: done, UserID: userID, CredentialID: EncodeID(id)})
	return nil
}

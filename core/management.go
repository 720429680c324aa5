package passkeys

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// errUnchanged ends a change that there is no need for.
var errUnchanged = errors.New("passkeys: nothing to change")

// Credentials returns the user's passkeys, quarantined ones among them, oldest
// first. It returns [ErrStorageUnavailable] if the store fails.
func (p *Passkeys) Credentials(ctx context.Context, userID string) ([]Credential, error) {
	list, err := p.cfg.Credentials.ListByUser(ctx, userID)
	if err != nil {
		return nil, p.managed(ctx, storeError(err))
	}
	return list, nil
}

// Rename gives the user's passkey another name. Space around it is cut off and
// the rest put into Unicode's NFC; it may be empty. It returns [ErrNotFound] if
// they have none with this id, [ErrInvalidRequest] for a name of more than 64
// runes or with control characters, those of writing direction among them, and [ErrStorageUnavailable] if the store
// fails.
func (p *Passkeys) Rename(ctx context.Context, userID string, id []byte, deviceName string) error {
	deviceName, err := cleanDeviceName(deviceName)
	if err != nil {
		return err
	}
	return p.changeOwn(ctx, ChangeRenamed, CredentialRenamed, userID, id, func(c *Credential) error {
		if c.DeviceName == deviceName {
			return errUnchanged
		}
		c.DeviceName = deviceName
		return nil
	})
}

// Restore ends the quarantine of the user's passkey. Users have no route for it:
// whether a passkey that may have been copied is to be trusted again is the
// application's to decide. It returns [ErrNotFound] if the user has none with this
// id and [ErrStorageUnavailable] if the store fails.
func (p *Passkeys) Restore(ctx context.Context, userID string, id []byte) error {
	return p.changeOwn(ctx, ChangeRestored, CredentialRestored, userID, id, func(c *Credential) error {
		if !c.Quarantined() {
			return errUnchanged
		}
		c.QuarantinedAt, c.QuarantineReason = time.Time{}, ""
		return nil
	})
}

// Revoke removes the user's passkey: it cannot sign in any more. It returns
// [ErrNotFound] if they have none with this id and [ErrStorageUnavailable] if
// the store fails.
func (p *Passkeys) Revoke(ctx context.Context, userID string, id []byte) error {
	if err := p.managed(ctx, p.cfg.Credentials.Delete(ctx, userID, id)); err != nil {
		return err
	}
	p.changed(ctx, ChangeRevoked)
	p.audit(ctx, AuditEvent{Type: CredentialRevoked, UserID: userID, CredentialID: EncodeID(id)})
	return nil
}

// RevokeAll removes all passkeys of a user, as when the account is deleted, with
// one event for each; without any it does nothing. Call it after the user can
// register no more, and behind a [Guard] last of all: without a passkey nobody can
// confirm it once more. It returns [ErrStorageUnavailable] if the store fails: those
// revoked by then stay revoked, and a call again goes on.
func (p *Passkeys) RevokeAll(ctx context.Context, userID string) error {
	list, err := p.Credentials(ctx, userID)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := p.Revoke(ctx, userID, c.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// cleanDeviceName returns the name as it is kept.
func cleanDeviceName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if !validDeviceName(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
		return "", ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return name, nil
}

// changeOwn changes the user's credential and emits the event of it.
func (p *Passkeys) changeOwn(ctx context.Context, change Change, done AuditEventType, userID string, id []byte, f func(*Credential) error) error {
	c, err := p.cfg.Credentials.Get(ctx, id)
	if err == nil {
		err = p.change(ctx, &c, func(c *Credential) error {
			if c.UserID != userID {
				return ErrCredentialNotFound
			}
			return f(c)
		})
	}
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err := p.managed(ctx, err); err != nil {
		return err
	}
	p.changed(ctx, change)
	p.audit(ctx, AuditEvent{Type: done, UserID: userID, CredentialID: EncodeID(id)})
	return nil
}

// managed turns a store's error into ours.
func (p *Passkeys) managed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCredentialNotFound):
		return ErrNotFound
	case !errors.Is(err, ErrStorageUnavailable):
		err = storeError(err)
	}
	p.logFailure(ctx, "a store failed", err)
	return err
}

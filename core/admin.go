package passkeys

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Admin is what a support desk does to the passkeys of others. Each act leaves
// audit events with its actor: see [Passkeys.Admin]. Whether the actor may is the
// application's to decide, before it calls a method; [AdminRoutes] ask it.
//
// Every method returns an error that matches [ErrConfiguration], and does nothing,
// where the actor is empty or has more than 255 bytes; and [ErrStorageUnavailable]
// if the store fails. What reads emits its event before it asks the store, so that
// nothing is read without one. What changes emits the event of the change, or, with
// a Reason, that of the failure, after which the change may have been done or not
// where the store failed.
type Admin struct {
	p     *Passkeys
	actor string
}

const (
	maxActor = 255 // bytes
	// scanPage is how many credentials are read at once, where all are. The largest
	// that there can be are some 4 MB together.
	scanPage = 500
)

// Admin acts in the name of actor, who is in [AuditEvent].Actor of all that follows:
// the id of somebody of your staff, or the name of a program, of 1 to 255 bytes.
//
//	err := p.Admin("desk/anna").Revoke(ctx, userID, id)
func (p *Passkeys) Admin(actor string) Admin { return Admin{p, actor} }

// Credentials is [Passkeys.Credentials]. Its event is [CredentialsRead].
func (a Admin) Credentials(ctx context.Context, userID string) ([]Credential, error) {
	ctx, err := a.reads(ctx, CredentialsRead, userID)
	if err != nil {
		return nil, err
	}
	return a.p.Credentials(ctx, userID)
}

// Revoke is [Passkeys.Revoke]. It removes the last passkey as any other, also where
// the route for users does not let them: how they get in again is for the desk to
// see to. Their browsers forget the passkey by the signals of their next visit. Its
// event is [CredentialRevoked] or [RevocationFailed].
func (a Admin) Revoke(ctx context.Context, userID string, id []byte) error {
	ctx, err := a.named(ctx)
	if err != nil {
		return err
	}
	return a.ended(ctx, RevocationFailed, userID, id, a.p.Revoke(ctx, userID, id))
}

// RevokeAll is [Passkeys.RevokeAll]: it may be called again where it failed. Its
// events are [CredentialsRead], a [CredentialRevoked] for each, and where it fails
// [RevocationFailed].
func (a Admin) RevokeAll(ctx context.Context, userID string) error {
	ctx, err := a.reads(ctx, CredentialsRead, userID)
	if err != nil {
		return err
	}
	return a.ended(ctx, RevocationFailed, userID, nil, a.p.RevokeAll(ctx, userID))
}

// Restore is [Passkeys.Restore]: it ends a quarantine. Its event is
// [CredentialRestored] or [RestorationFailed]; there is none where the passkey was
// not in quarantine, and so is not changed.
func (a Admin) Restore(ctx context.Context, userID string, id []byte) error {
	ctx, err := a.named(ctx)
	if err != nil {
		return err
	}
	return a.ended(ctx, RestorationFailed, userID, id, a.p.Restore(ctx, userID, id))
}

// CredentialCount is how many passkeys there are of one kind.
type CredentialCount struct {
	Provider       string `json:"provider"`       // by the AAGUID, as [Passkeys.Provider] names it; "" for all that it does not know
	BackupEligible bool   `json:"backupEligible"` // can be synced
	BackupState    bool   `json:"backupState"`    // is synced, or backed up otherwise
	Quarantined    bool   `json:"quarantined"`
	Credentials    int    `json:"credentials"`
}

// Count counts all passkeys of all users, in the order of the fields of
// [CredentialCount]. It reads every one of them, 500 at once; those that are added
// or removed meanwhile may be counted or not. Its event is [CredentialsCounted].
//
// The error matches [ErrConfiguration] and [errors.ErrUnsupported] where
// Config.Credentials is no [CredentialScanner].
func (a Admin) Count(ctx context.Context) ([]CredentialCount, error) {
	ctx, s, err := a.scans(ctx, CredentialsCounted)
	if err != nil {
		return nil, err
	}
	counts := map[CredentialCount]int{}
	err = a.p.walk(ctx, s, func(page []Credential) error {
		for _, c := range page {
			counts[CredentialCount{
				Provider: a.p.Provider(c.AAGUID), BackupEligible: c.BackupEligible, BackupState: c.BackupState, Quarantined: c.Quarantined(),
			}]++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows := make([]CredentialCount, 0, len(counts))
	for row, n := range counts {
		row.Credentials = n
		rows = append(rows, row)
	}
	yes := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortFunc(rows, func(a, b CredentialCount) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), yes(a.BackupEligible)-yes(b.BackupEligible),
			yes(a.BackupState)-yes(b.BackupState), yes(a.Quarantined)-yes(b.Quarantined))
	})
	return rows, nil
}

// Export writes the records of all passkeys of all users to w, one to a line, as
// [Credential.MarshalJSON] has them and [Credential.UnmarshalJSON] reads them. No
// secret is in them, and nothing that signs anybody in; but they are personal data:
// who has which passkeys, what they call them, and when they used them last.
//
// The order is the store's. It reads 500 at once, and makes one Write of them. Those
// that are added or removed meanwhile may be among them or not; all others are, once.
// Its event is [CredentialsExported].
//
// An error of w is returned as it is. Whatever the error, what was written until
// then are whole records. It matches [ErrConfiguration] and [errors.ErrUnsupported]
// where Config.Credentials is no [CredentialScanner].
func (a Admin) Export(ctx context.Context, w io.Writer) error {
	ctx, s, err := a.scans(ctx, CredentialsExported)
	if err != nil {
		return err
	}
	return a.p.walk(ctx, s, func(page []Credential) error {
		records, err := a.p.records(ctx, page)
		if len(records) == 0 {
			return err
		}
		var lines bytes.Buffer
		for _, record := range records {
			lines.Write(record)
			lines.WriteByte('\n')
		}
		_, err = w.Write(lines.Bytes())
		return err
	})
}

// exportPage is the part of an export that comes after an id, and the id that the
// next part comes after: "" where this was the last.
func (a Admin) exportPage(ctx context.Context, after []byte) (records []json.RawMessage, next string, err error) {
	ctx, s, err := a.scans(ctx, CredentialsExported)
	if err != nil {
		return nil, "", err
	}
	page, err := a.p.page(ctx, s, after)
	if err != nil {
		return nil, "", err
	}
	if len(page) == scanPage {
		next = EncodeID(page[scanPage-1].ID)
	}
	records, err = a.p.records(ctx, page)
	return records, next, err
}

// named returns the context whose events carry the actor.
func (a Admin) named(ctx context.Context) (context.Context, error) {
	if n := len(a.actor); n == 0 || n > maxActor {
		return nil, ErrConfiguration.explained(fmt.Sprintf("Admin: an actor of %d bytes; must be 1 to %d", n, maxActor))
	}
	return context.WithValue(ctx, actorKey, a.actor), nil
}

// reads emits the event of what is about to be read.
func (a Admin) reads(ctx context.Context, event AuditEventType, userID string) (context.Context, error) {
	ctx, err := a.named(ctx)
	if err == nil {
		a.p.audit(ctx, AuditEvent{Type: event, UserID: userID})
	}
	return ctx, err
}

// scans does so where it is about to be all.
func (a Admin) scans(ctx context.Context, event AuditEventType) (context.Context, CredentialScanner, error) {
	ctx, err := a.named(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, ok := a.p.cfg.Credentials.(CredentialScanner)
	if !ok {
		return nil, nil, ErrConfiguration.explained("Config.Credentials: must be a CredentialScanner to count or export").wrapping(errors.ErrUnsupported)
	}
	ctx, err = a.reads(ctx, event, "")
	return ctx, s, err
}

// ended emits the event of a change that has failed.
func (a Admin) ended(ctx context.Context, event AuditEventType, userID string, id []byte, err error) error {
	if err != nil {
		reason := cmp.Or(asError(err).Reason(), ReasonCredentialUnknown)
		a.p.audit(ctx, AuditEvent{Type: event, UserID: userID, CredentialID: EncodeID(id), Reason: reason})
	}
	return err
}

// walk calls f with page after page of all credentials.
func (p *Passkeys) walk(ctx context.Context, s CredentialScanner, f func([]Credential) error) error {
	for after := []byte(nil); ; {
		page, err := p.page(ctx, s, after)
		if err == nil {
			err = f(page)
		}
		if err != nil || len(page) < scanPage {
			return err
		}
		after = page[len(page)-1].ID
	}
}

func (p *Passkeys) page(ctx context.Context, s CredentialScanner, after []byte) ([]Credential, error) {
	page, err := s.Scan(ctx, after, scanPage)
	return page, p.managed(ctx, err)
}

// records are the credentials' records. One that has none is what no store may
// return.
func (p *Passkeys) records(ctx context.Context, page []Credential) ([]json.RawMessage, error) {
	records := make([]json.RawMessage, len(page))
	for i, c := range page {
		var err error
		if records[i], err = c.MarshalJSON(); err != nil {
			return nil, p.managed(ctx, fmt.Errorf("credential %s: %w", EncodeID(c.ID), err))
		}
	}
	return records, nil
}

package gormstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"gorm.io/gorm"
)

// Credentials keeps credentials in a table. It is safe for concurrent use.
type Credentials struct {
	table
	onDuplicate string
}

var _ passkeys.CredentialRepository = (*Credentials)(nil)

// NewCredentials returns the credentials in s.CredentialsTable of db, which may
// be a transaction. It does not ask the database anything.
func (s Schema) NewCredentials(db *gorm.DB) *Credentials {
	c := &Credentials{newTable(db, s.named().CredentialsTable), "ON CONFLICT (id_hash) DO NOTHING"}
	if c.dialect == mysql {
		// INSERT IGNORE would hide other errors as well. An update makes the
		// driver report two rows, and it must be one that changes something:
		// else, with clientFoundRows, it reports one, as for an insert.
		c.onDuplicate = "ON DUPLICATE KEY UPDATE revision = revision + 1"
	}
	return c
}

// columns are those of a credential, in the order of Add and scan.
const columns = "algorithm, sign_count, id, user_id, public_key, " +
	"backup_eligible, backup_state, backup_unknown, uv_initialized, discoverable, " +
	"transports, aaguid, attestation_format, device_name, " +
	"created_at, last_used_at, quarantined_at, quarantine_reason"

// Add implements [passkeys.CredentialRepository].
func (s *Credentials) Add(ctx context.Context, c passkeys.Credential) error {
	if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
		return err
	}
	n, err := s.exec(ctx, "INSERT INTO "+s.name+" ("+columns+", id_hash) VALUES (?"+
		strings.Repeat(", ?", strings.Count(columns, ",")+1)+") "+s.onDuplicate,
		int64(c.Algorithm), int64(c.SignCount), c.ID, []byte(c.UserID), c.PublicKey,
		c.BackupEligible, c.BackupState, c.BackupUnknown, c.UVInitialized, c.Discoverable,
		strings.Join(c.Transports, ","), c.AAGUID[:], []byte(c.AttestationFormat), c.DeviceName,
		micros(c.CreatedAt), micros(c.LastUsedAt), micros(c.QuarantinedAt), string(c.QuarantineReason),
		hash(c.ID))
	if err == nil && n != 1 {
		return passkeys.ErrCredentialExists
	}
	return err
}

// scan reads a row of columns.
func scan(rows *sql.Rows) (c passkeys.Credential, err error) {
	var (
		transports                     string
		aaguid                         []byte
		created, lastUsed, quarantined sql.NullInt64
	)
	err = rows.Scan(&c.Algorithm, &c.SignCount, &c.ID, &c.UserID, &c.PublicKey,
		&c.BackupEligible, &c.BackupState, &c.BackupUnknown, &c.UVInitialized, &c.Discoverable,
		&transports, &aaguid, &c.AttestationFormat, &c.DeviceName,
		&created, &lastUsed, &quarantined, &c.QuarantineReason)
	if transports != "" {
		c.Transports = strings.Split(transports, ",")
	}
	copy(c.AAGUID[:], aaguid)
	c.CreatedAt, c.LastUsedAt, c.QuarantinedAt = fromMicros(created), fromMicros(lastUsed), fromMicros(quarantined)
	return c, err
}

// Get implements [passkeys.CredentialRepository].
func (s *Credentials) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	found, err := s.list(ctx, "id_hash = ?", hash(id))
	if err == nil && len(found) == 0 {
		err = passkeys.ErrCredentialNotFound
	}
	if err != nil {
		return passkeys.Credential{}, err
	}
	return found[0], nil
}

// ListByUser implements [passkeys.CredentialRepository].
func (s *Credentials) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	found, err := s.list(ctx, "user_id = ?", []byte(userID))
	if err != nil {
		return nil, err
	}
	// Not in SQL: the databases disagree about NULL.
	slices.SortFunc(found, func(a, b passkeys.Credential) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID, b.ID))
	})
	return found, nil
}

func (s *Credentials) list(ctx context.Context, where string, value []byte) ([]passkeys.Credential, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := []passkeys.Credential{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		c, err := scan(rows)
		found = append(found, c)
		return err
	}, "SELECT "+columns+" FROM "+s.name+" WHERE "+where, value)
	return found, err
}

// UpdateUsage implements [passkeys.CredentialRepository].
func (s *Credentials) UpdateUsage(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if u.Regressed() {
		return passkeys.Regressed, nil
	}
	err := s.update(ctx, "sign_count = ?, last_used_at = ?, backup_eligible = ?, backup_state = ?, "+
		"backup_unknown = ?, uv_initialized = ?, revision = revision + 1 "+
		"WHERE id_hash = ? AND sign_count = ? AND quarantined_at IS NULL",
		int64(u.NextSignCount()), micros(u.At), u.BackupEligible, u.BackupState, false, u.UVInitialized,
		hash(id), int64(u.SeenSignCount))
	switch {
	case err == nil:
		return passkeys.Advanced, nil
	case errors.Is(err, passkeys.ErrCredentialNotFound):
		return passkeys.Raced, nil
	default:
		return 0, err
	}
}

// Rename implements [passkeys.CredentialRepository].
func (s *Credentials) Rename(ctx context.Context, userID string, id []byte, deviceName string) error {
	if err := passkeys.ValidateDeviceName(deviceName); err != nil {
		return err
	}
	return s.update(ctx, "device_name = ?, revision = revision + 1 WHERE id_hash = ? AND user_id = ?",
		deviceName, hash(id), []byte(userID))
}

// Quarantine implements [passkeys.CredentialRepository].
func (s *Credentials) Quarantine(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
	// The reason comes first: MySQL's later assignments see the earlier ones.
	return s.update(ctx, "quarantine_reason = CASE WHEN quarantined_at IS NULL THEN ? ELSE quarantine_reason END, "+
		"quarantined_at = COALESCE(quarantined_at, ?), revision = revision + 1 WHERE id_hash = ?",
		string(reason), micros(at), hash(id))
}

// Restore implements [passkeys.CredentialRepository].
func (s *Credentials) Restore(ctx context.Context, userID string, id []byte) error {
	return s.update(ctx, "quarantined_at = NULL, quarantine_reason = '', revision = revision + 1 WHERE id_hash = ? AND user_id = ?",
		hash(id), []byte(userID))
}

func (s *Credentials) update(ctx context.Context, assignments string, values ...any) error {
	return s.one(ctx, "UPDATE "+s.name+" SET "+assignments, values...)
}

// Delete implements [passkeys.CredentialRepository].
func (s *Credentials) Delete(ctx context.Context, userID string, id []byte) error {
	return s.one(ctx, "DELETE FROM "+s.name+" WHERE id_hash = ? AND user_id = ?", hash(id), []byte(userID))
}

// one executes a statement that is about one credential, which it must find.
func (s *Credentials) one(ctx context.Context, statement string, values ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := s.exec(ctx, statement, values...)
	if err == nil && n == 0 {
		return passkeys.ErrCredentialNotFound
	}
	return err
}

func hash[T string | []byte](key T) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

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

	passkeys "github.com/passkeys-go/passkeys/core"
	"gorm.io/gorm"
)

// Credentials keeps credentials in a table. It is safe for concurrent use.
type Credentials struct{ table }

var (
	_ passkeys.CredentialRepository = (*Credentials)(nil)
	_ passkeys.CredentialScanner    = (*Credentials)(nil)
)

// NewCredentials returns the credentials in s.CredentialsTable of db, which may
// be a transaction. It does not ask the database anything.
func (s Schema) NewCredentials(db *gorm.DB) *Credentials {
	return &Credentials{newTable(db, s.named().CredentialsTable)}
}

// The columns of a credential. mutable are those that Update writes, in the
// order of values; columns are all, in the order of Add and scan.
const (
	mutable = "algorithm, sign_count, backup_eligible, backup_state, backup_unknown, uv_initialized, " +
		"discoverable, discoverable_known, transports, aaguid, attestation_format, device_name, " +
		"last_used_at, quarantined_at, quarantine_reason, user_handle, handle_unknown, spent, prf_enabled"
	columns = mutable + ", id, user_id, public_key, created_at, rp_id, revision"
)

var assignments = strings.ReplaceAll(mutable, ",", " = ?,") + " = ?"

func values(c passkeys.Credential) []any {
	return []any{
		int64(c.Algorithm), int64(c.SignCount), c.BackupEligible, c.BackupState, c.BackupUnknown, c.UVInitialized,
		c.Discoverable == passkeys.Discoverable, c.Discoverable != passkeys.DiscoverableUnknown,
		strings.Join(c.Transports, ","), c.AAGUID[:], []byte(c.AttestationFormat), c.DeviceName,
		micros(c.LastUsedAt), micros(c.QuarantinedAt), string(c.QuarantineReason),
		notNull(c.UserHandle), c.HandleUnknown, notNull(c.Spent), c.PRFEnabled,
	}
}

// Add implements [passkeys.CredentialRepository].
func (s *Credentials) Add(ctx context.Context, c passkeys.Credential) error {
	if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
		return err
	}
	insert := "INSERT INTO " + s.name + " (" + columns + ", id_hash) VALUES (?" +
		strings.Repeat(", ?", strings.Count(columns, ",")+1) + ")"
	if s.dialect != mysql {
		// An error would be the end of a transaction in PostgreSQL.
		insert += " ON CONFLICT (id_hash) DO NOTHING"
	}
	n, err := s.exec(ctx, insert, append(values(c),
		c.ID, []byte(c.UserID), c.PublicKey, micros(c.CreatedAt), c.RPID, c.Version, hash(c.ID))...)
	// MySQL has nothing like it that tells a duplicate from an insert and changes
	// nothing: IGNORE ignores all else that may be wrong, and with clientFoundRows
	// an ON DUPLICATE KEY UPDATE must change something to be told.
	if s.dialect == mysql && duplicate(s.db.Dialector, errors.Unwrap(err)) || err == nil && n != 1 {
		return passkeys.ErrCredentialExists
	}
	return err
}

// scan reads a row of columns.
func scan(rows *sql.Rows) (c passkeys.Credential, err error) {
	var (
		discoverable, known            bool
		transports                     string
		aaguid                         []byte
		created, lastUsed, quarantined sql.NullInt64
	)
	err = rows.Scan(&c.Algorithm, &c.SignCount, &c.BackupEligible, &c.BackupState, &c.BackupUnknown, &c.UVInitialized,
		&discoverable, &known, &transports, &aaguid, &c.AttestationFormat, &c.DeviceName,
		&lastUsed, &quarantined, &c.QuarantineReason, &c.UserHandle, &c.HandleUnknown, &c.Spent, &c.PRFEnabled,
		&c.ID, &c.UserID, &c.PublicKey, &created, &c.RPID, &c.Version)
	switch {
	case discoverable: // known or not: before it was recorded, nothing else was yes
		c.Discoverable = passkeys.Discoverable
	case known:
		c.Discoverable = passkeys.NotDiscoverable
	}
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

// Scan implements [passkeys.CredentialScanner], in the order of the table's key.
func (s *Credentials) Scan(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
	key := []byte{}
	if len(after) != 0 {
		key = hash(after)
	}
	return s.list(ctx, "id_hash > ? ORDER BY id_hash LIMIT ?", key, limit)
}

func (s *Credentials) list(ctx context.Context, where string, values ...any) ([]passkeys.Credential, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := []passkeys.Credential{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		c, err := scan(rows)
		found = append(found, c)
		return err
	}, "SELECT "+columns+" FROM "+s.name+" WHERE "+where, values...)
	return found, err
}

// Update implements [passkeys.CredentialRepository]. It is one statement; when
// that changes nothing, a second asks whether the credential is there, to tell
// ErrConflict from ErrCredentialNotFound.
func (s *Credentials) Update(ctx context.Context, c passkeys.Credential) error {
	if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
		return err
	}
	n, err := s.exec(ctx, "UPDATE "+s.name+" SET "+assignments+", revision = revision + 1 WHERE id_hash = ? AND revision = ?",
		append(values(c), hash(c.ID), c.Version)...)
	if err != nil || n != 0 {
		return err
	}
	if _, err := s.Get(ctx, c.ID); err != nil {
		return err
	}
	return passkeys.ErrConflict
}

// Delete implements [passkeys.CredentialRepository].
func (s *Credentials) Delete(ctx context.Context, userID string, id []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := s.exec(ctx, "DELETE FROM "+s.name+" WHERE id_hash = ? AND user_id = ?", hash(id), []byte(userID))
	if err == nil && n == 0 {
		return passkeys.ErrCredentialNotFound
	}
	return err
}

// notNull makes an empty value of nil, which would be NULL.
func notNull(b []byte) []byte { return append([]byte{}, b...) }

func hash[T string | []byte](key T) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

package integration

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"gorm.io/gorm"
)

// version1DDL is what made the credentials' table at version 1, and never
// changes. %[1]s is the table.
var version1DDL = map[string][]string{
	"sqlite": {`CREATE TABLE IF NOT EXISTS "%[1]s" (
    id_hash            BLOB     NOT NULL PRIMARY KEY,
    id                 BLOB     NOT NULL,
    user_id            BLOB     NOT NULL,
    public_key         BLOB     NOT NULL,
    algorithm          BIGINT   NOT NULL,
    sign_count         BIGINT   NOT NULL,
    backup_eligible    BOOLEAN  NOT NULL,
    backup_state       BOOLEAN  NOT NULL,
    backup_unknown     BOOLEAN  NOT NULL,
    uv_initialized     BOOLEAN  NOT NULL,
    discoverable       BOOLEAN  NOT NULL,
    transports         TEXT     NOT NULL,
    aaguid             BLOB     NOT NULL,
    attestation_format BLOB     NOT NULL,
    device_name        TEXT     NOT NULL,
    created_at         BIGINT,
    last_used_at       BIGINT,
    quarantined_at     BIGINT,
    quarantine_reason  TEXT     NOT NULL,
    revision           BIGINT   NOT NULL DEFAULT 0
)`,
		`CREATE INDEX IF NOT EXISTS "%[1]s_user_id" ON "%[1]s" (user_id)`},
	"postgres": {`CREATE TABLE IF NOT EXISTS "%[1]s" (
    id_hash            BYTEA    NOT NULL PRIMARY KEY,
    id                 BYTEA    NOT NULL,
    user_id            BYTEA    NOT NULL,
    public_key         BYTEA    NOT NULL,
    algorithm          BIGINT   NOT NULL,
    sign_count         BIGINT   NOT NULL,
    backup_eligible    BOOLEAN  NOT NULL,
    backup_state       BOOLEAN  NOT NULL,
    backup_unknown     BOOLEAN  NOT NULL,
    uv_initialized     BOOLEAN  NOT NULL,
    discoverable       BOOLEAN  NOT NULL,
    transports         TEXT     NOT NULL,
    aaguid             BYTEA    NOT NULL,
    attestation_format BYTEA    NOT NULL,
    device_name        TEXT     NOT NULL,
    created_at         BIGINT,
    last_used_at       BIGINT,
    quarantined_at     BIGINT,
    quarantine_reason  TEXT     NOT NULL,
    revision           BIGINT   NOT NULL DEFAULT 0
)`,
		`CREATE INDEX IF NOT EXISTS "%[1]s_user_id" ON "%[1]s" (user_id)`},
	"mysql": {"CREATE TABLE IF NOT EXISTS `%[1]s`" + ` (
    id_hash            BINARY(32)      NOT NULL PRIMARY KEY,
    id                 VARBINARY(1023) NOT NULL,
    user_id            VARBINARY(64)   NOT NULL,
    public_key         VARBINARY(4096) NOT NULL,
    algorithm          BIGINT          NOT NULL,
    sign_count         BIGINT          NOT NULL,
    backup_eligible    BOOLEAN         NOT NULL,
    backup_state       BOOLEAN         NOT NULL,
    backup_unknown     BOOLEAN         NOT NULL,
    uv_initialized     BOOLEAN         NOT NULL,
    discoverable       BOOLEAN         NOT NULL,
    transports         VARCHAR(255)    NOT NULL,
    aaguid             BINARY(16)      NOT NULL,
    attestation_format VARBINARY(32)   NOT NULL,
    device_name        VARCHAR(64)     NOT NULL,
    created_at         BIGINT,
    last_used_at       BIGINT,
    quarantined_at     BIGINT,
    quarantine_reason  VARCHAR(255)    NOT NULL,
    revision           BIGINT          NOT NULL DEFAULT 0,
    KEY user_id (user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`},
}

// version2DDL is what made version 2 of it, and never changes either.
var version2DDL = map[string][]string{
	"sqlite": {
		`ALTER TABLE "%[1]s" ADD COLUMN rp_id TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE "%[1]s" ADD COLUMN user_handle BLOB NOT NULL DEFAULT x''`,
		`ALTER TABLE "%[1]s" ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE`,
		`ALTER TABLE "%[1]s" ADD COLUMN spent BLOB NOT NULL DEFAULT x''`,
		`ALTER TABLE "%[1]s" ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE`,
	},
	"postgres": {
		`ALTER TABLE "%[1]s" ADD COLUMN rp_id TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE "%[1]s" ADD COLUMN user_handle BYTEA NOT NULL DEFAULT ''`,
		`ALTER TABLE "%[1]s" ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE`,
		`ALTER TABLE "%[1]s" ADD COLUMN spent BYTEA NOT NULL DEFAULT ''`,
		`ALTER TABLE "%[1]s" ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE`,
	},
	"mysql": {
		"ALTER TABLE `%[1]s` ADD COLUMN rp_id VARCHAR(253) NOT NULL DEFAULT ''",
		"ALTER TABLE `%[1]s` ADD COLUMN user_handle VARBINARY(64) NOT NULL DEFAULT ''",
		"ALTER TABLE `%[1]s` ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE",
		"ALTER TABLE `%[1]s` ADD COLUMN spent VARBINARY(1024) NOT NULL DEFAULT ''",
		"ALTER TABLE `%[1]s` ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE",
	},
}

// version1 is gormstore as it was at version 1 of the table: these are its
// statements, and never change.
type version1 struct {
	db    *gorm.DB
	table string
}

const version1Columns = "algorithm, sign_count, id, user_id, public_key, " +
	"backup_eligible, backup_state, backup_unknown, uv_initialized, discoverable, " +
	"transports, aaguid, attestation_format, device_name, " +
	"created_at, last_used_at, quarantined_at, quarantine_reason"

func (v version1) exec(ctx context.Context, statement string, values ...any) (int64, error) {
	db := v.db.WithContext(ctx).Exec(fmt.Sprintf(statement, v.table), values...)
	return db.RowsAffected, db.Error
}

// one executes a statement that must find its credential.
func (v version1) one(ctx context.Context, statement string, values ...any) error {
	n, err := v.exec(ctx, statement, values...)
	if err == nil && n == 0 {
		return passkeys.ErrCredentialNotFound
	}
	return err
}

func (v version1) add(ctx context.Context, c passkeys.Credential) error {
	onDuplicate := "ON CONFLICT (id_hash) DO NOTHING"
	if v.db.Name() == "mysql" {
		onDuplicate = "ON DUPLICATE KEY UPDATE revision = revision + 1"
	}
	n, err := v.exec(ctx, "INSERT INTO %s ("+version1Columns+", id_hash) VALUES (?"+
		strings.Repeat(", ?", strings.Count(version1Columns, ",")+1)+") "+onDuplicate,
		int64(c.Algorithm), int64(c.SignCount), c.ID, []byte(c.UserID), c.PublicKey,
		c.BackupEligible, c.BackupState, c.BackupUnknown, c.UVInitialized, c.Discoverable == passkeys.Discoverable,
		strings.Join(c.Transports, ","), c.AAGUID[:], []byte(c.AttestationFormat), c.DeviceName,
		version1Time(c.CreatedAt), version1Time(c.LastUsedAt), version1Time(c.QuarantinedAt), string(c.QuarantineReason),
		version1Hash(c.ID))
	if err == nil && n != 1 {
		return passkeys.ErrCredentialExists
	}
	return err
}

// get returns what version 1 knew of.
func (v version1) get(ctx context.Context, id []byte) (c passkeys.Credential, err error) {
	var (
		discoverable                   bool
		transports                     string
		aaguid                         []byte
		created, lastUsed, quarantined sql.NullInt64
	)
	err = v.db.WithContext(ctx).Raw("SELECT "+version1Columns+" FROM "+v.table+" WHERE id_hash = ?", version1Hash(id)).Row().
		Scan(&c.Algorithm, &c.SignCount, &c.ID, &c.UserID, &c.PublicKey,
			&c.BackupEligible, &c.BackupState, &c.BackupUnknown, &c.UVInitialized, &discoverable,
			&transports, &aaguid, &c.AttestationFormat, &c.DeviceName,
			&created, &lastUsed, &quarantined, &c.QuarantineReason)
	if errors.Is(err, sql.ErrNoRows) {
		err = passkeys.ErrCredentialNotFound
	}
	if discoverable {
		c.Discoverable = passkeys.Discoverable
	}
	return c, err
}

// use records a sign-in that saw one counter and brings the next. It reports
// whether it did.
func (v version1) use(ctx context.Context, id []byte, seen, next uint32) (bool, error) {
	err := v.one(ctx, "UPDATE %s SET sign_count = ?, last_used_at = ?, backup_eligible = ?, backup_state = ?, "+
		"backup_unknown = ?, uv_initialized = ?, revision = revision + 1 "+
		"WHERE id_hash = ? AND sign_count = ? AND quarantined_at IS NULL",
		int64(next), version1Time(time.Now()), false, false, false, true, version1Hash(id), int64(seen))
	if errors.Is(err, passkeys.ErrCredentialNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (v version1) rename(ctx context.Context, userID string, id []byte, deviceName string) error {
	return v.one(ctx, "UPDATE %s SET device_name = ?, revision = revision + 1 WHERE id_hash = ? AND user_id = ?",
		deviceName, version1Hash(id), []byte(userID))
}

func (v version1) quarantine(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
	return v.one(ctx, "UPDATE %s SET quarantine_reason = CASE WHEN quarantined_at IS NULL THEN ? ELSE quarantine_reason END, "+
		"quarantined_at = COALESCE(quarantined_at, ?), revision = revision + 1 WHERE id_hash = ?",
		string(reason), version1Time(at), version1Hash(id))
}

func (v version1) restore(ctx context.Context, userID string, id []byte) error {
	return v.one(ctx, "UPDATE %s SET quarantined_at = NULL, quarantine_reason = '', revision = revision + 1 WHERE id_hash = ? AND user_id = ?",
		version1Hash(id), []byte(userID))
}

func (v version1) delete(ctx context.Context, userID string, id []byte) error {
	return v.one(ctx, "DELETE FROM %s WHERE id_hash = ? AND user_id = ?", version1Hash(id), []byte(userID))
}

func version1Hash(id []byte) []byte {
	sum := sha256.Sum256(id)
	return sum[:]
}

func version1Time(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

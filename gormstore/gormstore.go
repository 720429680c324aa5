// Package gormstore keeps passkeys and challenges in the application's own
// database, through its *gorm.DB: SQLite 3.35 or later, PostgreSQL, MariaDB and
// MySQL.
//
// Create the two tables once, then hand the stores to the configuration:
//
//	if err := gormstore.Migrate(db); err != nil {
//		return err
//	}
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: gormstore.NewCredentials(db),
//		Challenges:  gormstore.NewChallenges(db),
//	})
//
// The two are independent: credentials can be here and challenges in Redis, or
// in memory, as well. Nothing else happens by itself: no connection is opened,
// no table made, no goroutine started. Expired challenges stay until
// [Challenges.DeleteExpired] is called, so call it from time to time.
//
// # The tables
//
// [Migrate] makes passkeys_credentials and passkeys_challenges. [Schema] gives
// them other names, and [Schema.DDL] is the text of what is executed, for those
// who have a migration tool of their own.
//
// A credential's key is the SHA-256 of its id, because ids have up to 1,023
// bytes and not every database indexes that many. Ids and user ids are binary,
// so that no collation takes two of them for one. Times are microseconds since
// 1970 in UTC, in a BIGINT: a timestamp column would depend on the time zones of
// driver, session and server, and on how many digits the column happens to
// have. NULL is no time. The column revision counts the writes to its row: MySQL
// and MariaDB report how many rows changed rather than how many matched, and
// with it every row that matches does change.
//
// A challenge's key is the SHA-256 of its handle, so that whoever reads the
// table, or a backup, cannot finish anybody's ceremony.
//
// # The database
//
// Every operation is one statement in no transaction of its own. Only on MariaDB
// and MySQL is Consume two, because DELETE returns no row there: a SELECT, and
// the DELETE that decides who was first; and so is each batch of DeleteExpired.
// So on a *gorm.DB that is a transaction, the operations belong to it, and a
// duplicate or a miss leaves it usable:
//
//	err := db.Transaction(func(tx *gorm.DB) error {
//		if err := tx.Create(&account).Error; err != nil {
//			return err
//		}
//		return gormstore.NewCredentials(tx).Add(ctx, credential)
//	})
//
// Where the isolation level is stricter than the database's default, a race that
// is lost may be the database's error instead of ErrChallengeNotFound or Raced.
//
// On MariaDB and MySQL the connection's character set must be utf8mb4, which is
// the driver's default; a PostgreSQL database must be encoded in UTF8.
//
// SQLite has one writer at a time, and the others must be told to wait: open the
// file with a busy timeout, in WAL mode so that readers need not wait, and with
// transactions that start as writers. With the pure Go driver
// github.com/glebarez/sqlite that is
//
//	app.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_txlock=immediate
//
// The timeout, in milliseconds, is what ends that wait: a context does not. Every
// connection to :memory: is a database of its own; allow the pool only one.
//
// What the database has acknowledged must be there after a crash: a passkey that
// is lost with it is answered with credential_not_found, on which browsers
// forget it. PostgreSQL's synchronous_commit, innodb_flush_log_at_trx_commit of
// MariaDB and MySQL, and SQLite's synchronous are safe by default; leave them so.
//
// Where reads go to replicas, send these to the primary, with
// db.Clauses(dbresolver.Write): a sign-in must see the latest counter.
//
// # Logs and hooks
//
// Statements reach gorm's logger without their values. They are plain SQL, so
// that naming strategies and scopes do not apply to them. An error that is
// returned is the driver's own, wrapped; it is also the context's, when that has
// ended.
package gormstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// The dialects, as gorm's drivers call themselves.
const (
	postgres = "postgres"
	mysql    = "mysql" // MariaDB too
)

//go:embed schema/*.sql
var schemas embed.FS

// Schema names the tables. The zero value names them as the functions of this
// package do. On PostgreSQL, MariaDB and MySQL a name may be qualified, as in
// auth.passkeys; a prefix that the application's NamingStrategy adds to its own
// tables is not added.
type Schema struct {
	CredentialsTable string // default: passkeys_credentials
	ChallengesTable  string // default: passkeys_challenges
}

// Migrate creates the tables under their default names; see [Schema.Migrate].
func Migrate(db *gorm.DB) error { return Schema{}.Migrate(db) }

// NewCredentials returns the credentials in the table of the default name.
func NewCredentials(db *gorm.DB) *Credentials { return Schema{}.NewCredentials(db) }

// NewChallenges returns the challenges in the table of the default name.
func NewChallenges(db *gorm.DB) *Challenges { return Schema{}.NewChallenges(db) }

// Migrate creates the tables and their indexes where they are missing, and
// leaves alone what is there, so it can run at every start, in any number of
// processes at once. On MariaDB and MySQL it ends a transaction that db is in,
// as every statement of this kind does there.
func (s Schema) Migrate(db *gorm.DB) error {
	ddl := s.DDL(db.Name())
	if ddl == nil {
		return unsupported(db)
	}
	create := func(db *gorm.DB) error {
		for _, statement := range ddl {
			if err := db.Exec(statement).Error; err != nil {
				return fmt.Errorf("gormstore: migrate: %w", err)
			}
		}
		return nil
	}
	if db.Name() != postgres {
		return create(db)
	}
	// In PostgreSQL alone, two sessions that create one table at once get in each
	// other's way, IF NOT EXISTS or not.
	return db.Transaction(func(tx *gorm.DB) error {
		const lock = 0x7061_7373_6b65_7973 // "passkeys"
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(lock)).Error; err != nil {
			return fmt.Errorf("gormstore: migrate: %w", err)
		}
		return create(tx)
	})
}

// DDL returns the statements that Migrate executes, in order. The dialect is
// "sqlite", "postgres" or, for MariaDB too, "mysql"; for any other it is nil.
func (s Schema) DDL(dialect string) []string {
	text, err := schemas.ReadFile("schema/" + dialect + ".sql")
	if err != nil {
		return nil
	}
	s = s.named()
	// The name of an index is never qualified: it is in its table's schema.
	index := func(table, column string) string {
		return quoted(dialect, table[strings.LastIndexByte(table, '.')+1:]+column)
	}
	ddl := strings.NewReplacer(
		"passkeys_credentials_user_id", index(s.CredentialsTable, "_user_id"),
		"passkeys_credentials", quoted(dialect, s.CredentialsTable),
		"passkeys_challenges_expires_at", index(s.ChallengesTable, "_expires_at"),
		"passkeys_challenges", quoted(dialect, s.ChallengesTable),
	).Replace(string(text))
	return strings.Split(strings.TrimSuffix(ddl, ";\n"), ";\n")
}

func (s Schema) named() Schema {
	if s.CredentialsTable == "" {
		s.CredentialsTable = "passkeys_credentials"
	}
	if s.ChallengesTable == "" {
		s.ChallengesTable = "passkeys_challenges"
	}
	return s
}

// quoted is a name, qualified or not, as an SQL identifier.
func quoted(dialect, name string) string {
	quote := `"`
	if dialect == mysql {
		quote = "`"
	}
	parts := strings.Split(strings.ReplaceAll(name, quote, quote+quote), ".")
	return quote + strings.Join(parts, quote+"."+quote) + quote
}

func unsupported(db *gorm.DB) error {
	return fmt.Errorf("gormstore: the database %q is not supported", db.Name())
}

// table is one of the two, in the application's database.
type table struct {
	db      *gorm.DB
	dialect string
	name    string // quoted
}

func newTable(db *gorm.DB, name string) table {
	dialect := db.Name()
	// A session of our own: the application's may be in the middle of a chain,
	// which concurrent calls must not share.
	db = db.Session(&gorm.Session{Logger: discreet{db.Logger}})
	if (Schema{}).DDL(dialect) == nil {
		_ = db.AddError(unsupported(db)) // and so every call fails with it
	}
	return table{db, dialect, quoted(dialect, name)}
}

// exec returns how many rows a statement affected. Right after a parenthesis the
// value must not be a slice: gorm takes it for a list there.
func (t table) exec(ctx context.Context, statement string, values ...any) (int64, error) {
	db := t.db.WithContext(ctx).Exec(statement, values...)
	return db.RowsAffected, failed(ctx, db.Error)
}

// query calls scan for each row of a statement's result.
func (t table) query(ctx context.Context, scan func(*sql.Rows) error, statement string, values ...any) error {
	rows, err := t.db.WithContext(ctx).Raw(statement, values...).Rows()
	if err != nil {
		return failed(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return failed(ctx, err)
		}
	}
	return failed(ctx, rows.Err())
}

// failed wraps a driver's error, and adds the context's, which some drivers turn
// into one of their own.
func failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("gormstore: %w: %w", ctx.Err(), err)
	default:
		return fmt.Errorf("gormstore: %w", err)
	}
}

// discreet keeps the values out of the application's log: challenges are among
// them.
type discreet struct{ logger.Interface }

func (l discreet) LogMode(level logger.LogLevel) logger.Interface {
	return discreet{l.Interface.LogMode(level)}
}

// ParamsFilter is what gorm asks before it writes a statement to the log.
func (l discreet) ParamsFilter(_ context.Context, statement string, _ ...any) (string, []any) {
	return statement, nil
}

// micros is a time as it is stored.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

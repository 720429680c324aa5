// Package gormstore keeps passkeys in the application's own database, through its
// *gorm.DB: SQLite 3.35 or later, PostgreSQL, MariaDB and MySQL.
//
// Bring the table up to date, tell the connection pool how large it is, and hand
// the store to the configuration:
//
//	if err := gormstore.Migrate(db); err != nil {
//		return err
//	}
//	pool, err := db.DB()
//	if err != nil {
//		return err
//	}
//	pool.SetMaxOpenConns(16)
//	pool.SetMaxIdleConns(16) // as many, or most are closed after each use
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: gormstore.NewCredentials(db),
//		Secret:      secret, // the same in every process
//	})
//
// That table and that secret are all there is to run any number of processes:
// what lies between begin and finish is sealed into the state, and a credential
// remembers which of them it was used with. [Challenges] is for those who want a
// state to be spent by the first attempt instead, be it one that fails; see
// below. Nothing else happens by itself: no connection is opened, no table made,
// no goroutine started.
//
// # The connection pool
//
// database/sql keeps two idle connections unless it is told otherwise, and
// closes every other one as soon as it is free. A server that has more to do at
// once than that connects for nearly every statement, and a connection costs the
// database far more than any of ours: with 16 clients on PostgreSQL a sign-in
// took 8.1 ms of the database's processor time instead of 0.7, and there were a
// fifth as many of them. So set both limits, to the same number: SetMaxIdleConns
// for that reason, and SetMaxOpenConns so that a flood waits in the application
// rather than be refused by the database.
//
// # The table
//
// [Migrate] makes passkeys_credentials. [Schema] gives it another name.
//
// A credential's key is the SHA-256 of its id, because ids have up to 1,023
// bytes and not every database indexes that many. Ids and user ids are binary,
// so that no collation takes two of them for one. Times are microseconds since
// 1970 in UTC, in a BIGINT: a timestamp column would depend on the time zones of
// driver, session and server, and on how many digits the column happens to
// have. NULL is no time. An AAGUID is its 16 bytes. discoverable is what is
// known for sure; FALSE is "no" where discoverable_known is TRUE, and else
// "unknown".
//
// The column revision is [passkeys.Credential.Version]. Every write raises it,
// and Update writes only if it is still what it was when the credential was
// read. Whoever changes a row by hand must raise it too, or a sign-in at the
// same moment undoes the change.
//
// # Versions of the table
//
// [Migrate] brings the table from any earlier version up to [SchemaVersion]. It
// only ever adds columns, each with a default, for which SQLite, PostgreSQL as of
// 11, MariaDB as of 10.3 and MySQL as of 8.0.12 need not rewrite the table. It
// waits for transactions that have used the table, and whoever comes after waits
// for it.
//
// The code of one version runs on the tables of the next: it names the columns
// that it reads and writes, and the others have defaults. So migrate first, then
// replace the processes one by one. Those of before and those of after see each
// other's changes, whichever wrote last.
//
// For those who have a migration tool of their own, [Schema.DDL] is the text of
// what is executed, from any earlier version on.
//
// # The database
//
// Every operation is one statement in no transaction of its own. A sign-in is
// two: a Get, and the Update that records it. An Update that finds that the
// credential has changed meanwhile, or is gone, looks which of the two it is,
// and so is two statements by itself. So on a *gorm.DB that is a transaction,
// the operations belong to it, and a duplicate or a miss leaves it usable:
//
//	err := db.Transaction(func(tx *gorm.DB) error {
//		if err := tx.Create(&account).Error; err != nil {
//			return err
//		}
//		return gormstore.NewCredentials(tx).Add(ctx, credential)
//	})
//
// Where the isolation level is stricter than the database's default, a race that
// is lost may be the database's error instead of ErrConflict or
// ErrChallengeNotFound. On MariaDB and MySQL a transaction that has read a
// credential goes on reading that state of it, so that after an ErrConflict it
// has to be rolled back.
//
// On MariaDB and MySQL the connection's character set must be utf8mb4, which is
// the driver's default, and the driver gorm.io/driver/mysql 1.5.1 or later, which
// tells a duplicate from other errors; a PostgreSQL database must be encoded in
// UTF8.
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
// forget it; and a sign-in that is lost with it leaves its state unspent.
// PostgreSQL's synchronous_commit, innodb_flush_log_at_trx_commit of MariaDB and
// MySQL, and SQLite's synchronous are safe by default; leave them so.
//
// Where reads go to replicas, send these to the primary, with
// db.Clauses(dbresolver.Write): a sign-in must see what the last one wrote.
//
// # Challenges in the database
//
// [MigrateChallenges] makes a second table, passkeys_challenges, and
// [NewChallenges] the store on it, for Config.Challenges. Its key is the SHA-256
// of a challenge's handle, so that whoever reads the table, or a backup, cannot
// finish anybody's ceremony. Every begin writes a row then, and every finish
// deletes one; those that nobody finished stay until [Challenges.DeleteExpired]
// is called, so call it from time to time. On MariaDB and MySQL Consume is two
// statements, because DELETE returns no row there: a SELECT, and the DELETE that
// decides who was first; and so is each batch of DeleteExpired.
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
	"slices"
	"strconv"
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

//go:embed schema/*/*.sql
var schemas embed.FS

// SchemaVersion is the version of the credentials' table that this package
// needs, and [Migrate] makes. One without the column rp_id is of version 1, one
// without prf_enabled of version 2.
const SchemaVersion = 3

// Schema names the tables. The zero value names them as the functions of this
// package do. On PostgreSQL, MariaDB and MySQL a name may be qualified, as in
// auth.passkeys; a prefix that the application's NamingStrategy adds to its own
// tables is not added.
type Schema struct {
	CredentialsTable string // default: passkeys_credentials
	ChallengesTable  string // default: passkeys_challenges
}

// Migrate is [Schema.Migrate] under the default names.
func Migrate(db *gorm.DB) error { return Schema{}.Migrate(db) }

// MigrateChallenges is [Schema.MigrateChallenges] under the default names.
func MigrateChallenges(db *gorm.DB) error { return Schema{}.MigrateChallenges(db) }

// errNil is for who has not looked at the error of gorm.Open.
var errNil = errors.New("gormstore: the *gorm.DB is nil: has gorm.Open failed?")

// NewCredentials returns the credentials in the table of the default name. It panics if
// db is nil.
func NewCredentials(db *gorm.DB) *Credentials { return Schema{}.NewCredentials(db) }

// NewChallenges returns the challenges in the table of the default name. It panics if
// db is nil.
func NewChallenges(db *gorm.DB) *Challenges { return Schema{}.NewChallenges(db) }

// Migrate creates the credentials' table where it is missing, brings one of any
// earlier version up to date, also one that a Migrate has left half-way, and
// leaves alone what is there. So it can run at every start, in any number of
// processes at once, while others still run on the table as it was. On MariaDB
// and MySQL it ends a transaction that db is in, as every statement of this kind
// does there.
func (s Schema) Migrate(db *gorm.DB) error {
	if db == nil {
		return errNil
	}
	return migrate(db, s.DDL(db.Name(), 0), quoted(db.Name(), s.named().CredentialsTable))
}

// MigrateChallenges creates the table of [Challenges] where it is missing. Only
// who sets Config.Challenges to them needs it.
func (s Schema) MigrateChallenges(db *gorm.DB) error {
	if db == nil {
		return errNil
	}
	return migrate(db, s.ChallengesDDL(db.Name()), quoted(db.Name(), s.named().ChallengesTable))
}

// DDL returns the statements that bring the credentials' table from an earlier
// version, 0 where there is none, to SchemaVersion, in order. The dialect is
// "sqlite", "postgres" or, for MariaDB too, "mysql"; for any other it is nil.
func (s Schema) DDL(dialect string, from int) (ddl []string) {
	for version := max(from, 0) + 1; version <= SchemaVersion; version++ {
		ddl = append(ddl, s.statements(dialect, strconv.Itoa(version))...)
	}
	return ddl
}

// ChallengesDDL returns the statements that create the table of [Challenges], as
// DDL does for the other.
func (s Schema) ChallengesDDL(dialect string) []string { return s.statements(dialect, "challenges") }

func (s Schema) statements(dialect, file string) []string {
	text, err := schemas.ReadFile("schema/" + dialect + "/" + file + ".sql")
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

func migrate(db *gorm.DB, ddl []string, table string) error {
	if ddl == nil {
		return unsupported(db)
	}
	if db.Name() != postgres {
		return execute(db, ddl, table)
	}
	// In PostgreSQL alone, two sessions that create one table at once get in each
	// other's way, IF NOT EXISTS or not; and there alone DDL can be undone.
	return db.Transaction(func(tx *gorm.DB) error {
		const lock = 0x7061_7373_6b65_7973 // "passkeys"
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(lock)).Error; err != nil {
			return fmt.Errorf("gormstore: migrate: %w", err)
		}
		return execute(tx, ddl, table)
	})
}

// execute executes what has not been executed on the table. For tables and
// indexes every database knows IF NOT EXISTS, for columns MySQL and SQLite do
// not; and PostgreSQL would lock the table before it looks.
func execute(db *gorm.DB, ddl []string, table string) error {
	for _, statement := range ddl {
		_, column, adds := strings.Cut(statement, " ADD COLUMN ")
		column, _, _ = strings.Cut(column, " ")
		present, err := false, error(nil)
		if adds {
			present, err = has(db, table, column)
		}
		if err == nil && !present {
			if err = db.Exec(statement).Error; err != nil && adds {
				// Another process may have been first.
				if present, _ := has(db, table, column); present {
					err = nil
				}
			}
		}
		if err != nil {
			return fmt.Errorf("gormstore: migrate: %w", err)
		}
	}
	return nil
}

// has reports whether a table has a column.
func has(db *gorm.DB, table, column string) (bool, error) {
	var columns []string
	if db.Name() == postgres {
		// SELECT * does not survive there that it was prepared before a column was
		// added, as drivers do by themselves.
		err := db.Raw("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(CAST(? AS text)) AND attnum > 0 AND NOT attisdropped", table).
			Scan(&columns).Error
		return slices.Contains(columns, column), err
	}
	rows, err := db.Raw("SELECT * FROM " + table + " WHERE 1 = 0").Rows()
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	columns, err = rows.Columns()
	return slices.Contains(columns, column), errors.Join(err, rows.Err())
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
	if db == nil {
		panic(errNil)
	}
	dialect := db.Name()
	// A session of our own: the application's may be in the middle of a chain,
	// which concurrent calls must not share.
	db = db.Session(&gorm.Session{Logger: discreet{db.Logger, db.Dialector}})
	if (Schema{}).DDL(dialect, 0) == nil {
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

// duplicate reports whether err is what MySQL says of a key that is there
// already. gorm's driver can tell, whether TranslateError is set or not.
func duplicate(dialector gorm.Dialector, err error) bool {
	if dialector.Name() != mysql {
		return false
	}
	if t, ok := dialector.(gorm.ErrorTranslator); ok {
		err = t.Translate(err)
	}
	return errors.Is(err, gorm.ErrDuplicatedKey)
}

// discreet keeps the values out of the application's log: challenges are among
// them.
type discreet struct {
	logger.Interface
	dialector gorm.Dialector
}

func (l discreet) LogMode(level logger.LogLevel) logger.Interface {
	return discreet{l.Interface.LogMode(level), l.dialector}
}

// Trace is told of a duplicate as of a statement that found no row: it is no
// failure, and the database's text has the key in it.
func (l discreet) Trace(ctx context.Context, begin time.Time, fc func() (string, int64), err error) {
	if duplicate(l.dialector, err) {
		err = nil
	}
	l.Interface.Trace(ctx, begin, fc, err)
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

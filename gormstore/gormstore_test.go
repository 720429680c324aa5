package gormstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/utils/tests"
)

// The stores on real databases are tested in conformance/integration.

func TestDDL(t *testing.T) {
	qualified := gormstore.Schema{CredentialsTable: "auth.Keys", ChallengesTable: "my`\"ones"}
	for _, row := range []struct {
		name, says string
		schema     gormstore.Schema
		dialect    string
		from       int
		want       []string // how each begins
	}{
		{"sqlite", "The default names; the index apart; every column apart.", gormstore.Schema{}, "sqlite", 0, []string{
			`CREATE TABLE IF NOT EXISTS "passkeys_credentials" (`,
			`CREATE INDEX IF NOT EXISTS "passkeys_credentials_user_id" ON "passkeys_credentials" (user_id)`,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN rp_id `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN user_handle `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN handle_unknown `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN spent `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN discoverable_known `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN prf_enabled `,
		}},
		{"postgres", "A qualified name is quoted in its parts; that of an index is not qualified.", qualified, "postgres", 0, []string{
			`CREATE TABLE IF NOT EXISTS "auth"."Keys" (`,
			`CREATE INDEX IF NOT EXISTS "Keys_user_id" ON "auth"."Keys" (user_id)`,
			`ALTER TABLE "auth"."Keys" ADD COLUMN rp_id `,
			`ALTER TABLE "auth"."Keys" ADD COLUMN user_handle `,
			`ALTER TABLE "auth"."Keys" ADD COLUMN handle_unknown `,
			`ALTER TABLE "auth"."Keys" ADD COLUMN spent `,
			`ALTER TABLE "auth"."Keys" ADD COLUMN discoverable_known `,
			`ALTER TABLE "auth"."Keys" ADD COLUMN prf_enabled `,
		}},
		{"mysql", "MySQL has its own quotes, and indexes within the table.", qualified, "mysql", 0, []string{
			"CREATE TABLE IF NOT EXISTS `auth`.`Keys` (",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN rp_id ",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN user_handle ",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN handle_unknown ",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN spent ",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN discoverable_known ",
			"ALTER TABLE `auth`.`Keys` ADD COLUMN prf_enabled ",
		}},
		{"from-1", "From version 1 on only what it lacks.", gormstore.Schema{}, "sqlite", 1, []string{
			`ALTER TABLE "passkeys_credentials" ADD COLUMN rp_id `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN user_handle `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN handle_unknown `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN spent `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN discoverable_known `,
			`ALTER TABLE "passkeys_credentials" ADD COLUMN prf_enabled `,
		}},
		{"from-2", "From version 2 on too.", gormstore.Schema{}, "sqlite", 2, []string{`ALTER TABLE "passkeys_credentials" ADD COLUMN prf_enabled `}},
		{"from-current", "From the present version on nothing.", gormstore.Schema{}, "sqlite", gormstore.SchemaVersion, nil},
		{"from-later", "Nor from a later one.", gormstore.Schema{}, "sqlite", gormstore.SchemaVersion + 1, nil},
		{"unknown", "Nothing for a database that is not supported.", gormstore.Schema{}, "sqlserver", 0, nil},
		{"path", "A dialect is no path.", gormstore.Schema{}, "../schema/sqlite", 0, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			begin(t, row.schema.DDL(row.dialect, row.from), row.want)
		})
	}
	t.Run("below-0", func(t *testing.T) {
		t.Log("Less than nothing is nothing.")
		if got, want := qualified.DDL("mysql", -1), qualified.DDL("mysql", 0); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("challenges", func(t *testing.T) {
		t.Log("The challenges' table is made apart from the credentials'.")
		begin(t, gormstore.Schema{}.ChallengesDDL("sqlite"), []string{
			`CREATE TABLE IF NOT EXISTS "passkeys_challenges" (`,
			`CREATE INDEX IF NOT EXISTS "passkeys_challenges_expires_at" ON "passkeys_challenges" (expires_at)`,
		})
		begin(t, qualified.ChallengesDDL("postgres"), []string{
			"CREATE TABLE IF NOT EXISTS \"my`\"\"ones\" (",
			"CREATE INDEX IF NOT EXISTS \"my`\"\"ones_expires_at\" ON \"my`\"\"ones\" (expires_at)",
		})
		begin(t, qualified.ChallengesDDL("mysql"), []string{"CREATE TABLE IF NOT EXISTS `my``\"ones` ("})
		begin(t, qualified.ChallengesDDL("sqlserver"), nil)
	})
}

func begin(t *testing.T, ddl, want []string) {
	t.Helper()
	if len(ddl) != len(want) {
		t.Fatalf("%d statements, want %d: %q", len(ddl), len(want), ddl)
	}
	for i, statement := range ddl {
		if !strings.HasPrefix(statement, want[i]) {
			t.Errorf("statement %d is %s, want %s…", i, statement, want[i])
		}
		// gorm would take these for its own.
		if strings.ContainsAny(statement, "?@;") {
			t.Errorf("statement %d: %s", i, statement)
		}
	}
}

func TestUnsupportedDatabase(t *testing.T) {
	db := open(t, "sqlserver", database(nil))
	for name, migrate := range migrations {
		if err := migrate(db); err == nil || !strings.Contains(err.Error(), "sqlserver") {
			t.Errorf("%s: %v, want an error that names it", name, err)
		}
	}
	for name, call := range calls(db) {
		if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "sqlserver") {
			t.Errorf("%s: %v, want an error that names it", name, err)
		}
	}
	if db.Error != nil {
		t.Errorf("the application's own: %v", db.Error)
	}
}

func TestErrors(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres", "mysql"} {
		t.Run(dialect, func(t *testing.T) {
			errDriver := errors.New("the driver's own")
			t.Run("driver", func(t *testing.T) {
				for name, call := range calls(open(t, dialect, database(func() error { return errDriver }))) {
					if err := call(t.Context()); !errors.Is(err, errDriver) {
						t.Errorf("%s: %v, want the driver's error within", name, err)
					}
				}
			})
			t.Run("cancelled-meanwhile", func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				for name, call := range calls(open(t, dialect, database(func() error { cancel(); return errDriver }))) {
					if err := call(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errDriver) {
						t.Errorf("%s: %v, want the context's error and the driver's within", name, err)
					}
					ctx, cancel = context.WithCancel(t.Context())
				}
				cancel()
			})
			t.Run("migrate", func(t *testing.T) {
				for name, migrate := range migrations {
					if err := migrate(open(t, dialect, database(func() error { return errDriver }))); !errors.Is(err, errDriver) {
						t.Errorf("%s: %v, want the driver's error within", name, err)
					}
				}
			})
		})
	}
}

// What can be refused without the database is.
func TestRefusedEarly(t *testing.T) {
	db := open(t, "sqlite", database(func() error { t.Error("the database was asked"); return nil }))
	credentials, challenges := gormstore.NewCredentials(db), gormstore.NewChallenges(db)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	challenges.Now = func() time.Time { return now }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(db) {
		if err := call(cancelled); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	for _, handle := range []string{"", "A", strings.Repeat("A", 25), strings.Repeat("A", 65), strings.Repeat("A", 1<<20),
		strings.Repeat("a", 26), strings.Repeat("A", 25) + "'", strings.Repeat("A", 12) + "\x00" + strings.Repeat("A", 13)} {
		if _, err := challenges.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("Consume of %.80q: %v", handle, err)
		}
	}
	if _, err := challenges.Put(t.Context(), nil, now); !errors.Is(err, passkeys.ErrInvalidChallenge) {
		t.Errorf("Put of what has expired: %v", err)
	}
	if _, err := challenges.Put(t.Context(), make([]byte, 64<<10+1), now.Add(time.Hour)); !errors.Is(err, passkeys.ErrInvalidChallenge) {
		t.Errorf("Put of too much: %v", err)
	}
	if err := credentials.Add(t.Context(), passkeys.Credential{}); !errors.Is(err, passkeys.ErrInvalidCredential) {
		t.Errorf("Add of an invalid credential: %v", err)
	}
	if err := credentials.Update(t.Context(), passkeys.Credential{}); !errors.Is(err, passkeys.ErrInvalidCredential) {
		t.Errorf("Update to an invalid credential: %v", err)
	}
}

// gorm's driver tells a duplicate, and whatever else it says is an error.
func TestDuplicate(t *testing.T) {
	errTaken := errors.New("1062, with the key in it")
	for _, row := range []struct {
		name, says string
		dialector  gorm.Dialector
		exists     bool
	}{
		{"mysql", "As MySQL's driver says it.", translator{dialector{name: "mysql"}, errTaken}, true},
		{"another", "Another error is an error.", translator{dialector{name: "mysql"}, errors.New("1452")}, false},
		{"untold", "A driver that does not tell fails safely.", dialector{name: "mysql"}, false},
		{"postgres", "Where the statement itself tells, an error is another key's.", translator{dialector{name: "postgres"}, errTaken}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			var logged []error
			db, err := gorm.Open(row.dialector, &gorm.Config{ConnPool: database(func() error { return errTaken }), Logger: errorLog{logger.Discard, &logged}})
			if err != nil {
				t.Fatal(err)
			}
			err = gormstore.NewCredentials(db).Add(t.Context(), passkeys.Credential{ID: []byte{1}, UserID: "alice", PublicKey: []byte{1}})
			if errors.Is(err, passkeys.ErrCredentialExists) != row.exists || errors.Is(err, errTaken) == row.exists {
				t.Errorf("%v; want ErrCredentialExists: %t", err, row.exists)
			}
			if want := !row.exists; len(logged) != 1 || (logged[0] != nil) != want {
				t.Errorf("logged %v; want an error: %t", logged, want)
			}
		})
	}
}

// translator is a dialector that calls one error a duplicate, as gorm's do.
type translator struct {
	dialector
	duplicate error
}

func (d translator) Translate(err error) error {
	if err == d.duplicate { //nolint:errorlint // gorm's drivers know only their own, unwrapped
		return gorm.ErrDuplicatedKey
	}
	return err
}

// errorLog keeps the errors of the statements that it is told of.
type errorLog struct {
	logger.Interface
	errs *[]error
}

func (l errorLog) Trace(_ context.Context, _ time.Time, _ func() (string, int64), err error) {
	*l.errs = append(*l.errs, err)
}

var migrations = map[string]func(*gorm.DB) error{"Migrate": gormstore.Migrate, "MigrateChallenges": gormstore.MigrateChallenges}

// calls are all operations, each once, such that the database must be asked.
func calls(db *gorm.DB) map[string]func(context.Context) error {
	credentials, challenges := gormstore.NewCredentials(db), gormstore.NewChallenges(db)
	id := []byte{1}
	return map[string]func(context.Context) error{
		"Add": func(ctx context.Context) error {
			return credentials.Add(ctx, passkeys.Credential{ID: id, UserID: "alice", PublicKey: id})
		},
		"Get": func(ctx context.Context) error {
			_, err := credentials.Get(ctx, id)
			return err
		},
		"ListByUser": func(ctx context.Context) error {
			_, err := credentials.ListByUser(ctx, "alice")
			return err
		},
		"Scan": func(ctx context.Context) error {
			_, err := credentials.Scan(ctx, id, 1)
			return err
		},
		"Update": func(ctx context.Context) error {
			return credentials.Update(ctx, passkeys.Credential{ID: id, UserID: "alice", PublicKey: id})
		},
		"Delete": func(ctx context.Context) error { return credentials.Delete(ctx, "alice", id) },
		"Put": func(ctx context.Context) error {
			_, err := challenges.Put(ctx, nil, time.Now().Add(time.Hour))
			return err
		},
		"Consume": func(ctx context.Context) error {
			_, err := challenges.Consume(ctx, strings.Repeat("A", 26))
			return err
		},
		"DeleteExpired": func(ctx context.Context) error {
			_, err := challenges.DeleteExpired(ctx)
			return err
		},
	}
}

// database is one that fails, with what the function returns.
type database func() error

func (d database) PrepareContext(context.Context, string) (*sql.Stmt, error) { return nil, d() }

func (d database) ExecContext(context.Context, string, ...any) (sql.Result, error) { return nil, d() }

func (d database) QueryContext(context.Context, string, ...any) (*sql.Rows, error) { return nil, d() }

func (d database) QueryRowContext(context.Context, string, ...any) *sql.Row { panic("has no error") }

func (d database) BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error) { return nil, d() }

// script is a database that answers every query with the same rows, and one of its
// statements with an error.
type script struct {
	columns []string
	rows    [][]driver.Value
	end     error // instead of the last row's end
	fail    int   // the number of the statement; 0: none
	err     error

	statements []string // it was asked
	next       int
}

func (s *script) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *script) Driver() driver.Driver                        { return nil }
func (s *script) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not prepared") }
func (s *script) Begin() (driver.Tx, error)                    { return s, nil }
func (s *script) Commit() error                                { return nil }
func (s *script) Rollback() error                              { return nil }
func (s *script) Close() error                                 { return nil }
func (s *script) Columns() []string                            { return s.columns }

func (s *script) ask(statement string) error {
	s.statements = append(s.statements, statement)
	if len(s.statements) == s.fail {
		return s.err
	}
	return nil
}

func (s *script) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), s.ask(statement)
}

func (s *script) QueryContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Rows, error) {
	s.next = 0
	return s, s.ask(statement)
}

func (s *script) Next(to []driver.Value) error {
	if s.next == len(s.rows) {
		return cmp.Or(s.end, io.EOF)
	}
	copy(to, s.rows[s.next])
	s.next++
	return nil
}

func (s *script) open(t *testing.T, dialect string) *gorm.DB {
	t.Helper()
	pool := sql.OpenDB(s)
	t.Cleanup(func() { _ = pool.Close() })
	return open(t, dialect, pool)
}

// A migration ends where a statement fails, be it one that only looks.
func TestMigrateEndsWhereItFails(t *testing.T) {
	errDriver := errors.New("the driver's own")
	for dialect, statements := range map[string]int{"sqlite": 14, "mysql": 13} {
		for n := 1; ; n++ {
			s := &script{fail: n, err: errDriver}
			err := gormstore.Migrate(s.open(t, dialect))
			if len(s.statements) < n {
				if n <= statements || err != nil {
					t.Errorf("%s: %d statements, %v", dialect, n-1, err)
				}
				break
			}
			if !errors.Is(err, errDriver) {
				t.Errorf("%s: statement %d fails: %v", dialect, n, err)
			}
		}
	}
}

// MySQL is asked for nothing that MariaDB alone has, and is the one that is tested.
func TestMySQLIsAskedForWhatItHas(t *testing.T) {
	others := regexp.MustCompile(`RETURNING|ON CONFLICT|SKIP LOCKED|ANY\(|"`)
	s := &script{columns: []string{"payload", "expires_at"}, rows: [][]driver.Value{{[]byte("payload"), time.Now().Add(time.Hour).UnixMicro()}}}
	for name, call := range calls(s.open(t, "mysql")) {
		s.statements = nil
		_ = call(t.Context()) // whose rows are not always of its kind
		if len(s.statements) == 0 {
			t.Errorf("%s: nothing is asked for", name)
		}
		for _, statement := range s.statements {
			if others.MatchString(statement) {
				t.Errorf("%s: %s", name, statement)
			}
		}
		if name == "Consume" && len(s.statements) != 2 {
			t.Errorf("Consume: %q", s.statements)
		}
	}
}

// Nothing that cannot be read is taken for what is zero in it.
func TestWhatCannotBeRead(t *testing.T) {
	row := slices.Repeat([]driver.Value{"x"}, 25)
	for name, call := range calls((&script{columns: make([]string, len(row)), rows: [][]driver.Value{row}}).open(t, "sqlite")) {
		switch name {
		case "Get", "ListByUser", "Scan":
			if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "Scan") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A list of what has expired that breaks off is no list.
func TestDeleteExpiredBreaksOff(t *testing.T) {
	errLost := errors.New("connection lost")
	s := &script{columns: []string{"handle_hash"}, rows: [][]driver.Value{{[]byte("1")}}, end: errLost}
	if n, err := gormstore.NewChallenges(s.open(t, "mysql")).DeleteExpired(t.Context()); n != 0 || !errors.Is(err, errLost) || len(s.statements) != 1 {
		t.Errorf("%d deleted, %v, in %d statements", n, err, len(s.statements))
	}
}

type dialector struct {
	tests.DummyDialector
	name string
}

func (d dialector) Name() string { return d.name }

func open(t *testing.T, dialect string, pool gorm.ConnPool) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(dialector{name: dialect}, &gorm.Config{ConnPool: pool, Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Whoever has not looked at the error of gorm.Open hears of it here.
func TestADatabaseThatIsNil(t *testing.T) {
	for what, err := range map[string]error{"Migrate": gormstore.Migrate(nil), "MigrateChallenges": gormstore.MigrateChallenges(nil)} {
		if err == nil || !strings.Contains(err.Error(), "is nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, f := range map[string]func(){"NewCredentials": func() { gormstore.NewCredentials(nil) }, "NewChallenges": func() { gormstore.NewChallenges(nil) }} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "gormstore: the *gorm.DB is nil") {
					t.Errorf("%s: %v", what, err)
				}
			}()
			f()
		}()
	}
}

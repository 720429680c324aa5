package gormstore_test

import (
	"context"
	"database/sql"
	"errors"
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
		want       []string
	}{
		{"sqlite", "The default names; every index apart.", gormstore.Schema{}, "sqlite", []string{
			`CREATE TABLE IF NOT EXISTS "passkeys_credentials" (`,
			`CREATE INDEX IF NOT EXISTS "passkeys_credentials_user_id" ON "passkeys_credentials" (user_id)`,
			`CREATE TABLE IF NOT EXISTS "passkeys_challenges" (`,
			`CREATE INDEX IF NOT EXISTS "passkeys_challenges_expires_at" ON "passkeys_challenges" (expires_at)`,
		}},
		{"postgres", "A qualified name is quoted in its parts; that of an index is not qualified.", qualified, "postgres", []string{
			`CREATE TABLE IF NOT EXISTS "auth"."Keys" (`,
			`CREATE INDEX IF NOT EXISTS "Keys_user_id" ON "auth"."Keys" (user_id)`,
			"CREATE TABLE IF NOT EXISTS \"my`\"\"ones\" (",
			"CREATE INDEX IF NOT EXISTS \"my`\"\"ones_expires_at\" ON \"my`\"\"ones\" (expires_at)",
		}},
		{"mysql", "MySQL has its own quotes, and indexes within the table.", qualified, "mysql", []string{
			"CREATE TABLE IF NOT EXISTS `auth`.`Keys` (",
			"CREATE TABLE IF NOT EXISTS `my``\"ones` (",
		}},
		{"unknown", "Nothing for a database that is not supported.", gormstore.Schema{}, "sqlserver", nil},
		{"path", "A dialect is no path.", gormstore.Schema{}, "../schema/sqlite", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			ddl := row.schema.DDL(row.dialect)
			if len(ddl) != len(row.want) {
				t.Fatalf("%d statements, want %d: %q", len(ddl), len(row.want), ddl)
			}
			for i, statement := range ddl {
				if first, _, _ := strings.Cut(statement, "\n"); first != row.want[i] {
					t.Errorf("statement %d begins %s, want %s", i, first, row.want[i])
				}
				// gorm would take these for its own.
				if strings.ContainsAny(statement, "?@;") {
					t.Errorf("statement %d: %s", i, statement)
				}
			}
		})
	}
}

func TestUnsupportedDatabase(t *testing.T) {
	db := open(t, "sqlserver", database(nil))
	if err := gormstore.Migrate(db); err == nil || !strings.Contains(err.Error(), "sqlserver") {
		t.Errorf("Migrate: %v, want an error that names it", err)
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
				if err := gormstore.Migrate(open(t, dialect, database(func() error { return errDriver }))); !errors.Is(err, errDriver) {
					t.Errorf("%v, want the driver's error within", err)
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
	if _, err := challenges.Put(t.Context(), nil, now); err == nil {
		t.Error("Put of what has expired: no error")
	}
	if _, err := challenges.Put(t.Context(), make([]byte, 64<<10+1), now.Add(time.Hour)); err == nil {
		t.Error("Put of too much: no error")
	}
	if err := credentials.Add(t.Context(), passkeys.Credential{}); !errors.Is(err, passkeys.ErrInvalidCredential) {
		t.Errorf("Add of an invalid credential: %v", err)
	}
	if err := credentials.Rename(t.Context(), "alice", []byte{1}, "\x00"); !errors.Is(err, passkeys.ErrInvalidCredential) {
		t.Errorf("Rename to an invalid name: %v", err)
	}
	if outcome, err := credentials.UpdateUsage(t.Context(), []byte{1}, passkeys.Usage{SeenSignCount: 2, SignCount: 1}); outcome != passkeys.Regressed || err != nil {
		t.Errorf("UpdateUsage of a counter that went back: %d, %v", outcome, err)
	}
}

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
		"UpdateUsage": func(ctx context.Context) error {
			_, err := credentials.UpdateUsage(ctx, id, passkeys.Usage{SignCount: 1})
			return err
		},
		"Rename":     func(ctx context.Context) error { return credentials.Rename(ctx, "alice", id, "Phone") },
		"Delete":     func(ctx context.Context) error { return credentials.Delete(ctx, "alice", id) },
		"Quarantine": func(ctx context.Context) error { return credentials.Quarantine(ctx, id, time.Now(), "reason") },
		"Restore":    func(ctx context.Context) error { return credentials.Restore(ctx, "alice", id) },
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

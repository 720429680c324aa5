package integration

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// TestPlans asks each database how it would execute the statements, in tables
// with many rows: it must never read through one. SQLite has fewer, because it
// takes longer to fill here, and because its planner does not ask how many there
// are before it chooses an index over none.
func TestPlans(t *testing.T) {
	const credentials = `INSERT INTO %s (id_hash, id, user_id, public_key, algorithm, sign_count, backup_eligible, backup_state, backup_unknown,
		uv_initialized, discoverable, transports, aaguid, attestation_format, device_name, created_at, quarantine_reason) `
	const challenges = `INSERT INTO %s (handle_hash, payload, expires_at) `
	for _, engine := range []struct {
		name    string
		rows    int
		open    func(*testing.T) *gorm.DB
		on      func(gorm.ConnPool) gorm.Dialector
		fill    []string // of credentials, of challenges; they expire microsecond by microsecond
		analyze string
		explain string
		reads   *regexp.Regexp // a line of a plan that reads a table from end to end
		seeks   *regexp.Regexp // one that uses an index
	}{
		{
			"postgresql", 100_000,
			func(t *testing.T) *gorm.DB { return opened(t, postgres.Open(postgresServer(t)), &gorm.Config{}) },
			func(pool gorm.ConnPool) gorm.Dialector { return postgres.New(postgres.Config{Conn: pool}) },
			[]string{
				credentials + `SELECT sha256(n::text::bytea), n::text::bytea, ('user-' || n / 3)::bytea, 'key', -7, 0, false, false, false,
					true, true, 'internal', '0123456789abcdef', 'none', 'Phone', n, '' FROM generate_series(1, %d) n`,
				challenges + `SELECT sha256(n::text::bytea), 'payload', n FROM generate_series(1, %d) n`,
			},
			"ANALYZE %s", "EXPLAIN ",
			regexp.MustCompile(`Seq Scan`), regexp.MustCompile(`Index (Only )?Scan`),
		},
		{
			"mariadb", 100_000,
			func(t *testing.T) *gorm.DB { return opened(t, mysql.Open(mariadbServer(t)), &gorm.Config{}) },
			func(pool gorm.ConnPool) gorm.Dialector { return mysql.New(mysql.Config{Conn: pool}) },
			[]string{
				credentials + `SELECT UNHEX(SHA2(seq, 256)), seq, CONCAT('user-', seq DIV 3), 'key', -7, 0, false, false, false,
					true, true, 'internal', '0123456789abcdef', 'none', 'Phone', seq, '' FROM seq_1_to_%d`,
				challenges + `SELECT UNHEX(SHA2(seq, 256)), 'payload', seq FROM seq_1_to_%d`,
			},
			"ANALYZE TABLE %s", "EXPLAIN ",
			regexp.MustCompile(`type=(ALL|index)\b`),
			// The last is what it says of a key that it has looked for in vain.
			regexp.MustCompile(`type=(const|ref|range)\b.* key=\w|noticed after reading const tables`),
		},
		{
			"sqlite", 20_000,
			func(t *testing.T) *gorm.DB {
				return opened(t, sqlite.Open(applicationDSN(filepath.Join(t.TempDir(), "test.db"))), &gorm.Config{})
			},
			func(pool gorm.ConnPool) gorm.Dialector { return &sqlite.Dialector{Conn: pool} },
			[]string{
				credentials + `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT %d)
					SELECT CAST(printf('%%032d', n) AS BLOB), n, CAST(printf('user-%%08d', n / 3) AS BLOB), 'key', -7, 0, false, false, false,
					true, true, 'internal', '0123456789abcdef', 'none', 'Phone', n, '' FROM s`,
				challenges + `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT %d) SELECT CAST(printf('%%032d', n) AS BLOB), 'payload', n FROM s`,
			},
			"ANALYZE %s", "EXPLAIN QUERY PLAN ",
			regexp.MustCompile(`SCAN`), regexp.MustCompile(`SEARCH .* USING .*INDEX`),
		},
	} {
		t.Run(engine.name, func(t *testing.T) {
			begun := time.Now()
			db := engine.open(t)
			s := migrated(t, db)
			for i, table := range []string{s.CredentialsTable, s.ChallengesTable} {
				for _, statement := range []string{fmt.Sprintf(engine.fill[i], table, engine.rows), fmt.Sprintf(engine.analyze, table)} {
					if err := db.Exec(statement).Error; err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("%d rows each after %v", engine.rows, time.Since(begun).Round(time.Millisecond))
			watched, r := recorded(t, db, engine.on)
			expired := s.NewChallenges(watched)
			expired.Now = func() time.Time { return time.UnixMicro(10) }
			var plans strings.Builder
			for _, op := range operations(s.NewCredentials(watched), s.NewChallenges(watched), expired) {
				if op.name == "DeleteExpired" {
					op.before = nil // there is enough
				}
				if err := op.call(t.Context()); err != nil {
					t.Fatalf("%s: %v", op.name, err)
				}
				for _, done := range r.take() {
					variants := []statement{done}
					if _, ok := done.values[0].(int64); ok && op.name == "DeleteExpired" {
						// When there was no sweep for long, all have expired.
						variants = append(variants, statement{done.text, []any{int64(math.MaxInt64)}})
					}
					for _, v := range variants {
						plan, err := explained(t.Context(), r.DB, engine.explain+v.text, v.values)
						if err != nil {
							t.Fatalf("%s: %v", op.name, err)
						}
						fmt.Fprintf(&plans, "%s\n    %s\n", op.name, strings.Join(plan, "\n    "))
						seeks := strings.HasPrefix(v.text, "INSERT") // which looks for nothing but its key
						for _, line := range plan {
							if engine.reads.MatchString(line) && !seeks {
								t.Errorf("%s reads through a table", op.name)
							}
						}
						if !seeks && !engine.seeks.MatchString(strings.Join(plan, "\n")) {
							t.Errorf("%s uses no index", op.name)
						}
					}
				}
			}
			t.Logf("the plans:\n%s", &plans)
		})
	}
}

// explained returns the lines of a plan, the columns as name=value where there
// are several.
func explained(ctx context.Context, db *sql.DB, statement string, values []any) ([]string, error) {
	rows, err := db.QueryContext(ctx, statement, values...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var lines []string
	for rows.Next() {
		columns, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range columns {
			pointers[i] = &columns[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		line := columns[0].String
		if len(names) > 1 {
			line = ""
			for i, name := range names {
				line += name + "=" + columns[i].String + " "
			}
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

package integration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// work is what a server did, by its own account, and how often the client waited
// for it, counted on the wire.
type work struct {
	executed []string
	prepared int
	trips    int
}

// observed is a pair of stores on one connection. work returns what was done for
// them since it was last called.
type observed struct {
	credentials passkeys.CredentialRepository
	challenges  passkeys.ChallengeStore
	expired     *gormstore.Challenges
	work        func(context.Context) (work, error)
}

// TestStatements counts what each operation costs, at its first use on a
// connection and after that.
func TestStatements(t *testing.T) {
	// The rest are one. In DeleteExpired they are those of each batch.
	everywhere := map[string]int{
		"Update, conflict": 2, "Update, missing": 2, "sign-in, begin": 0, "sign-in, finish": 2,
		"confirmation, begin": 1, "confirmation, finish": 2, "guard, without a proof": 0, "guard, one operation": 2,
		"guard, reusable": 0, "guard, nothing in particular": 0, "guard, a sign-in": 0,
	}
	onMySQL := map[string]int{"Consume": 2, "DeleteExpired": 2}
	for _, row := range []struct {
		name, says string
		open       func(*testing.T) observed
		statements map[string]int
		// For each statement at its first use on a connection, and after that.
		prepared, trips [2]int
	}{
		{
			"postgresql", "The driver prepares a statement at its first use.",
			observePostgres(false), nil, [2]int{1, 0}, [2]int{2, 1},
		},
		{
			"postgresql-prepare-stmt", "With gorm's PrepareStmt, gorm does.",
			observePostgres(true), nil, [2]int{1, 0}, [2]int{2, 1},
		},
		{
			"mariadb", "The driver prepares a statement at every use.",
			observeMariaDB("", false), onMySQL, [2]int{1, 1}, [2]int{2, 2},
		},
		{
			"mariadb-prepare-stmt", "With gorm's PrepareStmt, gorm does at its first use.",
			observeMariaDB("", true), onMySQL, [2]int{1, 0}, [2]int{2, 1},
		},
		{
			"mariadb-interpolate", "With interpolateParams=true in the DSN nobody does.",
			observeMariaDB("?interpolateParams=true", false), onMySQL, [2]int{0, 0}, [2]int{1, 1},
		},
		{
			"sqlite", "There is no server: these are the statements that reach database/sql.",
			observeSQLite, nil, [2]int{0, 0}, [2]int{0, 0},
		},
		{
			"redis", "Every operation is one command.",
			observeRedis, nil, [2]int{0, 0}, [2]int{1, 1},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			o := row.open(t)
			var table strings.Builder
			used := map[string]bool{"sign-in": true, "confirmation": true, "guard": true} // there is no statement in them that was not used before
			count := func(operations []operation) {
				for _, op := range operations {
					name, _, _ := strings.Cut(op.name, ",")
					n := 1
					for _, not := range []map[string]int{everywhere, row.statements} {
						if not, ok := not[op.name]; ok {
							n = not
						}
					}
					use, when := 0, "first"
					if used[name] {
						use, when = 1, "again"
					}
					used[name] = true
					did := o.done(t, op)
					fmt.Fprintf(&table, "%-16s %s %5d statements %5d prepared %5d round trips\n", op.name, when, len(did.executed), did.prepared, did.trips)
					if len(did.executed) != n || did.prepared != n*row.prepared[use] || did.trips != n*row.trips[use] {
						t.Errorf("%s (%s): %d statements, %d prepared, %d round trips; want %d, %d, %d\n%q", op.name, when,
							len(did.executed), did.prepared, did.trips, n, n*row.prepared[use], n*row.trips[use], did.executed)
					}
				}
			}
			for range 2 {
				count(operations(o.credentials, o.challenges, o.expired))
			}
			count(signIn(t, o.credentials))
			count(confirmation(t, o.credentials))
			t.Logf("\n%s", &table)
		})
	}
}

// signIn is that of a user with a passkey, where the state is sealed.
func signIn(t *testing.T, credentials passkeys.CredentialRepository) []operation {
	t.Helper()
	if credentials == nil {
		return nil
	}
	v := newVisitor(t, credentials, nil)
	var ready finish
	return []operation{
		{"sign-in, begin", func(context.Context) error {
			ready = v.answered()
			return nil
		}, nil},
		{"sign-in, finish", func(context.Context) error {
			if status, code := v.finish(ready); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, code)
			}
			return nil
		}, nil},
	}
}

// confirmation is that of an operation and of none, and what guards make of the
// proofs, where the state is sealed.
func confirmation(t *testing.T, credentials passkeys.CredentialRepository) []operation {
	t.Helper()
	if credentials == nil {
		return nil
	}
	a, user := passkeytest.New(origin), rand.Text()
	p := newInstance(t, credentials)
	if err := register(t.Context(), p, a, user); err != nil {
		t.Fatal(err)
	}
	var signedIn time.Time
	hooks := passkeys.Hooks[passkeys.Exchange]{
		GetUser:         func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: user}, nil },
		AuthenticatedAt: func(passkeys.Exchange) time.Time { return signedIn },
	}
	routes, err := passkeys.Handler(p, hooks)
	if err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, h http.Handler, path, proof, body string, want int) (string, error) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(passkeys.ProofHeader, proof)
		if h.ServeHTTP(w, r); w.Code != want {
			return "", fmt.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Body.String(), nil
	}
	done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	whole := func(x passkeys.Exchange) (passkeys.Operation, error) { return passkeys.RequestOperation(x.R, "/") }
	anything := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{})(done)
	once := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{Operation: whole})(done)
	often := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{Operation: whole, Reusable: true})(done)

	var begun struct{ State string }
	var refused struct{ Confirm struct{ Request string } }
	var confirmed struct{ Proof string }
	var options, body string
	read := func(text string, into any, err error) error {
		return errors.Join(err, json.Unmarshal([]byte(text), into))
	}
	guard := func(h http.Handler, want int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := send(ctx, h, "/", confirmed.Proof, "x", want)
			return err
		}
	}
	return []operation{
		{"guard, without a proof", func(ctx context.Context) error {
			refusal, err := send(ctx, once, "/", "", "x", http.StatusForbidden)
			return read(refusal, &refused, err)
		}, nil},
		{"confirmation, begin", func(ctx context.Context) error {
			options, err = send(ctx, routes, "/confirm/begin", "", `{"request":"`+refused.Confirm.Request+`"}`, http.StatusOK)
			return read(options, &begun, err)
		}, nil},
		{"confirmation, finish", func(ctx context.Context) error {
			answer, err := send(ctx, routes, "/confirm/finish", "", body, http.StatusOK)
			return read(answer, &confirmed, err)
		}, func(context.Context) error {
			credential, err := a.Get([]byte(options))
			body = fmt.Sprintf(`{"state":%q,"credential":%s}`, begun.State, credential)
			return err
		}},
		{"guard, reusable", guard(often, http.StatusNoContent), nil},
		{"guard, one operation", guard(once, http.StatusNoContent), nil},
		{"guard, again", guard(once, http.StatusForbidden), nil},
		{"guard, nothing in particular", guard(anything, http.StatusNoContent), func(ctx context.Context) error {
			answer, err := confirmedBy(ctx, p, a, user, passkeys.Operation{})
			if err != nil {
				return err
			}
			result, err := p.FinishConfirmation(ctx, answer)
			if err == nil {
				confirmed.Proof = result.Sealed
			}
			return err
		}},
		{"guard, a sign-in", guard(anything, http.StatusNoContent), func(context.Context) error {
			signedIn, confirmed.Proof = time.Now(), ""
			return nil
		}},
	}
}

// done is what an operation makes the server do. That drivers try a connection
// that was idle for a while is not of it.
func (o observed) done(t *testing.T, op operation) work {
	t.Helper()
	if op.before != nil {
		if err := op.before(t.Context()); err != nil {
			t.Fatalf("before %s: %v", op.name, err)
		}
	}
	if _, err := o.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := op.call(t.Context()); err != nil {
		t.Fatalf("%s: %v", op.name, err)
	}
	did, err := o.work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := len(did.executed)
	did.executed = slices.DeleteFunc(did.executed, func(text string) bool { return text == "-- ping" })
	did.trips -= all - len(did.executed)
	for _, text := range did.executed {
		if transactional.MatchString(text) {
			t.Errorf("%s: %s", op.name, text)
		}
	}
	return did
}

var transactional = regexp.MustCompile(`(?i)^\s*(BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b`)

// observeOn returns stores on one connection that is warm.
func observeOn(t *testing.T, dialector gorm.Dialector, prepare bool) (observed, *gorm.DB) {
	t.Helper()
	db := opened(t, dialector, &gorm.Config{PrepareStmt: prepare})
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	s := migrated(t, db)
	return observed{credentials: s.NewCredentials(db), challenges: s.NewChallenges(db), expired: later(s.NewChallenges(db))}, db
}

// The server's log tells of each message of the protocol, before the reply.
var logLine = regexp.MustCompile(`\[(\d+)\] LOG:  duration: [0-9.]+ ms  (parse|bind|execute|statement)[^:]*: (.*)`)

func observePostgres(prepare bool) func(*testing.T) observed {
	return func(t *testing.T) observed {
		s := running(t, startPostgres)
		p := newProxy(t, s.port)
		o, db := observeOn(t, postgres.Open(s.postgresDSN(p.port())+" options='-c log_min_duration_statement=0'"), prepare)
		var pid string
		if err := db.Raw("SELECT pg_backend_pid()").Row().Scan(&pid); err != nil {
			t.Fatal(err)
		}
		read := 0
		o.work = func(context.Context) (did work, err error) {
			did.trips, _ = p.count()
			p.reset(0, keep{})
			said, err := os.ReadFile(s.logFile())
			for _, line := range logLine.FindAllStringSubmatch(string(said[read:]), -1) {
				switch kind := line[2]; {
				case line[1] != pid || kind == "bind":
				case kind == "parse":
					did.prepared++
				default:
					did.executed = append(did.executed, line[3])
				}
			}
			read = len(said)
			return did, err
		}
		return o
	}
}

func observeMariaDB(parameters string, prepare bool) func(*testing.T) observed {
	return func(t *testing.T) observed {
		s := running(t, startMariaDB)
		p := newProxy(t, s.port)
		o, db := observeOn(t, mysql.Open(s.mariadbDSN(p.port())+parameters), prepare)
		var thread int64
		if err := db.Raw("SELECT CONNECTION_ID()").Row().Scan(&thread); err != nil {
			t.Fatal(err)
		}
		admin := opened(t, mysql.Open(s.address), &gorm.Config{})
		set := func(statements ...string) {
			for _, statement := range statements {
				if err := admin.Exec(statement).Error; err != nil {
					t.Error(err)
				}
			}
		}
		set("SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1")
		t.Cleanup(func() { set("SET GLOBAL general_log = 0", "TRUNCATE mysql.general_log") })
		o.work = func(ctx context.Context) (did work, err error) {
			did.trips, _ = p.count()
			p.reset(0, keep{})
			rows, err := admin.WithContext(ctx).Raw("SELECT command_type, argument FROM mysql.general_log WHERE thread_id = ?", thread).Rows()
			if err != nil {
				return did, err
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var kind, text string
				if err := rows.Scan(&kind, &text); err != nil {
					return did, err
				}
				switch kind {
				case "Prepare":
					did.prepared++
				case "Close stmt":
				default:
					did.executed = append(did.executed, text)
				}
			}
			if err := rows.Err(); err != nil {
				return did, err
			}
			return did, admin.WithContext(ctx).Exec("TRUNCATE mysql.general_log").Error
		}
		return o
	}
}

func observeSQLite(t *testing.T) observed {
	_, db := observeOn(t, sqlite.Open(applicationDSN(filepath.Join(t.TempDir(), "test.db"))), false)
	watched, r := recorded(t, db, func(pool gorm.ConnPool) gorm.Dialector { return &sqlite.Dialector{Conn: pool} })
	s := migrated(t, watched)
	return observed{s.NewCredentials(watched), s.NewChallenges(watched), later(s.NewChallenges(watched)), func(context.Context) (did work, err error) {
		for _, statement := range r.take() {
			did.executed = append(did.executed, statement.text)
		}
		return did, nil
	}}
}

func observeRedis(t *testing.T) observed {
	s := running(t, func() (*server, error) { return launchRedis() })
	t.Cleanup(s.stop)
	p := newProxy(t, s.port)
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", p.port()), PoolSize: 1})
	t.Cleanup(func() { _ = client.Close() })
	admin := redis.NewClient(&redis.Options{Addr: s.address})
	t.Cleanup(func() { _ = admin.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return observed{challenges: redisstore.NewChallenges(client, nil), work: func(ctx context.Context) (did work, err error) {
		did.trips, _ = p.count()
		p.reset(0, keep{})
		for name, n := range commands(t, admin) {
			if !strings.HasPrefix(name, "config") && name != "info" { // ours, from here
				did.executed = append(did.executed, slices.Repeat([]string{name}, n)...)
			}
		}
		return did, admin.ConfigResetStat(ctx).Err()
	}}
}

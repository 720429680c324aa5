package integration

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"github.com/passkeys-go/passkeys/redisstore"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestServerKilled ends a server with kill -9 under load, and starts it again
// with the same data: first while it works, and then when it has been frozen
// until nobody waits for its answers any more.
func TestServerKilled(t *testing.T) {
	sealed := func(dialector func(string) gorm.Dialector) func(*testing.T, *server) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
		return func(t *testing.T, s *server) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
			db := opened(t, dialector(s.address), &gorm.Config{})
			if err := gormstore.Migrate(db); err != nil {
				t.Fatal(err)
			}
			return gormstore.NewCredentials(db), nil
		}
	}
	kept := func(dialector func(string) gorm.Dialector) func(*testing.T, *server) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
		return func(t *testing.T, s *server) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
			db := opened(t, dialector(s.address), &gorm.Config{})
			names := migrated(t, db)
			return names.NewCredentials(db), names.NewChallenges(db)
		}
	}
	for _, row := range []struct {
		name, says string
		launch     func() (*server, error)
		stores     func(*testing.T, *server) (passkeys.CredentialRepository, passkeys.ChallengeStore)
		forgetful  bool
	}{
		{
			"postgresql", "Nothing that was acknowledged is lost, as PostgreSQL is by default.",
			func() (*server, error) { return launchPostgres() }, sealed(postgres.Open), false,
		},
		{
			"postgresql-challenges", "Nor where the challenges are there too.",
			func() (*server, error) { return launchPostgres() }, kept(postgres.Open), false,
		},
		{
			"mariadb", "Nothing that was acknowledged is lost, as MariaDB is by default (innodb_flush_log_at_trx_commit=1).",
			func() (*server, error) { return launchMariaDB() }, sealed(mysql.Open), false,
		},
		{
			"mariadb-challenges", "Nor where the challenges are there too.",
			func() (*server, error) { return launchMariaDB() }, kept(mysql.Open), false,
		},
		{
			"redis", "A Redis without persistence (appendonly no) loses the ceremonies that have begun: their users start again.",
			func() (*server, error) { return launchRedis() },
			func(t *testing.T, s *server) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
				return passkeys.NewMemoryCredentials(), redisstore.NewChallenges(redisClient(t, s.address), nil)
			}, true,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			server := running(t, row.launch)
			t.Cleanup(server.stop)
			credentials, challenges := row.stores(t, server)
			h, err := newApplication(credentials, challenges, func(took time.Duration) {
				t.Errorf("a request took %v, and its deadline was %v", took, patience)
			})
			if err != nil {
				t.Fatal(err)
			}
			l := &load{t: t, c: newClient(t, h), forgetful: row.forgetful}
			l.start()
			defer l.end()
			l.more(10 * workers)
			l.unharmed()
			for _, frozen := range []bool{false, true} {
				if frozen {
					server.freeze()
					l.moreFailed(workers)
				}
				server.kill()
				killed := time.Now()
				l.moreFailed(2 * workers)
				if err := server.restart(); err != nil {
					t.Fatal(err)
				}
				up := time.Now()
				l.more(1)
				t.Logf("down for %v, the first ceremony is finished %v later", up.Sub(killed).Round(time.Millisecond), time.Since(up).Round(time.Millisecond))
				l.more(5 * workers)
			}
			l.end()
			l.verify(credentials)
		})
	}
}

// applicationFile names the environment variable that makes the test binary an
// application on the SQLite file of its value.
const applicationFile = "PASSKEYS_TEST_APPLICATION"

// applicationDSN leaves out fsync at each commit, which synchronous(NORMAL) does
// in WAL mode: what has reached the operating system survives the process, but
// not a loss of power. An application leaves synchronous at SQLite's default,
// FULL, which survives both; so the test proves the weaker one.
func applicationDSN(file string) string {
	return file + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"
}

// application serves passkeys on the listener that it inherits, until it dies.
func application(file string) error {
	db, err := gorm.Open(sqlite.Open(applicationDSN(file)), quiet())
	if err != nil {
		return err
	}
	if err := gormstore.Migrate(db); err != nil {
		return err
	}
	h, err := newApplication(gormstore.NewCredentials(db), nil, func(time.Duration) {})
	if err != nil {
		return err
	}
	return serveInherited(h)
}

func TestApplicationKilled(t *testing.T) {
	t.Log("An application on SQLite that dies by kill -9 under load loses nothing that it has acknowledged.")
	file := filepath.Join(t.TempDir(), "app.db")
	// The socket outlives the application, as systemd and others arrange it.
	address, socket := listening(t)
	run := func() (kill func()) { return spawn(t, socket, applicationFile+"="+file) }
	kill := run()
	defer func() { kill() }()
	load := &load{t: t, mortal: true, c: clientOf(t, address)}
	load.start()
	defer load.end()
	for range 3 {
		load.more(5 * workers)
		kill()
		kill = run()
	}
	load.more(5 * workers)
	load.end()

	db := opened(t, sqlite.Open(applicationDSN(file)), &gorm.Config{})
	var verdict string
	if err := db.WithContext(context.Background()).Raw("PRAGMA integrity_check").Row().Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s; %v", verdict, err)
	}
	load.verify(gormstore.NewCredentials(db))
}

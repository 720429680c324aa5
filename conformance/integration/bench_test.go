package integration

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// BenchmarkLogin is the CPU of a server for a whole sign-in over HTTP, begin and
// finish, in raw P-256 verifications: ours, the one that an application would
// write by hand on go-webauthn, and the least that can be written at all. With
// one client the server sleeps and wakes for every request, and that is a good
// part of what it does.
func BenchmarkLogin(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			each := 96 / clients
			unit := newUnit(b)
			var all []*measured
			for _, by := range []string{ours, handwritten} {
				for _, program := range programs {
					all = append(all, newLogins(b, by+" on "+program.name, served{By: by, Router: program.name}, clients, each))
				}
			}
			least := newLogins(b, theLeast, served{By: theLeast}, clients, each)
			begins := newBegins(b, ours+" on net/http, begin alone", served{By: ours, Router: "net/http"}, clients, 2*each)
			all = append(all, least, begins)
			measure(b, nil, append(all, unit))
			report(b, unit, all, least)
		})
	}
}

// BenchmarkGuard is what a guard adds to a request, in finishes of a sign-in, which
// are measured in turn in the same loop and go by their medians; and a refusal, and
// the finish of a confirmation. All is in memory, and the credential remembers as
// many uses as it can.
func BenchmarkGuard(b *testing.B) {
	ctx := context.Background()
	p, err := newPasskeys(passkeys.NewMemoryCredentials(), nil)
	if err != nil {
		b.Fatal(err)
	}
	a := synced()
	if err := register(ctx, p, a, "alice"); err != nil {
		b.Fatal(err)
	}
	for range 16 {
		if err := signInOnce(ctx, p, a); err != nil {
			b.Fatal(err)
		}
	}
	hooks := passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "alice"}, nil },
	}
	operation := passkeys.Operation{Name: "transfer", Payload: []byte("100 to 2")}
	whole := func(passkeys.Exchange) (passkeys.Operation, error) { return operation, nil }

	took := map[string][]float64{}
	measured := func(what string, f func() error) {
		b.StartTimer()
		start := time.Now()
		err := f()
		took[what] = append(took[what], float64(time.Since(start)))
		b.StopTimer()
		if err != nil {
			b.Fatalf("%s: %v", what, err)
		}
	}
	guard := func(what string, g passkeys.Guard[passkeys.Exchange], proof string, passes bool) {
		check, err := passkeys.NewCheck(p, hooks, g)
		if err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Header.Set(passkeys.ProofHeader, proof)
		x := passkeys.NewExchange(httptest.NewRecorder(), r)
		measured(what, func() error {
			if _, ok := check(x, x.W, x.R); ok != passes {
				return fmt.Errorf("passed: %t", ok)
			}
			return nil
		})
	}
	for b.Loop() {
		b.StopTimer()
		signIn, err := answered(ctx, p, a)
		if err != nil {
			b.Fatal(err)
		}
		measured("sign-in", func() error {
			_, err := p.FinishAuthentication(ctx, signIn)
			return err
		})
		for _, o := range []passkeys.Operation{{}, operation} {
			answer, err := confirmedBy(ctx, p, a, "alice", o)
			if err != nil {
				b.Fatal(err)
			}
			var result *passkeys.ConfirmationResult
			measured("confirmation", func() (err error) {
				result, err = p.FinishConfirmation(ctx, answer)
				return err
			})
			if o.Name == "" {
				guard("nothing-in-particular", passkeys.Guard[passkeys.Exchange]{}, result.Sealed, true)
				continue
			}
			guard("reusable", passkeys.Guard[passkeys.Exchange]{Operation: whole, Reusable: true}, result.Sealed, true)
			guard("operation", passkeys.Guard[passkeys.Exchange]{Operation: whole}, result.Sealed, true)
			guard("refusal", passkeys.Guard[passkeys.Exchange]{Operation: whole}, "", false)
		}
		b.StartTimer()
	}
	for what := range took {
		if what != "sign-in" {
			b.ReportMetric(median(took[what])/median(took["sign-in"]), what+"-sign-ins")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// startMeasuredPostgres starts one that does nothing by itself: what it would
// clean up would fall into whichever batch is on.
var startMeasuredPostgres = sync.OnceValues(func() (*server, error) {
	return launchPostgres("-F", "-c", "autovacuum=off", "-c", "checkpoint_timeout=1d", "-c", "max_wal_size=8GB", "-c", "shared_buffers=1GB")
})

// BenchmarkPostgres is sign-ins of 16 clients at once with the passkeys in
// PostgreSQL, as the application and as the database see them.
func BenchmarkPostgres(b *testing.B) {
	const clients = 16
	server, db := measuredPostgres(b)
	unit := newUnit(b)
	var all []*measured
	for _, row := range []struct {
		name string
		on   onPostgres
		each int // fewer, where there is a new connection for most of the statements
	}{
		{"challenges there, a pool of 16", onPostgres{Challenges: true, Pool: clients}, 6},
		{"challenges there, the default pool", onPostgres{Challenges: true}, 2},
		{"challenges by default, a pool of 16", onPostgres{Pool: clients}, 6},
	} {
		name := "PostgreSQL, " + row.name
		m := newLogins(b, name, served{ours, "net/http", inTables(b, server, db, row.on)}, clients, row.each)
		// Another process is counted, because the database's log costs CPU.
		row.on.DSN = server.address + " options='-c log_min_duration_statement=0'"
		m.statements = statements(b, server, newLogins(b, name, served{ours, "net/http", inTables(b, server, db, row.on)}, clients, row.each))
		all = append(all, m)
	}
	measure(b, server, append(all, unit))
	report(b, unit, all, all[0])
}

// BenchmarkScale is the same among few passkeys and many, and among many of each
// user.
func BenchmarkScale(b *testing.B) {
	const users, each = 10, 10
	server, db := measuredPostgres(b)
	unit := newUnit(b)
	var all []*measured
	for _, row := range []struct {
		name   string
		user   string // who has a copy of a passkey
		copies int    // of each user's passkey
	}{
		{"10 passkeys", "user_id", 0},
		{"1,000,000 passkeys", "user_id || n::text::bytea", 1_000_000/users - 1},
		{"100 passkeys of each user", "user_id", 99},
	} {
		on := inTables(b, server, db, onPostgres{Challenges: true, Pool: users})
		m := newLogins(b, "PostgreSQL, "+row.name, served{ours, "net/http", on}, users, each)
		for _, statement := range []string{
			fmt.Sprintf(`INSERT INTO %[1]s (id_hash, id, user_id, public_key, algorithm, sign_count, backup_eligible, backup_state, backup_unknown,
				uv_initialized, discoverable, transports, aaguid, attestation_format, device_name, created_at, quarantine_reason)
				SELECT sha256(id || n::text::bytea), id || n::text::bytea, %[2]s, public_key, algorithm, sign_count, backup_eligible, backup_state, backup_unknown,
				uv_initialized, discoverable, transports, aaguid, attestation_format, device_name, created_at, quarantine_reason
				FROM %[1]s, generate_series(1, %[3]d) n`, on.Tables.CredentialsTable, row.user, row.copies),
			"VACUUM ANALYZE " + on.Tables.CredentialsTable,
			"CHECKPOINT",
		} {
			if err := db.Exec(statement).Error; err != nil {
				b.Fatal(err)
			}
		}
		all = append(all, m)
	}
	measure(b, server, append(all, unit))
	report(b, unit, all, all[0])
}

func measuredPostgres(b *testing.B) (*server, *gorm.DB) {
	b.Helper()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		b.Skip("only Linux tells what a server has used: ", err)
	}
	server := running(b, startMeasuredPostgres)
	return server, opened(b, postgres.Open(server.address), &gorm.Config{})
}

// inTables adds to on what it lacks, tables of its own for one.
func inTables(b *testing.B, s *server, db *gorm.DB, on onPostgres) *onPostgres {
	b.Helper()
	if on.Tables = migrated(b, db); on.DSN == "" {
		on.DSN = s.address
	}
	return &on
}

// statements are those that the database's log tells of, for one of a batch.
func statements(b *testing.B, s *server, m *measured) string {
	b.Helper()
	before, err := os.Stat(s.logFile())
	if err != nil {
		b.Fatal(err)
	}
	if err := m.batch(m.each); err != nil {
		b.Fatal(err)
	}
	said, err := os.ReadFile(s.logFile())
	if err != nil {
		b.Fatal(err)
	}
	count := 0
	for _, line := range logLine.FindAllStringSubmatch(string(said[before.Size():]), -1) {
		// As in TestStatements, that the driver tries a connection is not of it.
		if kind, text := line[2], line[3]; (kind == "execute" || kind == "statement") && text != "-- ping" {
			count++
		}
	}
	return fmt.Sprintf("%.2f", float64(count)/float64(m.clients*m.each))
}

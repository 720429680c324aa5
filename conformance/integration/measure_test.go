package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// servedJSON names the environment variable that makes the test binary a server
// of what its value, a served, says.
const servedJSON = "PASSKEYS_TEST_MEASURED"

// served is what a process of its own serves, so that its CPU is the server's
// alone.
type served struct {
	By       string
	Router   string
	Postgres *onPostgres `json:",omitempty"` // nil: in memory
}

const (
	ours             = "ours"
	handwritten      = "go-webauthn by hand"
	theLeast         = "the least that verifies"
	rawVerifications = "raw verifications"
)

// onPostgres is where ours keeps the passkeys.
type onPostgres struct {
	DSN        string
	Tables     gormstore.Schema
	Challenges bool // are there too; else where they are by default
	Pool       int  // 0: as database/sql has it
}

func serveMeasured(what string) error {
	var s served
	if err := json.Unmarshal([]byte(what), &s); err != nil {
		return err
	}
	h, err := s.handler()
	if err != nil {
		return err
	}
	return serveInherited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/passkeys/cpu" {
			h.ServeHTTP(w, r)
			return
		}
		used, err := ownCPU()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, used.Nanoseconds())
	}))
}

func (s served) handler() (http.Handler, error) {
	switch s.By {
	case theLeast:
		return newLeast(), nil
	case rawVerifications:
		return verifier()
	}
	for i, program := range programs {
		if program.name != s.Router {
			continue
		}
		if s.By == handwritten {
			h, err := newByHand()
			return handWritten[i](h), err
		}
		config, err := s.config()
		if err != nil {
			return nil, err
		}
		p, err := passkeys.New(config)
		if err != nil {
			return nil, err
		}
		return program.mount(p)
	}
	return nil, fmt.Errorf("no such router: %q", s.Router)
}

func (s served) config() (passkeys.Config, error) {
	config := demo()
	if s.Postgres == nil {
		return config, nil
	}
	db, err := gorm.Open(postgres.Open(s.Postgres.DSN), quiet())
	if err != nil {
		return config, err
	}
	pool, err := db.DB()
	if err != nil {
		return config, err
	}
	if s.Postgres.Pool > 0 {
		pool.SetMaxOpenConns(s.Postgres.Pool)
		pool.SetMaxIdleConns(s.Postgres.Pool)
	}
	config.Credentials = s.Postgres.Tables.NewCredentials(db)
	if s.Postgres.Challenges {
		config.Challenges = s.Postgres.Tables.NewChallenges(db)
	}
	return config, nil
}

// verifications are what verifier does in one request, so many that the request
// itself does not count.
const verifications = 200

// verifier is the unit of all the rest. It is in a process of its own as well,
// because in the client's the collector would be at work on the client's garbage.
func verifier() (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("message"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range verifications {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				http.Error(w, "the raw signature does not verify", http.StatusInternalServerError)
			}
		}
	}), err
}

// measured is a server under the work of so many clients at once, and what that
// cost in each round.
type measured struct {
	name    string
	c       *client
	clients int
	do      func(client int) error
	each    int // how often each client does it in a batch
	makes   int // how many of what is counted it is

	app, db    []float64 // µs for one, by rounds
	statements string    // for one, by the database's log
}

func newMeasured(b *testing.B, name string, what served, clients, each int) *measured {
	b.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		b.Fatal(err)
	}
	address, socket := listening(b)
	b.Cleanup(spawn(b, socket, servedJSON+"="+string(text)))
	return &measured{name: name, c: clientOf(b, address), clients: clients, each: each, makes: 1}
}

func newUnit(b *testing.B) *measured {
	b.Helper()
	m := newMeasured(b, "a raw verification", served{By: rawVerifications}, 1, 1)
	m.makes = verifications
	m.do = func(int) error {
		_, err := m.c.post("", "/verify", nil)
		return err
	}
	return m
}

// newLogins is sign-ins without a user name, each client's with a passkey of its
// own.
func newLogins(b *testing.B, name string, what served, clients, each int) *measured {
	b.Helper()
	m := newMeasured(b, name, what, clients, each)
	users := make([]struct {
		passkeytest.Authenticator
		name    string
		signIns int
	}, clients)
	for i := range users {
		user := &users[i]
		user.Origin, user.name = "http://localhost:8080", fmt.Sprintf("user-%d", i)
		if _, err := m.c.ceremony(user.name, "register", user.Create); err != nil {
			b.Fatalf("%s: %v", name, err)
		}
	}
	m.do = func(i int) error {
		user := &users[i]
		user.signIns++
		return m.c.signIn(&user.Authenticator, user.name, user.signIns)
	}
	return m
}

// newBegins is sign-ins that begin, and no more.
func newBegins(b *testing.B, name string, what served, clients, each int) *measured {
	b.Helper()
	m := newMeasured(b, name, what, clients, each)
	m.do = func(int) error {
		_, err := m.c.post("", "/authenticate/begin", nil)
		return err
	}
	return m
}

func (m *measured) batch(each int) error {
	errs := make([]error, m.clients)
	concurrently(m.clients, func(i int) {
		for n := 0; n < each && errs[i] == nil; n++ {
			errs[i] = m.do(i)
		}
	})
	return errors.Join(errs...)
}

// rounds are those of one iteration of a benchmark: -benchtime 3x is three times
// as many. Many of short batches are steadier than few of long ones.
const rounds = 40

// measure gives each server a batch in turn, round after round, so that all of
// them see the same machine. db, if there is one, is the database of all.
func measure(b *testing.B, db *server, all []*measured) {
	b.Helper()
	for b.Loop() {
		for range rounds {
			for _, m := range all {
				if err := m.round(db); err != nil {
					b.Fatalf("%s: %v", m.name, err)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op") // time is not what this is about
}

func (m *measured) round(db *server) error {
	// What was idle while the others had their turns is tried before it is used.
	if err := m.batch(1); err != nil {
		return err
	}
	appBefore, appErr := m.cpu()
	dbBefore, dbErr := db.cpu()
	err := m.batch(m.each)
	appAfter, appAfterErr := m.cpu()
	dbAfter, dbAfterErr := db.cpu()
	n := float64(m.clients * m.each * m.makes)
	m.app = append(m.app, float64(appAfter-appBefore)/1e3/n)
	m.db = append(m.db, float64(dbAfter-dbBefore)/1e3/n)
	return errors.Join(err, appErr, dbErr, appAfterErr, dbAfterErr)
}

func (m *measured) cpu() (time.Duration, error) {
	answer, err := m.c.post("", "/cpu", nil)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(string(answer), 10, 64)
	return time.Duration(ns), err
}

// cpu is what PostgreSQL has used, all its processes together, once they all
// sleep: a connection that was closed takes a while to end. Of those that are
// there it is what the scheduler counts, to the nanosecond, because the ticks of
// so many would not add up to much; it counts the first thread alone, and there
// is no other. Of those that have ended there are the ticks of their parent.
func (s *server) cpu() (sum time.Duration, err error) {
	if s == nil {
		return 0, nil
	}
	parent := strconv.Itoa(s.daemon.Process.Pid)
	for asleep := false; !asleep; time.Sleep(time.Millisecond) {
		sum, asleep = 0, true
		children := s.children()
		for _, pid := range append(slices.Clone(children), parent) {
			stat, statErr := os.ReadFile("/proc/" + pid + "/stat")
			scheduled, err := os.ReadFile("/proc/" + pid + "/schedstat")
			if pid == parent && statErr != nil {
				return 0, statErr
			}
			if statErr != nil || err != nil { // it has just ended
				asleep = false
				break
			}
			// The name of the program is in parentheses, and may have some itself.
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			asleep = asleep && fields[0] == "S"
			ran, _, _ := strings.Cut(string(scheduled), " ")
			sum += time.Duration(number(ran))
			if pid == parent {
				const cutime, cstime, tick = 16 - 3, 17 - 3, int64(10 * time.Millisecond)
				sum += time.Duration(tick * (number(fields[cutime]) + number(fields[cstime])))
			}
		}
		asleep = asleep && slices.Equal(children, s.children())
	}
	return sum, nil
}

// number is one that the kernel wrote.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func ratios(a, b []float64) []float64 {
	c := make([]float64, len(a))
	for i := range c {
		c[i] = a[i] / b[i]
	}
	return c
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// spread is half of what the middle half of the values is apart, in per cent.
func spread(values []float64) float64 {
	return 100 * (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values)
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// table is what printMeasured prints, when all is measured.
var table = [][]string{{"", "clients", "verifications", "", "app µs", "app ×", "", "PostgreSQL µs", "PostgreSQL ×", "", "statements"}}

// report adds rows to the table, in terms of the unit and of one of them.
func report(b *testing.B, unit *measured, all []*measured, one *measured) {
	b.Helper()
	times := func(a, b []float64) []string {
		of := ratios(a, b)
		return []string{fmt.Sprintf("%.2f", median(of)), fmt.Sprintf("±%.0f%%", spread(of))}
	}
	µs := func(values []float64) string { return fmt.Sprintf("%.0f", median(values)) }
	table = append(table, []string{}, []string{
		"a raw verification", "", "1", fmt.Sprintf("±%.0f%%", spread(unit.app)), µs(unit.app),
	})
	for _, m := range all {
		name := strings.NewReplacer(",", "", " ", "-").Replace(m.name)
		b.ReportMetric(median(ratios(m.app, unit.app)), name+"-verifications")
		row := slices.Concat([]string{m.name, strconv.Itoa(m.clients)}, times(m.app, unit.app), []string{µs(m.app)}, times(m.app, one.app))
		if median(m.db) > 0 {
			row = slices.Concat(row, []string{µs(m.db)}, times(m.db, one.db), []string{m.statements})
		}
		table = append(table, row)
	}
}

func printMeasured() {
	if len(table) == 1 {
		return
	}
	fmt.Println("\nThe CPU of one, medians; ± is how far from it half of the rounds are, and × compares it with the row that has 1.00.")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range table {
		// All rows have all columns, or the writer would not align them.
		fmt.Fprintln(w, strings.Join(append(row, make([]string, len(table[0])-len(row)+1)...), "\t"))
	}
	_ = w.Flush()
}

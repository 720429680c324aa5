package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// testVersions holds gormstore to its word on the versions of its table.
func testVersions(t *testing.T, open opener) {
	for _, row := range []struct {
		name, says string
		test       func(*testing.T, opener)
	}{
		{"frozen", "The statements that make versions 1 and 2 are those that made them.", versionFrozen},
		{"twice", "Migrate leaves alone what is there.", migrateTwice},
		{"concurrently", "Any number of processes may migrate at once, from nothing and from version 1.", migrateConcurrently},
		{"half-way", "Migrate goes on where another was interrupted.", migrateHalfWay},
		{"prepared", "Migrate can run again on a connection that has prepared its statements.", migratePrepared},
		{"apart", "Migrate makes the credentials' table and nothing else; MigrateChallenges the other.", migrateApart},
		{"passkeys", "Every passkey of a version 1 signs in after Migrate, and is whole.", migratePasskeys},
		{"before", "The code of version 1 runs on this table, with this code, and neither loses what the other wrote.", besideVersion1},
		{"next", "The suite passes on the table of a later version, which Migrate leaves alone.", onLaterVersion},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			row.test(t, open)
		})
	}
}

// ofVersion1 makes a table as it was.
func ofVersion1(t *testing.T, db *gorm.DB) (gormstore.Schema, version1) {
	t.Helper()
	s := tables()
	for _, statement := range version1DDL[db.Name()] {
		if err := db.Exec(fmt.Sprintf(statement, s.CredentialsTable)).Error; err != nil {
			t.Fatal(err)
		}
	}
	return s, version1{db, s.CredentialsTable}
}

func versionFrozen(t *testing.T, open opener) {
	dialect, s := open(t, &gorm.Config{}).Name(), tables()
	var want []string
	for _, statement := range version1DDL[dialect] {
		want = append(want, fmt.Sprintf(statement, s.CredentialsTable))
	}
	for _, statement := range version2DDL[dialect] {
		want = append(want, fmt.Sprintf(statement, s.CredentialsTable))
	}
	all := s.DDL(dialect, 0)
	if got := all[:len(all)-len(s.DDL(dialect, 2))]; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func migrateTwice(t *testing.T, open opener) {
	var out bytes.Buffer
	db := open(t, &gorm.Config{Logger: logger.New(log.New(&out, "", 0), logger.Config{LogLevel: logger.Info})})
	s := migrated(t, db)
	added := add(t, s.NewCredentials(db), 1)
	out.Reset()
	if err := s.Migrate(db); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewCredentials(db).Get(t.Context(), added.ID); err != nil {
		t.Error(err)
	}
	// Not even in vain: it would lock the table, and look like a failure in the log.
	if text := out.String(); !strings.Contains(text, "CREATE TABLE") || strings.Contains(text, "ALTER TABLE") {
		t.Errorf("want nothing altered, got\n%s", text)
	}
}

func migrateConcurrently(t *testing.T, open opener) {
	const processes, rounds = 8, 5
	var dbs [processes]*gorm.DB
	for i := range dbs {
		dbs[i] = open(t, &gorm.Config{})
	}
	for range rounds {
		old, v1 := ofVersion1(t, dbs[0])
		there := passkeys.Credential{ID: []byte{2}, UserID: "alice", PublicKey: []byte{0xa5}}
		if err := v1.add(t.Context(), there); err != nil {
			t.Fatal(err)
		}
		for _, s := range []gormstore.Schema{tables(), old} {
			concurrently(processes, func(i int) {
				if err := errors.Join(s.Migrate(dbs[i]), s.MigrateChallenges(dbs[i])); err != nil {
					t.Error(err)
				}
			})
			add(t, s.NewCredentials(dbs[1]), 1)
		}
		if _, err := old.NewCredentials(dbs[1]).Get(t.Context(), there.ID); err != nil {
			t.Error(err)
		}
	}
}

func migrateHalfWay(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	for done := range gormstore.Schema.DDL(tables(), db.Name(), 0) {
		s := tables()
		for _, statement := range s.DDL(db.Name(), 0)[:done] {
			if err := db.Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Migrate(db); err != nil {
			t.Errorf("after %d statements: %v", done, err)
			continue
		}
		add(t, s.NewCredentials(db), 1)
		if indexed := db.Migrator().HasIndex(s.CredentialsTable, s.CredentialsTable+"_user_id") ||
			db.Migrator().HasIndex(s.CredentialsTable, "user_id"); !indexed {
			t.Errorf("after %d statements: no index", done)
		}
	}
}

func migratePrepared(t *testing.T, open opener) {
	db := open(t, &gorm.Config{PrepareStmt: true})
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	s, _ := ofVersion1(t, db)
	for range 3 {
		if err := s.Migrate(db); err != nil {
			t.Fatal(err)
		}
	}
	add(t, s.NewCredentials(db), 1)
}

func migrateApart(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := tables()
	if err := s.Migrate(db); err != nil {
		t.Fatal(err)
	}
	if db.Migrator().HasTable(s.ChallengesTable) {
		t.Error("Migrate has made a table for challenges")
	}
	handle := ""
	for range 2 {
		if err := s.MigrateChallenges(db); err != nil {
			t.Fatal(err)
		}
		if handle != "" {
			break
		}
		var err error
		if handle, err = s.NewChallenges(db).Put(t.Context(), nil, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(db); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.NewChallenges(db).Consume(t.Context(), handle); err != nil {
		t.Errorf("a challenge that was there: %v", err)
	}
	only := tables()
	if err := only.MigrateChallenges(db); err != nil {
		t.Fatal(err)
	}
	if db.Migrator().HasTable(only.CredentialsTable) {
		t.Error("MigrateChallenges has made a table for credentials")
	}
}

func migratePasskeys(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s, v1 := ofVersion1(t, db)
	authenticator := func(change func(*passkeytest.Authenticator)) *passkeytest.Authenticator {
		a := passkeytest.New(origin)
		change(a)
		return a
	}
	rows := []struct {
		name, user  string
		a           *passkeytest.Authenticator
		signIns     int // before Migrate
		quarantined bool
	}{
		{"new", "alice", authenticator(func(*passkeytest.Authenticator) {}), 0, false},
		{"used", "alice", authenticator(func(*passkeytest.Authenticator) {}), 3, false},
		{"synced", "bob", authenticator(func(a *passkeytest.Authenticator) {
			a.Counter, a.BackupEligible, a.BackupState, a.Transports = passkeytest.CounterZero, true, true, []string{"internal", "hybrid"}
		}), 2, false},
		{"without-cred-props", "carol", authenticator(func(a *passkeytest.Authenticator) { a.NoCredProps = true }), 1, false},
		{"quarantined", "dave", authenticator(func(*passkeytest.Authenticator) {}), 1, true},
		{"quarantined-unused", "dave", authenticator(func(a *passkeytest.Authenticator) { a.Counter = passkeytest.CounterZero }), 0, true},
		{"binary", "\xff\x00\xfe not UTF-8", authenticator(func(a *passkeytest.Authenticator) { a.Algorithm = passkeytest.EdDSA }), 1, false},
		{"longest-id", "erin", authenticator(func(a *passkeytest.Authenticator) { a.CredentialID = bytes.Repeat([]byte{0xff}, 1023) }), 1, false},
	}
	memory := passkeys.NewMemoryCredentials()
	before := newInstance(t, memory)
	var want []passkeys.Credential
	for _, row := range rows {
		if err := register(t.Context(), before, row.a, row.user); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		for range row.signIns {
			if err := signInOnce(t.Context(), before, row.a); err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
		}
		c, err := memory.Get(t.Context(), row.a.Credentials()[0].ID)
		if err == nil {
			err = v1.add(t.Context(), c)
		}
		// What version 1 did not keep.
		c.RPID, c.Spent, c.Version = "", nil, 0
		if row.quarantined && err == nil {
			c.QuarantinedAt, c.QuarantineReason = c.CreatedAt.Add(time.Second), passkeys.ReasonSignCountRegressed
			c.Version++
			err = v1.quarantine(t.Context(), c.ID, c.QuarantinedAt, c.QuarantineReason)
		}
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		want = append(want, c)
	}
	if err := s.Migrate(db); err != nil {
		t.Fatal(err)
	}
	var null int
	if err := db.Raw("SELECT COUNT(*) FROM " + s.CredentialsTable + " WHERE rp_id IS NULL OR user_handle IS NULL OR handle_unknown IS NULL" +
		" OR spent IS NULL OR discoverable_known IS NULL OR prf_enabled IS NULL").Row().Scan(&null); err != nil || null != 0 {
		t.Errorf("%d rows with NULL; %v", null, err)
	}
	r := s.NewCredentials(db)
	after := newInstance(t, r)
	for i, row := range rows {
		got, err := r.Get(t.Context(), want[i].ID)
		if got = got.Clone(); len(got.UserHandle)+len(got.Spent) == 0 {
			got.UserHandle, got.Spent = nil, nil
		}
		if err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%s: %+v, want %+v; %v", row.name, got, want[i], err)
		}
		if row.quarantined {
			if err := signInOnce(t.Context(), after, row.a); !errors.Is(err, passkeys.ErrCloneDetected) {
				t.Errorf("%s: %v", row.name, err)
			}
			if err := after.Restore(t.Context(), row.user, want[i].ID); err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
		}
		answer, err := answered(t.Context(), after, row.a)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		result, err := after.FinishAuthentication(t.Context(), answer)
		if err != nil || result.UserID != row.user {
			t.Errorf("%s: signed in as %+v; %v", row.name, result, err)
		}
		if _, err := after.FinishAuthentication(t.Context(), answer); !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("%s: once more: %v", row.name, err)
		}
	}
}

// besideVersion1 has processes of both versions on one table, as while an
// application is being replaced.
func besideVersion1(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s, v1 := ofVersion1(t, db)
	if err := s.Migrate(db); err != nil {
		t.Fatal(err)
	}
	r := s.NewCredentials(db)

	// One after the other.
	ctx := t.Context()
	c := passkeys.Credential{ID: []byte{1}, UserID: "alice", PublicKey: []byte{0xa5}, Algorithm: -7, CreatedAt: time.Now()}
	ours := passkeys.Credential{
		ID: []byte{2}, UserID: "alice", PublicKey: []byte{0xa5}, Discoverable: passkeys.NotDiscoverable, PRFEnabled: true, RPID: "localhost", Spent: []byte{1}, Version: 7,
	}
	for _, err := range []error{
		v1.add(ctx, c), r.Add(ctx, ours),
		r.Update(ctx, ours), v1.rename(ctx, "alice", ours.ID, "Phone"), v1.quarantine(ctx, ours.ID, time.Now(), "reason"), v1.restore(ctx, "alice", ours.ID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(v1.add(ctx, ours), r.Add(ctx, c)); !errors.Is(err, passkeys.ErrCredentialExists) {
		t.Errorf("duplicates: %v", err)
	}
	got, err := r.Get(ctx, ours.ID)
	if err != nil || got.DeviceName != "Phone" || got.Quarantined() || got.RPID != "localhost" || !bytes.Equal(got.Spent, ours.Spent) ||
		got.Discoverable != passkeys.NotDiscoverable || !got.PRFEnabled || got.Version < 7+4 {
		t.Errorf("after version 1 has written it: %+v; %v", got, err)
	}
	if err := v1.delete(ctx, "alice", ours.ID); err != nil {
		t.Error(err)
	}

	// At once: sign-ins of both, each one more than the last, and renames of both.
	var signIns [2]atomic.Int64
	signing, stop := context.WithCancel(ctx)
	defer stop()
	renamed := make(chan struct{})
	go func() {
		defer close(renamed)
		defer stop()
		name := ""
		for i := 0; i < 200 || signIns[0].Load() < 20 || signIns[1].Load() < 20; i++ {
			now, err := v1.get(ctx, c.ID)
			if err != nil || now.DeviceName != name {
				t.Errorf("the name is %q, want %q; %v", now.DeviceName, name, err)
				return
			}
			if name = fmt.Sprint("Phone ", i); i%2 == 0 {
				err = v1.rename(ctx, "alice", c.ID, name)
			} else {
				err = changed(ctx, r, c.ID, func(c *passkeys.Credential) { c.DeviceName = name })
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	concurrently(4, func(i int) {
		for signing.Err() == nil {
			if i%2 == 0 {
				now, err := v1.get(ctx, c.ID)
				used := false
				if err == nil {
					used, err = v1.use(ctx, c.ID, now.SignCount, now.SignCount+1)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if used {
					signIns[0].Add(1)
				}
				continue
			}
			if err := changed(ctx, r, c.ID, func(c *passkeys.Credential) { c.SignCount++ }); err != nil {
				t.Error(err)
				return
			}
			signIns[1].Add(1)
		}
	})
	<-renamed
	if got, err := r.Get(ctx, c.ID); err != nil || int64(got.SignCount) != signIns[0].Load()+signIns[1].Load() {
		t.Errorf("the counter is %d after %d and %d sign-ins; %v", got.SignCount, signIns[0].Load(), signIns[1].Load(), err)
	}
}

// changed reads, changes and updates a credential, until there is no conflict.
func changed(ctx context.Context, r passkeys.CredentialRepository, id []byte, change func(*passkeys.Credential)) error {
	for {
		c, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		change(&c)
		if err := r.Update(ctx, c); !errors.Is(err, passkeys.ErrConflict) {
			return err
		}
	}
}

func onLaterVersion(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	conformance.TestCredentials(t, func(tb testing.TB) passkeys.CredentialRepository {
		s := migrated(tb, db)
		if err := db.Exec("ALTER TABLE " + s.CredentialsTable + " ADD COLUMN later BIGINT NOT NULL DEFAULT 7").Error; err != nil {
			tb.Fatal(err)
		}
		if err := s.Migrate(db); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			var changed int
			if err := db.Raw("SELECT COUNT(*) FROM " + s.CredentialsTable + " WHERE later <> 7").Row().Scan(&changed); err != nil || changed != 0 {
				tb.Errorf("%d rows have lost what a later version keeps; %v", changed, err)
			}
		})
		return s.NewCredentials(db)
	})
}

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// opener connects to a database; whoever opens it twice gets two pools on one.
type opener func(testing.TB, *gorm.Config) *gorm.DB

// testGorm holds gormstore to its word on one database.
func testGorm(t *testing.T, open opener) {
	for _, row := range []struct {
		name, says string
		test       func(*testing.T, opener)
	}{
		{"suites", "The conformance suites pass, and challenges go by the store's clock.", suites(&gorm.Config{})},
		{"suites-configured", "They pass whatever the application has configured in gorm.", suites(&gorm.Config{
			PrepareStmt:    true,
			TranslateError: true,
			QueryFields:    true,
			NamingStrategy: schema.NamingStrategy{TablePrefix: "app_", SingularTable: true, NoLowerCase: true},
			NowFunc:        func() time.Time { return time.Time{} },
		})},
		{"transaction", "In a transaction a duplicate, a miss and a conflict leave it usable, and a rollback takes all back.", transaction},
		{"transaction-challenge", "In a transaction a challenge is consumed when it commits.", transactionChallenge},
		{"half-built-query", "A *gorm.DB in the middle of a chain is as good as any.", halfBuilt},
		{"hooks", "The application's callbacks for its models are not called.", callbacks},
		{"handles-hashed", "No handle is in the database.", handlesHashed},
		{"log", "No value of a statement is in gorm's log, and no duplicate is an error there.", logged},
		{"delete-expired", "DeleteExpired deletes what has expired, all of it, and nothing else.", deleteExpired},
		{"delete-expired-under-load", "DeleteExpired disturbs nobody who puts and consumes meanwhile.", deleteExpiredUnderLoad},
		{"delete-expired-concurrently", "Several DeleteExpired at once delete each challenge once.", deleteExpiredConcurrently},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			row.test(t, open)
		})
	}
}

// tables returns names that nobody has used.
func tables() gormstore.Schema {
	unique := strings.ToLower(rand.Text())
	return gormstore.Schema{CredentialsTable: "credentials_" + unique, ChallengesTable: "challenges_" + unique}
}

func migrated(tb testing.TB, db *gorm.DB) gormstore.Schema {
	tb.Helper()
	s := tables()
	if err := errors.Join(s.Migrate(db), s.MigrateChallenges(db)); err != nil {
		tb.Fatal(err)
	}
	return s
}

func suites(config *gorm.Config) func(*testing.T, opener) {
	return func(t *testing.T, open opener) {
		db := open(t, config)
		t.Run("credentials", func(t *testing.T) {
			conformance.TestCredentials(t, func(tb testing.TB) passkeys.CredentialRepository {
				return migrated(tb, db).NewCredentials(db)
			})
		})
		t.Run("challenges", func(t *testing.T) {
			clock := passkeytest.NewClock(time.Time{})
			conformance.TestChallenges(t, func(tb testing.TB) passkeys.ChallengeStore {
				s := migrated(tb, db).NewChallenges(db)
				s.Now = clock.Now
				return s
			}, conformance.Features{Now: clock.Now, Advance: clock.Advance})
		})
	}
}

func transaction(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	outside := s.NewCredentials(db)
	first := add(t, outside, 1)
	errBack := errors.New("rolled back")
	err := db.Transaction(func(tx *gorm.DB) error {
		r := s.NewCredentials(tx)
		if err := r.Add(t.Context(), first); !errors.Is(err, passkeys.ErrCredentialExists) {
			t.Errorf("duplicate: %v", err)
		}
		if err := r.Delete(t.Context(), "bob", first.ID); !errors.Is(err, passkeys.ErrCredentialNotFound) {
			t.Errorf("miss: %v", err)
		}
		stale := first
		stale.Version++
		if err := r.Update(t.Context(), stale); !errors.Is(err, passkeys.ErrConflict) {
			t.Errorf("conflict: %v", err)
		}
		if _, err := r.Get(t.Context(), add(t, r, 2).ID); err != nil {
			t.Errorf("what the transaction added: %v", err)
		}
		return errBack
	})
	if !errors.Is(err, errBack) {
		t.Error(err)
	}
	if left, err := outside.ListByUser(t.Context(), "alice"); err != nil || len(left) != 1 {
		t.Errorf("%d credentials are left, want 1; %v", len(left), err)
	}
}

func transactionChallenge(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	outside := s.NewChallenges(db)
	handle, err := outside.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	errBack := errors.New("rolled back")
	for _, want := range []error{errBack, nil} {
		if err := db.Transaction(func(tx *gorm.DB) error {
			if _, err := s.NewChallenges(tx).Consume(t.Context(), handle); err != nil {
				return err
			}
			return want
		}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := outside.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) {
		t.Errorf("after the commit: %v", err)
	}
}

// lockWait is not among the rows because SQLite must be told to wait less.
func lockWait(t *testing.T, open opener) {
	t.Log("Who waits for another's lock stops when their context ends, with its error.")
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	added := add(t, s.NewCredentials(db), 1)
	if err := db.Transaction(func(tx *gorm.DB) error {
		if err := s.NewCredentials(tx).Update(t.Context(), added); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := s.NewCredentials(db).Update(ctx, added); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func halfBuilt(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	r := s.NewCredentials(db.Where("1 = 0").Order("nothing").Limit(0))
	added := add(t, r, 1)
	concurrently(8, func(int) {
		if _, err := r.Get(t.Context(), added.ID); err != nil {
			t.Error(err)
		}
	})
}

func callbacks(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	refuse := func(db *gorm.DB) { _ = db.AddError(errors.New("not one of our models")) }
	for _, err := range []error{
		db.Callback().Create().Before("*").Register("app:refuse", refuse),
		db.Callback().Query().Before("*").Register("app:refuse", refuse),
		db.Callback().Update().Before("*").Register("app:refuse", refuse),
		db.Callback().Delete().Before("*").Register("app:refuse", refuse),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := s.NewCredentials(db)
	added := add(t, r, 1)
	if _, err := r.Get(t.Context(), added.ID); err != nil {
		t.Error(err)
	}
	if err := r.Update(t.Context(), added); err != nil {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), "alice", added.ID); err != nil {
		t.Error(err)
	}
}

func handlesHashed(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	handle, err := s.NewChallenges(db).Put(t.Context(), nil, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := db.Table(s.ChallengesTable).Find(&rows).Error; err != nil || len(rows) != 1 {
		t.Fatalf("%d rows; %v", len(rows), err)
	}
	for column, value := range rows[0] {
		if text, ok := value.([]byte); ok && bytes.Contains(text, []byte(handle)) || strings.Contains(fmt.Sprint(value), handle) {
			t.Errorf("the column %s holds the handle", column)
		}
	}
}

func logged(t *testing.T, open opener) {
	var out bytes.Buffer
	db := open(t, &gorm.Config{Logger: logger.New(log.New(&out, "", 0), logger.Config{LogLevel: logger.Info})})
	s := migrated(t, db)
	r := s.NewChallenges(db.Debug())
	handle, err := r.Put(t.Context(), []byte("the payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Consume(t.Context(), handle); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "INSERT INTO") || strings.Contains(text, "the payload") {
		t.Errorf("want the statement without its values, got\n%s", text)
	}
	added := add(t, s.NewCredentials(db), 1)
	out.Reset()
	if err := s.NewCredentials(db).Add(t.Context(), added); !errors.Is(err, passkeys.ErrCredentialExists) {
		t.Error(err)
	}
	if text := out.String(); !strings.Contains(text, "INSERT INTO") || strings.Contains(text, "Error") {
		t.Errorf("want a duplicate as a statement that worked, got\n%s", text)
	}
}

func deleteExpired(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	r := s.NewChallenges(db)
	const expired = 2001 // more than two batches
	live, late := someChallenges(t, db, s, r, expired), time.Now().Add(2*time.Minute)
	r.Now = func() time.Time { return late }
	for _, want := range []int64{expired, 0} {
		if n, err := r.DeleteExpired(t.Context()); err != nil || n != want {
			t.Errorf("%d deleted, want %d; %v", n, want, err)
		}
	}
	if _, err := r.Consume(t.Context(), live); err != nil {
		t.Errorf("one that has not expired: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.DeleteExpired(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func deleteExpiredConcurrently(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	s := migrated(t, db)
	r := s.NewChallenges(db)
	const expired = 3000
	someChallenges(t, db, s, r, expired)
	late := time.Now().Add(2 * time.Minute)
	r.Now = func() time.Time { return late }
	var mu sync.Mutex
	total := int64(0)
	concurrently(4, func(int) {
		n, err := r.DeleteExpired(t.Context())
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		total += n
	})
	if total != expired {
		t.Errorf("%d deleted, want %d", total, expired)
	}
}

func deleteExpiredUnderLoad(t *testing.T, open opener) {
	db := open(t, &gorm.Config{})
	r := migrated(t, db).NewChallenges(db)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		for ctx.Err() == nil {
			if _, err := r.DeleteExpired(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
	concurrently(8, func(i int) {
		for range 50 {
			// Half of them expire about when they are consumed.
			d := time.Hour
			if i%2 == 0 {
				d = 3 * time.Millisecond
			}
			handle, err := r.Put(ctx, []byte("payload"), time.Now().Add(d))
			if d != time.Hour && errors.Is(err, passkeys.ErrInvalidChallenge) {
				// On a busy machine it was over before it could be stored.
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := r.Consume(ctx, handle); err != nil &&
				(d == time.Hour || !errors.Is(err, passkeys.ErrChallengeExpired) && !errors.Is(err, passkeys.ErrChallengeNotFound)) {
				t.Error(err)
			}
		}
	})
	cancel()
	sweeper.Wait()
}

// someChallenges puts n challenges of one minute, and one of an hour, whose
// handle it returns.
func someChallenges(t *testing.T, db *gorm.DB, s gormstore.Schema, r *gormstore.Challenges, n int) string {
	t.Helper()
	now := time.Now()
	err := db.Transaction(func(tx *gorm.DB) error {
		all := s.NewChallenges(tx)
		for range n {
			if _, err := all.Put(t.Context(), []byte("payload"), now.Add(time.Minute)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	handle, err := r.Put(t.Context(), []byte("payload"), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

// add adds a credential of alice's that there is no reason to refuse.
func add(t *testing.T, r passkeys.CredentialRepository, id ...byte) passkeys.Credential {
	t.Helper()
	c := passkeys.Credential{ID: id, UserID: "alice", PublicKey: []byte{0xa5}, CreatedAt: time.Now()}
	if err := r.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// concurrently calls f n times at once and returns when all have returned.
func concurrently(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// opened connects, and closes at the end of the test. Unless the test wants the
// log, it keeps it out of the way.
func opened(tb testing.TB, dialector gorm.Dialector, config *gorm.Config) *gorm.DB {
	tb.Helper()
	own := *config
	if own.Logger == nil {
		own.Logger = logger.Discard
	}
	db, err := gorm.Open(dialector, &own)
	if err != nil {
		tb.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		tb.Fatal(err)
	}
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(16)
	tb.Cleanup(func() { _ = pool.Close() })
	return db
}

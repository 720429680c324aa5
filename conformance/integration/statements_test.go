package integration

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

// operation is one call of a store.
type operation struct {
	name   string
	call   func(context.Context) error
	before func(context.Context) error // what it needs; nil: nothing
}

// operations are all of both stores, in an order in which each of them has
// something to do. To expired, what was just put has expired. Without
// credentials there are those of a store of challenges alone.
func operations(credentials passkeys.CredentialRepository, challenges passkeys.ChallengeStore, expired *gormstore.Challenges) []operation {
	id, now := []byte(rand.Text()), time.Now()
	var handle string
	put := func(ctx context.Context) (err error) {
		handle, err = challenges.Put(ctx, []byte("payload"), now.Add(30*time.Second))
		return err
	}
	consume := func(ctx context.Context) error {
		_, err := challenges.Consume(ctx, handle)
		return err
	}
	if credentials == nil {
		return []operation{{"Put", put, nil}, {"Consume", consume, nil}}
	}
	c := passkeys.Credential{ID: id, UserID: "alice", PublicKey: id, CreatedAt: now}
	return []operation{
		{"Add", func(ctx context.Context) error { return credentials.Add(ctx, c) }, nil},
		{"Add, twice", func(ctx context.Context) error {
			if err := credentials.Add(ctx, c); !errors.Is(err, passkeys.ErrCredentialExists) {
				return fmt.Errorf("a second Add: %w", err)
			}
			return nil
		}, nil},
		{"Get", func(ctx context.Context) error {
			_, err := credentials.Get(ctx, id)
			return err
		}, nil},
		{"ListByUser", func(ctx context.Context) error {
			_, err := credentials.ListByUser(ctx, "alice")
			return err
		}, nil},
		{"Scan", func(ctx context.Context) error {
			_, err := credentials.(passkeys.CredentialScanner).Scan(ctx, nil, 500)
			return err
		}, nil},
		{"Scan, on", func(ctx context.Context) error {
			_, err := credentials.(passkeys.CredentialScanner).Scan(ctx, id, 500)
			return err
		}, nil},
		{"Update", func(ctx context.Context) error { return credentials.Update(ctx, c) }, nil},
		{"Update, conflict", func(ctx context.Context) error {
			if err := credentials.Update(ctx, c); !errors.Is(err, passkeys.ErrConflict) {
				return fmt.Errorf("a second Update: %w", err)
			}
			return nil
		}, nil},
		{"Delete", func(ctx context.Context) error { return credentials.Delete(ctx, "alice", id) }, nil},
		{"Update, missing", func(ctx context.Context) error {
			if err := credentials.Update(ctx, c); !errors.Is(err, passkeys.ErrCredentialNotFound) {
				return fmt.Errorf("an Update of what is gone: %w", err)
			}
			return nil
		}, nil},
		{"Put", put, nil},
		{"Consume", consume, nil},
		{"DeleteExpired", func(ctx context.Context) error {
			deleted, err := expired.DeleteExpired(ctx)
			if deleted == 0 && err == nil {
				err = errors.New("nothing had expired")
			}
			return err
		}, put},
	}
}

// later is a store for which every challenge has expired.
func later(s *gormstore.Challenges) *gormstore.Challenges {
	late := time.Now().Add(time.Hour)
	s.Now = func() time.Time { return late }
	return s
}

// statement is one that reached database/sql.
type statement struct {
	text   string
	values []any
}

// recorder is a pool that remembers what is asked of it, transactions and
// prepared statements included.
type recorder struct {
	*sql.DB

	mu       sync.Mutex
	recorded []statement
}

func (r *recorder) record(text string, values ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded = append(r.recorded, statement{text, values})
}

// take returns what was recorded since it was last called.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.recorded
	r.recorded = nil
	return taken
}

func (r *recorder) ExecContext(ctx context.Context, text string, values ...any) (sql.Result, error) {
	r.record(text, values...)
	return r.DB.ExecContext(ctx, text, values...)
}

func (r *recorder) QueryContext(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	r.record(text, values...)
	return r.DB.QueryContext(ctx, text, values...)
}

func (r *recorder) QueryRowContext(ctx context.Context, text string, values ...any) *sql.Row {
	r.record(text, values...)
	return r.DB.QueryRowContext(ctx, text, values...)
}

func (r *recorder) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	r.record("PREPARE " + text)
	return r.DB.PrepareContext(ctx, text)
}

func (r *recorder) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	r.record("BEGIN")
	return r.DB.BeginTx(ctx, o)
}

// recorded connects a second time, by way of a recorder.
func recorded(t *testing.T, db *gorm.DB, dialector func(gorm.ConnPool) gorm.Dialector) (*gorm.DB, *recorder) {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{DB: pool}
	watched, err := gorm.Open(dialector(r), quiet())
	if err != nil {
		t.Fatal(err)
	}
	r.take() // what gorm asks when it opens
	return watched, r
}

package gormstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"strconv"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"gorm.io/gorm"
)

// Challenges keeps challenges in a table. It is safe for concurrent use.
type Challenges struct {
	// Now is the clock. Default: time.Now. Set it before the first use.
	Now func() time.Time

	table
}

var _ passkeys.ChallengeStore = (*Challenges)(nil)

// NewChallenges returns the challenges in s.ChallengesTable of db. It does not
// ask the database anything.
func (s Schema) NewChallenges(db *gorm.DB) *Challenges {
	return &Challenges{table: newTable(db, s.named().ChallengesTable)}
}

const (
	// The length of rand.Text, which may grow.
	minHandle, maxHandle = 26, 64
	// expiredBatch keeps a statement short that holds locks.
	expiredBatch = 1000
)

func (s *Challenges) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Put implements [passkeys.ChallengeStore].
func (s *Challenges) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	if err := cmp.Or(ctx.Err(), passkeys.ValidateChallenge(payload, expiresAt, s.now())); err != nil {
		return "", err
	}
	handle := rand.Text()
	_, err := s.exec(ctx, "INSERT INTO "+s.name+" (expires_at, handle_hash, payload) VALUES (?, ?, ?)",
		expiresAt.UnixMicro(), hash(handle), notNull(payload))
	if err != nil {
		return "", err
	}
	return handle, nil
}

// Consume implements [passkeys.ChallengeStore]. An expired challenge is
// ErrChallengeExpired once, if DeleteExpired has not come first.
func (s *Challenges) Consume(ctx context.Context, handle string) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(handle) < minHandle || len(handle) > maxHandle || strings.Trim(handle, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "":
		return nil, passkeys.ErrChallengeNotFound
	}
	var (
		payload []byte
		expires int64
		found   bool
	)
	key, where := hash(handle), " FROM "+s.name+" WHERE handle_hash = ?"
	scan := func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&payload, &expires)
	}
	var err error
	if s.dialect == mysql {
		if err = s.query(ctx, scan, "SELECT payload, expires_at"+where, key); err == nil && found {
			var n int64
			n, err = s.exec(ctx, "DELETE"+where, key)
			found = n == 1
		}
	} else {
		err = s.query(ctx, scan, "DELETE"+where+" RETURNING payload, expires_at", key)
	}
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, passkeys.ErrChallengeNotFound
	case s.now().UnixMicro() >= expires:
		return nil, passkeys.ErrChallengeExpired
	default:
		return payload, nil
	}
}

// DeleteExpired deletes the challenges that have expired, and returns how many.
// It takes a thousand at a time, so that nobody waits for it long; what is
// deleted when it returns an error stays deleted. Call it as often as you like,
// in as many processes as you like: every few minutes does.
func (s *Challenges) DeleteExpired(ctx context.Context) (deleted int64, err error) {
	now := s.now().UnixMicro()
	for more := true; more && err == nil; {
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		var n int64
		n, more, err = s.deleteBatch(ctx, now)
		deleted += n
	}
	return deleted, err
}

func (s *Challenges) deleteBatch(ctx context.Context, now int64) (n int64, more bool, err error) {
	expired := "SELECT handle_hash FROM " + s.name +
		" WHERE expires_at <= ? ORDER BY expires_at, handle_hash LIMIT " + strconv.Itoa(expiredBatch)
	remove := "DELETE FROM " + s.name + " WHERE handle_hash "
	if s.dialect != mysql {
		these := "IN (" + expired + ")"
		if s.dialect == postgres {
			// Two of these at once do not wait for each other. Of an IN the planner
			// would make a join, and may read the whole table for each batch.
			these = "= ANY(ARRAY(" + expired + " FOR UPDATE SKIP LOCKED))"
		}
		n, err = s.exec(ctx, remove+these, now)
		return n, n == expiredBatch, err
	}
	// InnoDB would lock the index first and the rows after, Consume the other way
	// round: a deadlock. A SELECT by itself locks nothing.
	var keys [][]byte
	err = s.query(ctx, func(rows *sql.Rows) error {
		keys = append(keys, nil)
		return rows.Scan(&keys[len(keys)-1])
	}, expired, now)
	if err != nil || len(keys) == 0 {
		return 0, false, err
	}
	more = len(keys) == expiredBatch
	for len(keys) < expiredBatch {
		keys = append(keys, keys[0]) // so that there is one statement to prepare, not a thousand
	}
	n, err = s.exec(ctx, remove+"IN ?", keys)
	return n, more, err
}

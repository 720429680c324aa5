package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/redisstore"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// TestRaces runs a thousand rounds of each race on every store, several at once.
func TestRaces(t *testing.T) {
	onGorm := func(dialector func(*testing.T) gorm.Dialector) func(*testing.T) stores {
		return func(t *testing.T) stores {
			db := opened(t, dialector(t), &gorm.Config{})
			s := migrated(t, db)
			return stores{credentials: s.NewCredentials(db), challenges: s.NewChallenges(db)}
		}
	}
	for _, engine := range []struct {
		name   string
		stores func(*testing.T) stores
	}{
		{"memory", func(*testing.T) stores {
			return stores{credentials: passkeys.NewMemoryCredentials(), challenges: passkeys.NewMemoryChallenges()}
		}},
		{"sqlite", onGorm(func(t *testing.T) gorm.Dialector {
			return sqlite.Open(applicationDSN(filepath.Join(t.TempDir(), "test.db")))
		})},
		{"postgresql", onGorm(func(t *testing.T) gorm.Dialector { return postgres.Open(postgresServer(t)) })},
		{"mariadb", onGorm(func(t *testing.T) gorm.Dialector { return mysql.Open(mariadbServer(t)) })},
		{"redis", func(t *testing.T) stores {
			return stores{challenges: redisstore.NewChallenges(redisClient(t, redisServer(t)), &redisstore.Options{Prefix: prefix()})}
		}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			s := engine.stores(t)
			for _, race := range []struct {
				name, says string
				has        bool
				round      func(*testing.T, stores) func(context.Context) error
			}{
				{"one-state", "Of two finishes with one state exactly one succeeds; the other's challenge is not found.", true, raceForState},
				{"one-counter", "Of two sign-ins that saw one counter exactly one advances it; the other has raced.", s.credentials != nil, raceForCounter},
				{"register-and-revoke", "A passkey that is registered and revoked at once is there, whole and listed, or gone.", s.credentials != nil, raceToRevoke},
			} {
				if !race.has {
					continue
				}
				t.Run(race.name, func(t *testing.T) {
					t.Log(race.says)
					const rounds = 1000
					var next atomic.Int32
					concurrently(workers, func(int) {
						round := race.round(t, s)
						for next.Add(1) <= rounds {
							if err := round(t.Context()); err != nil {
								t.Error(err)
								return
							}
						}
					})
				})
			}
		})
	}
}

// both calls the two at once.
func both(a, b func() error) (errA, errB error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		errB = b()
	}()
	errA = a()
	<-done
	return errA, errB
}

// raceForState is a user of his own who sends every finish twice.
func raceForState(t *testing.T, s stores) func(context.Context) error {
	credentials := s.credentials
	if credentials == nil {
		credentials = passkeys.NewMemoryCredentials()
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: credentials, Challenges: s.challenges, Logger: silent(),
	})
	if err != nil {
		t.Error(err)
	}
	a := passkeytest.New("http://localhost:8080")
	answered := func(c *passkeys.Ceremony, err error, authenticate func([]byte) (json.RawMessage, error)) (string, json.RawMessage, error) {
		if err != nil {
			return "", nil, err
		}
		options, err := json.Marshal(c)
		if err != nil {
			return "", nil, err
		}
		answer, err := authenticate(options)
		return c.State, answer, err
	}
	registered := false
	return func(ctx context.Context) error {
		var finish func() error
		if !registered {
			c, err := p.BeginRegistration(ctx, passkeys.User{ID: rand.Text()})
			state, answer, err := answered(c, err, a.Create)
			if err != nil {
				return err
			}
			registered = true
			finish = func() error {
				_, err := p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: state, Credential: answer})
				return err
			}
		} else {
			c, err := p.BeginAuthentication(ctx, "")
			state, answer, err := answered(c, err, a.Get)
			if err != nil {
				return err
			}
			finish = func() error {
				_, err := p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: state, Credential: answer})
				return err
			}
		}
		first, second := both(finish, finish)
		if second == nil {
			first, second = second, first
		}
		if first != nil || !errors.Is(second, passkeys.ErrChallengeNotFound) {
			return errors.Join(errors.New("want one success and one challenge not found"), first, second)
		}
		return nil
	}
}

func raceForCounter(t *testing.T, s stores) func(context.Context) error {
	id, seen := []byte(rand.Text()), uint32(0)
	if err := s.credentials.Add(t.Context(), passkeys.Credential{ID: id, UserID: "alice", PublicKey: id, CreatedAt: time.Now()}); err != nil {
		t.Error(err)
	}
	return func(ctx context.Context) error {
		var outcomes [2]passkeys.UsageOutcome
		signIn := func(i int) func() error {
			return func() (err error) {
				outcomes[i], err = s.credentials.UpdateUsage(ctx, id, passkeys.Usage{SeenSignCount: seen, SignCount: seen + 1 + uint32(i), At: time.Now()})
				return err
			}
		}
		if err := errors.Join(both(signIn(0), signIn(1))); err != nil {
			return err
		}
		winner := slices.Index(outcomes[:], passkeys.Advanced)
		if winner < 0 || outcomes[1-winner] != passkeys.Raced {
			return errors.New("want one that advanced and one that raced")
		}
		stored, err := s.credentials.Get(ctx, id)
		if seen += 1 + uint32(winner); err == nil && stored.SignCount != seen {
			err = errors.New("the counter is not the winner's")
		}
		return err
	}
}

func raceToRevoke(_ *testing.T, s stores) func(context.Context) error {
	user := rand.Text()
	return func(ctx context.Context) error {
		c := passkeys.Credential{
			ID: []byte(rand.Text()), UserID: user, PublicKey: bytes.Repeat([]byte{0xa5}, 1000), Algorithm: -7, DeviceName: "Phone",
			CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
		}
		added, revoked := both(
			func() error { return s.credentials.Add(ctx, c) },
			func() error { return s.credentials.Delete(ctx, user, c.ID) },
		)
		stored, err := s.credentials.Get(ctx, c.ID)
		listed, listErr := s.credentials.ListByUser(ctx, user)
		inList := slices.ContainsFunc(listed, func(l passkeys.Credential) bool { return bytes.Equal(l.ID, c.ID) })
		switch {
		case added != nil || listErr != nil:
			return errors.Join(added, listErr)
		case revoked == nil:
			if !errors.Is(err, passkeys.ErrCredentialNotFound) || inList {
				return errors.Join(errors.New("revoked, and still there"), err)
			}
			return nil
		case !errors.Is(revoked, passkeys.ErrCredentialNotFound):
			return revoked
		case err != nil || !inList || stored.UserID != user || !bytes.Equal(stored.PublicKey, c.PublicKey) || stored.DeviceName != c.DeviceName || !stored.CreatedAt.Equal(c.CreatedAt):
			return errors.Join(errors.New("registered, and not there whole"), err)
		}
		return s.credentials.Delete(ctx, user, c.ID)
	}
}

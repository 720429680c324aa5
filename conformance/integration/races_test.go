package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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

// engines are the stores that credentials can be in. The state is sealed where
// there is no store of challenges.
type engine struct {
	name   string
	stores func(testing.TB) stores
}

var engines = []engine{
	{"memory", func(testing.TB) stores {
		return stores{credentials: passkeys.NewMemoryCredentials(), challenges: passkeys.NewMemoryChallenges()}
	}},
	{"sqlite", onGorm(func(tb testing.TB) gorm.Dialector {
		return sqlite.Open(applicationDSN(filepath.Join(tb.TempDir(), "test.db")))
	})},
	{"postgresql", onGorm(func(tb testing.TB) gorm.Dialector { return postgres.Open(postgresServer(tb)) })},
	{"mariadb", onGorm(func(tb testing.TB) gorm.Dialector { return mysql.Open(mariadbServer(tb)) })},
	{"mariadb-found-rows", onGorm(func(tb testing.TB) gorm.Dialector { return mysql.Open(mariadbServer(tb) + "?clientFoundRows=true") })},
}

func onGorm(dialector func(testing.TB) gorm.Dialector) func(testing.TB) stores {
	return func(tb testing.TB) stores {
		db := opened(tb, dialector(tb), &gorm.Config{})
		s := migrated(tb, db)
		return stores{credentials: s.NewCredentials(db), challenges: s.NewChallenges(db)}
	}
}

// TestRaces runs a thousand rounds of each race on every store, several at once.
func TestRaces(t *testing.T) {
	t.Parallel()
	withRedis := append(slices.Clone(engines), engine{"redis", func(tb testing.TB) stores {
		return stores{challenges: redisstore.NewChallenges(redisClient(tb, redisServer(tb)), &redisstore.Options{Prefix: prefix()})}
	}})
	for _, engine := range withRedis {
		t.Run(engine.name, func(t *testing.T) {
			s := engine.stores(t)
			for _, race := range []struct {
				name, says string
				has        bool
				round      func(*testing.T, stores) func(context.Context) error
			}{
				{"one-state", "Of two finishes with one state exactly one succeeds; the other's challenge is not found.", true, raceForState},
				{"one-id", "Of two Adds with one id exactly one succeeds, and the other changes nothing.", s.credentials != nil, raceForID},
				{"one-version", "Of two Updates that read one Version exactly one succeeds; the other conflicts.", s.credentials != nil, raceForVersion},
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

// origin is where the pages of all these applications are, and secret what the
// servers of each share.
const origin = "http://localhost:8080"

var secret = bytes.Repeat([]byte{1}, 32)

// newPasskeys is one of the servers that share these stores; without challenges
// the state is sealed.
func newPasskeys(credentials passkeys.CredentialRepository, challenges passkeys.ChallengeStore) (*passkeys.Passkeys, error) {
	return passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{origin},
		Credentials: credentials, Challenges: challenges, Secret: secret, Logger: silent(),
	})
}

// newInstance is one whose state is sealed.
func newInstance(t *testing.T, credentials passkeys.CredentialRepository) *passkeys.Passkeys {
	t.Helper()
	p, err := newPasskeys(credentials, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// created is a registration that only needs to be finished.
func created(ctx context.Context, p *passkeys.Passkeys, a *passkeytest.Authenticator, userID string) (passkeys.RegistrationResponse, error) {
	c, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: userID, Name: "somebody"}})
	if err != nil {
		return passkeys.RegistrationResponse{}, err
	}
	options, err := json.Marshal(c)
	if err != nil {
		return passkeys.RegistrationResponse{}, err
	}
	answer, err := a.Create(options)
	return passkeys.RegistrationResponse{State: c.State, Credential: answer}, err
}

func register(ctx context.Context, p *passkeys.Passkeys, a *passkeytest.Authenticator, userID string) error {
	answer, err := created(ctx, p, a, userID)
	if err == nil {
		_, err = p.FinishRegistration(ctx, answer)
	}
	return err
}

// answered is a sign-in that only needs to be finished.
func answered(ctx context.Context, p *passkeys.Passkeys, a *passkeytest.Authenticator) (passkeys.AuthenticationResponse, error) {
	c, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil {
		return passkeys.AuthenticationResponse{}, err
	}
	options, err := json.Marshal(c)
	if err != nil {
		return passkeys.AuthenticationResponse{}, err
	}
	answer, err := a.Get(options)
	return passkeys.AuthenticationResponse{State: c.State, Credential: answer}, err
}

// confirmedBy is a confirmation that only needs to be finished.
func confirmedBy(ctx context.Context, p *passkeys.Passkeys, a *passkeytest.Authenticator, userID string, o passkeys.Operation) (passkeys.ConfirmationResponse, error) {
	c, err := p.BeginConfirmation(ctx, userID, o)
	if err != nil {
		return passkeys.ConfirmationResponse{}, err
	}
	options, err := json.Marshal(c)
	if err != nil {
		return passkeys.ConfirmationResponse{}, err
	}
	answer, err := a.Get(options)
	return passkeys.ConfirmationResponse{State: c.State, Credential: answer, UserID: userID}, err
}

func signInOnce(ctx context.Context, p *passkeys.Passkeys, a *passkeytest.Authenticator) error {
	answer, err := answered(ctx, p, a)
	if err == nil {
		_, err = p.FinishAuthentication(ctx, answer)
	}
	return err
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

// raceForState is a user of their own who sends every finish twice.
func raceForState(t *testing.T, s stores) func(context.Context) error {
	credentials := s.credentials
	if credentials == nil {
		credentials = passkeys.NewMemoryCredentials()
	}
	p, err := newPasskeys(credentials, s.challenges)
	if err != nil {
		t.Error(err)
	}
	a, user := passkeytest.New(origin), rand.Text()
	registered := false
	return func(ctx context.Context) error {
		var finish func() error
		if !registered {
			answer, err := created(ctx, p, a, user)
			if err != nil {
				return err
			}
			registered = true
			finish = func() error {
				_, err := p.FinishRegistration(ctx, answer)
				return err
			}
		} else {
			answer, err := answered(ctx, p, a)
			if err != nil {
				return err
			}
			finish = func() error {
				_, err := p.FinishAuthentication(ctx, answer)
				return err
			}
		}
		return oneOf(finish, finish, passkeys.ErrChallengeNotFound)
	}
}

// oneOf calls two at once, of which one must succeed and the other fail with
// this error.
func oneOf(a, b func() error, with error) error {
	first, second := both(a, b)
	if second == nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, with) {
		return errors.Join(fmt.Errorf("want one success, and one %w", with), first, second)
	}
	return nil
}

func raceForID(_ *testing.T, s stores) func(context.Context) error {
	return func(ctx context.Context) error {
		c := passkeys.Credential{ID: []byte(rand.Text()), UserID: "alice", PublicKey: []byte{0xa5}, CreatedAt: time.Now(), Version: 5}
		add := func() error { return s.credentials.Add(ctx, c) }
		if err := oneOf(add, add, passkeys.ErrCredentialExists); err != nil {
			return err
		}
		stored, err := s.credentials.Get(ctx, c.ID)
		if err == nil && stored.Version != c.Version {
			err = fmt.Errorf("the Version is %d, and was added as %d", stored.Version, c.Version)
		}
		return errors.Join(err, s.credentials.Delete(ctx, "alice", c.ID))
	}
}

func raceForVersion(t *testing.T, s stores) func(context.Context) error {
	id := []byte(rand.Text())
	if err := s.credentials.Add(t.Context(), passkeys.Credential{ID: id, UserID: "alice", PublicKey: id, CreatedAt: time.Now()}); err != nil {
		t.Error(err)
	}
	return func(ctx context.Context) error {
		read, err := s.credentials.Get(ctx, id)
		if err != nil {
			return err
		}
		update := func(i uint32) func() error {
			return func() error {
				c := read.Clone()
				c.SignCount += i
				return s.credentials.Update(ctx, c)
			}
		}
		if err := oneOf(update(1), update(2), passkeys.ErrConflict); err != nil {
			return err
		}
		stored, err := s.credentials.Get(ctx, id)
		if err == nil && (stored.Version != read.Version+1 || stored.SignCount == read.SignCount) {
			err = fmt.Errorf("the Version is %d after %d, the counter %d after %d", stored.Version, read.Version, stored.SignCount, read.SignCount)
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

package integration

import (
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"github.com/passkeys-go/passkeys/redisstore"
)

// TestConfirmations attacks confirmed operations on every store, with sealed states
// and with kept ones.
func TestConfirmations(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Run("sealed", func(t *testing.T) {
				conformance.TestConfirmations(t, func(tb testing.TB, _ func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
					return engine.stores(tb).credentials, nil
				})
			})
			t.Run("kept", func(t *testing.T) {
				conformance.TestConfirmations(t, func(tb testing.TB, now func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
					s := engine.stores(tb)
					switch challenges := s.challenges.(type) {
					case *passkeys.MemoryChallenges:
						challenges.Now = now
					case *gormstore.Challenges:
						challenges.Now = now
					}
					return s.credentials, s.challenges
				})
			})
		})
	}
	t.Run("redis", func(t *testing.T) {
		client := redisClient(t, redisServer(t))
		conformance.TestConfirmations(t, func(_ testing.TB, now func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
			return passkeys.NewMemoryCredentials(), redisstore.NewChallenges(client, &redisstore.Options{Prefix: prefix(), Now: now})
		})
	})
}

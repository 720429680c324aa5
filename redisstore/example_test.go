package redisstore_test

import (
	"log"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
)

func ExampleNewChallenges() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})

	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), // or those of gormstore
		Challenges:  redisstore.NewChallenges(client, nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = p // for the routes
}

// With a guard, stateless challenges are single-use, and Redis keeps nothing
// until one is used.
func ExampleNewReplayGuard() {
	var key []byte // 32 random bytes, the same for all processes
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})

	challenges, err := passkeys.NewStatelessChallenges(key)
	if err != nil {
		log.Fatal(err)
	}
	challenges.Guard = redisstore.NewReplayGuard(client, &redisstore.Options{Prefix: "example:used:"})
}

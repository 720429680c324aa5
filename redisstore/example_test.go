package redisstore_test

import (
	"log"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
)

// Every attempt to finish spends its state, whether it succeeds or not.
func ExampleNewChallenges() {
	var secret []byte // at least 32 random bytes, the same in every process
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})

	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), // or those of gormstore
		Challenges:  redisstore.NewChallenges(client, nil),
		Secret:      secret,
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = p // for the routes
}

// Each client has a budget, whichever process it comes to.
func ExampleNewLimiter() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true, DialTimeout: time.Second, ReadTimeout: time.Second})

	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), // or those of gormstore
		Secret:      []byte("the same in every process, 32 bytes"),
		Limiter:     redisstore.NewLimiter(client, nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = p // for the routes
}

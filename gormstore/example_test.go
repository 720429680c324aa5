package gormstore_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

// The whole of it, on a database that gorm.Open has opened.
func Example() {
	var db *gorm.DB

	if err := gormstore.Migrate(db); err != nil {
		log.Fatal(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: gormstore.NewCredentials(db),
		Challenges:  gormstore.NewChallenges(db),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = p // for the routes
}

// Expired challenges stay until somebody deletes them.
func ExampleChallenges_DeleteExpired() {
	var (
		ctx        context.Context
		challenges *gormstore.Challenges
	)

	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := challenges.DeleteExpired(ctx); err != nil {
				log.Print(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// For a migration tool of your own.
func ExampleSchema_DDL() {
	schema := gormstore.Schema{ChallengesTable: "auth.challenges"}
	fmt.Println(strings.Join(schema.DDL("postgres")[2:], ";\n") + ";")

	// Output:
	// CREATE TABLE IF NOT EXISTS "auth"."challenges" (
	//     handle_hash BYTEA  NOT NULL PRIMARY KEY,
	//     payload     BYTEA  NOT NULL,
	//     expires_at  BIGINT NOT NULL
	// );
	// CREATE INDEX IF NOT EXISTS "challenges_expires_at" ON "auth"."challenges" (expires_at);
}

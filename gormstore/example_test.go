package gormstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

// The whole of it, on a database that gorm.Open has opened.
func Example() {
	var db *gorm.DB
	var secret []byte // at least 32 random bytes, the same in every process

	if err := gormstore.Migrate(db); err != nil {
		log.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		log.Fatal(err)
	}
	// The two are equal: by default the pool keeps two connections, and closes
	// and opens the others for nearly every statement.
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(16)
	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: gormstore.NewCredentials(db),
		Secret:      secret,
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = p // for the routes
}

// For those who want a state to be spent by the first attempt, even if that
// fails.
func ExampleNewChallenges() {
	var db *gorm.DB

	if err := gormstore.MigrateChallenges(db); err != nil {
		log.Fatal(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: gormstore.NewCredentials(db),
		Challenges:  gormstore.NewChallenges(db), // DeleteExpired must be called
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

// For a migration tool of your own: what brings a table of version 1 up to date.
// The second table, for those who keep challenges on the server.
func ExampleSchema_ChallengesDDL() {
	for _, statement := range (gormstore.Schema{}).ChallengesDDL("sqlite") {
		fmt.Println(statement + ";")
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS "passkeys_challenges" (
	//     handle_hash BLOB   NOT NULL PRIMARY KEY,
	//     payload     BLOB   NOT NULL,
	//     expires_at  BIGINT NOT NULL
	// );
	// CREATE INDEX IF NOT EXISTS "passkeys_challenges_expires_at" ON "passkeys_challenges" (expires_at);
}

func ExampleSchema_DDL() {
	schema := gormstore.Schema{CredentialsTable: "auth.passkeys"}
	for _, statement := range schema.DDL("postgres", 1) {
		fmt.Println(statement + ";")
	}

	// Output:
	// ALTER TABLE "auth"."passkeys" ADD COLUMN rp_id TEXT NOT NULL DEFAULT '';
	// ALTER TABLE "auth"."passkeys" ADD COLUMN user_handle BYTEA NOT NULL DEFAULT '';
	// ALTER TABLE "auth"."passkeys" ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE;
	// ALTER TABLE "auth"."passkeys" ADD COLUMN spent BYTEA NOT NULL DEFAULT '';
	// ALTER TABLE "auth"."passkeys" ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE;
	// ALTER TABLE "auth"."passkeys" ADD COLUMN prf_enabled BOOLEAN NOT NULL DEFAULT FALSE;
}

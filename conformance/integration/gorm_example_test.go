package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

// A passkey is in the database, and so is what lies between begin and finish:
// the process that finishes need not be the one that began.
func Example_gormstore() {
	ctx := context.Background()
	db, err := gorm.Open(sqlite.Open(":memory:"), &gorm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if pool, err := db.DB(); err == nil {
		pool.SetMaxOpenConns(1) // in memory, every connection is a database of its own
	}
	if err := gormstore.Migrate(db); err != nil {
		log.Fatal(err)
	}
	process := func() *passkeys.Passkeys {
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
		return p
	}
	browser := passkeytest.New("https://example.org")

	ceremony, err := process().BeginRegistration(ctx, passkeys.User{ID: "42", Name: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(ceremony)
	answer, _ := browser.Create(options)
	registered, err := process().FinishRegistration(ctx, passkeys.RegistrationResponse{
		State: ceremony.State, Credential: answer, DeviceName: "phone",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("registered:", registered.DeviceName)

	ceremony, err = process().BeginAuthentication(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	options, _ = json.Marshal(ceremony)
	answer, _ = browser.Get(options)
	response := passkeys.AuthenticationResponse{State: ceremony.State, Credential: answer}
	result, err := process().FinishAuthentication(ctx, response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in:", result.UserID)
	_, err = process().FinishAuthentication(ctx, response)
	fmt.Println("once more:", err)

	if _, err := process().BeginAuthentication(ctx, ""); err != nil { // and never finished
		log.Fatal(err)
	}
	challenges := gormstore.NewChallenges(db)
	challenges.Now = func() time.Time { return time.Now().Add(time.Hour) }
	n, err := challenges.DeleteExpired(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("expired:", n)

	// Output:
	// registered: phone
	// signed in: 42
	// once more: passkeys: challenge_not_found
	// expired: 1
}

package integration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

// One table and one secret: the process that finishes need not be the one that
// began.
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
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	process := func() *passkeys.Passkeys {
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
		return p
	}
	browser := passkeytest.New("https://example.org")

	creation, err := process().BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42", Name: "alice"}})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(creation)
	answer, _ := browser.Create(options)
	registered, err := process().FinishRegistration(ctx, passkeys.RegistrationResponse{
		State: creation.State, Credential: answer, DeviceName: "phone",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("registered:", registered.Credential.DeviceName)

	request, err := process().BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil {
		log.Fatal(err)
	}
	options, _ = json.Marshal(request)
	answer, _ = browser.Get(options)
	response := passkeys.AuthenticationResponse{State: request.State, Credential: answer}
	result, err := process().FinishAuthentication(ctx, response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in:", result.UserID)
	_, err = process().FinishAuthentication(ctx, response)
	fmt.Println("once more:", err)

	var tables []string
	db.Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&tables)
	fmt.Println("tables:", tables)

	// Output:
	// registered: phone
	// signed in: 42
	// once more: passkeys: challenge_not_found
	// tables: [passkeys_credentials]
}

// Challenges in the database stay until they are used, or have expired and are
// deleted.
func Example_gormstoreChallenges() {
	ctx := context.Background()
	db, err := gorm.Open(sqlite.Open(":memory:"), &gorm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if pool, err := db.DB(); err == nil {
		pool.SetMaxOpenConns(1)
	}
	if err := errors.Join(gormstore.Migrate(db), gormstore.MigrateChallenges(db)); err != nil {
		log.Fatal(err)
	}
	challenges := gormstore.NewChallenges(db)
	p, err := passkeys.New(passkeys.Config{
		RPID:        "example.org",
		RPName:      "Example",
		Origins:     []string{"https://example.org"},
		Credentials: gormstore.NewCredentials(db),
		Challenges:  challenges,
		Secret:      make([]byte, 32), // 32 random bytes, rather
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{}); err != nil { // and never finished
		log.Fatal(err)
	}
	challenges.Now = func() time.Time { return time.Now().Add(time.Hour) }
	n, err := challenges.DeleteExpired(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("expired:", n)

	// Output:
	// expired: 1
}

package passkeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// What a store does. Core reads, decides and updates; of two that have read the same,
// the second is told so, and decides again.
func ExampleCredentialRepository() {
	ctx := context.Background()
	var store passkeys.CredentialRepository = passkeys.NewMemoryCredentials()
	c := passkeys.Credential{ID: []byte{1, 2, 3}, UserID: "42", PublicKey: []byte{0xa0}, DeviceName: "phone"}
	fmt.Println(store.Add(ctx, c), errors.Is(store.Add(ctx, c), passkeys.ErrCredentialExists))

	first, err := store.Get(ctx, c.ID)
	if err != nil {
		log.Fatal(err)
	}
	second := first
	first.DeviceName = "Anna's phone"
	second.SignCount = 7
	fmt.Println(store.Update(ctx, first), errors.Is(store.Update(ctx, second), passkeys.ErrConflict))

	list, err := store.ListByUser(ctx, "42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list[0].DeviceName, list[0].SignCount)

	fmt.Println(errors.Is(store.Delete(ctx, "43", c.ID), passkeys.ErrCredentialNotFound), store.Delete(ctx, "42", c.ID))
	// Output:
	// <nil> true
	// <nil> true
	// Anna's phone 0
	// true <nil>
}

// All credentials, a page at a time, for what is done once a month.
func ExampleCredentialScanner() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	for i := range 5 {
		c := passkeys.Credential{ID: []byte{byte(i)}, UserID: "42", PublicKey: []byte{0xa0}, BackupState: i%2 == 0, BackupEligible: true}
		if err := store.Add(ctx, c); err != nil {
			log.Fatal(err)
		}
	}
	var scanner passkeys.CredentialScanner = store
	synced := 0
	for after := []byte(nil); ; {
		page, err := scanner.Scan(ctx, after, 2)
		if err != nil {
			log.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			if c.BackupState {
				synced++
			}
		}
		after = page[len(page)-1].ID
	}
	fmt.Println(synced, "of them are on more than one device")
	// Output: 3 of them are on more than one device
}

// A credential as one document, for a store that keeps it whole. Members that a later
// version has added survive.
func ExampleCredential() {
	var c passkeys.Credential
	record := `{"v":1,"id":"AQID","userId":"42","publicKey":"oA","algorithm":-7,"later":true}`
	if err := json.Unmarshal([]byte(record), &c); err != nil {
		log.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		log.Fatal(err)
	}
	c.DeviceName = "phone"
	again, err := json.Marshal(c)
	if err != nil {
		log.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(again, &members); err != nil {
		log.Fatal(err)
	}
	fmt.Println(members["id"], members["deviceName"], members["later"])
	// Output: AQID phone true
}

// A challenge store spends a challenge at the first attempt.
func ExampleChallengeStore() {
	ctx := context.Background()
	var store passkeys.ChallengeStore = passkeys.NewMemoryChallenges()
	handle, err := store.Put(ctx, []byte("payload"), time.Now().Add(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	payload, err := store.Consume(ctx, handle)
	fmt.Printf("%s %v\n", payload, err)
	_, err = store.Consume(ctx, handle)
	fmt.Println(errors.Is(err, passkeys.ErrChallengeNotFound))
	// Output:
	// payload <nil>
	// true
}

// A guard for a router that has no adapter: what Require does, by hand.
func ExampleNewCheck() {
	p, _ := alicesPhone()
	hooks := passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "42"}, nil },
	}
	check, err := passkeys.NewCheck(p, hooks, passkeys.Guard[passkeys.Exchange]{
		MaxAge: 5 * time.Minute,
		Refused: func(x passkeys.Exchange, e *passkeys.Error) {
			fmt.Println(e.Code, e.ConfirmationRequest() != "")
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		x := passkeys.NewExchange(w, r)
		proof, ok := check(x, x.W, x.R)
		if !ok {
			return // it has answered
		}
		_ = passkeys.WithProof(r.Context(), proof) // the context of whatever comes next
	}
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/recovery-codes", nil))
	fmt.Println(w.Code)
	// Output:
	// confirmation_required true
	// 403
}

// Why it was refused, which the client is not told.
func ExampleError_Reason() {
	p, phone := alicesPhone()
	ctx := context.Background()
	ceremony, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil {
		log.Fatal(err)
	}
	options, err := json.Marshal(ceremony)
	if err != nil {
		log.Fatal(err)
	}
	phone.Origin = "https://examp1e.org"
	answer, err := phone.Get(options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: ceremony.State, Credential: answer})
	if e, ok := errors.AsType[*passkeys.Error](err); ok {
		fmt.Println(e.Code, e.Reason())
	}
	// Output: assertion_verification_failed origin_mismatch
}

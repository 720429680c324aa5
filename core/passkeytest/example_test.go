package passkeytest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func ExampleAuthenticator() {
	phone := passkeytest.New("https://example.org")

	// What a server sends to begin a registration.
	answer, err := phone.Create([]byte(`{
		"rp": {"id": "example.org", "name": "Example"},
		"user": {"id": "YWxpY2U", "name": "alice", "displayName": "Alice"},
		"challenge": "cmVnaXN0ZXItYWxpY2U",
		"pubKeyCredParams": [{"type": "public-key", "alg": -7}]
	}`))
	if err != nil {
		panic(err)
	}
	var created passkeytest.Response
	if err := json.Unmarshal(answer, &created); err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", created.ClientDataJSON)

	// What it sends to begin a login, and an answer which was tampered with.
	login := []byte(`{"challenge": "bG9naW4tYWxpY2U", "rpId": "example.org"}`)
	phone.Corrupt = func(r *passkeytest.Response) { r.UserHandle = []byte("mallory") }
	answer, err = phone.Get(login)
	if err != nil {
		panic(err)
	}
	var got passkeytest.Response
	if err := json.Unmarshal(answer, &got); err != nil {
		panic(err)
	}
	fmt.Printf("%s, with the same passkey: %t\n", got.UserHandle, got.ID == created.ID)

	// A user who deleted the passkey.
	phone.Forget(phone.Credentials()[0].ID)
	_, err = phone.Get(login)
	fmt.Println(errors.Is(err, passkeytest.ErrNoCredential))

	// Output:
	// {"type":"webauthn.create","challenge":"cmVnaXN0ZXItYWxpY2U","origin":"https://example.org","crossOrigin":false}
	// mallory, with the same passkey: true
	// true
}

// What only a broken browser or authenticator can do is changed before it is signed; a
// copy of an authenticator goes on from where it was made.
func ExampleAuthenticator_alter() {
	phone := passkeytest.New("https://example.org")
	if _, err := phone.Create([]byte(`{"rp":{"id":"example.org"},"user":{"id":"YWxpY2U"},"challenge":"AQ","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`)); err != nil {
		panic(err)
	}
	stolen := phone.Clone()
	stolen.Alter = func(c *passkeytest.ClientData, a *passkeytest.AuthenticatorData) {
		fmt.Println(c.Type, "with the counter", a.SignCount)
		a.Flags &^= passkeytest.FlagUserVerified
	}
	for range 2 {
		if _, err := stolen.Get([]byte(`{"challenge":"Ag","rpId":"example.org"}`)); err != nil {
			panic(err)
		}
	}
	fmt.Println("and the phone itself is at", phone.Credentials()[0].SignCount)
	// Output:
	// webauthn.get with the counter 1
	// webauthn.get with the counter 2
	// and the phone itself is at 0
}

func ExampleClock() {
	clock := passkeytest.NewClock(time.Time{})
	deadline := clock.Now().Add(5 * time.Minute)
	fmt.Println(clock.Now())

	clock.Advance(5*time.Minute + time.Second)
	fmt.Println(clock.Now().After(deadline))

	// Output:
	// 2030-01-01 00:00:00 +0000 UTC
	// true
}

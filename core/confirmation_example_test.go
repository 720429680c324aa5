package passkeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// alicesPhone is a site with one user, and their phone.
func alicesPhone() (*passkeys.Passkeys, *passkeytest.Authenticator) {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, phone := context.Background(), passkeytest.New("https://example.org")
	registration, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42", Name: "alice"}})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(registration)
	answer, _ := phone.Create(options)
	if _, err := p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: registration.State, Credential: answer}); err != nil {
		log.Fatal(err)
	}
	return p, phone
}

// A transfer that a passkey has to confirm: sent once, refused, confirmed, and sent
// again. In a page the two last steps are the client's function fetch.
func ExampleRequire() {
	p, phone := alicesPhone()
	hooks := passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "42", Name: "alice"}, nil },
	}
	confirmed := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{
		Operation: passkeys.Exchange.RequestOperation,
	})
	routes, err := passkeys.Handler(p, hooks)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", routes))
	mux.Handle("POST /transfer", confirmed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		amount, _ := io.ReadAll(r.Body)
		proof, _ := passkeys.ProofFrom(r.Context())
		_, _ = fmt.Fprintf(w, "sent %s, by %q of user %s", amount, proof.Operation, proof.UserID)
	})))

	send := func(path, body, proof string) []byte {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(passkeys.ProofHeader, proof)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Body.Bytes()
	}
	var refused struct {
		Error   struct{ Code string }
		Confirm struct {
			Request, Operation string
			MaxAge             int
		}
	}
	_ = json.Unmarshal(send("/transfer", `{"eur":100}`, ""), &refused)
	fmt.Println(refused.Error.Code, refused.Confirm.Operation, refused.Confirm.MaxAge)

	options := send("/auth/passkeys/confirm/begin", fmt.Sprintf(`{"request":%q}`, refused.Confirm.Request), "")
	credential, _ := phone.Get(options)
	var confirmation struct{ Proof string }
	_ = json.Unmarshal(send("/auth/passkeys/confirm/finish", fmt.Sprintf(`{"state":%q,"credential":%s}`, state(options), credential), ""), &confirmation)

	fmt.Println(string(send("/transfer", `{"eur":100}`, confirmation.Proof)))
	_ = json.Unmarshal(send("/transfer", `{"eur":100}`, confirmation.Proof), &refused)
	fmt.Println(refused.Error.Code, "for the next one")
	// Output:
	// confirmation_required POST /transfer 300
	// sent {"eur":100}, by "POST /transfer" of user 42
	// confirmation_required for the next one
}

// Without a router: for GraphQL, gRPC, or routes of your own.
func ExamplePasskeys_VerifyProof() {
	p, phone := alicesPhone()
	ctx := context.Background()
	transfer := passkeys.Operation{Name: "transfer", Payload: []byte("100 EUR to DE02 1203 0000 0000 2020 51")}

	ceremony, err := p.BeginConfirmation(ctx, "42", transfer)
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(ceremony) // goes to the page …
	answer, _ := phone.Get(options)      // … and this comes back
	confirmation, err := p.FinishConfirmation(ctx, passkeys.ConfirmationResponse{State: ceremony.State, Credential: answer, UserID: "42"})
	if err != nil {
		log.Fatal(err)
	}

	// The page has confirmation.Sealed by now, and sends it along with the transfer.
	check := passkeys.ProofCheck{UserID: "42", Operation: transfer, MaxAge: time.Minute}
	proof, err := p.VerifyProof(ctx, confirmation.Sealed, check)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proof.Operation, "by user", proof.UserID, "who was verified:", proof.UserVerified)
	_, err = p.VerifyProof(ctx, confirmation.Sealed, check)
	fmt.Println("again:", errors.Is(err, passkeys.ErrConfirmationRequired))
	// Output:
	// transfer by user 42 who was verified: true
	// again: true
}

// Evidence is kept beside the transfer, and read by somebody else years later.
func ExampleEvidence_Verify() {
	p, phone := alicesPhone()
	ctx := context.Background()
	payload := []byte("100 EUR to DE02 1203 0000 0000 2020 51")
	ceremony, err := p.BeginConfirmation(ctx, "42", passkeys.Operation{Name: "transfer", Payload: payload})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(ceremony)
	answer, _ := phone.Get(options)
	confirmation, err := p.FinishConfirmation(ctx, passkeys.ConfirmationResponse{State: ceremony.State, Credential: answer, UserID: "42"})
	if err != nil {
		log.Fatal(err)
	}
	kept, _ := json.Marshal(confirmation.Evidence)

	var evidence passkeys.Evidence
	if err := json.Unmarshal(kept, &evidence); err != nil {
		log.Fatal(err)
	}
	fmt.Println(evidence.Operation, "by user", evidence.UserID, evidence.Verify(payload), evidence.UserVerified())
	fmt.Println(evidence.Verify([]byte("1000 EUR to DE02 1203 0000 0000 2020 51")))
	// Output:
	// transfer by user 42 <nil> true
	// passkeys: invalid evidence: it is of another payload
}

// To add or to remove a passkey, a user must have shown within five minutes that it
// is still they.
func ExampleFreshWithin() {
	p, _ := alicesPhone()
	signedIn := time.Now().Add(-time.Hour) // as the session has it
	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser:         func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "42"}, nil },
		AuthenticatedAt: func(passkeys.Exchange) time.Time { return signedIn },
		Authorize: func(_ passkeys.Exchange, _ passkeys.User, a passkeys.Action) error {
			if a == passkeys.ActionRename {
				return nil
			}
			return passkeys.FreshWithin(5 * time.Minute)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	begin := func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/register/begin", nil))
		var answer struct{ Error struct{ Code string } }
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		fmt.Println(w.Code, answer.Error.Code)
	}
	begin()
	signedIn = time.Now()
	begin()
	// Output:
	// 403 confirmation_required
	// 200
}

// A form of a page that the server renders: the page says what is to be confirmed,
// and its button asks for it before the form is sent.
func ExamplePasskeys_RequestConfirmation() {
	p, _ := alicesPhone()
	ctx := passkeys.WithSessionID(context.Background(), "the session's id")
	transfer := passkeys.Operation{Name: "transfer", Payload: []byte("100 EUR to DE02 1203 0000 0000 2020 51")}
	request, err := p.RequestConfirmation(ctx, "42", transfer, 10*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	page := `<form method="post" data-confirm="` + request + `">`
	fmt.Println(strings.Contains(page, "100 EUR"), len(request) <= 1024)
	// Output: false true
}

// The operation of a request is the whole of it: the handler reads just what was
// confirmed.
func ExampleRequestOperation() {
	r := httptest.NewRequest(http.MethodPost, "/accounts/7/transfer?fast=yes", strings.NewReader("eur=100"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	operation, err := passkeys.RequestOperation(r, "/accounts/{id}/transfer") // the router's pattern
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(operation.Name)
	fmt.Printf("%q\n", operation.Payload)
	fmt.Println(r.FormValue("eur"), r.FormValue("fast"))
	// Output:
	// POST /accounts/{id}/transfer
	// "\x00\x00\x00\x04POST\x00\x00\x00\vexample.com\x00\x00\x00\x1d/accounts/7/transfer?fast=yes\x00\x00\x00\x1d/accounts/7/transfer?fast=yes\x00\x00\x00!application/x-www-form-urlencoded\x00\x00\x00\aeur=100"
	// 100 yes
}

// A handler that stands behind a guard is tested with a proof of one's own.
func ExampleWithProof() {
	transfer := func(_ http.ResponseWriter, r *http.Request) {
		proof, ok := passkeys.ProofFrom(r.Context())
		fmt.Println(proof.Operation, ok)
	}
	r := httptest.NewRequest(http.MethodPost, "/transfer", nil)
	transfer(nil, r.WithContext(passkeys.WithProof(r.Context(), &passkeys.Proof{UserID: "42", Operation: "transfer"})))
	transfer(nil, r)
	// Output:
	// transfer true
	//  false
}

package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// The whole of it on net/http. The sessions are left out: here a header says who
// is signing up.
func Example() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
			id := x.R.Header.Get("X-User")
			if id == "" {
				return passkeys.User{}, passkeys.ErrUnauthenticated
			}
			return passkeys.User{ID: id, Name: id}, nil
		},
		OnAuthenticated: func(x passkeys.Exchange, res passkeys.AuthenticationResult) (any, error) {
			http.SetCookie(x.W, &http.Cookie{Name: "session", Value: "secret", HttpOnly: true})
			return map[string]any{"userId": res.UserID, "signCount": res.Credential.SignCount}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler))

	server := httptest.NewServer(mux) // in earnest: http.ListenAndServe(":8080", mux)
	defer server.Close()

	// What the page would do, with an authenticator in software.
	phone := passkeytest.New("http://localhost:8080")
	options := post(server, "/auth/passkeys/register/begin", nil)
	credential, _ := phone.Create(options)
	post(server, "/auth/passkeys/register/finish", map[string]any{"credential": credential, "state": state(options), "deviceName": "phone"})

	options = post(server, "/auth/passkeys/authenticate/begin", nil)
	credential, _ = phone.Get(options)
	fmt.Println(string(post(server, "/auth/passkeys/authenticate/finish", map[string]any{"credential": credential, "state": state(options)})))
	// Output: {"signCount":1,"userId":"alice"}
}

func post(s *httptest.Server, path string, body any) []byte {
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			log.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	r, _ := http.NewRequest(http.MethodPost, s.URL+path, content)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-User", "alice")
	res, err := s.Client().Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return b
}

func state(options []byte) string {
	var c struct{ State string }
	if err := json.Unmarshal(options, &c); err != nil {
		log.Fatal(err)
	}
	return c.State
}

// The ceremonies without a router: for gRPC, GraphQL, or routes of your own.
func ExamplePasskeys_FinishAuthentication() {
	ctx := context.Background()
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		log.Fatal(err)
	}
	browser := passkeytest.New("https://example.org")

	ceremony, err := p.BeginRegistration(ctx, passkeys.User{ID: "42", Name: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(ceremony) // goes to the page …
	answer, _ := browser.Create(options) // … and this comes back
	credential, err := p.FinishRegistration(ctx, passkeys.RegistrationResponse{
		State: ceremony.State, Credential: answer, DeviceName: "phone", UserID: "42",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("registered", credential.DeviceName, "of user", credential.UserID)

	ceremony, err = p.BeginAuthentication(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	options, _ = json.Marshal(ceremony)
	answer, _ = browser.Get(options)
	response := passkeys.AuthenticationResponse{State: ceremony.State, Credential: answer}
	result, err := p.FinishAuthentication(ctx, response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in user", result.UserID, "verified:", result.UserVerified)

	_, err = p.FinishAuthentication(ctx, response)
	fmt.Println("again:", err)
	// Output:
	// registered phone of user 42
	// signed in user 42 verified: true
	// again: passkeys: challenge_not_found
}

// A user sees and manages his passkeys.
func ExamplePasskeys_Rename() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	id := []byte{1, 2, 3}
	if err := store.Add(ctx, passkeys.Credential{ID: id, UserID: "42", PublicKey: []byte{0xa0}, DeviceName: "phone"}); err != nil {
		log.Fatal(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Rename(ctx, "42", id, "old phone"))
	list, _ := p.Credentials(ctx, "42")
	fmt.Println(len(list), list[0].DeviceName)
	fmt.Println(p.Revoke(ctx, "another user", id))
	fmt.Println(p.Revoke(ctx, "42", id))
	// Output:
	// <nil>
	// 1 old phone
	// passkeys: not_found
	// <nil>
}

// A clone is suspected, its credential quarantined, and restored by the
// application.
func ExamplePasskeys_Restore() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials:     store,
		SignCountPolicy: passkeys.FlagDisable,
		Logger:          slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	key := passkeytest.New("https://example.org")
	signIn := func(a *passkeytest.Authenticator) error {
		ceremony, _ := p.BeginAuthentication(ctx, "42")
		options, _ := json.Marshal(ceremony)
		answer, _ := a.Get(options)
		_, err := p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: ceremony.State, Credential: answer})
		return err
	}
	ceremony, _ := p.BeginRegistration(ctx, passkeys.User{ID: "42"})
	options, _ := json.Marshal(ceremony)
	answer, _ := key.Create(options)
	credential, _ := p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: ceremony.State, Credential: answer})

	clone := key.Clone()
	fmt.Println("the key:", signIn(key))
	fmt.Println("its clone:", errors.Is(signIn(clone), passkeys.ErrCloneDetected))
	fmt.Println("the key:", errors.Is(signIn(key), passkeys.ErrCloneDetected))
	fmt.Println("restored:", p.Restore(ctx, "42", credential.ID))
	fmt.Println("the key:", signIn(key))
	// Output:
	// the key: <nil>
	// its clone: true
	// the key: true
	// restored: <nil>
	// the key: <nil>
}

func ExampleConfigFromEnv() {
	os.Setenv("PASSKEYS_RP_ID", "example.org")
	os.Setenv("PASSKEYS_RP_NAME", "Example")
	os.Setenv("PASSKEYS_EXPECTED_ORIGINS", "https://example.org,https://www.example.org")
	os.Setenv("PASSKEYS_CHALLENGE_TTL", "2m")
	cfg, err := passkeys.ConfigFromEnv()
	fmt.Println(cfg.RPID, cfg.Origins, cfg.ChallengeTTL, err)

	os.Setenv("PASSKEYS_CHALLENGE_TTL", "soon")
	_, err = passkeys.ConfigFromEnv()
	fmt.Println(err)
	os.Unsetenv("PASSKEYS_CHALLENGE_TTL")
	// Output:
	// example.org [https://example.org https://www.example.org] 2m0s <nil>
	// passkeys: PASSKEYS_CHALLENGE_TTL: "soon" must be a positive duration such as 5m, or whole seconds
}

// Two processes that share the keys share the challenges. The first key seals,
// all open: this is a rotation half-way through.
func ExampleNewStatelessChallenges() {
	fresh, old := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32) // in earnest: 32 random bytes
	challenges, err := passkeys.NewStatelessChallenges(fresh, old)
	if err != nil {
		log.Fatal(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Challenges: challenges,
	})
	if err != nil {
		log.Fatal(err)
	}
	ceremony, err := p.BeginAuthentication(context.Background(), "")
	fmt.Println(len(ceremony.State), err)
	// Output: 375 <nil>
}

// The challenges of a small process: less memory, the same guarantees.
func ExampleMemoryChallenges() {
	challenges := passkeys.NewMemoryChallenges()
	challenges.Capacity = 1000 // begins without finish cost 300 kB at most
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Challenges: challenges,
	})
	fmt.Println(p != nil, err)
	// Output: true <nil>
}

// Outcomes go to the log, and could as well feed a counter by type and reason.
func ExampleNewSlogAudit() {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "at" {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime}))
	p, _ := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Audit:       passkeys.NewSlogAudit(log),
		DecoySecret: bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
	})
	ctx := passkeys.WithRequestID(context.Background(), "7f3a")
	_, _ = p.BeginRegistration(ctx, passkeys.User{ID: "42"})
	// Output: level=INFO msg="passkeys: registration_began" user_id=42 credential_id="" reason="" request_id=7f3a
}

// A hook decides what the client is told.
func ExampleError() {
	getUser := func(signedIn bool) error {
		if !signedIn {
			return fmt.Errorf("no session: %w", passkeys.ErrUnauthenticated)
		}
		return &passkeys.Error{Code: "account_locked", Status: http.StatusForbidden, Message: "Your account is locked."}
	}
	for _, signedIn := range []bool{false, true} {
		var e *passkeys.Error
		if errors.As(getUser(signedIn), &e) {
			fmt.Println(e.Status, e.Code, e.Message)
		}
	}
	// Output:
	// 401 unauthenticated Please sign in first.
	// 403 account_locked Your account is locked.
}

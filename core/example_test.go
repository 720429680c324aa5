package passkeys_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"

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

	registration, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42", Name: "alice"}})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(registration) // goes to the page …
	answer, _ := browser.Create(options)     // … and this comes back
	credential, err := p.FinishRegistration(ctx, passkeys.RegistrationResponse{
		State: registration.State, Credential: answer, DeviceName: "phone", UserID: "42",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("registered", credential.Credential.DeviceName, "of user", credential.Credential.UserID)

	signIn, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil {
		log.Fatal(err)
	}
	options, _ = json.Marshal(signIn)
	answer, _ = browser.Get(options)
	response := passkeys.AuthenticationResponse{State: signIn.State, Credential: answer}
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

// After a sign-in by password the browser makes a passkey by itself: once, and
// only then.
func ExamplePasskeys_GrantUpgrade() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	alice := passkeys.User{ID: "42", Name: "alice"}
	browser := passkeytest.New("https://example.org")
	browser.UserNotPresent, browser.UserNotVerified = true, true // as it makes one unasked
	register := func(ctx context.Context, grant string) error {
		ceremony, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice, Grant: grant})
		if err != nil {
			return err
		}
		options, _ := json.Marshal(ceremony) // by route: POST /register/begin {"mediation":"conditional","grant":…}
		answer, _ := browser.Create(options)
		_, err = p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: ceremony.State, Credential: answer})
		return err
	}

	// The handler that has verified the password, in the session that follows.
	ctx := passkeys.WithSessionID(context.Background(), "session")
	grant, err := p.GrantUpgrade(ctx, alice.ID) // goes to the page
	if err != nil {
		log.Fatal(err)
	}
	stolen := passkeys.WithSessionID(context.Background(), "another session")
	fmt.Println("without a grant:", register(ctx, ""))
	fmt.Println("in another session:", register(stolen, grant))
	fmt.Println("with the grant:", register(ctx, grant))
	fmt.Println("once more:", register(ctx, grant))
	// Output:
	// without a grant: passkeys: attestation_verification_failed
	// in another session: passkeys: challenge_not_found
	// with the grant: <nil>
	// once more: passkeys: challenge_not_found
}

// An account has another name: the user's browsers are told with the next page.
func ExamplePasskeys_Signals() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	for i, handle := range []string{"", "handle of another system"} {
		if err := store.Add(ctx, passkeys.Credential{ID: []byte{byte(i)}, UserID: "42", UserHandle: []byte(handle), PublicKey: []byte{0xa0}}); err != nil {
			log.Fatal(err)
		}
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
		Secret: bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
	})
	if err != nil {
		log.Fatal(err)
	}
	signals, err := p.Signals(ctx, passkeys.User{ID: "42", Name: "alice@example.org"})
	if err != nil {
		log.Fatal(err) // and signal nothing
	}
	for _, s := range signals.AllAcceptedCredentials { // PublicKeyCredential.signalAllAcceptedCredentials(s)
		fmt.Println(s.UserID, s.AllAcceptedCredentialIDs)
	}
	for _, s := range signals.CurrentUserDetails { // PublicKeyCredential.signalCurrentUserDetails(s)
		fmt.Println(s.UserID, s.Name, s.DisplayName)
	}
	// Output:
	// NDI [AA]
	// aGFuZGxlIG9mIGFub3RoZXIgc3lzdGVt [AQ]
	// NDI alice@example.org alice@example.org
	// aGFuZGxlIG9mIGFub3RoZXIgc3lzdGVt alice@example.org alice@example.org
}

// The name beside a passkey that its user has given none.
func ExampleProvider() {
	for _, text := range []string{"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4", "00000000-0000-0000-0000-000000000000"} {
		aaguid, err := passkeys.ParseAAGUID(text)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", passkeys.Provider(aaguid))
	}
	// Output:
	// "Google Password Manager"
	// ""
}

// An application with names of its own, which it reads again from time to time. In
// earnest both are the body of a response, or a file.
func ExampleParseProviders() {
	ours, err := passkeys.ParseProviders(strings.NewReader(`{"10000000-0000-4000-8000-000000000001": {"name": "Staff card"}}`))
	if err != nil {
		log.Fatal(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Providers:   ours,
	})
	if err != nil {
		log.Fatal(err)
	}
	card, _ := passkeys.ParseAAGUID("10000000-0000-4000-8000-000000000001")
	fmt.Println(p.Provider(card))

	fmt.Println(ours.Update(strings.NewReader("{}")))
	fmt.Println(p.Provider(card))

	fmt.Println(ours.Update(strings.NewReader(`{"10000000-0000-4000-8000-000000000001": {"name": "Badge"}}`)))
	fmt.Println(p.Provider(card))
	// Output:
	// Staff card
	// passkeys: providers: there are none
	// Staff card
	// <nil>
	// Badge
}

// A passkey that its user gives no name is called after what keeps it.
func ExamplePasskeys_Provider() {
	ctx := context.Background()
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // two telephones
		phone := passkeytest.New("https://example.org")
		phone.AAGUID, _ = passkeys.ParseAAGUID("fbfc3007-154e-4ecc-8c0b-6e020557d7bd")
		registration, _ := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42"}})
		options, _ := json.Marshal(registration)
		answer, _ := phone.Create(options)
		result, err := p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: registration.State, Credential: answer})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, of %s\n", result.Credential.DeviceName, p.Provider(result.Credential.AAGUID))
	}
	// Output:
	// iCloud Keychain, of iCloud Keychain
	// iCloud Keychain 2, of iCloud Keychain
}

// A user sees and manages their passkeys.
// The metadata are replaced while the program runs, say once a day, and a BLOB that
// does not verify leaves them as they were.
func ExampleMetadata_Update() {
	metadata, err := passkeys.ParseMetadataStatements([]byte(`{
		"description": "A key", "aaguid": "7a98c250-6808-11cf-b73b-00aa00b677a7", "attestationTypes": ["basic_full"]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	if err := metadata.Update([]byte("an error page")); err != nil {
		fmt.Println("kept", metadata.Len(), "model, for which no update is due:", metadata.NextUpdate().IsZero())
	}
	for _, s := range metadata.Skipped() {
		fmt.Println("not trusted for now:", s.Description, s.AAGUID, s.Why)
	}
	// Output: kept 1 model, for which no update is due: true
}

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
		ceremony, _ := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{UserID: "42"})
		options, _ := json.Marshal(ceremony)
		answer, _ := a.Get(options)
		_, err := p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: ceremony.State, Credential: answer})
		return err
	}
	ceremony, _ := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42"}})
	options, _ := json.Marshal(ceremony)
	answer, _ := key.Create(options)
	credential, _ := p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: ceremony.State, Credential: answer})

	clone := key.Clone()
	fmt.Println("the key:", signIn(key))
	fmt.Println("its clone:", errors.Is(signIn(clone), passkeys.ErrCloneDetected))
	fmt.Println("the key:", errors.Is(signIn(key), passkeys.ErrCloneDetected))
	fmt.Println("restored:", p.Restore(ctx, "42", credential.Credential.ID))
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
	os.Setenv("PASSKEYS_SECRET", "BTjv9VdpREdq3ZV0yKQ3Oi5o2oyJUcTzKQ6kCSUsJQc=") // openssl rand -base64 32
	os.Setenv("PASSKEYS_CHALLENGE_TTL", "2m")
	cfg, err := passkeys.ConfigFromEnv()
	fmt.Println(cfg.RPID, cfg.Origins, len(cfg.Secret), cfg.ChallengeTTL, err)

	os.Setenv("PASSKEYS_CHALLENGE_TTL", "soon")
	_, err = passkeys.ConfigFromEnv()
	fmt.Println(err)
	os.Unsetenv("PASSKEYS_CHALLENGE_TTL")
	os.Unsetenv("PASSKEYS_SECRET")
	// Output:
	// example.org [https://example.org https://www.example.org] 44 2m0s <nil>
	// passkeys: PASSKEYS_CHALLENGE_TTL: "soon" must be a positive duration such as 5m, or whole seconds
}

// Servers that share a secret share the ceremonies, with nothing stored in
// between, also half-way through a rotation: the fresh secret seals, the old ones
// still open.
func ExampleConfig() {
	ctx := context.Background()
	fresh, old := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32) // in earnest: 32 random bytes
	store := passkeys.NewMemoryCredentials()                               // in earnest: a database
	server := func(secret []byte, oldSecrets ...[]byte) *passkeys.Passkeys {
		p, err := passkeys.New(passkeys.Config{
			RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
			Credentials: store, Secret: secret, OldSecrets: oldSecrets,
		})
		if err != nil {
			log.Fatal(err)
		}
		return p
	}
	before, after := server(old), server(fresh, old)

	browser := passkeytest.New("https://example.org")
	ceremony, err := before.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42"}})
	if err != nil {
		log.Fatal(err)
	}
	options, _ := json.Marshal(ceremony)
	answer, _ := browser.Create(options)
	response := passkeys.RegistrationResponse{State: ceremony.State, Credential: answer}
	_, err = after.FinishRegistration(ctx, response)
	fmt.Println("begun here, finished there:", err)
	_, err = before.FinishRegistration(ctx, response)
	fmt.Println("and once more:", err)
	// Output:
	// begun here, finished there: <nil>
	// and once more: passkeys: challenge_not_found
}

// Challenges in memory, for a single process that wants a state to be spent by
// the first attempt.
func ExampleMemoryChallenges() {
	challenges := passkeys.NewMemoryChallenges()
	challenges.Capacity = 1000 // begins without finish cost 400 kB at most
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
		if a.Key == slog.TimeKey || a.Key == "ceremony_id" {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime}))
	p, _ := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Audit:       passkeys.NewSlogAudit(log),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
	})
	ctx := passkeys.WithRequestID(context.Background(), "7f3a")
	_, _ = p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42"}})
	// Output: level=INFO msg="passkeys: registration_began" user_id=42 mode=registration request_id=7f3a
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

// An account is deleted, and all its passkeys with it.
func ExamplePasskeys_RevokeAll() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	for i, userID := range []string{"42", "42", "43"} {
		if err := store.Add(ctx, passkeys.Credential{ID: []byte{byte(i)}, UserID: userID, PublicKey: []byte{0xa0}}); err != nil {
			log.Fatal(err)
		}
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
		Secret: bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Audit: passkeys.AuditFunc(func(_ context.Context, e passkeys.AuditEvent) {
			fmt.Println(e.Type, e.UserID, e.CredentialID)
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.RevokeAll(ctx, "42"))
	fmt.Println(p.RevokeAll(ctx, "42")) // again, should the first have been cut off
	others, _ := p.Credentials(ctx, "43")
	fmt.Println(len(others), "of another user")
	// Output:
	// credential_revoked 42 AA
	// credential_revoked 42 AQ
	// <nil>
	// <nil>
	// 1 of another user
}

// A handler of one's own, beside the routes, fails as they do.
func ExampleWriteError() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passkeys.WriteError(w, r, fmt.Errorf("no session: %w", passkeys.ErrUnauthenticated))
	})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/account", nil)
	handler.ServeHTTP(w, r.WithContext(passkeys.WithRequestID(r.Context(), "7f3a")))
	fmt.Println(w.Code, w.Header().Get("Content-Type"), w.Header().Get("Cache-Control"))
	fmt.Println(w.Body)
	// Output:
	// 401 application/json no-store
	// {"error":{"code":"unauthenticated","message":"Please sign in first.","id":"7f3a"}}
}

// counter is an Observer that counts how the steps end: one counter for each
// step, reason and authenticator, of which there are so many and no more.
type counter struct {
	mu    sync.Mutex
	ended map[string]int
}

func (c *counter) Observe(ctx context.Context, s passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	return ctx, func(o passkeys.Outcome) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended[fmt.Sprintf("%s %s %q %s", s.Ceremony, s.Name, o.Reason, o.Authenticator)]++
	}
}

// ObserveChange makes it a [passkeys.ChangeObserver].
func (c *counter) ObserveChange(_ context.Context, change passkeys.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended["passkeys "+string(change)]++
}

func ExampleObserver() {
	ctx := context.Background()
	metrics := &counter{ended: map[string]int{}}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Observer:    metrics,
	})
	if err != nil {
		log.Fatal(err)
	}
	phone := passkeytest.New("https://example.org")
	phone.AAGUID, _ = passkeys.ParseAAGUID("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4")
	registration, _ := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "42"}})
	options, _ := json.Marshal(registration)
	answer, _ := phone.Create(options)
	_, _ = p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: registration.State, Credential: answer})

	signIn, _ := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	options, _ = json.Marshal(signIn)
	answer, _ = phone.Get(options)
	for range 3 { // the state is good for one
		_, _ = p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: signIn.State, Credential: answer})
	}
	fmt.Println("added:", metrics.ended["passkeys "+string(passkeys.ChangeAdded)])
	delete(metrics.ended, "passkeys "+string(passkeys.ChangeAdded))
	for _, what := range slices.Sorted(maps.Keys(metrics.ended)) {
		fmt.Println(what, metrics.ended[what])
	}
	// Output:
	// added: 1
	// authentication begin ""  1
	// authentication finish "" Google Password Manager 1
	// authentication finish "challenge_spent"  2
	// registration begin ""  1
	// registration finish "" Google Password Manager 1
}

// prompts is an observer that counts how prompts end, too.
type prompts struct{ counter }

func (p *prompts) ObserveClient(_ context.Context, o passkeys.ClientOutcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[fmt.Sprintf("%s %s %s %s", o.Ceremony, o.Mode, o.Code, o.Duration)]++
}

// How many dismiss a prompt at a glance, and how many struggle with it.
func ExampleClientObserver() {
	metrics := &prompts{counter{ended: map[string]int{}}}
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Observer:    metrics,
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated },
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, ms := range []int{1200, 700, 31000} { // what the page posts
		post(server, "/outcome", map[string]any{"mode": "usernameless", "outcome": "cancelled", "ms": ms})
	}
	post(server, "/outcome", map[string]any{"mode": "made up", "outcome": "cancelled", "ms": 1})
	for _, what := range slices.Sorted(maps.Keys(metrics.ended)) {
		fmt.Println(what, metrics.ended[what])
	}
	// Output:
	// authentication usernameless cancelled ge_20s 1
	// authentication usernameless cancelled lt_2s 2
}

// One application of many tenants, each a relying party of its own: the request
// says which.
func ExampleHandler_tenants() {
	secret := bytes.Repeat([]byte{1}, 32) // in earnest: 32 random bytes, always the same
	tenants := map[string]*passkeys.Passkeys{}
	for _, host := range []string{"a.example", "b.example"} {
		p, err := passkeys.New(passkeys.Config{
			RPID: host, RPName: host, Origins: []string{"https://" + host},
			Credentials: passkeys.NewMemoryCredentials(), Secret: secret,
		})
		if err != nil {
			log.Fatal(err)
		}
		tenants[host] = p
	}
	handler, err := passkeys.Handler(func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		p := tenants[x.R.Host]
		if p == nil {
			return nil, passkeys.ErrNotFound
		}
		return p, nil
	}, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		r := httptest.NewRequest(http.MethodPost, "https://"+host+"/authenticate/begin", nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var begun struct{ PublicKey struct{ RPID string } }
		if err := json.Unmarshal(w.Body.Bytes(), &begun); err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.Code, begun.PublicKey.RPID)
	}
	// Output:
	// 200 a.example
	// 200 b.example
	// 404
}

// The same for another framework, whose adapter makes a router of the table.
func ExampleRoutes() {
	type request struct{ tenant string } // the framework's own context
	var tenants map[string]*passkeys.Passkeys
	routes, err := passkeys.Routes(func(r *request) (*passkeys.Passkeys, error) {
		if p := tenants[r.tenant]; p != nil {
			return p, nil
		}
		return nil, passkeys.ErrNotFound
	}, passkeys.Hooks[*request]{
		GetUser: func(*request) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range routes {
		fmt.Println(r.Method, r.Path)
	}
	// Output:
	// POST /register/begin
	// POST /register/finish
	// POST /authenticate/begin
	// POST /authenticate/finish
	// GET /credentials
	// PATCH /credentials/{id}
	// DELETE /credentials/{id}
	// GET /signals
	// POST /confirm/begin
	// POST /confirm/finish
	// POST /outcome
	// GET /client.d.ts
	// GET /client.js
	// GET /elements.d.ts
	// GET /elements.js
	// GET /extensions.d.ts
	// GET /extensions.js
	// GET /words.d.ts
	// GET /words.js
}

// From the id in an audit event, or on the wire, to the one in the store.
func ExampleDecodeID() {
	id, err := passkeys.DecodeID("AQID_w")
	fmt.Printf("%x %v %s\n", id, err, passkeys.EncodeID(id))
	_, err = passkeys.DecodeID("AQID/w==")
	fmt.Println(err)
	// Output:
	// 010203ff <nil> AQID_w
	// passkeys: invalid_request
}

// Options that this package does not know go out with the others: in all
// ceremonies by Config, or in one by adding to it before it is sent.
func ExampleRequestOptions_extra() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials:  passkeys.NewMemoryCredentials(),
		Secret:       bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		RequestExtra: map[string]json.RawMessage{"remembered": []byte(`["a"]`)},
		Rand:         bytes.NewReader(make([]byte, 32)), // for this example to be the same each time
	})
	if err != nil {
		log.Fatal(err)
	}
	ceremony, err := p.BeginAuthentication(context.Background(), passkeys.AuthenticationRequest{})
	if err != nil {
		log.Fatal(err)
	}
	ceremony.PublicKey.Extra["later"] = []byte(`true`)
	options, err := json.MarshalIndent(ceremony.PublicKey, "", "  ")
	fmt.Println(string(options), err)
	// Output:
	// {
	//   "challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	//   "timeout": 300000,
	//   "rpId": "example.org",
	//   "allowCredentials": [],
	//   "userVerification": "preferred",
	//   "later": true,
	//   "remembered": [
	//     "a"
	//   ]
	// } <nil>
}

// Each passkey derives a key of its own from a salt of its own, which only the page
// gets to see. Decoys have salts as well.
func ExampleExtensions() {
	salts := func(_ context.Context, userID string, credentialID []byte) (passkeys.PRFSalts, error) {
		if credentialID == nil { // a new one, or whichever it will be: no key yet
			return passkeys.PRFSalts{}, nil
		}
		sum := sha256.Sum256(slices.Concat([]byte("vault/"+userID+"/"), credentialID))
		return passkeys.PRFSalts{First: sum[:]}, nil
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(),
		Secret:      bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same

		UserVerification: passkeys.UserVerificationRequired, // as CredentialProtection wants it
		Extensions: passkeys.Extensions{
			PRF: true, PRFSalts: salts,
			LargeBlob:                   passkeys.LargeBlobPreferred,
			CredentialProtection:        passkeys.CredentialProtectionRequired,
			EnforceCredentialProtection: true, // security keys only, then
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	registration, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "alice"}})
	if err != nil {
		log.Fatal(err)
	}
	extensions, err := json.MarshalIndent(registration.PublicKey.Extensions, "", "  ")
	fmt.Println(string(extensions), err)
	signIn, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{Username: "nobody"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(signIn.PublicKey.Extensions.PRF.EvalByCredential) == len(signIn.PublicKey.AllowCredentials))
	// Output:
	// {
	//   "credProps": true,
	//   "prf": {},
	//   "largeBlob": {
	//     "support": "preferred"
	//   },
	//   "credentialProtectionPolicy": "userVerificationRequired",
	//   "enforceCredentialProtectionPolicy": true
	// } <nil>
	// true
}

package passkeys

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/passkeys-go/passkeys/core/internal/seal"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// Every parser of bytes from outside. What none of them may do is panic, take
// more memory than the input deserves, answer with an error that is not one of
// ours, or let anything in.

// forgetful is a repository whose credentials do not remember with which
// challenges they were used, for else that would refuse all that the fuzzer makes.
type forgetful struct{ *MemoryCredentials }

func (f forgetful) Get(ctx context.Context, id []byte) (Credential, error) {
	c, err := f.MemoryCredentials.Get(ctx, id)
	c.Spent = nil
	return c, err
}

func (f forgetful) ListByUser(ctx context.Context, userID string) ([]Credential, error) {
	list, err := f.MemoryCredentials.ListByUser(ctx, userID)
	for i := range list {
		list[i].Spent = nil
	}
	return list, err
}

// optionsOf is what a begin gave, as the browser gets it.
func optionsOf[O CreationOptions | RequestOptions](f *testing.F, c *Ceremony[O], err error) []byte {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// outside is a relying party in which nothing but the one passkey is registered.
func outside(f *testing.F) (*Passkeys, []byte, []byte) {
	f.Helper()
	ctx := context.Background()
	challenge := bytes.Repeat([]byte{7}, challengeSize)
	p, err := New(Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: forgetful{NewMemoryCredentials()},
		Challenges:  &recorded{challenge: challenge}, // the same one for ever
		Rand:        bytes.NewReader(bytes.Repeat(challenge, 3)),
		Attestation: AttestationDirect,
		Secret:      bytes.Repeat([]byte{1}, 32),
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	a := passkeytest.New("https://example.org")
	a.Attestation, a.Counter = "packed", passkeytest.CounterZero
	register, err := p.BeginRegistration(ctx, RegistrationRequest{User: User{ID: "alice"}})
	creation, err := a.Create(optionsOf(f, register, err))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.FinishRegistration(ctx, RegistrationResponse{State: "handle", Credential: creation}); err != nil {
		f.Fatal(err)
	}
	signIn, err := p.BeginAuthentication(ctx, AuthenticationRequest{})
	request, err := a.Get(optionsOf(f, signIn, err))
	if err != nil {
		f.Fatal(err)
	}
	return p, creation, request
}

func FuzzFinishRegistration(f *testing.F) {
	p, creation, request := outside(f)
	f.Add(creation)
	f.Add(request)
	f.Add(bytes.Replace(creation, []byte(`"credProps"`), []byte(`"prf":{"results":{"first":"AAAA"}},"credProps"`), 1))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","transports":["usb"]}}`))
	if _, err := p.BeginRegistration(context.Background(), RegistrationRequest{User: User{ID: "alice"}}); err != nil {
		f.Fatal(err)
	}
	stored, _ := p.Credentials(context.Background(), "alice")
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := p.FinishRegistration(context.Background(), RegistrationResponse{State: "handle", Credential: body})
		var e *Error
		switch {
		case err == nil && !bytes.Equal(c.Credential.ID, stored[0].ID):
			// A new credential can be made by anyone who knows the challenge;
			// what matters is that it is the client's own.
			if c.Credential.UserID != "alice" || c.Credential.Validate() != nil {
				t.Errorf("registered %+v", c)
			}
			if err := p.Revoke(context.Background(), "alice", c.Credential.ID); err != nil { // or soon they are too many
				t.Error(err)
			}
		case err != nil && (!errors.As(err, &e) || e.Status >= 500):
			t.Errorf("%v", err)
		}
	})
}

func FuzzFinishAuthentication(f *testing.F) {
	p, creation, request := outside(f)
	f.Add(request)
	f.Add(creation)
	f.Add(bytes.Replace(request, []byte(`"response"`), []byte(`"clientExtensionResults":{"prf":{"results":{}}},"response"`), 1))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`))
	var valid struct {
		Response struct{ Signature, ClientDataJSON, AuthenticatorData string }
	}
	if err := json.Unmarshal(request, &valid); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := p.FinishAuthentication(context.Background(), AuthenticationResponse{State: "handle", Credential: body})
		var e *Error
		switch {
		case err == nil:
			// Only what the key has signed: the valid response in other dress.
			got := valid
			if json.Unmarshal(body, &got) != nil || got != valid {
				t.Errorf("signed in with %s", body)
			}
		case !errors.As(err, &e) || e.Status >= 500:
			t.Errorf("%v", err)
		case bytes.Equal(body, request):
			t.Errorf("what is valid is refused: %v (%s)", err, e.Reason())
		case e.Code == ErrChallengeNotFound.Code:
			t.Errorf("refused before it was looked at: %s", e.Reason())
		}
	})
}

func FuzzParseProviders(f *testing.F) {
	const aaguid = "d548826e-79b4-db40-a3d8-11116f7e8349"
	for _, seed := range []string{
		`{"` + aaguid + `":{"name":"Our vault","icon_light":"data:"}}`, `{"` + aaguid + `":{"name":" \u202eevil"},"":null}`,
		`{"` + strings.ToUpper(aaguid) + `":{"NAME":"a"},"` + aaguid + `":{"name":"\ud800"}}`, `{}`, `null`, `[]`, `{"` + aaguid + `":{"name":7}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		providers, err := ParseProviders(bytes.NewReader(data))
		if err != nil {
			if providers != nil || len(err.Error()) > 1024 {
				t.Errorf("%v, %d bytes of an error", providers, len(err.Error()))
			}
			return
		}
		p := &Passkeys{cfg: Config{Providers: providers}}
		for a := range *providers.names.Load() {
			shown, name := p.Provider(a), p.defaultName(a, nil)
			if a == (AAGUID{}) {
				if shown+name != "" {
					t.Errorf("the zero AAGUID is called %q", shown)
				}
				continue
			}
			second := p.defaultName(a, []Credential{{DeviceName: name}})
			clean, err := cleanDeviceName(name)
			if shown == "" || len(shown) > 4*maxProviderName || strings.ContainsFunc(shown, unicode.IsControl) ||
				err != nil || clean != name || second == name || !validDeviceName(second) {
				t.Errorf("%s is shown as %q, and called %q, %q", a, shown, name, second)
			}
		}
	})
}

// closedSets is an observer that is told nothing but what there is.
type closedSets struct{}

func (closedSets) Observe(ctx context.Context, _ Step) (context.Context, func(Outcome)) {
	return ctx, func(Outcome) {}
}

func (closedSets) ObserveClient(_ context.Context, o ClientOutcome) {
	known := o.Ceremony == CeremonyRegistration || o.Ceremony == CeremonyAuthentication || o.Ceremony == CeremonyConfirmation
	if !known || modeOf(o.Mode.code()) != o.Mode || !o.Code.known() || o.Duration != DurationUnder2s && o.Duration != DurationUnder20s && o.Duration != DurationFrom20s {
		panic(fmt.Sprintf("told of %+v", o))
	}
}

func FuzzRequestBody(f *testing.F) {
	p, creation, request := outside(f)
	p.cfg.Rand, p.cfg.Observer = rand.Reader, closedSets{}
	h, err := Handler(p, Hooks[Exchange]{
		GetUser:  func(Exchange) (User, error) { return User{ID: "bob"}, nil },
		FindUser: func(_ Exchange, name string) (string, error) { return "", nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	routes := []string{"POST /register/begin", "POST /register/finish", "POST /authenticate/begin", "POST /authenticate/finish", "PATCH /credentials/AAAA", "DELETE /credentials/AAAA", "GET /credentials", "GET /signals", "POST /outcome", "POST /confirm/begin", "POST /confirm/finish"}
	for i := range routes {
		f.Add(uint(i), "application/json", []byte(`{"state":"handle","username":"a","deviceName":"b","credential":`+string(creation)+`}`))
		f.Add(uint(i), "application/json; charset=utf-8", []byte(`{"state":"handle","userId":"a","credential":`+string(request)+`}`))
		f.Add(uint(i), "application/json", []byte(`{"mode":"conditional","userId":""}`))
		f.Add(uint(i), "application/json", []byte(`{"mediation":"conditional","grant":"handle"}`))
		f.Add(uint(i), "application/json", []byte(`{"request":"handle","cookie":true}`))
		f.Add(uint(i), "application/json", []byte(`{"mode":"conditional","outcome":"cancelled","ms":1840}`))
	}
	f.Fuzz(func(t *testing.T, route uint, contentType string, body []byte) {
		method, path, _ := strings.Cut(routes[route%uint(len(routes))], " ")
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzState signs in with whatever is given as state: with nothing but what begin
// has sealed is anyone let in, and all else is not found.
func FuzzState(f *testing.F) {
	ctx := context.Background()
	clock := &passkeytest.Clock{} // which stands: the seeds must not expire while it runs
	p, err := New(Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: forgetful{NewMemoryCredentials()},
		Rand:        bytes.NewReader(bytes.Repeat([]byte{7}, 3*challengeSize)),
		Secret:      bytes.Repeat([]byte{1}, 32),
		OldSecrets:  [][]byte{bytes.Repeat([]byte{2}, 32)},
		Logger:      slog.New(slog.DiscardHandler),
		Now:         clock.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	a := passkeytest.New("https://example.org")
	a.Counter, a.CredentialID = passkeytest.CounterZero, []byte("credential")
	creation, err := p.BeginRegistration(ctx, RegistrationRequest{User: User{ID: "alice"}})
	credential, err := a.Create(optionsOf(f, creation, err))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.FinishRegistration(ctx, RegistrationResponse{State: creation.State, Credential: credential}); err != nil {
		f.Fatal(err)
	}
	request, err := p.BeginAuthentication(ctx, AuthenticationRequest{})
	credential, err = a.Get(optionsOf(f, request, err))
	if err != nil {
		f.Fatal(err)
	}
	grant, err := p.GrantUpgrade(ctx, "alice")
	if err != nil {
		f.Fatal(err)
	}
	state := request.State
	sealed, ok := p.states.Open(state)
	if !ok {
		f.Fatal("the state does not open")
	}
	raw, err := DecodeID(state)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add(state[:len(state)-1])
	f.Add(state + "A")
	f.Add(state + "=")
	f.Add(state + "\n")
	f.Add(strings.Replace(state, state[40:41], " ", 1))
	f.Add(EncodeID(append([]byte{1}, raw[1:]...)))
	f.Add(EncodeID(sealed))
	f.Add(creation.State) // for another purpose
	f.Add(grant)
	f.Add(seal.New("another use", bytes.Repeat([]byte{1}, 32)).Seal(sealed))
	f.Add(seal.New("state", bytes.Repeat([]byte{3}, 32)).Seal(sealed))
	f.Add("")
	f.Add("Ag")
	f.Add(strings.Repeat("A", 1<<13))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := p.FinishAuthentication(ctx, AuthenticationResponse{State: text, Credential: credential})
		if text == state && err != nil || err != nil && !errors.Is(err, ErrChallengeNotFound) {
			t.Errorf("%q: %v", text, err)
		}
		// Each of the fuzzer's processes has sealed a state of its own; what is in
		// it is the same in all.
		if opened, _ := p.states.Open(text); err == nil && !bytes.Equal(opened, sealed) {
			t.Errorf("%q signs in with %x", text, opened)
		}
	})
}

// FuzzProof takes whatever is given for a proof of a transfer: only one that was made
// of it lets anything pass.
func FuzzProof(f *testing.F) {
	ctx, clock := context.Background(), &passkeytest.Clock{}
	p, err := New(Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: NewMemoryCredentials(), Secret: bytes.Repeat([]byte{1}, 32), Logger: slog.New(slog.DiscardHandler), Now: clock.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	transfer, _ := Operation{Name: "transfer", Payload: []byte("100")}.of(time.Minute)
	proof := payload{purpose: forProof, mode: ModeConfirmation, issuedAt: clock.Now(), expiresAt: clock.Now().Add(time.Minute),
		challenge: []byte{1}, realm: p.realm, userID: "alice", subject: transfer, credentialID: "c"}
	other, request, nobodys := proof, proof, proof
	other.hash, request.purpose, nobodys.userID = "another", forRequest, "bob"
	for _, c := range []payload{proof, other, request, nobodys} {
		f.Add(p.proofs.Seal(c.encode()))
		f.Add(p.states.Seal(c.encode()))
		f.Add(EncodeID(c.encode()))
	}
	f.Add("")
	f.Add(strings.Repeat("A", 1<<13))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := p.VerifyProof(ctx, text, ProofCheck{UserID: "alice", Operation: Operation{Name: "transfer", Payload: []byte("100")}, Reusable: true})
		opened, _ := p.proofs.Open(text)
		switch mine := bytes.Equal(opened, proof.encode()); {
		case err == nil && (!mine || got.UserID != "alice"), err != nil && (mine || !errors.Is(err, ErrConfirmationRequired)):
			t.Errorf("%q of %x: %+v, %v", text, opened, got, err)
		}
	})
}

// FuzzEvidence reads what may be anything: it holds only if it is what was signed.
func FuzzEvidence(f *testing.F) {
	sound, err := os.ReadFile("testdata/golden/evidence-v1.json")
	if err != nil {
		f.Fatal(err)
	}
	var signed Evidence
	if err := json.Unmarshal(sound, &signed); err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add(bytes.Replace(sound, []byte("alice"), []byte("bob"), 1))
	f.Add([]byte(`{"v":1,"payloadHash":"AA"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Evidence
		if err := json.Unmarshal(b, &e); err != nil {
			return
		}
		again, err := json.Marshal(e)
		var read Evidence
		if err != nil || json.Unmarshal(again, &read) != nil || fmt.Sprint(read) != fmt.Sprint(e) {
			t.Errorf("%s is written %s, %v", b, again, err)
		}
		if err := e.Verify([]byte("100 EUR to bob")); err == nil && fmt.Sprint(e) != fmt.Sprint(signed) {
			t.Errorf("%s", b)
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, c := range []payload{
		{purpose: forRegistration, mode: ModeRegistration, issuedAt: time.UnixMicro(1), expiresAt: time.UnixMicro(2), challenge: []byte{1}, realm: "r", userID: "u", session: "s"},
		{purpose: forAuthentication, mode: ModeUsername, issuedAt: time.UnixMicro(-1), expiresAt: time.UnixMicro(1 << 62), challenge: []byte{1}, userID: "u"},
		{purpose: forAuthentication, mode: ModeConditional, challenge: bytes.Repeat([]byte{1}, 32)},
		{purpose: forAuthentication, mode: ModeConditional, challenge: []byte{1}, userID: "u"}, // is for nobody in particular
		{purpose: forUpgrade, mode: ModeUpgrade, challenge: []byte{1}, realm: "r", userID: "u", session: "s"},
		{purpose: forConfirmation, mode: ModeConfirmation, challenge: []byte{1}, userID: "u", subject: subject{"transfer", "hash", time.Minute}},
		{purpose: forProof, mode: ModeConfirmation, challenge: []byte{1}, userID: "u", credentialID: strings.Repeat("c", 200), verified: true, reliable: true},
	} {
		f.Add(c.encode())
	}
	f.Add([]byte{payloadVersion})
	named := payload{purpose: forConfirmation, mode: ModeConfirmation, challenge: []byte{1}, userID: "u"}.encode()
	f.Add(append(named[:len(named)-1:len(named)-1], binary.AppendUvarint(nil, 1<<60)...))
	f.Add(append(named[:len(named)-1:len(named)-1], 0x81, 0)) // 1, in two bytes
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodePayload(b)
		if err != nil {
			return
		}
		if !bytes.Equal(c.encode(), b) {
			t.Errorf("%x has another spelling, %x", b, c.encode())
		}
		if len(c.challenge) == 0 || !c.mode.of(c.purpose, c.userID != "") {
			t.Errorf("%x is %+v", b, c)
		}
	})
}

func FuzzConfigFromEnv(f *testing.F) {
	secret := strings.Repeat("s", 32)
	f.Add("example.org", "https://example.org,android:apk-key-hash:AAAA", "5m", "required", "ES256,EdDSA", "00000000-0000-0000-0000-000000000000", "50", secret, secret+","+secret, "hybrid", "packed,tpm")
	f.Add("localhost", "http://localhost:8080", "300", "", "", "", "-1", "", "", "", "")
	f.Add("localhost", "http://localhost:8080", "1h", "", "", "", "", secret+",", " "+secret+" , ", "security-key,client-device", "x")
	f.Add("[::1]", "https://[::1]:443", "1h1h", "x", ",,", "----", "0x10", "short", secret, "phone", "android key")
	f.Fuzz(func(t *testing.T, id, origins, ttl, uv, algorithms, aaguids, most, secret, old, hints, formats string) {
		for name, value := range map[string]string{
			"PASSKEYS_RP_ID": id, "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": origins, "PASSKEYS_TOP_ORIGINS": origins,
			"PASSKEYS_CHALLENGE_TTL": ttl, "PASSKEYS_CONDITIONAL_TTL": ttl, "PASSKEYS_TIMEOUT": ttl, "PASSKEYS_USER_VERIFICATION": uv, "PASSKEYS_RESIDENT_KEY": uv,
			"PASSKEYS_ALGORITHMS": algorithms, "PASSKEYS_ALLOWED_AAGUIDS": aaguids, "PASSKEYS_MAX_CREDENTIALS": most,
			"PASSKEYS_SECRET": secret, "PASSKEYS_OLD_SECRETS": old, "PASSKEYS_HINTS": hints, "PASSKEYS_ATTESTATION_FORMATS": formats,
		} {
			if strings.IndexByte(value, 0) >= 0 {
				return // no environment can hold it
			}
			t.Setenv(name, value)
		}
		cfg, err := ConfigFromEnv()
		if err != nil {
			if !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), "PASSKEYS_") {
				t.Errorf("%v names no variable", err)
			}
			return
		}
		// A secret must be the same once it has moved to the old ones.
		if len(cfg.Secret) > 0 {
			t.Setenv("PASSKEYS_OLD_SECRETS", "  "+string(cfg.Secret)+" ,"+old)
			moved, err := ConfigFromEnv()
			if err != nil || len(moved.OldSecrets) != 1+len(cfg.OldSecrets) || !bytes.Equal(moved.OldSecrets[0], cfg.Secret) {
				t.Errorf("the secret %q becomes an old one %q, %v", cfg.Secret, moved.OldSecrets, err)
			}
		}
		cfg.Credentials = NewMemoryCredentials()
		cfg.Logger = slog.New(slog.DiscardHandler)
		if _, err := New(cfg); err != nil {
			t.Errorf("%+v passed, and then: %v", cfg, err)
		}
	})
}

package passkeys

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// Every parser of bytes from outside. What none of them may do is panic, take
// more memory than the input deserves, answer with an error that is not one of
// ours, or let anything in.

// outside is a relying party in which nothing but the one passkey is registered.
func outside(f *testing.F) (*Passkeys, []byte, []byte) {
	f.Helper()
	ctx := context.Background()
	challenge := bytes.Repeat([]byte{7}, challengeSize)
	p, err := New(Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: NewMemoryCredentials(),
		Challenges:  &recorded{challenge: challenge}, // the same one for ever
		Rand:        bytes.NewReader(bytes.Repeat(challenge, 3)),
		Attestation: AttestationDirect,
		DecoySecret: bytes.Repeat([]byte{1}, 32),
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	a := passkeytest.New("https://example.org")
	a.Attestation, a.Counter = "packed", passkeytest.CounterZero
	begin := func(c *Ceremony, err error) []byte {
		if err != nil {
			f.Fatal(err)
		}
		b, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	creation, err := a.Create(begin(p.BeginRegistration(ctx, User{ID: "alice"})))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.FinishRegistration(ctx, RegistrationResponse{State: "handle", Credential: creation}); err != nil {
		f.Fatal(err)
	}
	request, err := a.Get(begin(p.BeginAuthentication(ctx, "")))
	if err != nil {
		f.Fatal(err)
	}
	return p, creation, request
}

func FuzzFinishRegistration(f *testing.F) {
	p, creation, request := outside(f)
	f.Add(creation)
	f.Add(request)
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","transports":["usb"]}}`))
	if _, err := p.BeginRegistration(context.Background(), User{ID: "alice"}); err != nil {
		f.Fatal(err)
	}
	stored, _ := p.Credentials(context.Background(), "alice")
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := p.FinishRegistration(context.Background(), RegistrationResponse{State: "handle", Credential: body})
		var e *Error
		switch {
		case err == nil && !bytes.Equal(c.ID, stored[0].ID):
			// A new credential can be made by anyone who knows the challenge;
			// what matters is that it is the client's own.
			if c.UserID != "alice" || c.Validate() != nil {
				t.Errorf("registered %+v", c)
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
		}
	})
}

func FuzzRequestBody(f *testing.F) {
	p, creation, request := outside(f)
	p.cfg.Rand = rand.Reader
	h, err := Handler(p, Hooks[Exchange]{
		GetUser:  func(Exchange) (User, error) { return User{ID: "bob"}, nil },
		FindUser: func(_ Exchange, name string) (string, error) { return "", nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	routes := []string{"POST /register/begin", "POST /register/finish", "POST /authenticate/begin", "POST /authenticate/finish", "PATCH /credentials/AAAA", "DELETE /credentials/AAAA", "GET /credentials"}
	for i := range routes {
		f.Add(uint(i), "application/json", []byte(`{"state":"handle","username":"a","deviceName":"b","credential":`+string(creation)+`}`))
		f.Add(uint(i), "application/json; charset=utf-8", []byte(`{"state":"handle","userId":"a","credential":`+string(request)+`}`))
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

func FuzzStatelessHandle(f *testing.F) {
	key := bytes.Repeat([]byte{1}, 32)
	s, err := NewStatelessChallenges(key)
	if err != nil {
		f.Fatal(err)
	}
	handle, err := s.Put(context.Background(), []byte("payload"), time.Now().Add(24*time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(handle)
	f.Add(handle[:len(handle)-1])
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		// Each of the fuzzer's processes has sealed a handle of its own.
		got, err := s.Consume(context.Background(), text)
		if err == nil && string(got) != "payload" || err != nil && !errors.Is(err, ErrChallengeNotFound) || text == handle && err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add(payload{purpose: forRegistration, expiresAt: time.UnixMilli(1), challenge: []byte{1}, userID: "u", session: "s"}.encode())
	f.Add([]byte{payloadVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodePayload(b)
		if err == nil && !bytes.Equal(c.encode(), b) {
			t.Errorf("%x has another spelling, %x", b, c.encode())
		}
	})
}

func FuzzConfigFromEnv(f *testing.F) {
	f.Add("example.org", "https://example.org,android:apk-key-hash:AAAA", "5m", "required", "ES256,EdDSA", "00000000-0000-0000-0000-000000000000", "50")
	f.Add("localhost", "http://localhost:8080", "300", "", "", "", "-1")
	f.Add("[::1]", "https://[::1]:443", "1h1h", "x", ",,", "----", "0x10")
	f.Fuzz(func(t *testing.T, id, origins, ttl, uv, algorithms, aaguids, most string) {
		for name, value := range map[string]string{
			"PASSKEYS_RP_ID": id, "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": origins, "PASSKEYS_TOP_ORIGINS": origins,
			"PASSKEYS_CHALLENGE_TTL": ttl, "PASSKEYS_TIMEOUT": ttl, "PASSKEYS_USER_VERIFICATION": uv, "PASSKEYS_RESIDENT_KEY": uv,
			"PASSKEYS_ALGORITHMS": algorithms, "PASSKEYS_ALLOWED_AAGUIDS": aaguids, "PASSKEYS_MAX_CREDENTIALS": most, "PASSKEYS_DECOY_SECRET": origins,
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
		cfg.Credentials = NewMemoryCredentials()
		cfg.Logger = slog.New(slog.DiscardHandler)
		if _, err := New(cfg); err != nil {
			t.Errorf("%+v passed, and then: %v", cfg, err)
		}
	})
}

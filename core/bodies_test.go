package passkeys_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// What a route takes and answers, as far as it is the same behind every adapter.

// counted is a body of which a server does not know the length.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func TestBodies(t *testing.T) {
	const most = 64 << 10
	s := newSite(t, newBench(t).Passkeys)
	spaces := func(n int) string { return "{}" + strings.Repeat(" ", n-2) }
	for _, row := range []struct {
		name, says           string
		path, declared, body string
		status               int
		code                 string
	}{
		{"nothing, where that will do", "A begin needs no body.", "/authenticate/begin", "", "", 200, ""},
		{"nothing, declared", "Nothing is no JSON, but is not read as any.", "/authenticate/begin", "application/json", "", 200, ""},
		{"nothing, where there must be something", "A finish is of something.", "/authenticate/finish", "application/json", "", 400, "invalid_request"},
		{"nothing at a name", "So is a rename.", "/register/finish", "application/json", "", 400, "invalid_request"},
		{"undeclared", "A form of another site's page declares nothing, or something else.", "/authenticate/begin", "", "{}", 415, "unsupported_media_type"},
		{"a form's text", "Which a page may send to any site.", "/authenticate/begin", "text/plain", "{}", 415, "unsupported_media_type"},
		{"a form", "As it may a form.", "/authenticate/begin", "application/x-www-form-urlencoded", "{}", 415, "unsupported_media_type"},
		{"no media type", "What is no media type is not JSON's.", "/authenticate/begin", "application/json; charset", "{}", 415, "unsupported_media_type"},
		{"with a parameter", "JSON has no parameters, and some send one.", "/authenticate/begin", "application/json; charset=utf-8", "{}", 200, ""},
		{"in other letters", "A media type has no case.", "/authenticate/begin", "Application/JSON", "{}", 200, ""},
		{"as large as it may be", "64 KiB are taken.", "/authenticate/begin", "application/json", spaces(most), 200, ""},
		{"larger", "A byte more is not.", "/authenticate/begin", "application/json", spaces(most + 1), 413, "payload_too_large"},
		{"much larger", "Nor is it read.", "/authenticate/begin", "application/json", spaces(most * 8), 413, "payload_too_large"},
	} {
		for _, length := range []string{"known", "unknown"} {
			t.Run(row.name+", its length "+length, func(t *testing.T) {
				body := &counted{Reader: strings.NewReader(row.body)}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, row.path, body)
				r.ContentLength = -1
				if length == "known" {
					r.ContentLength = int64(len(row.body))
				}
				if row.declared != "" {
					r.Header.Set("Content-Type", row.declared)
				}
				status, errorCode := row.status, row.code
				if row.body == "" && row.declared != "" && length == "unknown" && status == http.StatusOK {
					// Somebody may have read it before: a sign-in by name would become
					// one without.
					status, errorCode = http.StatusBadRequest, "invalid_request"
				}
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != status || code(w.Body.Bytes()) != errorCode {
					t.Errorf("%s Answered %d %s, want %d %s", row.says, w.Code, w.Body, status, errorCode)
				}
				if body.read > most+1 {
					t.Errorf("%d bytes were read", body.read)
				}
			})
		}
	}
}

// A client is told that a body is malformed, and the log at which member: those whose page
// sends something else have no other clue.
func TestTheLogSaysWhatIsMalformed(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s := newSite(t, b.Passkeys)
	for _, row := range []struct{ name, path, body, want string }{
		{"a credential that is not in the body's member", "/authenticate/finish", `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`, `route=/authenticate/finish detail="malformed JSON: credential"`},
		{"a string for the credential", "/register/finish", `{"state":"x","credential":"{}"}`, `detail="malformed JSON: credential"`},
		{"a number deep in it", "/register/finish", `{"state":"x","credential":{"id":"AAAA","response":{"clientDataJSON":1}}}`, `detail="malformed JSON: credential.response.clientDataJSON"`},
		{"a member twice", "/authenticate/begin", `{"userId":"a","userId":"b"}`, `detail="malformed JSON: userId"`},
		{"no JSON", "/authenticate/begin", `userId=alice`, `detail="malformed JSON"`},
		{"a name, where there are none", "/authenticate/begin", `{"username":"alice"}`, `detail="a sign-in by username, and Hooks.FindUser is not set"`},
	} {
		log.Reset()
		if got := code(s.post(row.path, row.body, http.StatusBadRequest)); got != "invalid_request" || !strings.Contains(log.String(), row.want) || strings.Contains(log.String(), "alice") {
			t.Errorf("%s: %s, and the log says %s", row.name, got, &log)
		}
	}
}

// answers is an error that says which status it is for, as Echo's do.
type answers int

func (a answers) Error() string   { return http.StatusText(int(a)) }
func (a answers) StatusCode() int { return int(a) }

// What a middleware does to a body first, the answer says: that it was too large for
// it is no fault of the body's form. And what was read away is not taken for nothing.
func TestBodiesThatAMiddlewareHasTouched(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	fails := func(err error) func(*http.Request) {
		return func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 3), iotest.ErrReader(err)))
		}
	}
	for _, row := range []struct {
		name, says string
		does       func(*http.Request)
		status     int
		code       string
	}{
		{"cut off", "By net/http.", func(r *http.Request) { r.Body = http.MaxBytesReader(nil, r.Body, 3) }, 413, "payload_too_large"},
		{"cut off by a framework", "Whose error says so.", fails(fmt.Errorf("reading: %w", answers(413))), 413, "payload_too_large"},
		{"refused by a framework", "For something else.", fails(answers(400)), 400, "invalid_request"},
		{"broken off", "By the client.", fails(io.ErrUnexpectedEOF), 400, "invalid_request"},
		{"read away", "To its end.", func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, 400, "invalid_request"},
		{"read in part", "What is left is none.", func(r *http.Request) { _, _ = r.Body.Read(make([]byte, 4)) }, 400, "invalid_request"},
	} {
		for _, length := range []string{"known", "unknown"} {
			t.Run(row.name+", its length "+length, func(t *testing.T) {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/authenticate/begin", strings.NewReader(`{"userId":"alice"}`))
				r.Header.Set("Content-Type", "application/json")
				if length == "unknown" {
					r.ContentLength = -1
				}
				row.does(r)
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != row.status || code(w.Body.Bytes()) != row.code {
					t.Errorf("%s Answered %d %s, want %d %s", row.says, w.Code, w.Body, row.status, row.code)
				}
			})
		}
	}
}

func TestAUserWhoIsNoneIsTheHooksFault(t *testing.T) {
	b := newBench(t)
	for name, user := range map[string]passkeys.User{"no id": {}, "a long id": {ID: strings.Repeat("x", 65)}, "a name that is no text": {ID: "x", Name: "\xff"}} {
		s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return user, nil }
		})
		for _, r := range everyRoute {
			if strings.HasPrefix(r.path, "/authenticate") {
				continue
			}
			if got := code(s.do(r.method, r.path, r.body, http.StatusInternalServerError)); got != "configuration_error" {
				t.Errorf("%s: %s %s: %s", name, r.method, r.path, got)
			}
		}
	}
}

func TestAnAnswerThatIsNoJSONIsTheHooksFault(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnAuthenticated = func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error) { return func() {}, nil }
	})
	begun := s.post("/authenticate/begin", "", http.StatusOK)
	credential, err := a.Get(begun)
	if err != nil {
		t.Fatal(err)
	}
	if got := code(s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusInternalServerError)); got != "internal_error" {
		t.Errorf("answered %s", got)
	}
	if !strings.Contains(log.String(), "OnAuthenticated failed") {
		t.Errorf("the log says %q", &log)
	}
}

func TestAHooksErrorIsTheAnswer(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return alice.ID, passkeys.ErrForbidden }
		h.OnAuthenticated = func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error) {
			return "signed in", passkeys.ErrForbidden
		}
	})
	if got := code(s.post("/authenticate/begin", `{"username":"alice"}`, http.StatusForbidden)); got != "forbidden" {
		t.Errorf("FindUser: %s", got)
	}
	begun := s.post("/authenticate/begin", "", http.StatusOK)
	credential, err := a.Get(begun)
	if err != nil {
		t.Fatal(err)
	}
	if got := code(s.post("/authenticate/finish", finishBody(t, begun, credential), http.StatusForbidden)); got != "forbidden" {
		t.Errorf("OnAuthenticated: %s", got)
	}
}

func TestUsernamesAreBounded(t *testing.T) {
	asked := 0
	s := newSite(t, newBench(t).Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { asked++; return "", nil }
	})
	s.post("/authenticate/begin", `{"username":"`+strings.Repeat("x", 1024)+`"}`, http.StatusOK)
	s.post("/authenticate/begin", `{"username":"`+strings.Repeat("x", 1025)+`"}`, http.StatusBadRequest)
	if asked != 1 {
		t.Errorf("FindUser was asked %d times", asked)
	}
}

// The store is not asked for what can be no id.
func TestIDsInPaths(t *testing.T) {
	store := &seen{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	})
	s := newSite(t, b.Passkeys)
	id := func(n int) string { return passkeys.EncodeID(bytes.Repeat([]byte{1}, n)) }
	for _, row := range []struct {
		name, id string
		asked    bool
	}{
		{"an id", id(16), true},
		{"the longest", id(1023), true},
		{"longer", id(1024), false},
		{"padded", "AA==", false},
		{"bits that mean nothing", "AB", false},
		{"the other alphabet", "+w", false},
		{"escaped", "%41%41", false},
	} {
		for _, method := range []string{http.MethodPatch, http.MethodDelete} {
			store.ids = 0
			if got := code(s.do(method, "/credentials/"+row.id, `{"deviceName":"x"}`, http.StatusNotFound)); got != "not_found" || (store.ids == 1) != row.asked {
				t.Errorf("%s, %s: %s, the store was asked %d times", method, row.name, got, store.ids)
			}
		}
	}
}

// There are routers that match a path without an id.
func TestAPathWithoutAnID(t *testing.T) {
	store := &seen{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	})
	routes, err := passkeys.Routes(b.Passkeys, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if route.Path != "/credentials/{id}" {
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), route.Method, "/credentials/", strings.NewReader(`{"deviceName":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		route.Serve(passkeys.NewExchange(w, r), w, r)
		if w.Code != http.StatusNotFound || store.ids != 0 {
			t.Errorf("%s: %d, the store was asked %d times", route.Method, w.Code, store.ids)
		}
	}
}

// seen is a repository that counts the ids it is asked for.
type seen struct {
	*passkeys.MemoryCredentials
	ids int
}

func (s *seen) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	s.ids++
	return s.MemoryCredentials.Get(ctx, id)
}

func (s *seen) Delete(ctx context.Context, userID string, id []byte) error {
	s.ids++
	return s.MemoryCredentials.Delete(ctx, userID, id)
}

// A passkey beside another that works can go, whatever HasOtherSignIn says.
func TestOneOfTwoIsNotTheLast(t *testing.T) {
	b := newBench(t)
	first := b.mustRegister(passkeytest.New(origin))
	b.mustRegister(passkeytest.New(origin))
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.HasOtherSignIn = func(passkeys.Exchange, passkeys.User) (bool, error) {
			t.Error("asked")
			return false, nil
		}
	})
	s.do(http.MethodDelete, "/credentials/"+passkeys.EncodeID(first.ID), "", http.StatusNoContent)
	if c := b.stored(); bytes.Equal(c.ID, first.ID) {
		t.Error("the other one went")
	}
}

// A body that breaks off is none, though what has come of it reads like one.
func TestABodyThatBreaksOff(t *testing.T) {
	s := newSite(t, newBench(t).Passkeys)
	for name, row := range map[string]struct {
		length int64
		rest   io.Reader
	}{
		"of no length":                    {-1, iotest.ErrReader(io.ErrUnexpectedEOF)},
		"before its length":               {20, iotest.ErrReader(io.ErrUnexpectedEOF)},
		"whose end a middleware has read": {20, strings.NewReader("")},
	} {
		r := httptest.NewRequest(http.MethodPost, "/authenticate/begin", io.MultiReader(strings.NewReader("{}"), row.rest))
		r.ContentLength = row.length
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || code(w.Body.Bytes()) != "invalid_request" {
			t.Errorf("one %s: %d %s", name, w.Code, w.Body)
		}
	}
}

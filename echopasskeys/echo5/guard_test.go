package echo5_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
)

// confirmed is the proof that alice, of a new passkey, confirmed what the request does.
func confirmed(t *testing.T, p *passkeys.Passkeys, r *http.Request, pattern string) string {
	t.Helper()
	phone := passkeytest.New("http://localhost:8080")
	registration, err := p.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: passkeys.User{ID: "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	options, _ := json.Marshal(registration)
	answer, _ := phone.Create(options)
	if _, err := p.FinishRegistration(t.Context(), passkeys.RegistrationResponse{State: registration.State, Credential: answer}); err != nil {
		t.Fatal(err)
	}
	operation, err := passkeys.RequestOperation(r, pattern)
	if err != nil {
		t.Fatal(err)
	}
	ceremony, err := p.BeginConfirmation(t.Context(), "alice", operation)
	if err != nil {
		t.Fatal(err)
	}
	options, _ = json.Marshal(ceremony)
	answer, _ = phone.Get(options)
	result, err := p.FinishConfirmation(t.Context(), passkeys.ConfirmationResponse{State: ceremony.State, Credential: answer, UserID: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return result.Sealed
}

// A hook may put what it knows into the request's context, which replaces the
// request: the handler gets that one, with the body that was confirmed, and the
// response that there was.
func TestTheHandlerGetsTheHooksRequest(t *testing.T) {
	type key struct{}
	p := newPasskeys(t)
	hooks := echo5.Hooks{GetUser: func(c *echo.Context) (passkeys.User, error) {
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), key{}, "known")))
		return passkeys.User{ID: "alice"}, nil
	}}
	r := echo.New()
	r.POST("/accounts/:id", func(c *echo.Context) error {
		if _, ok := c.Response().(http.Hijacker); !ok {
			t.Errorf("the response is %T", c.Response())
		}
		body, err := io.ReadAll(c.Request().Body)
		proof, ok := passkeys.ProofFrom(c.Request().Context())
		return c.String(http.StatusOK, fmt.Sprintf("%s %v %v %s %v", body, err, c.Request().Context().Value(key{}), proof.Operation, ok))
	}, echo5.Require(p, hooks, echo5.Guard{Operation: echo5.RequestOperation}))
	request := func() *http.Request {
		return httptest.NewRequest(http.MethodPost, "/accounts/7", strings.NewReader("only=cache"))
	}
	proved := request()
	proved.Header.Set(passkeys.ProofHeader, confirmed(t, p, request(), "/accounts/:id"))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, proved)
	if got := w.Body.String(); got != "only=cache <nil> known POST /accounts/:id true" {
		t.Errorf("%d %s", w.Code, got)
	}
}

func ExampleRequire() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	hooks := echo5.Hooks{
		GetUser: func(c *echo.Context) (passkeys.User, error) { return passkeys.User{ID: "alice"}, nil }, // in earnest: by the session
	}
	r := echo.New()
	if err := echo5.Mount(r.Group("/auth/passkeys"), p, hooks); err != nil {
		panic(err)
	}
	r.POST("/transfer", func(c *echo.Context) error {
		return c.String(http.StatusOK, "sent")
	}, echo5.Require(p, hooks, echo5.Guard{Operation: echo5.RequestOperation}))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/transfer", nil))
	var answer struct {
		Error   struct{ Code string }
		Confirm struct{ Operation string }
	}
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	fmt.Println(w.Code, answer.Error.Code, answer.Confirm.Operation)
	// Output: 403 confirmation_required POST /transfer
}

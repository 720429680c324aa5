package chipasskeys_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"
	"github.com/passkeys-go/passkeys/chipasskeys"
	passkeys "github.com/passkeys-go/passkeys/core"
)

func ExampleRequire() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	hooks := chipasskeys.Hooks{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "alice"}, nil }, // in earnest: by the session
	}
	r := chi.NewRouter()
	r.Route("/auth/passkeys", func(r chi.Router) { err = chipasskeys.Mount(r, p, hooks) })
	if err != nil {
		panic(err)
	}
	confirmed := chipasskeys.Require(p, hooks, chipasskeys.Guard{Operation: chipasskeys.RequestOperation})
	r.With(confirmed).Post("/transfer", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "sent") })
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

// Command chi is the passkeys demo on Chi: sign-up, sign-in without a password
// and with or without a username, the management of passkeys, and an operation that
// is confirmed with one.
//
//	go run ./examples/chi
package main

import (
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/passkeys-go/passkeys/chipasskeys"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/examples/internal/app"
)

func main() { app.Main("Chi", router) }

// router is the whole application. a keeps its accounts and sessions; the
// session is in the context of each request.
func router(a *app.App) (http.Handler, error) {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Use(middleware.ClientIPFromRemoteAddr) // behind a proxy: middleware.ClientIPFromXFF

	// The passkeys: their routes, and what the application has to say to them.
	hooks := chipasskeys.Hooks{
		GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
			return a.CurrentUser(x.R.Context())
		},
		OnRegistered: func(x passkeys.Exchange, user passkeys.User, _ passkeys.RegistrationResult) error {
			return a.Registered(x.R.Context(), user)
		},
		OnAuthenticated: func(x passkeys.Exchange, result passkeys.AuthenticationResult) (any, error) {
			return a.Authenticated(x.R.Context(), result.UserID)
		},
		FindUser: func(x passkeys.Exchange, username string) (string, error) {
			return a.FindUser(x.R.Context(), username)
		},
		SessionID: func(x passkeys.Exchange) string {
			return a.SessionID(x.R.Context())
		},
		ClientIP: func(x passkeys.Exchange) netip.Addr {
			return middleware.GetClientIPAddr(x.R.Context())
		},
		HasOtherSignIn: func(passkeys.Exchange, passkeys.User) (bool, error) {
			return false, nil // passkeys are all there is, so the last one cannot be removed
		},
	}
	var err error
	r.Route("/auth/passkeys", func(r chi.Router) {
		err = chipasskeys.Mount(r, a.Passkeys, hooks)
	})
	if err != nil {
		return nil, err
	}

	// The application's own routes.
	r.Post("/api/signup", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Username string `json:"username"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			app.Fail(w, r, passkeys.ErrInvalidRequest)
			return
		}
		if err := a.BeginSignUp(r.Context(), middleware.GetClientIPAddr(r.Context()), body.Username); err != nil {
			app.Fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	r.Get("/api/me", func(w http.ResponseWriter, r *http.Request) {
		me, err := a.Me(r.Context())
		answer(w, r, me, err)
	})
	r.Post("/api/signout", func(w http.ResponseWriter, r *http.Request) {
		if err := a.SignOut(r.Context()); err != nil {
			app.Fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	// What cannot be undone is confirmed with a passkey, just before: this request, and
	// no other.
	confirmed := chipasskeys.Require(a.Passkeys, hooks, chipasskeys.Guard{Operation: chipasskeys.RequestOperation})
	r.With(confirmed).Delete("/api/account", func(w http.ResponseWriter, r *http.Request) {
		signals, err := a.DeleteAccount(r.Context())
		answer(w, r, signals, err)
	})

	// Everything else is the page and what it loads.
	r.Handle("/*", app.Page())
	return r, nil
}

func answer(w http.ResponseWriter, r *http.Request, value any, err error) {
	if err != nil {
		app.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that is gone needs no answer
}

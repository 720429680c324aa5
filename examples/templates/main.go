// Command templates is the passkeys demo on net/http, with pages that the server
// renders and no script of its own: the two elements that the passkey routes serve
// are the whole front end.
//
//	go run ./examples/templates
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/client"
	"github.com/passkeys-go/passkeys/examples/internal/app"
)

func main() { app.Main("net/http and html/template", router) }

//go:embed pages.html
var pages string
var scripts = client.Files()

// view is what the pages show: who is signed in and with which passkey, or who is
// signing up, or what was wrong with the name that they tried.
type view struct {
	Username, Passkey, SigningUp, Tried, Problem string
}

// Elements is the script's URL, which changes when the script does.
func (view) Elements() string {
	return scripts[slices.IndexFunc(scripts, func(f client.File) bool { return f.Name == "elements.js" })].URL()
}

// router is the whole application. a keeps its accounts and sessions; the
// session is in the context of each request.
func router(a *app.App) (http.Handler, error) {
	// The passkeys: their routes, and what the application has to say to them.
	routes, err := passkeys.Handler(a.Passkeys, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(x passkeys.Exchange) (passkeys.User, error) { return a.CurrentUser(x.R.Context()) },
		OnRegistered: func(x passkeys.Exchange, user passkeys.User, _ passkeys.RegistrationResult) error {
			return a.Registered(x.R.Context(), user)
		},
		OnAuthenticated: func(x passkeys.Exchange, result passkeys.AuthenticationResult) (any, error) {
			a.Uses(x.R.Context(), result.Credential.ID)
			return a.Authenticated(x.R.Context(), result.UserID)
		},
		FindUser: func(x passkeys.Exchange, username string) (string, error) {
			return a.FindUser(x.R.Context(), username)
		},
		SessionID:      func(x passkeys.Exchange) string { return a.SessionID(x.R.Context()) },
		HasOtherSignIn: func(passkeys.Exchange, passkeys.User) (bool, error) { return false, nil },
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", routes))

	// The application's own pages and forms.
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		me, err := a.Me(r.Context())
		v := view{Username: me.Username, Passkey: a.Passkey(r.Context())}
		if errors.Is(err, passkeys.ErrUnauthenticated) {
			var pending passkeys.User
			if pending, err = a.CurrentUser(r.Context()); errors.Is(err, passkeys.ErrUnauthenticated) {
				err = nil // a visitor
			}
			v.SigningUp = pending.Name
		}
		show(w, r, v, err)
	})
	mux.HandleFunc("POST /sign-up", func(w http.ResponseWriter, r *http.Request) {
		name := r.PostFormValue("username")
		if err := a.BeginSignUp(r.Context(), passkeys.RemoteIP(r), name); err != nil {
			show(w, r, view{Tried: name}, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /sign-out", func(w http.ResponseWriter, r *http.Request) {
		if err := a.SignOut(r.Context()); err != nil {
			app.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /style.css", app.Page())
	mux.Handle("GET /icon.svg", app.Page())
	return mux, nil
}

var page = template.Must(template.New("page").Parse(pages))

// show answers with the page; what is wrong with a request is in it.
func show(w http.ResponseWriter, r *http.Request, v view, err error) {
	status := http.StatusOK
	if problem, ok := errors.AsType[*passkeys.Error](err); ok {
		status, v.Problem, err = problem.Status, problem.Message, nil
	}
	var b bytes.Buffer
	if err = errors.Join(err, page.Execute(&b, v)); err != nil {
		app.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // it is another page for everybody
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a client that is gone needs no answer
}

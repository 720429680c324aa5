// Package chipasskeys mounts passkey sign-up, sign-in and management on a Chi
// router. The ceremonies, the hooks and the routes are those of package
// passkeys (github.com/passkeys-go/passkeys/core), whose documentation is the
// manual; here the hooks get [passkeys.Exchange], the response writer and the
// request.
//
//	r.Route("/auth/passkeys", func(r chi.Router) {
//		err = chipasskeys.Mount(r, p, chipasskeys.Hooks{
//			GetUser:         currentUser,  // func(passkeys.Exchange) (passkeys.User, error)
//			OnAuthenticated: startSession, // func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error)
//		})
//	})
//
// [Hooks] lists all of them, each with its signature.
package chipasskeys

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// Hooks are the application's side of the routes. Only GetUser is required;
// [passkeys.Hooks] says when each is called, and what it returns.
//
//	GetUser         func(passkeys.Exchange) (passkeys.User, error)
//	OnAuthenticated func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error)
//	OnRegistered    func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error
//	OnConfirmed     func(passkeys.Exchange, passkeys.User, passkeys.ConfirmationResult) error
//	AuthenticatedAt func(passkeys.Exchange) time.Time
//	FindUser        func(c passkeys.Exchange, username string) (userID string, err error)
//	CanonicalName   func(username string) string
//	SessionID       func(passkeys.Exchange) string
//	ClientIP        func(passkeys.Exchange) netip.Addr
//	Authorize       func(passkeys.Exchange, passkeys.User, passkeys.Action) error
//	HasOtherSignIn  func(passkeys.Exchange, passkeys.User) (bool, error)
type Hooks = passkeys.Hooks[passkeys.Exchange]

// Mount adds the routes of [passkeys.Routes] to r, behind the middleware that r
// has by now. The source is a *passkeys.Passkeys or, for many tenants, a
// func(passkeys.Exchange) (*passkeys.Passkeys, error). Mount returns an error
// that matches passkeys.ErrConfiguration if it or a required hook is missing, and
// mounts nothing then.
func Mount[P passkeys.Source[passkeys.Exchange]](r chi.Router, source P, h Hooks) error {
	routes, err := passkeys.Routes(source, h)
	return mount(r, routes, err)
}

// AdminHooks are the application's side of the routes for its staff, as
// [passkeys.AdminHooks] says.
//
//	Authorize func(passkeys.Exchange, passkeys.Action) (actor string, err error)
type AdminHooks = passkeys.AdminHooks[passkeys.Exchange]

// MountAdmin adds the routes of [passkeys.AdminRoutes] to r, as [Mount] adds the
// others, and returns an error as it does.
func MountAdmin[P passkeys.Source[passkeys.Exchange]](r chi.Router, source P, h AdminHooks) error {
	routes, err := passkeys.AdminRoutes(source, h)
	return mount(r, routes, err)
}

func mount(r chi.Router, routes []passkeys.Route[passkeys.Exchange], err error) error {
	if err == nil && r == nil {
		err = fmt.Errorf("chipasskeys: %w: the router is nil", passkeys.ErrConfiguration)
	}
	if err != nil {
		return err
	}
	for _, route := range routes {
		r.MethodFunc(route.Method, route.Path, func(w http.ResponseWriter, req *http.Request) {
			x := passkeys.NewExchange(w, req)
			route.Serve(x, x.W, x.R)
		})
	}
	return nil
}

// MountWellKnown adds the routes of [passkeys.WellKnownRoutes] to r, which must serve
// the RP ID's host from its root: their paths are fixed. The source is as in [Mount];
// where it is nil, the error matches passkeys.ErrConfiguration.
func MountWellKnown[P passkeys.Source[passkeys.Exchange]](r chi.Router, source P) error {
	routes, err := passkeys.WellKnownRoutes[passkeys.Exchange](source)
	return mount(r, routes, err)
}

// Guard is the rule of a route behind [Require].
type Guard = passkeys.Guard[passkeys.Exchange]

// Require returns a middleware that lets through what the guard does, and answers
// what it does not. The source is as in [Mount]; of the hooks it asks GetUser,
// SessionID and AuthenticatedAt. It panics with an error that matches
// passkeys.ErrConfiguration if the source or GetUser is missing, or MaxAge out of
// bounds.
//
//	r.With(chipasskeys.Require(p, hooks, chipasskeys.Guard{
//		Operation: chipasskeys.RequestOperation,
//	})).Post("/transfer", transfer)
func Require[P passkeys.Source[passkeys.Exchange]](source P, h Hooks, g Guard) func(http.Handler) http.Handler {
	return passkeys.Require(source, h, g)
}

// RequestOperation is [passkeys.RequestOperation], for Guard.Operation. Put the guard at
// the route, by With: where a sub-router's Use runs, the route is not known yet, and the
// name would be the sub-router's.
func RequestOperation(x passkeys.Exchange) (passkeys.Operation, error) {
	return passkeys.RequestOperation(x.R, chi.RouteContext(x.R.Context()).RoutePattern())
}

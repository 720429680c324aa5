// Package echopasskeys mounts passkey sign-up, sign-in and management on a router
// of Echo 4, which gets fixes until 31 December 2026; for Echo 5 there is the module
// echo5 (github.com/passkeys-go/passkeys/echopasskeys/echo5), the same but for its
// context. The ceremonies, the hooks and the routes are those of package passkeys
// (github.com/passkeys-go/passkeys/core), whose documentation is the manual; here the
// hooks get echo.Context.
//
//	err := echopasskeys.Mount(e.Group("/auth/passkeys"), p, echopasskeys.Hooks{
//		GetUser:         currentUser,  // func(echo.Context) (passkeys.User, error)
//		OnAuthenticated: startSession, // func(echo.Context, passkeys.AuthenticationResult) (any, error)
//	})
//
// [Hooks] lists all of them, each with its signature.
package echopasskeys

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// Hooks are the application's side of the routes. Only GetUser is required;
// [passkeys.Hooks] says when each is called, and what it returns.
//
//	GetUser         func(echo.Context) (passkeys.User, error)
//	OnAuthenticated func(echo.Context, passkeys.AuthenticationResult) (any, error)
//	OnRegistered    func(echo.Context, passkeys.User, passkeys.RegistrationResult) error
//	OnConfirmed     func(echo.Context, passkeys.User, passkeys.ConfirmationResult) error
//	AuthenticatedAt func(echo.Context) time.Time
//	FindUser        func(c echo.Context, username string) (userID string, err error)
//	CanonicalName   func(username string) string
//	SessionID       func(echo.Context) string
//	ClientIP        func(echo.Context) netip.Addr
//	Authorize       func(echo.Context, passkeys.User, passkeys.Action) error
//	HasOtherSignIn  func(echo.Context, passkeys.User) (bool, error)
type Hooks = passkeys.Hooks[echo.Context]

// Mount adds the routes of [passkeys.Routes] to g, behind the group's
// middleware. The source is a *passkeys.Passkeys or, for many tenants, a
// func(echo.Context) (*passkeys.Passkeys, error). Mount returns an error that
// matches passkeys.ErrConfiguration if it or a required hook is missing, and
// mounts nothing then. The routes answer their errors themselves, in the wire's
// form; Echo's HTTPErrorHandler sees none.
func Mount[P passkeys.Source[echo.Context]](g *echo.Group, source P, h Hooks) error {
	routes, err := passkeys.Routes(source, h)
	return mount(g, routes, err)
}

// AdminHooks are the application's side of the routes for its staff, as
// [passkeys.AdminHooks] says.
//
//	Authorize func(echo.Context, passkeys.Action) (actor string, err error)
type AdminHooks = passkeys.AdminHooks[echo.Context]

// MountAdmin adds the routes of [passkeys.AdminRoutes] to g, as [Mount] adds the
// others, and returns an error as it does.
func MountAdmin[P passkeys.Source[echo.Context]](g *echo.Group, source P, h AdminHooks) error {
	routes, err := passkeys.AdminRoutes(source, h)
	return mount(g, routes, err)
}

func mount(g *echo.Group, routes []passkeys.Route[echo.Context], err error) error {
	if err == nil && g == nil {
		err = fmt.Errorf("echopasskeys: %w: the group is nil", passkeys.ErrConfiguration)
	}
	if err != nil {
		return err
	}
	for _, route := range routes {
		g.Add(route.Method, strings.Replace(route.Path, "{id}", ":id", 1), func(c echo.Context) error {
			route.Serve(c, response{c.Response()}, request(c))
			return nil
		})
	}
	return nil
}

// MountWellKnown adds the routes of [passkeys.WellKnownRoutes] to e, which must serve
// the RP ID's host from its root: their paths are fixed. The source is as in [Mount];
// where it is nil, the error matches passkeys.ErrConfiguration.
func MountWellKnown[P passkeys.Source[echo.Context]](e *echo.Echo, source P) error {
	routes, err := passkeys.WellKnownRoutes[echo.Context](source)
	var g *echo.Group
	if e != nil {
		g = e.Group("")
	}
	return mount(g, routes, err)
}

// ClientIP is Echo's own idea of the client, for Hooks.ClientIP. Set e.IPExtractor
// first, to ExtractIPDirect or to what knows your proxies: Echo believes any client
// until then that sends an address as its own.
func ClientIP(c echo.Context) netip.Addr {
	address, _ := netip.ParseAddr(c.RealIP())
	return address
}

// Guard is the rule of a route behind [Require].
type Guard = passkeys.Guard[echo.Context]

// Require returns a middleware that lets through what the guard does, and answers
// what it does not. The source is as in [Mount]; of the hooks it asks GetUser,
// SessionID and AuthenticatedAt. It panics with an error that matches
// passkeys.ErrConfiguration if the source or GetUser is missing, or MaxAge out of
// bounds.
//
//	e.POST("/transfer", transfer, echopasskeys.Require(p, hooks, echopasskeys.Guard{
//		Operation: echopasskeys.RequestOperation,
//	}))
func Require[P passkeys.Source[echo.Context]](source P, h Hooks, g Guard) echo.MiddlewareFunc {
	check, err := passkeys.NewCheck(source, h, g)
	if err != nil {
		panic(err)
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			proof, ok := check(c, response{c.Response()}, request(c))
			if !ok {
				return nil
			}
			c.SetRequest(c.Request().WithContext(passkeys.WithProof(c.Request().Context(), proof)))
			return next(c)
		}
	}
}

// RequestOperation is [passkeys.RequestOperation], for Guard.Operation.
func RequestOperation(c echo.Context) (passkeys.Operation, error) {
	return passkeys.RequestOperation(c.Request(), c.Path())
}

// request is c's, whose body fails as net/http's does where middleware.BodyLimit cuts
// it off: of Echo 4's own error only Echo knows the status.
func request(c echo.Context) *http.Request {
	r := c.Request()
	if r.Body != nil {
		r.Body = body{r.Body}
	}
	return r
}

type body struct{ io.ReadCloser }

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, echo.ErrStatusRequestEntityTooLarge) {
		err = &http.MaxBytesError{}
	}
	return n, err
}

// response tells Serve whether a hook has answered.
type response struct{ *echo.Response }

func (r response) Written() bool { return r.Committed }

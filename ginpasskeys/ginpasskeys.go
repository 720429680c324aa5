// Package ginpasskeys mounts passkey sign-up, sign-in and management on a Gin
// router. The ceremonies, the hooks and the routes are those of package
// passkeys (github.com/passkeys-go/passkeys/core), whose documentation is the
// manual; here the hooks get *gin.Context.
//
//	err := ginpasskeys.Mount(r.Group("/auth/passkeys"), p, ginpasskeys.Hooks{
//		GetUser:         currentUser,  // func(*gin.Context) (passkeys.User, error)
//		OnAuthenticated: startSession, // func(*gin.Context, passkeys.AuthenticationResult) (any, error)
//	})
//
// [Hooks] lists all of them, each with its signature.
package ginpasskeys

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// Hooks are the application's side of the routes. Only GetUser is required;
// [passkeys.Hooks] says when each is called, and what it returns.
//
//	GetUser         func(*gin.Context) (passkeys.User, error)
//	OnAuthenticated func(*gin.Context, passkeys.AuthenticationResult) (any, error)
//	OnRegistered    func(*gin.Context, passkeys.User, passkeys.RegistrationResult) error
//	OnConfirmed     func(*gin.Context, passkeys.User, passkeys.ConfirmationResult) error
//	AuthenticatedAt func(*gin.Context) time.Time
//	FindUser        func(c *gin.Context, username string) (userID string, err error)
//	CanonicalName   func(username string) string
//	SessionID       func(*gin.Context) string
//	ClientIP        func(*gin.Context) netip.Addr
//	Authorize       func(*gin.Context, passkeys.User, passkeys.Action) error
//	HasOtherSignIn  func(*gin.Context, passkeys.User) (bool, error)
type Hooks = passkeys.Hooks[*gin.Context]

// Mount adds the routes of [passkeys.Routes] to r, such as a gin.Engine or a
// group of one, behind the middleware that r has by now. The source is a
// *passkeys.Passkeys or, for many tenants, a func(*gin.Context)
// (*passkeys.Passkeys, error). Mount returns an error that matches
// passkeys.ErrConfiguration if it or a required hook is missing, and mounts
// nothing then. Like Gin, it panics if a route is taken.
func Mount[P passkeys.Source[*gin.Context]](r gin.IRouter, source P, h Hooks) error {
	routes, err := passkeys.Routes(source, h)
	return mount(r, routes, err)
}

// AdminHooks are the application's side of the routes for its staff, as
// [passkeys.AdminHooks] says.
//
//	Authorize func(*gin.Context, passkeys.Action) (actor string, err error)
type AdminHooks = passkeys.AdminHooks[*gin.Context]

// MountAdmin adds the routes of [passkeys.AdminRoutes] to r, as [Mount] adds the
// others, and returns an error as it does.
func MountAdmin[P passkeys.Source[*gin.Context]](r gin.IRouter, source P, h AdminHooks) error {
	routes, err := passkeys.AdminRoutes(source, h)
	return mount(r, routes, err)
}

func mount(r gin.IRouter, routes []passkeys.Route[*gin.Context], err error) error {
	if err == nil && r == nil {
		err = fmt.Errorf("ginpasskeys: %w: the router is nil", passkeys.ErrConfiguration)
	}
	if err != nil {
		return err
	}
	for _, route := range routes {
		r.Handle(route.Method, strings.Replace(route.Path, "{id}", ":id", 1), func(c *gin.Context) {
			route.Serve(c, response{c.Writer, c.Writer.Status()}, c.Request)
		})
	}
	return nil
}

// MountWellKnown adds the routes of [passkeys.WellKnownRoutes] to r, which must serve
// the RP ID's host from its root: their paths are fixed. The source is as in [Mount];
// where it is nil, the error matches passkeys.ErrConfiguration. Like Gin, it panics if
// a route is taken.
func MountWellKnown[P passkeys.Source[*gin.Context]](r *gin.Engine, source P) error {
	routes, err := passkeys.WellKnownRoutes[*gin.Context](source)
	var router gin.IRouter
	if r != nil {
		router = r
	}
	return mount(router, routes, err)
}

// ClientIP is Gin's own idea of the client, for Hooks.ClientIP. Call SetTrustedProxies
// first: Gin trusts every proxy until then, and so takes the word of any client for
// its address.
func ClientIP(c *gin.Context) netip.Addr {
	address, _ := netip.ParseAddr(c.ClientIP())
	return address
}

// Guard is the rule of a route behind [Require].
type Guard = passkeys.Guard[*gin.Context]

// Require returns a middleware that lets through what the guard does, and aborts
// with the answer to what it does not. The source is as in [Mount]; of the hooks it
// asks GetUser, SessionID and AuthenticatedAt. It panics with an error that matches
// passkeys.ErrConfiguration if the source or GetUser is missing, or MaxAge out of
// bounds.
//
//	r.POST("/transfer", ginpasskeys.Require(p, hooks, ginpasskeys.Guard{
//		Operation: ginpasskeys.RequestOperation,
//	}), transfer)
func Require[P passkeys.Source[*gin.Context]](source P, h Hooks, g Guard) gin.HandlerFunc {
	check, err := passkeys.NewCheck(source, h, g)
	if err != nil {
		panic(err)
	}
	return func(c *gin.Context) {
		proof, ok := check(c, response{c.Writer, c.Writer.Status()}, c.Request)
		if !ok {
			c.Abort()
			return
		}
		c.Request = c.Request.WithContext(passkeys.WithProof(c.Request.Context(), proof))
	}
}

// RequestOperation is [passkeys.RequestOperation], for Guard.Operation.
func RequestOperation(c *gin.Context) (passkeys.Operation, error) {
	return passkeys.RequestOperation(c.Request, c.FullPath())
}

// response tells Serve whether a hook has answered. Gin holds a status back until
// there is a body, and does not call it written; c.Redirect writes no body.
type response struct {
	gin.ResponseWriter
	before int // the status that a middleware may have set
}

func (r response) Written() bool { return r.ResponseWriter.Written() || r.Status() != r.before }

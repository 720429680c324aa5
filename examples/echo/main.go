// Command echo is the passkeys demo on Echo 5: sign-up, sign-in without a password
// and with or without a username, the management of passkeys, and an operation that
// is confirmed with one.
//
//	go run ./examples/echo
package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
	"github.com/passkeys-go/passkeys/examples/internal/app"
)

func main() { app.Main("Echo", router) }

// router is the whole application. a keeps its accounts and sessions; the
// session is in the context of each request.
func router(a *app.App) (http.Handler, error) {
	e := echo.New()
	e.Use(middleware.Recover())
	e.IPExtractor = echo.ExtractIPDirect() // behind a proxy: echo.ExtractIPFromXFFHeader()

	// The passkeys: their routes, and what the application has to say to them.
	hooks := echo5.Hooks{
		GetUser: func(c *echo.Context) (passkeys.User, error) {
			return a.CurrentUser(c.Request().Context())
		},
		OnRegistered: func(c *echo.Context, user passkeys.User, _ passkeys.RegistrationResult) error {
			return a.Registered(c.Request().Context(), user)
		},
		OnAuthenticated: func(c *echo.Context, result passkeys.AuthenticationResult) (any, error) {
			return a.Authenticated(c.Request().Context(), result.UserID)
		},
		FindUser: func(c *echo.Context, username string) (string, error) {
			return a.FindUser(c.Request().Context(), username)
		},
		SessionID: func(c *echo.Context) string {
			return a.SessionID(c.Request().Context())
		},
		ClientIP: echo5.ClientIP,
		HasOtherSignIn: func(*echo.Context, passkeys.User) (bool, error) {
			return false, nil // passkeys are all there is, so the last one cannot be removed
		},
	}
	if err := echo5.Mount(e.Group("/auth/passkeys"), a.Passkeys, hooks); err != nil {
		return nil, err
	}

	// The application's own routes.
	api := e.Group("/api")
	api.POST("/signup", func(c *echo.Context) error {
		var body struct {
			Username string `json:"username"`
		}
		if err := c.Bind(&body); err != nil {
			return fail(c, passkeys.ErrInvalidRequest)
		}
		if err := a.BeginSignUp(c.Request().Context(), echo5.ClientIP(c), body.Username); err != nil {
			return fail(c, err)
		}
		return c.NoContent(http.StatusNoContent)
	})
	api.GET("/me", func(c *echo.Context) error {
		me, err := a.Me(c.Request().Context())
		if err != nil {
			return fail(c, err)
		}
		return c.JSON(http.StatusOK, me)
	})
	api.POST("/signout", func(c *echo.Context) error {
		if err := a.SignOut(c.Request().Context()); err != nil {
			return fail(c, err)
		}
		return c.NoContent(http.StatusNoContent)
	})

	// What cannot be undone is confirmed with a passkey, just before: this request, and
	// no other.
	confirmed := echo5.Require(a.Passkeys, hooks, echo5.Guard{Operation: echo5.RequestOperation})
	api.DELETE("/account", func(c *echo.Context) error {
		signals, err := a.DeleteAccount(c.Request().Context())
		if err != nil {
			return fail(c, err)
		}
		return c.JSON(http.StatusOK, signals)
	}, confirmed)

	// Everything else is the page and what it loads.
	e.GET("/*", echo.WrapHandler(app.Page()))
	return e, nil
}

func fail(c *echo.Context, err error) error {
	app.Fail(c.Response(), c.Request(), err)
	return nil
}

// Command gin is the passkeys demo on Gin: sign-up, sign-in without a password
// and with or without a username, the management of passkeys, and an operation that
// is confirmed with one.
//
//	go run ./examples/gin
package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/examples/internal/app"
	"github.com/passkeys-go/passkeys/ginpasskeys"
)

func main() { app.Main("Gin", router) }

// router is the whole application. a keeps its accounts and sessions; the
// session is in the context of each request.
func router(a *app.App) (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	if err := r.SetTrustedProxies(nil); err != nil { // behind a proxy: its address; by default Gin believes anybody
		return nil, err
	}

	// The passkeys: their routes, and what the application has to say to them.
	hooks := ginpasskeys.Hooks{
		GetUser: func(c *gin.Context) (passkeys.User, error) {
			return a.CurrentUser(c.Request.Context())
		},
		OnRegistered: func(c *gin.Context, user passkeys.User, _ passkeys.RegistrationResult) error {
			return a.Registered(c.Request.Context(), user)
		},
		OnAuthenticated: func(c *gin.Context, result passkeys.AuthenticationResult) (any, error) {
			return a.Authenticated(c.Request.Context(), result.UserID)
		},
		FindUser: func(c *gin.Context, username string) (string, error) {
			return a.FindUser(c.Request.Context(), username)
		},
		SessionID: func(c *gin.Context) string {
			return a.SessionID(c.Request.Context())
		},
		ClientIP: ginpasskeys.ClientIP,
		HasOtherSignIn: func(*gin.Context, passkeys.User) (bool, error) {
			return false, nil // passkeys are all there is, so the last one cannot be removed
		},
	}
	if err := ginpasskeys.Mount(r.Group("/auth/passkeys"), a.Passkeys, hooks); err != nil {
		return nil, err
	}

	// The application's own routes.
	api := r.Group("/api")
	api.POST("/signup", func(c *gin.Context) {
		var body struct {
			Username string `json:"username"`
		}
		if err := c.ShouldBindJSON(&body); err != nil {
			app.Fail(c.Writer, c.Request, passkeys.ErrInvalidRequest)
			return
		}
		if err := a.BeginSignUp(c.Request.Context(), ginpasskeys.ClientIP(c), body.Username); err != nil {
			app.Fail(c.Writer, c.Request, err)
			return
		}
		c.Status(http.StatusNoContent)
	})
	api.GET("/me", func(c *gin.Context) {
		me, err := a.Me(c.Request.Context())
		if err != nil {
			app.Fail(c.Writer, c.Request, err)
			return
		}
		c.JSON(http.StatusOK, me)
	})
	api.POST("/signout", func(c *gin.Context) {
		if err := a.SignOut(c.Request.Context()); err != nil {
			app.Fail(c.Writer, c.Request, err)
			return
		}
		c.Status(http.StatusNoContent)
	})

	// What cannot be undone is confirmed with a passkey, just before: this request, and
	// no other.
	confirmed := ginpasskeys.Require(a.Passkeys, hooks, ginpasskeys.Guard{Operation: ginpasskeys.RequestOperation})
	api.DELETE("/account", confirmed, func(c *gin.Context) {
		signals, err := a.DeleteAccount(c.Request.Context())
		if err != nil {
			app.Fail(c.Writer, c.Request, err)
			return
		}
		c.JSON(http.StatusOK, signals)
	})

	// Everything else is the page and what it loads.
	r.NoRoute(gin.WrapH(app.Page()))
	return r, nil
}

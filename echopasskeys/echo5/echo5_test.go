package echo5_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
)

func TestAdapter(t *testing.T) {
	conformance.TestAdapter(t, conformance.Adapter[*echo.Context]{
		Exchange:         func(c *echo.Context) passkeys.Exchange { return passkeys.Exchange{W: c.Response(), R: c.Request()} },
		RequestOperation: echo5.RequestOperation,
		Mount: func(t testing.TB, app conformance.Application[*echo.Context]) http.Handler {
			e := echo.New()
			if err := echo5.Mount(e.Group("/auth/passkeys"), app.Find, app.Hooks); err != nil {
				t.Fatal(err)
			}
			if err := echo5.MountAdmin(e.Group("/admin/passkeys"), app.Find, app.AdminHooks); err != nil {
				t.Fatal(err)
			}
			if err := echo5.MountWellKnown(e, app.Find); err != nil {
				t.Fatal(err)
			}
			for _, g := range app.Guarded {
				e.Add(g.Method, colons.Replace(g.Path), func(c *echo.Context) error {
					g.Handler(c)
					return nil
				}, echo5.Require(app.Find, app.Hooks, g.Guard))
			}
			return e
		},
	})
}

var colons = strings.NewReplacer("{", ":", "}", "")

func newPasskeys(t testing.TB) *passkeys.Passkeys {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is Echo's own: prefixes, groups, middleware, recovery.
func TestMountInAnApplication(t *testing.T) {
	var logged []int
	e := echo.New()
	e.HTTPErrorHandler = func(c *echo.Context, _ error) { _ = c.NoContent(http.StatusTeapot) }
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if err := next(c); err != nil {
				e.HTTPErrorHandler(c, err)
			}
			logged = append(logged, c.Response().(*echo.Response).Status) // it has its own response back
			return nil
		}
	}, middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}))
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "home") })
	e.GET("/v1/:tenant/passkeys/help", func(c *echo.Context) error { return c.String(http.StatusOK, "help") })

	tenants := e.Group("/v1/:tenant", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Set("tenant", c.Param("tenant"))
			return next(c)
		}
	})
	err := echo5.Mount(tenants.Group("/passkeys"), newPasskeys(t), echo5.Hooks{
		GetUser: func(c *echo.Context) (passkeys.User, error) {
			switch c.Get("tenant") {
			case "acme":
				return passkeys.User{ID: "alice"}, nil
			case "panic":
				panic("in a hook")
			}
			return passkeys.User{}, passkeys.ErrUnauthenticated
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		path string
		want int
	}{
		{"/", http.StatusOK},
		{"/v1/acme/passkeys/help", http.StatusOK},
		{"/v1/acme/passkeys/credentials", http.StatusOK},
		{"/v1/other/passkeys/credentials", http.StatusUnauthorized},
		{"/v1/panic/passkeys/credentials", http.StatusTeapot},
	} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, row.path, nil))
		if w.Code != row.want || logged[len(logged)-1] != row.want {
			t.Errorf("%s: %d, logged %d, want %d", row.path, w.Code, logged[len(logged)-1], row.want)
		}
	}
}

// Gzip holds a status back until there is a body, and Echo does not call the response
// committed.
func TestAHookAnswersBehindGzip(t *testing.T) {
	hooks := echo5.Hooks{GetUser: func(c *echo.Context) (passkeys.User, error) {
		return passkeys.User{}, c.NoContent(http.StatusTeapot)
	}}
	e := echo.New()
	e.Use(middleware.Gzip())
	if err := echo5.Mount(e.Group("/auth/passkeys"), newPasskeys(t), hooks); err != nil {
		t.Fatal(err)
	}
	e.GET("/guarded", func(*echo.Context) error {
		t.Error("it lets pass")
		return nil
	}, echo5.Require(newPasskeys(t), hooks, echo5.Guard{}))
	for _, path := range []string{"/auth/passkeys/credentials", "/guarded"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusTeapot || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

// Echo's BodyLimit cuts off a body of no declared length while it is read.
func TestABodyThatEchoCutsOffIsTooLarge(t *testing.T) {
	hooks := echo5.Hooks{
		GetUser:         func(*echo.Context) (passkeys.User, error) { return passkeys.User{ID: "alice", Name: "alice"}, nil },
		OnAuthenticated: func(*echo.Context, passkeys.AuthenticationResult) (any, error) { return nil, nil },
	}
	e := echo.New()
	e.Use(middleware.BodyLimit(1 << 10))
	if err := echo5.Mount(e.Group(""), newPasskeys(t), hooks); err != nil {
		t.Fatal(err)
	}
	e.POST("/guarded", func(*echo.Context) error { return nil }, echo5.Require(newPasskeys(t), hooks, echo5.Guard{Operation: echo5.RequestOperation}))
	for _, path := range []string{"/authenticate/begin", "/guarded"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"userId":"`+strings.Repeat("x", 4000)+`"}`))
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = -1
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"code":"payload_too_large"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestMountNeedsItsHooks(t *testing.T) {
	e := echo.New()
	if err := echo5.Mount(e.Group(""), newPasskeys(t), echo5.Hooks{}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("got %v", err)
	}
	if n := len(e.Router().Routes()); n != 0 {
		t.Errorf("%d routes are mounted", n)
	}
}

// A router that is nil is said to be, rather than used.
func TestMountNeedsARouter(t *testing.T) {
	p := newPasskeys(t)
	hooks := echo5.Hooks{GetUser: func(*echo.Context) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }}
	staff := echo5.AdminHooks{Authorize: func(*echo.Context, passkeys.Action) (string, error) { return "", passkeys.ErrForbidden }}
	for what, err := range map[string]error{
		"Mount":          echo5.Mount(nil, p, hooks),
		"MountAdmin":     echo5.MountAdmin(nil, p, staff),
		"MountWellKnown": echo5.MountWellKnown(nil, p),
	} {
		if !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "is nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A guard that cannot work is heard of at start, as a route that cannot.
func TestRequireNeedsWhatItAsks(t *testing.T) {
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("without GetUser: %v", err)
		}
	}()
	echo5.Require(newPasskeys(t), echo5.Hooks{}, echo5.Guard{})
}

func ExampleMount() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	e := echo.New()
	err = echo5.Mount(e.Group("/auth/passkeys"), p, echo5.Hooks{
		GetUser: func(c *echo.Context) (passkeys.User, error) {
			id := c.Request().Header.Get("X-User") // in earnest: who is signed in, by the session
			if id == "" {
				return passkeys.User{}, passkeys.ErrUnauthenticated
			}
			return passkeys.User{ID: id, Name: id}, nil
		},
		ClientIP: echo5.ClientIP, // once it knows which proxies to trust
		OnAuthenticated: func(c *echo.Context, res passkeys.AuthenticationResult) (any, error) {
			return map[string]any{"userId": res.UserID}, nil // in earnest: start the session
		},
	})
	if err != nil {
		panic(err)
	}
	for _, user := range []string{"", "alice"} {
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodGet, "/auth/passkeys/credentials", nil)
		q.Header.Set("X-User", user)
		e.ServeHTTP(w, q)
		fmt.Println(w.Code)
	}
	// Output:
	// 401
	// 200
}

func ExampleMountAdmin() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	e := echo.New()
	err = echo5.MountAdmin(e.Group("/admin/passkeys"), p, echo5.AdminHooks{
		Authorize: func(c *echo.Context, _ passkeys.Action) (string, error) {
			name := c.Request().Header.Get("X-Staff") // in earnest: who is signed in as staff, by the session
			if name == "" {
				return "", passkeys.ErrForbidden
			}
			return "desk/" + name, nil
		},
	})
	if err != nil {
		panic(err)
	}
	for _, staff := range []string{"", "anna"} {
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodPost, "/admin/passkeys/count", strings.NewReader("{}"))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("X-Staff", staff)
		e.ServeHTTP(w, q)
		fmt.Println(w.Code)
	}
	// Output:
	// 403
	// 200
}

func ExampleMountWellKnown() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		WellKnown:   passkeys.WellKnown{Apple: []string{"A1B2C3D4E5.org.example.app"}},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32), // in earnest: random
	})
	if err != nil {
		panic(err)
	}
	e := echo.New()
	if err := echo5.MountWellKnown(e, p); err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/apple-app-site-association", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"webcredentials":{"apps":["A1B2C3D4E5.org.example.app"]}}
}

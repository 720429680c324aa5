package ginpasskeys_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/ginpasskeys"
)

func TestAdapter(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	conformance.TestAdapter(t, conformance.Adapter[*gin.Context]{
		Exchange:         func(c *gin.Context) passkeys.Exchange { return passkeys.Exchange{W: c.Writer, R: c.Request} },
		RequestOperation: ginpasskeys.RequestOperation,
		Mount: func(t testing.TB, app conformance.Application[*gin.Context]) http.Handler {
			r := gin.New()
			if err := ginpasskeys.Mount(r.Group("/auth/passkeys"), app.Find, app.Hooks); err != nil {
				t.Fatal(err)
			}
			if err := ginpasskeys.MountAdmin(r.Group("/admin/passkeys"), app.Find, app.AdminHooks); err != nil {
				t.Fatal(err)
			}
			if err := ginpasskeys.MountWellKnown(r, app.Find); err != nil {
				t.Fatal(err)
			}
			for _, g := range app.Guarded {
				r.Handle(g.Method, colons.Replace(g.Path), ginpasskeys.Require(app.Find, app.Hooks, g.Guard), g.Handler)
			}
			return r
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

// What is Gin's own: prefixes, groups, middleware, recovery.
func TestMountInAnApplication(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	var logged []int
	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Next()
		logged = append(logged, c.Writer.Status())
	}, gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusTeapot) }))
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "home") })
	r.GET("/v1/:tenant/passkeys/help", func(c *gin.Context) { c.String(http.StatusOK, "help") })

	tenants := r.Group("/v1/:tenant", func(c *gin.Context) {
		c.Set("tenant", c.Param("tenant"))
		c.Status(http.StatusAccepted) // a middleware's status is no answer
	})
	err := ginpasskeys.Mount(tenants.Group("/passkeys"), newPasskeys(t), ginpasskeys.Hooks{
		GetUser: func(c *gin.Context) (passkeys.User, error) {
			switch c.GetString("tenant") {
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
		r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, row.path, nil))
		if w.Code != row.want || logged[len(logged)-1] != row.want {
			t.Errorf("%s: %d, logged %d, want %d", row.path, w.Code, logged[len(logged)-1], row.want)
		}
	}
}

func TestMountNeedsItsHooks(t *testing.T) {
	r := gin.New()
	if err := ginpasskeys.Mount(r, newPasskeys(t), ginpasskeys.Hooks{}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("got %v", err)
	}
	if err := ginpasskeys.MountAdmin(r, newPasskeys(t), ginpasskeys.AdminHooks{}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("for staff: got %v", err)
	}
	if n := len(r.Routes()); n != 0 {
		t.Errorf("%d routes are mounted", n)
	}
}

// A router that is nil is said to be, rather than used.
func TestMountNeedsARouter(t *testing.T) {
	p := newPasskeys(t)
	hooks := ginpasskeys.Hooks{GetUser: func(*gin.Context) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }}
	staff := ginpasskeys.AdminHooks{Authorize: func(*gin.Context, passkeys.Action) (string, error) { return "", passkeys.ErrForbidden }}
	for what, err := range map[string]error{
		"Mount":          ginpasskeys.Mount(nil, p, hooks),
		"MountAdmin":     ginpasskeys.MountAdmin(nil, p, staff),
		"MountWellKnown": ginpasskeys.MountWellKnown(nil, p),
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
	ginpasskeys.Require(newPasskeys(t), ginpasskeys.Hooks{}, ginpasskeys.Guard{})
}

func ExampleMount() {
	gin.SetMode(gin.ReleaseMode)
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	err = ginpasskeys.Mount(r.Group("/auth/passkeys"), p, ginpasskeys.Hooks{
		GetUser: func(c *gin.Context) (passkeys.User, error) {
			id := c.GetHeader("X-User") // in earnest: who is signed in, by the session
			if id == "" {
				return passkeys.User{}, passkeys.ErrUnauthenticated
			}
			return passkeys.User{ID: id, Name: id}, nil
		},
		ClientIP: ginpasskeys.ClientIP, // once it knows which proxies to trust
		OnAuthenticated: func(c *gin.Context, res passkeys.AuthenticationResult) (any, error) {
			return gin.H{"userId": res.UserID}, nil // in earnest: start the session
		},
	})
	if err != nil {
		panic(err)
	}
	for _, user := range []string{"", "alice"} {
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodGet, "/auth/passkeys/credentials", nil)
		q.Header.Set("X-User", user)
		r.ServeHTTP(w, q)
		fmt.Println(w.Code)
	}
	// Output:
	// 401
	// 200
}

func ExampleMountAdmin() {
	gin.SetMode(gin.ReleaseMode)
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	err = ginpasskeys.MountAdmin(r.Group("/admin/passkeys"), p, ginpasskeys.AdminHooks{
		Authorize: func(c *gin.Context, _ passkeys.Action) (string, error) {
			name := c.GetHeader("X-Staff") // in earnest: who is signed in as staff, by the session
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
		r.ServeHTTP(w, q)
		fmt.Println(w.Code)
	}
	// Output:
	// 403
	// 200
}

func ExampleMountWellKnown() {
	gin.SetMode(gin.ReleaseMode)
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		WellKnown:   passkeys.WellKnown{Apple: []string{"A1B2C3D4E5.org.example.app"}},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32), // in earnest: random
	})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	if err := ginpasskeys.MountWellKnown(r, p); err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/apple-app-site-association", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"webcredentials":{"apps":["A1B2C3D4E5.org.example.app"]}}
}

package chipasskeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/passkeys-go/passkeys/chipasskeys"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestAdapter(t *testing.T) {
	conformance.TestAdapter(t, conformance.Adapter[passkeys.Exchange]{
		Exchange:         func(x passkeys.Exchange) passkeys.Exchange { return x },
		RequestOperation: chipasskeys.RequestOperation,
		Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
			r := chi.NewRouter()
			r.Route("/auth/passkeys", func(r chi.Router) {
				if err := chipasskeys.Mount(r, app.Find, app.Hooks); err != nil {
					t.Fatal(err)
				}
			})
			r.Route("/admin/passkeys", func(r chi.Router) {
				if err := chipasskeys.MountAdmin(r, app.Find, app.AdminHooks); err != nil {
					t.Fatal(err)
				}
			})
			if err := chipasskeys.MountWellKnown(r, app.Find); err != nil {
				t.Fatal(err)
			}
			for _, g := range app.Guarded {
				r.With(chipasskeys.Require(app.Find, app.Hooks, g.Guard)).MethodFunc(g.Method, g.Path, func(w http.ResponseWriter, r *http.Request) {
					g.Handler(passkeys.Exchange{W: w, R: r})
				})
			}
			return r
		},
	})
}

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

// What is Chi's own: prefixes, subrouters, middleware, parameters.
func TestMountInAnApplication(t *testing.T) {
	var logged []int
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				if recover() != nil {
					ww.WriteHeader(http.StatusTeapot)
				}
				logged = append(logged, ww.Status())
			}()
			next.ServeHTTP(ww, r)
		})
	})
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "home") })
	r.Get("/v1/{tenant}/passkeys/help", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "help") })

	var err error
	r.Route("/v1/{tenant}/passkeys", func(r chi.Router) {
		err = chipasskeys.Mount(r, newPasskeys(t), chipasskeys.Hooks{
			GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
				switch chi.URLParam(x.R, "tenant") {
				case "acme":
					return passkeys.User{ID: "alice"}, nil
				case "panic":
					panic("in a hook")
				}
				return passkeys.User{}, passkeys.ErrUnauthenticated
			},
		})
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
	r := chi.NewRouter()
	if err := chipasskeys.Mount(r, newPasskeys(t), chipasskeys.Hooks{}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("got %v", err)
	}
	if err := chipasskeys.MountAdmin(r, newPasskeys(t), chipasskeys.AdminHooks{}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("for staff: got %v", err)
	}
	if n := len(r.Routes()); n != 0 {
		t.Errorf("%d routes are mounted", n)
	}
}

// A router that is nil is said to be, rather than used.
func TestMountNeedsARouter(t *testing.T) {
	p := newPasskeys(t)
	hooks := chipasskeys.Hooks{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }}
	staff := chipasskeys.AdminHooks{Authorize: func(passkeys.Exchange, passkeys.Action) (string, error) { return "", passkeys.ErrForbidden }}
	for what, err := range map[string]error{
		"Mount":          chipasskeys.Mount(nil, p, hooks),
		"MountAdmin":     chipasskeys.MountAdmin(nil, p, staff),
		"MountWellKnown": chipasskeys.MountWellKnown(nil, p),
	} {
		if !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "is nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func ExampleMount() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Route("/auth/passkeys", func(r chi.Router) {
		err = chipasskeys.Mount(r, p, chipasskeys.Hooks{
			GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
				id := x.R.Header.Get("X-User") // in earnest: who is signed in, by the session
				if id == "" {
					return passkeys.User{}, passkeys.ErrUnauthenticated
				}
				return passkeys.User{ID: id, Name: id}, nil
			},
			OnAuthenticated: func(x passkeys.Exchange, res passkeys.AuthenticationResult) (any, error) {
				return map[string]string{"userId": res.UserID}, nil // in earnest: start the session
			},
		})
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
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	})
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Route("/admin/passkeys", func(r chi.Router) {
		err = chipasskeys.MountAdmin(r, p, chipasskeys.AdminHooks{
			Authorize: func(x passkeys.Exchange, _ passkeys.Action) (string, error) {
				name := x.R.Header.Get("X-Staff") // in earnest: who is signed in as staff, by the session
				if name == "" {
					return "", passkeys.ErrForbidden
				}
				return "desk/" + name, nil
			},
		})
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
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		WellKnown:   passkeys.WellKnown{Apple: []string{"A1B2C3D4E5.org.example.app"}},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32), // in earnest: random
	})
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	if err := chipasskeys.MountWellKnown(r, p); err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/apple-app-site-association", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"webcredentials":{"apps":["A1B2C3D4E5.org.example.app"]}}
}

package integration

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// The functions up to the first test are in docs/routers.md, word for word.

// onHTTPRouter mounts routes under a prefix.
func onHTTPRouter(r *httprouter.Router, prefix string, routes []passkeys.Route[passkeys.Exchange]) {
	for _, route := range routes {
		path := prefix + strings.Replace(route.Path, "{id}", ":id", 1)
		r.HandlerFunc(route.Method, path, func(w http.ResponseWriter, req *http.Request) {
			x := passkeys.NewExchange(w, req)
			route.Serve(x, x.W, x.R)
		})
	}
}

// handleOnHTTPRouter mounts a handler with a guard in front, which asks for the pattern.
func handleOnHTTPRouter(r *httprouter.Router, method, path string, h http.Handler) {
	r.HandlerFunc(method, path, func(w http.ResponseWriter, req *http.Request) {
		req.Pattern = path
		h.ServeHTTP(w, req)
	})
}

// onGorilla mounts routes on a router or a subrouter.
func onGorilla(r *mux.Router, routes []passkeys.Route[passkeys.Exchange]) {
	for _, route := range routes {
		r.Path(route.Path).Methods(route.Method).HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			x := passkeys.NewExchange(w, req)
			route.Serve(x, x.W, x.R)
		})
	}
}

// gorillaOperation is for Guard.Operation.
func gorillaOperation(x passkeys.Exchange) (passkeys.Operation, error) {
	var pattern string // none in front of the router, and RequestOperation says so
	if route := mux.CurrentRoute(x.R); route != nil {
		pattern, _ = route.GetPathTemplate()
	}
	return passkeys.RequestOperation(x.R, pattern)
}

func TestHTTPRouter(t *testing.T) {
	conformance.TestAdapter(t, described(newDescription(t), conformance.Adapter[passkeys.Exchange]{
		Exchange:         func(x passkeys.Exchange) passkeys.Exchange { return x },
		RequestOperation: passkeys.Exchange.RequestOperation,
		Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
			r := httprouter.New()
			mountAll(t, app, func(prefix string, routes []passkeys.Route[passkeys.Exchange]) {
				onHTTPRouter(r, prefix, routes)
			})
			for _, g := range app.Guarded {
				handleOnHTTPRouter(r, g.Method, strings.NewReplacer("{", ":", "}", "").Replace(g.Path), guarded(app, g))
			}
			return r
		},
	}))
}

func TestGorilla(t *testing.T) {
	conformance.TestAdapter(t, described(newDescription(t), conformance.Adapter[passkeys.Exchange]{
		Exchange:         func(x passkeys.Exchange) passkeys.Exchange { return x },
		RequestOperation: gorillaOperation,
		Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
			r := mux.NewRouter()
			mountAll(t, app, func(prefix string, routes []passkeys.Route[passkeys.Exchange]) {
				onGorilla(r.PathPrefix(prefix).Subrouter(), routes)
			})
			for _, g := range app.Guarded {
				r.Handle(g.Path, guarded(app, g)).Methods(g.Method)
			}
			return r
		},
	}))
}

// mountAll has mount each of the tables, all of which the three functions take.
func mountAll(t testing.TB, app conformance.Application[passkeys.Exchange], mount func(prefix string, routes []passkeys.Route[passkeys.Exchange])) {
	t.Helper()
	routes, err := passkeys.Routes(app.Find, app.Hooks)
	staff, errStaff := passkeys.AdminRoutes(app.Find, app.AdminHooks)
	wellKnown, errWellKnown := passkeys.WellKnownRoutes[passkeys.Exchange](app.Find)
	if err := errors.Join(err, errStaff, errWellKnown); err != nil {
		t.Fatal(err)
	}
	mount("/auth/passkeys", routes)
	mount("/admin/passkeys", staff)
	mount("", wellKnown)
}

func guarded(app conformance.Application[passkeys.Exchange], g conformance.Guarded[passkeys.Exchange]) http.Handler {
	return passkeys.Require(app.Find, app.Hooks, g.Guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Handler(passkeys.Exchange{W: w, R: r})
	}))
}

// TestRoutersPage holds the blocks of docs/routers.md to the code that is tested here.
func TestRoutersPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "routers.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tested strings.Builder
	for _, name := range []string{"routers_test.go", "fiber_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tested.Write(source)
	}
	blocks := readmeBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Errorf("%d blocks; want at least 5", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(tested.String(), block[1]) {
			t.Errorf("this is not what is tested:\n%s", block[1])
		}
	}
}

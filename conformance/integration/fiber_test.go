package integration

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	recovery "github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// fiberConfig is what the routes need of Fiber.
var fiberConfig = fiber.Config{
	ReadBufferSize:               64 << 10, // bytes of headers; 4 KiB by default
	DisablePreParseMultipartForm: true,     // or a body is not what was sent
}

// onFiber mounts routes on a router or a group.
func onFiber(f fiber.Router, routes []passkeys.Route[passkeys.Exchange]) {
	for _, route := range routes {
		path := strings.Replace(route.Path, "{id}", ":id", 1)
		f.Add([]string{route.Method}, path, fiberHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := passkeys.NewExchange(w, r)
			route.Serve(x, x.W, x.R)
		})))
	}
}

// fiberHandler has h answer. Its requests have the context that Fiber's middlewares have
// set with SetContext, and the route's path as their Pattern.
func fiberHandler(h http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		return adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = ownStrings(r).WithContext(c.Context())
			r.Pattern = c.Route().Path
			h.ServeHTTP(w, r)
		})(c)
	}
}

// ownStrings copies what Fiber has lent: it reads the next request into the same memory,
// and a store, or a log, may keep what it was given.
func ownStrings(r *http.Request) *http.Request {
	own := r.Clone(r.Context())
	own.Method, own.Proto, own.Host = strings.Clone(r.Method), strings.Clone(r.Proto), strings.Clone(r.Host)
	own.RequestURI = strings.Clone(r.RequestURI)
	own.URL, _ = url.ParseRequestURI(own.RequestURI) // as Fiber's adaptor did
	own.Header = http.Header{}
	for name, values := range r.Header {
		for _, value := range values {
			own.Header.Add(strings.Clone(name), strings.Clone(value))
		}
	}
	return own
}

func TestFiber(t *testing.T) {
	conformance.TestAdapter(t, described(newDescription(t), conformance.Adapter[passkeys.Exchange]{
		Exchange:         func(x passkeys.Exchange) passkeys.Exchange { return x },
		RequestOperation: passkeys.Exchange.RequestOperation,
		Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
			f := fiber.New(fiberConfig)
			var outer sync.Map // by X-Request: the request in front of Fiber
			f.Use(recovery.New(), func(c fiber.Ctx) error {
				if r, ok := outer.Load(c.Get("X-Request")); ok {
					c.SetContext(r.(*http.Request).Context())
				}
				return c.Next()
			})
			mountAll(t, app, func(prefix string, routes []passkeys.Route[passkeys.Exchange]) {
				onFiber(f.Group(prefix), routes)
			})
			for _, g := range app.Guarded {
				h := guarded(app, g)
				f.Add([]string{g.Method}, strings.NewReplacer("{", ":", "}", "").Replace(g.Path), fiberHandler(
					http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						// The suite's middleware may have read the body. It is in front of
						// Fiber, where that leaves no trace; behind, it would.
						if o, ok := outer.Load(r.Header.Get("X-Request")); ok {
							o := o.(*http.Request)
							r.ContentLength, r.PostForm, r.MultipartForm = o.ContentLength, o.PostForm, o.MultipartForm
						}
						h.ServeHTTP(w, r)
					})))
			}
			return inFrontOf(t, f, &outer)
		},
	}))
}

// What a hook or a store keeps of a request is what it was, whatever came next on the
// connection.
func TestFiberLendsItsStrings(t *testing.T) {
	f := fiber.New(fiberConfig)
	kept := make(chan *http.Request, 2)
	f.All("/*", fiberHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept <- r })))
	h := inFrontOf(t, f, new(sync.Map))
	for _, row := range []struct{ method, url, name, value string }{
		{http.MethodPost, "http://one.example/aaaa?b=cccc", "X-Dddd", "eeee"},
		{http.MethodHead, "http://two.example/ffff?g=hhhh", "X-Iiii", "jjjj"},
	} {
		r := httptest.NewRequest(row.method, row.url, nil)
		r.Header = http.Header{row.name: {row.value}}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	r := <-kept
	got := strings.Join([]string{r.Method, r.Host, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Dddd")}, " ")
	if want := "POST one.example /aaaa?b=cccc /aaaa b=cccc eeee"; got != want {
		t.Errorf("it has become %s; want %s", got, want)
	}
}

// inFrontOf hands requests on to a server of Fiber's, and keeps them meanwhile.
func inFrontOf(t testing.TB, f *fiber.App, kept *sync.Map) http.Handler {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- f.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = listener.Close() // f.Shutdown takes a tenth of a second
		<-ended
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := r.Header.Get("X-Request")
		kept.Store(number, r)
		defer kept.Delete(number)
		left, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		out := r.Clone(context.WithoutCancel(r.Context())) // who has gone has sent their request before
		out.Body = io.NopCloser(bytes.NewReader(left))
		if out.ContentLength >= 0 {
			out.ContentLength = int64(len(left))
		}
		out.RequestURI, out.URL.Scheme, out.URL.Host = "", "http", listener.Addr().String()
		response, err := transport.RoundTrip(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		maps.Copy(w.Header(), response.Header)
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	})
}

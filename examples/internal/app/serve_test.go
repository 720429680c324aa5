package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func page404(*App) (http.Handler, error) { return http.NotFoundHandler(), nil }

func TestProtect(t *testing.T) {
	a := newTestApp(t)
	handler := a.protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, row := range []struct {
		name, method, path string
		header             http.Header
		want               int
	}{
		{"the page", "GET", "/", nil, 204},
		{"JSON", "POST", "/api/signup", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, 204},
		{"a form, as another site can send it", "POST", "/api/signup", http.Header{"Content-Type": {"text/plain"}}, 415},
		{"no type at all", "POST", "/api/signout", nil, 415},
		{"another site, by what the browser says", "POST", "/api/signout",
			http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		{"another site, at the passkey routes", "DELETE", "/auth/passkeys/credentials/x", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), row.method, row.path, nil)
			for name, values := range row.header {
				r.Header[name] = values
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != row.want {
				t.Errorf("status %d; want %d", w.Code, row.want)
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self';") {
				t.Errorf("Content-Security-Policy = %q", csp)
			}
		})
	}
}

// No route reads more than it can need, whatever it does with it.
func TestNoLargeBodyIsRead(t *testing.T) {
	for size, large := range map[int64]bool{128 << 10: false, 128<<10 + 1: true} {
		var read int64
		var err error
		handler := newTestApp(t).protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { read, err = io.Copy(io.Discard, r.Body) }))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/signup", bytes.NewReader(make([]byte, size)))
		r.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if _, tooMuch := errors.AsType[*http.MaxBytesError](err); tooMuch != large || read != 128<<10 {
			t.Errorf("of %d bytes: %d, %v", size, read, err)
		}
	}
}

func TestPage(t *testing.T) {
	server := httptest.NewServer(Page())
	defer server.Close()
	for path, mediaType := range map[string]string{
		"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml",
	} {
		response, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(got, mediaType) {
			t.Errorf("GET %s: %d, %q; want 200, %s", path, response.StatusCode, got, mediaType)
		}
	}
}

func TestRun(t *testing.T) {
	t.Run("says what it runs on, serves, and ends with its context", func(t *testing.T) {
		setenv(t, map[string]string{"ADDR": "localhost:0", "DATABASE_URL": filepath.Join(t.TempDir(), "test.db")})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, in := io.Pipe()
		done := make(chan error, 1)
		go func() {
			err := run(ctx, in, "Test", page404)
			_ = in.CloseWithError(io.EOF)
			done <- err
		}()
		var url string
		said := ""
		for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
			said += lines.Text() + "\n"
			if m := regexp.MustCompile(`^Open (\S+) `).FindStringSubmatch(lines.Text()); m != nil {
				url = m[1]
			}
		}
		for _, want := range []string{"Test", "SQLite", "sealed in the state", "localhost", url} {
			if url == "" || !strings.Contains(said, want) {
				t.Fatalf("it said\n%s; want %q in it", said, want)
			}
		}
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v; want nil after an orderly end", err)
		}
	})

	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, row := range []struct{ name, variable, value string }{
		{"an address that is taken", "ADDR", taken.Addr().String()},
		{"no address", "ADDR", "here"},
		{"a database of another kind", "DATABASE_URL", "mysql://localhost/demo"},
		{"a directory that is not there", "DATABASE_URL", "/does/not/exist/demo.db"},
		{"a Redis URL that is none", "REDIS_URL", "localhost"},
		{"a relying party that no browser would accept", "PASSKEYS_RP_ID", "https://example.org"},
	} {
		t.Run(row.name, func(t *testing.T) {
			vars := map[string]string{"ADDR": "localhost:0", "DATABASE_URL": filepath.Join(t.TempDir(), "test.db")}
			vars[row.variable] = row.value
			setenv(t, vars)
			err := run(t.Context(), io.Discard, "Test", page404)
			if err == nil || !strings.Contains(err.Error(), row.variable) || strings.Contains(err.Error(), "memory") {
				t.Errorf("run: %v; want an error that names %s", err, row.variable)
			}
		})
	}
}

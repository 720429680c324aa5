package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/passkeys-go/passkeys/core/client"
)

// A page that a server renders names the file with its version.
func Example() {
	for _, f := range client.Files() {
		if f.Name == "elements.js" {
			fmt.Println(strings.Replace(f.URL(), f.Version, "VERSION", 1))
		}
	}
	// Output: elements.js?v=VERSION
}

// A page that is built without the routes can serve the files itself.
func ExampleFile() {
	mux := http.NewServeMux()
	for _, f := range client.Files() {
		mux.Handle("GET /static/"+f.Name, f)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/static/words.js", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 text/javascript; charset=utf-8
}

func get(f client.File, query, known string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/"+f.Name+query, nil)
	if known != "" {
		r.Header.Set("If-None-Match", known)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	var names []string
	for _, f := range client.Files() {
		names = append(names, f.Name)
		for _, row := range []struct {
			name, sentence, query, known string
			status                       int
			cache                        string
		}{
			{"plain", "Without a version a browser asks each time.", "", "", http.StatusOK, "no-cache"},
			{"versioned", "Under its version a file never changes.", "?v=" + f.Version, "", http.StatusOK, "public, max-age=31536000, immutable"},
			{"another version", "Under another, which another server has, it must not be kept.", "?v=other", "", http.StatusOK, "no-cache"},
			{"known", "What the browser has already is not sent again.", "", `"` + f.Version + `"`, http.StatusNotModified, "no-cache"},
			{"outdated", "What it has of another version is.", "", `"other"`, http.StatusOK, "no-cache"},
		} {
			r := get(f, row.query, row.known)
			if r.Code != row.status || r.Header().Get("Cache-Control") != row.cache || r.Header().Get("ETag") != `"`+f.Version+`"` {
				t.Errorf("%s, %s: status %d, %v; want %d, %s. %s", f.Name, row.name, r.Code, r.Header(), row.status, row.cache, row.sentence)
			}
			want := "text/javascript; charset=utf-8"
			if strings.HasSuffix(f.Name, ".d.ts") {
				want = "text/plain; charset=utf-8"
			}
			if got := r.Header().Get("Content-Type"); r.Code == http.StatusOK && (got != want || r.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("%s: Content-Type %q; want %q and nosniff", f.Name, got, want)
			}
		}
	}
	if want := []string{"client.d.ts", "client.js", "elements.d.ts", "elements.js", "extensions.d.ts", "extensions.js", "words.d.ts", "words.js"}; !slices.Equal(names, want) {
		t.Errorf("the files are %q; want %q", names, want)
	}
}

// What a module imports is served beside it, and nothing else.
func TestFilesNeedNoOthers(t *testing.T) {
	var names []string
	for _, f := range client.Files() {
		names = append(names, "./"+f.Name)
	}
	imports := regexp.MustCompile(`(?:from|import\()\s*'([^']*)'`)
	for _, f := range client.Files() {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		code := regexp.MustCompile(`(?m)^\s*(//|\*).*$`).ReplaceAllString(w.Body.String(), "")
		for _, m := range imports.FindAllStringSubmatch(code, -1) {
			if !slices.Contains(names, m[1]) {
				t.Errorf("%s imports %q, which is not served", f.Name, m[1])
			}
		}
	}
}

package passkeys_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// openAPI is what these tests read of the document.
type openAPI struct {
	OpenAPI    string `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Responses map[string]struct {
			Content map[string]struct {
				Examples map[string]struct {
					Value struct {
						Error struct{ Code, Message string }
					}
				}
			}
		}
	}
}

func readOpenAPI(t testing.TB) (d openAPI) {
	t.Helper()
	w := httptest.NewRecorder()
	passkeys.OpenAPI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// What is described is there, and what is there is described.
func TestOpenAPIHasEachRoute(t *testing.T) {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Secret: make([]byte, 32),
		Credentials: passkeys.NewMemoryCredentials(), Observer: new(listener),
		WellKnown: passkeys.WellKnown{
			Related: []string{"https://example.de"}, Android: android("org.example.app", certificate), Apple: []string{"A1B2C3D4E5.org.example.app"}, Manage: "https://example.org/passkeys",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	add := func(routes []passkeys.Route[passkeys.Exchange], err error) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			want = append(want, strings.ToLower(r.Method)+" "+r.Path)
		}
	}
	add(passkeys.Routes(p, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }}))
	add(passkeys.AdminRoutes(p, passkeys.AdminHooks[passkeys.Exchange]{Authorize: func(passkeys.Exchange, passkeys.Action) (string, error) { return "", passkeys.ErrForbidden }}))
	add(passkeys.WellKnownRoutes[passkeys.Exchange](p))

	var got []string
	for path, operations := range readOpenAPI(t).Paths {
		for method := range operations {
			if method != "parameters" {
				got = append(got, method+" "+path)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("described %v\nthere is  %v", got, want)
	}
}

// Each error is an example of the answer with its status, in its own words.
func TestOpenAPIHasEachError(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`Code: ("\w+"), Status: http\.Status(\w+), Message: (".*")}`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, strings.Join(m[1:], " "))
	}
	var got []string
	for status, response := range readOpenAPI(t).Components.Responses {
		for name, example := range response.Content["application/json"].Examples {
			e := example.Value.Error
			if e.Code != name {
				t.Errorf("%s is an example of %s", e.Code, name)
			}
			if status == "PayloadTooLarge" {
				status = "RequestEntityTooLarge" // as net/http calls it
			}
			got = append(got, fmt.Sprintf("%q %s %q", e.Code, status, e.Message))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("described %v\nthere are %v", got, want)
	}
}

func ExampleOpenAPI() {
	mux := http.NewServeMux()
	mux.Handle("GET /openapi.json", passkeys.OpenAPI())

	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := http.Get(server.URL + "/openapi.json")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	var document struct {
		OpenAPI string
		Info    struct{ Summary string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		panic(err)
	}
	fmt.Println(document.OpenAPI)
	fmt.Println(document.Info.Summary)
	// Output:
	// 3.1.1
	// Sign-up, sign-in and management of passkeys
}

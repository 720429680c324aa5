package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The imports that a block of the README which is no whole file may use, by the
// name it uses them under.
var readmeImports = map[string]string{
	"fmt": "fmt", "importer": "github.com/passkeys-go/passkeys/core/importer", "io": "io", "sql": "database/sql",
	"os": "os", "otelpasskeys": "github.com/passkeys-go/passkeys/core/otelpasskeys",
	"sha256": "crypto/sha256",
	"client": "github.com/passkeys-go/passkeys/core/client",
	"chi":    "github.com/go-chi/chi/v5", "chipasskeys": "github.com/passkeys-go/passkeys/chipasskeys",
	"context": "context", "echo": "github.com/labstack/echo/v5", "echo5": "github.com/passkeys-go/passkeys/echopasskeys/echo5",
	"errors": "errors", "gin": "github.com/gin-gonic/gin", "ginpasskeys": "github.com/passkeys-go/passkeys/ginpasskeys",
	"gorm": "gorm.io/gorm", "gormstore": "github.com/passkeys-go/passkeys/gormstore", "http": "net/http", "url": "net/url", "json": "encoding/json",
	"slices": "slices", "httptest": "net/http/httptest", "log": "log", "passkeys": "github.com/passkeys-go/passkeys/core",
	"postgres": "gorm.io/driver/postgres", "redis": "github.com/redis/go-redis/v9", "redisstore": "github.com/passkeys-go/passkeys/redisstore", "template": "html/template", "time": "time",
}

// What such a block may take for granted: its values are the parameters of the
// function that it becomes the body of.
const readmeFunction = `
func _(ctx context.Context, p *passkeys.Passkeys, db *gorm.DB,
	currentUser func(*http.Request) (passkeys.User, error),
	startSession func(http.ResponseWriter, *http.Request, string) error,
	checkPassword func(*http.Request) (userID, sessionID string, err error),
	handler http.Handler,
	send func([]byte) json.RawMessage,
	session func(*http.Request) *struct { ID, UserID string; SignedInAt time.Time },
	hooks passkeys.Hooks[passkeys.Exchange],
	operation func(passkeys.Exchange) (passkeys.Operation, error),
	transfer, codes http.Handler,
	cart func(*http.Request) (map[string]int, error),
	page *template.Template,
	keep func(ctx context.Context, ceremonyID string, evidence []byte) error,
	kept, payload []byte,
	store passkeys.CredentialRepository,
	old *sql.DB,
	file io.Reader,
	staff func(*http.Request, passkeys.Action) (actor string, err error),
	roles func(userID string) []string,
) error {
	{
%s
	}
	return nil
}
`

var (
	readmeBlock     = regexp.MustCompile("(?s)```go\n(.*?)```")
	readmeScript    = regexp.MustCompile("(?s)```js\n(.*?)```")
	readmeQualifier = regexp.MustCompile(`\b([a-z0-9]+)\.[A-Z]`)
	readmeVariable  = regexp.MustCompile(`(?m)^(\w+)(?:, (\w+))? :=`)
)

// readmeElsewhere are the pages that another test compiles, because their blocks belong
// together.
var readmeElsewhere = []string{"docs/getting-started.md", "docs/routers.md"}

// readmePages are the pages whose blocks must be right.
func readmePages(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"README.md"}
	for _, page := range pages {
		name, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		if name = filepath.ToSlash(name); !slices.Contains(readmeElsewhere, name) {
			names = append(names, name)
		}
	}
	return names
}

// readmeBlocks returns what is in the blocks of all pages, which must be at least so
// many.
func readmeBlocks(t *testing.T, block *regexp.Regexp, atLeast int) (sources []string) {
	t.Helper()
	for _, name := range readmePages(t) {
		page, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(page), -1) {
			sources = append(sources, m[1])
		}
	}
	if len(sources) < atLeast {
		t.Fatalf("%d blocks; want at least %d", len(sources), atLeast)
	}
	return sources
}

// What a block of JavaScript may take for granted.
const readmeGlobals = `
declare const button: HTMLButtonElement, signInButton: HTMLButtonElement, registerButton: HTMLButtonElement;
declare const form: HTMLFormElement;
declare const token: string, grant: string;
declare const error: unknown;
interface Credential { toJSON(): unknown }
declare function welcome(signedIn?: unknown): void;
declare function complain(error: unknown): void;
declare function say(text: string): void;
`

// TestReadmeScripts holds every block of JavaScript to the types of the client.
func TestReadmeScripts(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.ToSlash(filepath.Join(root, "core", "client"))
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"--ignoreConfig", "--noEmit", "--allowJs", "--checkJs", "--strict", "false", "--target", "es2024",
		"--lib", "es2024,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler", "--moduleDetection", "force", "--types", ""}
	for i, source := range readmeBlocks(t, readmeScript, 8) {
		source = strings.NewReplacer("/auth/passkeys/client.js'", client+"/client.js'", "/auth/passkeys/words.js'", client+"/words.js'", "/auth/passkeys/extensions.js'", client+"/extensions.js'",
			"'passkeys-go'", "'"+client+"/client.js'").Replace(source)
		args = append(args, write(fmt.Sprint("block", i, ".js"), source))
	}
	// Not a module, so that what it declares is everywhere.
	globals := write("globals.d.ts", readmeGlobals)
	tsc := filepath.Join(root, "tools", "web", "node_modules", ".bin", "tsc")
	if out, err := exec.Command(tsc, append(args, globals)...).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// TestReadme compiles every Go block, and runs those that are tests.
func TestReadme(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	flag := "-overlay=" + filepath.Join(dir, "overlay.json")
	build, test, tests := []string{"build", flag}, []string{"test", "-c", "-vet=off", "-o", dir, flag}, []string{}
	for i, source := range readmeBlocks(t, readmeBlock, 12) {
		if !strings.HasPrefix(source, "package ") {
			source = readmeFile(source)
		}
		file := filepath.Join(dir, fmt.Sprint(i, ".go"))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		pkg := fmt.Sprint("readme", i)
		if strings.Contains(source, "\nfunc Test") {
			test, tests = append(test, "./"+pkg), append(tests, filepath.Join(dir, pkg+".test"))
			overlay[filepath.Join(here, pkg, "block_test.go")] = file
		} else {
			build = append(build, "./"+pkg)
			overlay[filepath.Join(here, pkg, "block.go")] = file
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{build, test} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, name := range tests {
		if out, err := exec.Command(name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if len(tests) < 2 {
		t.Errorf("%d blocks are tests; want at least 2", len(tests))
	}
}

// readmeFile makes a file of a block: its imports, and a function that uses what
// it declares.
func readmeFile(block string) string {
	body := block
	for _, names := range readmeVariable.FindAllStringSubmatch(block, -1) {
		for _, name := range names[1:] {
			if name != "" {
				body += "\t_ = " + name + "\n"
			}
		}
	}
	function := fmt.Sprintf(readmeFunction, body)
	var imports []string
	for _, q := range readmeQualifier.FindAllStringSubmatch(function, -1) {
		if path := readmeImports[q[1]]; path != "" {
			line := fmt.Sprintf("%s %q", q[1], path)
			if !slices.Contains(imports, line) {
				imports = append(imports, line)
			}
		}
	}
	return "package readme\n\nimport (\n\t" + strings.Join(imports, "\n\t") + "\n)\n" + function
}

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

	// What the README imports and nothing else here does, for go mod tidy to see.
	_ "github.com/go-chi/httprate"
	_ "github.com/labstack/echo/v4/middleware"
)

// The imports that a block of the README which is no whole file may use, by the
// name it uses them under.
var readmeImports = map[string]string{
	"os":  "os",
	"chi": "github.com/go-chi/chi/v5", "chipasskeys": "github.com/passkeys-go/passkeys/chipasskeys",
	"context": "context", "echo": "github.com/labstack/echo/v4", "echopasskeys": "github.com/passkeys-go/passkeys/echopasskeys",
	"errors": "errors", "gin": "github.com/gin-gonic/gin", "ginpasskeys": "github.com/passkeys-go/passkeys/ginpasskeys",
	"gorm": "gorm.io/gorm", "gormstore": "github.com/passkeys-go/passkeys/gormstore", "http": "net/http", "httprate": "github.com/go-chi/httprate", "json": "encoding/json",
	"log": "log", "middleware": "github.com/labstack/echo/v4/middleware", "passkeys": "github.com/passkeys-go/passkeys/core",
	"postgres": "gorm.io/driver/postgres", "redis": "github.com/redis/go-redis/v9", "redisstore": "github.com/passkeys-go/passkeys/redisstore", "time": "time",
}

// What such a block may take for granted: its values are the parameters of the
// function that it becomes the body of.
const readmeFunction = `
func _(ctx context.Context, p *passkeys.Passkeys, db *gorm.DB,
	currentUser func(*http.Request) (passkeys.User, error),
	startSession func(http.ResponseWriter, *http.Request, string) error,
	send func([]byte) json.RawMessage,
) error {
	{
%s
	}
	return nil
}
`

var (
	readmeBlock     = regexp.MustCompile("(?s)```go\n(.*?)```")
	readmeQualifier = regexp.MustCompile(`\b([a-z]+)\.[A-Z]`)
	readmeVariable  = regexp.MustCompile(`(?m)^(\w+)(?:, (\w+))? :=`)
)

// TestReadme compiles every Go block of the README.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := readmeBlock.FindAllSubmatch(readme, -1)
	if len(blocks) < 9 {
		t.Fatalf("%d Go blocks", len(blocks))
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json")}
	for i, block := range blocks {
		source := string(block[1])
		if !strings.HasPrefix(source, "package ") {
			source = readmeFile(source)
		}
		file := filepath.Join(dir, fmt.Sprint(i, ".go"))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		pkg := fmt.Sprint("readme", i)
		overlay[filepath.Join(here, pkg, "block.go")] = file
		args = append(args, "./"+pkg)
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
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
		path := readmeImports[q[1]]
		if q[1] == "middleware" && strings.Contains(block, "chi.") {
			path = "github.com/go-chi/chi/v5/middleware"
		}
		if path != "" {
			line := fmt.Sprintf("%s %q", q[1], path)
			if !slices.Contains(imports, line) {
				imports = append(imports, line)
			}
		}
	}
	return "package readme\n\nimport (\n\t" + strings.Join(imports, "\n\t") + "\n)\n" + function
}

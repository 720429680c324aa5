package browser_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

const root = "../../.."

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// What a page has to load is small, whatever else is wished for.
func TestSize(t *testing.T) {
	const limit = 3072
	result := api.Transform(read(t, "core", "client", "client.js"), api.TransformOptions{
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Format: api.FormatESModule, Target: api.ES2022,
	})
	if len(result.Errors) > 0 {
		t.Fatal(result.Errors)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(result.Code)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("client.js: %d bytes minified and compressed", packed.Len())
	if packed.Len() > limit {
		t.Errorf("client.js: %d bytes minified and compressed; want at most %d", packed.Len(), limit)
	}
}

// What the types promise compiles, and what they forbid does not.
func TestTypes(t *testing.T) {
	tsc, err := filepath.Abs(filepath.Join(root, "tools", "web", "node_modules", ".bin", "tsc"))
	if err != nil {
		t.Fatal(err)
	}
	types, err := filepath.Glob(filepath.Join(root, "core", "client", "*.d.ts"))
	if err != nil || len(types) != 4 {
		t.Fatalf("the types are %q, %v", types, err)
	}
	args := append([]string{"--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--types", "", "testdata/usage.ts"}, types...)
	if out, err := exec.Command(tsc, args...).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// The folder is an npm package as it is, with the files that pages import.
func TestPackage(t *testing.T) {
	pack := exec.Command("npm", "pack", "--dry-run", "--json", "--offline")
	pack.Dir = filepath.Join(root, "core", "client")
	pack.Env = append(os.Environ(), "npm_config_cache="+t.TempDir(), "npm_config_update_notifier=false")
	var stderr bytes.Buffer
	pack.Stderr = &stderr
	out, err := pack.Output()
	if err != nil {
		t.Fatalf("npm pack: %v\n%s", err, &stderr)
	}
	var packages []struct {
		Files []struct{ Path string }
	}
	if err := json.Unmarshal(out, &packages); err != nil || len(packages) != 1 {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	var files []string
	for _, f := range packages[0].Files {
		files = append(files, f.Path)
	}
	slices.Sort(files)
	want := []string{"LICENSE", "README.md", "client.d.ts", "client.js", "elements.d.ts", "elements.js", "extensions.d.ts", "extensions.js", "package.json", "words.d.ts", "words.js"}
	if !slices.Equal(files, want) {
		t.Errorf("the package has %q; want %q", files, want)
	}
	var manifest struct {
		Exports map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(read(t, "core", "client", "package.json")), &manifest); err != nil {
		t.Fatal(err)
	}
	for name, targets := range manifest.Exports {
		for condition, file := range targets {
			if !slices.Contains(files, strings.TrimPrefix(file, "./")) {
				t.Errorf("%s, %s: the package has no %s", name, condition, file)
			}
		}
	}
}

// A code is one on both sides: what the server can answer, the types name; what the
// types name, client.js or the server says; and for each there are words.
func TestCodes(t *testing.T) {
	client, types := read(t, "core", "client", "client.js"), read(t, "core", "client", "client.d.ts")
	local, server := union(t, types, "LocalCode"), union(t, types, "ServerCode")

	var answered []string
	for _, code := range serverCodes(t) {
		if code != "wrong_origin" { // which client.js makes wrong_site
			answered = append(answered, code)
		}
	}
	slices.Sort(answered)
	if !slices.Equal(server, answered) {
		t.Errorf("ServerCode is %q;\nthe server's are %q", server, answered)
	}

	said := map[string]bool{}
	for _, m := range regexp.MustCompile(`'([a-z]+(?:_[a-z]+)*)'`).FindAllStringSubmatch(client, -1) {
		said[m[1]] = true
	}
	for _, code := range local {
		if !said[code] {
			t.Errorf("client.js never says %s", code)
		}
	}
	for _, pattern := range []string{`PasskeyError\('(\w+)'`, `code = '(\w+)'`, `\w+Error: '(\w+)'`, `[?:] '(\w+_\w+)'`} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(client, -1)
		if len(found) == 0 {
			t.Errorf("client.js has nothing like %s", pattern)
		}
		for _, m := range found {
			if !slices.Contains(local, m[1]) {
				t.Errorf("client.js says %s, which LocalCode has not", m[1])
			}
		}
	}

	var worded []string
	for _, m := range regexp.MustCompile(`(?m)^  (\w+): '`).FindAllStringSubmatch(read(t, "core", "client", "words.js"), -1) {
		worded = append(worded, m[1])
	}
	slices.Sort(worded)
	all := slices.Concat(local, server)
	slices.Sort(all)
	all = slices.Compact(all) // rate_limited is anybody's
	if !slices.Equal(worded, all) {
		t.Errorf("there are words for %q;\nthe codes are %q", worded, all)
	}
}

// union returns the members of a union type, sorted.
func union(t *testing.T, types, name string) (members []string) {
	t.Helper()
	_, rest, ok := strings.Cut(types, "export type "+name+" =")
	body, _, end := strings.Cut(rest, ";\n")
	if !ok || !end {
		t.Fatalf("there is no type %s", name)
	}
	for _, m := range regexp.MustCompile(`\| '(\w+)'`).FindAllStringSubmatch(body, -1) {
		members = append(members, m[1])
	}
	slices.Sort(members)
	return members
}

// serverCodes returns the codes of the errors that package passkeys declares.
func serverCodes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "core", "errors.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Code" {
			if value, ok := pair.Value.(*ast.BasicLit); ok {
				code, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, code)
			}
		}
		return true
	})
	return codes
}

package integration

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	slash "path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	proseLink    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	proseCode    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	proseHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	prosePronoun = regexp.MustCompile(`(?i)\b(s?he|him|his|hers?|(him|her)self|(wo)?m[ae]n|guys?)\b`)
)

// proseFiles calls f for each file of ours with one of these endings, by its name
// below the root.
func proseFiles(t *testing.T, endings []string, f func(name, text string)) {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	found := 0
	if err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains(endings, slash.Ext(name)):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		found++
		f(name, string(text))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if found < 10 {
		t.Errorf("found %d files", found)
	}
}

// TestLinks follows each link from one of our documents to another, to the heading.
func TestLinks(t *testing.T) {
	anchors, links := map[string]map[string]bool{}, 0
	proseFiles(t, []string{".md"}, func(name, text string) {
		anchors[name] = map[string]bool{"": true}
		for _, m := range proseHeading.FindAllStringSubmatch(proseCode.ReplaceAllStringFunc(text, func(code string) string {
			if strings.HasPrefix(code, "```") {
				return ""
			}
			return code
		}), -1) {
			anchors[name][proseAnchor(m[1])] = true
		}
	})
	proseFiles(t, []string{".md"}, func(name, text string) {
		for _, m := range proseLink.FindAllStringSubmatch(proseCode.ReplaceAllString(text, "`code`"), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, ":") {
				continue // elsewhere
			}
			links++
			file, anchor, _ := strings.Cut(target, "#")
			if file = slash.Join(slash.Dir(name), file); file == slash.Dir(name) {
				file = name
			}
			if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(file))); err != nil || strings.HasPrefix(file, "..") {
				t.Errorf("%s: there is no %s", name, target)
			} else if slash.Ext(file) == ".md" && !anchors[file][anchor] {
				t.Errorf("%s: there is no heading for %s", name, target)
			}
		}
	})
	if links < 50 {
		t.Errorf("found %d links", links)
	}
}

// proseAnchor is what GitHub makes of a heading.
func proseAnchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// TestPeopleAreThey: of a user nothing is known, and what they are called is theirs.
func TestPeopleAreThey(t *testing.T) {
	t.Parallel()
	proseFiles(t, []string{".md", ".go", ".js", ".ts", ".html"}, func(name, text string) {
		if name == "conformance/integration/prose_test.go" {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			if word := prosePronoun.FindString(line); word != "" {
				t.Errorf("%s:%d says %q:\n%s", name, i+1, word, line)
			}
		}
	})
}

// TestHooksAreDocumented holds what is said of the hooks to what they are: each with
// its signature in the documentation of each adapter, in the types of its framework, and
// in the README.
func TestHooksAreDocumented(t *testing.T) {
	readme := guidePage(t, "README.md")
	for _, row := range []struct{ file, name string }{
		{"hooks.go", "Hooks"},
		{"adminroutes.go", "AdminHooks"},
	} {
		for _, adapter := range []struct{ dir, c string }{
			{"ginpasskeys", "*gin.Context"},
			{"echopasskeys", "echo.Context"},
			{"echopasskeys/echo5", "*echo.Context"},
			{"chipasskeys", "passkeys.Exchange"},
		} {
			said := proseDoc(t, adapter.dir, row.name)
			for _, hook := range proseHooks(t, row.file, row.name, adapter.c) {
				if !strings.Contains(said, hook[0]+" "+hook[1]) {
					t.Errorf("%s.%s does not say: %s %s", adapter.dir, row.name, hook[0], hook[1])
				}
			}
		}
	}
	for _, hook := range proseHooks(t, "hooks.go", "Hooks", "C") {
		if !strings.Contains(readme, "| `"+hook[0]+"` | `"+hook[1]+"` |") {
			t.Errorf("README.md does not say: | `%s` | `%s` |", hook[0], hook[1])
		}
	}
}

// proseHooks are the names and types of a struct of core, for importers and a context c.
func proseHooks(t *testing.T, file, name, c string) (hooks [][2]string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "core", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range source.Decls {
		g, _ := decl.(*ast.GenDecl)
		if g == nil {
			continue
		}
		for _, spec := range g.Specs {
			s, _ := spec.(*ast.TypeSpec)
			if s == nil || s.Name.Name != name {
				continue
			}
			for _, field := range s.Type.(*ast.StructType).Fields.List {
				ast.Inspect(field.Type, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.SelectorExpr: // of another package
						return false
					case *ast.Ident:
						if n.Name == "C" {
							n.Name = c
						} else if n.IsExported() {
							n.Name = "passkeys." + n.Name
						}
					}
					return true
				})
				var text strings.Builder
				if err := printer.Fprint(&text, token.NewFileSet(), field.Type); err != nil {
					t.Fatal(err)
				}
				hooks = append(hooks, [2]string{field.Names[0].Name, text.String()})
			}
		}
	}
	if len(hooks) == 0 {
		t.Errorf("%s has no %s", file, name)
	}
	return hooks
}

// proseDoc is what go doc says of a type, each line's spaces one.
func proseDoc(t *testing.T, dir, name string) string {
	t.Helper()
	pkg := prosePackage(t, dir)
	i := slices.IndexFunc(pkg.Types, func(d *doc.Type) bool { return d.Name == name })
	if i < 0 {
		t.Fatalf("%s has no %s", dir, name)
	}
	return regexp.MustCompile(`[ \t]+`).ReplaceAllString(pkg.Types[i].Doc, " ")
}

// prosePackage is the documentation of a package, with its examples.
func prosePackage(t *testing.T, dir string) *doc.Package {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") || strings.Contains(name, "example_test.go") || strings.HasSuffix(file.Name.Name, "_test") {
			files = append(files, file)
		}
	}
	pkg, err := doc.NewFromFiles(set, files, "github.com/passkeys-go/passkeys/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// proseCommands are those that the documents show and that are not run here, with the
// reason. The commands of docs/getting-started.md are run by TestGettingStarted.
var proseCommands = map[string]string{
	"git clone https://github.com/passkeys-go/passkeys": "needs the network, and a repository that is published",
	"cd passkeys": "goes with it",
	"make test":   "is what runs this",
	"make check":  "is a part of it",

	"go run ./examples/gin # or echo, chi, templates; then open http://localhost:8080": "TestEndToEnd runs it",
	"go run ./examples/gin":                                 "TestEndToEnd runs it",
	"go run ./examples/echo":                                "TestEndToEnd runs it",
	"go run ./examples/chi":                                 "TestEndToEnd runs it",
	"go run ./examples/templates":                           "TestTemplates runs it",
	"go run ./core/cmd/passkeys doctor https://example.org": "needs the site; TestDoctor has sites",
	"go run ./core/cmd/passkeys explain finish.json":        "needs the file; TestExplain has such",

	"(cd examples && go test ./...)": "is a part of what runs this",

	`psql "$DATABASE_URL" -c "\copy (SELECT * FROM passkey ORDER BY id) TO 'rows.csv' CSV HEADER"`:                               "TestImport… export so from servers of their own",
	`mysql --batch --binary-as-hex app -e "SELECT * FROM passkey ORDER BY id" > rows.tsv`:                                        "likewise",
	`sqlite3 -json app.db "SELECT * FROM passkey ORDER BY id" > rows.json`:                                                       "likewise",
	"go run github.com/passkeys-go/passkeys/core/cmd/passkeys@latest import -system better-auth -rp-id example.org -in rows.csv": "needs a release; TestImport… run the command",
}

// TestCommands runs each command of the documents, at the root of the repository.
func TestCommands(t *testing.T) {
	used, ran := map[string]bool{}, 0
	proseFiles(t, []string{".md"}, func(name, text string) {
		if name == "docs/getting-started.md" {
			return
		}
		for _, block := range guideShell.FindAllStringSubmatch(text, -1) {
			for command := range strings.Lines(strings.ReplaceAll(block[1], "\\\n\t", "")) {
				command = strings.TrimSpace(command)
				if proseCommands[command] != "" {
					used[command] = true
					continue
				}
				ran++
				sh := exec.Command("sh", "-ec", command)
				sh.Dir = filepath.Join("..", "..")
				if out, err := sh.CombinedOutput(); err != nil {
					t.Errorf("%s: %s\n%v\n%s", name, command, err, out)
				}
			}
		}
	})
	for command := range proseCommands {
		if !used[command] {
			t.Errorf("no document has this any more: %s", command)
		}
	}
	if ran == 0 {
		t.Error("nothing was run")
	}
}

// proseUnshown are the exported names that no tested example uses, each with the reason
// why not, by package.
var proseUnshown = map[string]map[string]string{
	"core": {
		"AuditFunc.Emit":     "core calls it",
		"ChangeObserver":     "ExampleObserver has one",
		"DecoyShape":         "decoys look like anything that is shown, which is the point of them",
		"Error.Unwrap":       "errors.Is calls it",
		"ParseMetadataBLOB":  "takes a document that FIDO has signed; ExampleMetadata_Update has its twin for a test's",
		"MemoryLimiter.Take": "core calls it",
		"Rates.Budget":       "that of ExampleLimiter calls it",
		"LargeBlobInputs":    "a part of CreationOptions, of which ExampleExtensions shows others",
		"Source":             "a constraint: nothing is of this type",
		"ValidateChallenge":  "is for stores: those of gormstore and redisstore call it",
		"WellKnownRoutes":    "ExampleRoutes and ExampleMountWellKnown have its two halves",
	},
	"core/otelpasskeys": {
		"Observer.Observe":       "core calls it",
		"Observer.ObserveChange": "core calls it",
		"Observer.ObserveClient": "core calls it",
	},
	"gormstore": {
		"Challenges.Consume":     "core calls it, as ExampleChallengeStore does",
		"Challenges.Put":         "core calls it, as ExampleChallengeStore does",
		"Credentials.Delete":     "core calls it, as ExampleCredentialRepository does",
		"Credentials.ListByUser": "core calls it, as ExampleCredentialRepository does",
		"Credentials.Update":     "core calls it, as ExampleCredentialRepository does",
	},
	"core/passkeytest": {
		"Base64URL.MarshalText": "encoding/json calls it",
	},
	"redisstore": {
		"Challenges":         "needs a server: ExampleNewChallenges is compiled, and conformance/integration runs the suite",
		"Challenges.Consume": "as Challenges",
		"Challenges.Put":     "as Challenges",
		"NewChallenges":      "as Challenges",
		"Options":            "as Challenges",
		"Limiter":            "as Challenges: ExampleNewLimiter",
		"Limiter.Take":       "as Challenges",
		"LimiterOptions":     "as Challenges",
		"NewLimiter":         "as Challenges",
	},
	"conformance": {
		"TestAdapter":       "a suite takes a *testing.T, which no example has: each adapter's own test calls it",
		"Adapter":           "as TestAdapter",
		"Application":       "as TestAdapter",
		"Guarded":           "as TestAdapter",
		"TestConfirmations": "as TestAdapter",
		"TestChallenges":    "as TestAdapter, and each store's; README.md has a test with it, which runs",
		"Features":          "as TestChallenges",
		"TestLimiter":       "as TestAdapter, and each limiter's",
		"LimiterOptions":    "as TestLimiter",
	},
}

// TestExamplesShowEverything lists what each released package exports, and finds it in
// one of its examples whose output is checked. A type is shown by what belongs to it; one of
// words or numbers is nothing without the field that it is for, and not looked for.
func TestExamplesShowEverything(t *testing.T) {
	for _, dir := range []string{
		"core", "core/client", "core/importer", "core/otelpasskeys", "core/passkeytest", "ginpasskeys", "echopasskeys", "echopasskeys/echo5", "chipasskeys",
		"gormstore", "redisstore", "conformance",
	} {
		pkg := prosePackage(t, dir)
		var exported []string
		parts := map[string][]string{} // of types
		examples := slices.Clone(pkg.Examples)
		function := func(typ string, fs []*doc.Func) {
			for _, f := range fs {
				exported = append(exported, typ+f.Name)
				examples = append(examples, f.Examples...)
			}
		}
		function("", pkg.Funcs)
		for _, typ := range pkg.Types {
			examples = append(examples, typ.Examples...)
			if spec := typ.Decl.Specs[0].(*ast.TypeSpec); !proseWord(spec) {
				exported = append(exported, typ.Name)
			}
			function("", typ.Funcs)
			function(typ.Name+".", typ.Methods)
			for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
				parts[typ.Name] = append(parts[typ.Name], f.Name)
			}
			for _, v := range slices.Concat(typ.Consts, typ.Vars) {
				parts[typ.Name] = append(parts[typ.Name], v.Names...)
			}
			ast.Inspect(typ.Decl, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					for _, name := range field.Names {
						parts[typ.Name] = append(parts[typ.Name], name.Name)
					}
				}
				return true
			})
		}
		if dir == "gormstore" { // which has no driver, and so can run little itself
			examples = append(examples, prosePackage(t, "conformance/integration").Examples...)
		}
		shown := map[string]bool{}
		for _, example := range examples {
			if example.Output == "" && !example.EmptyOutput {
				continue
			}
			name, _, _ := strings.Cut(example.Name, "_")
			shown[name] = true
			ast.Inspect(example.Code, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					shown[n.Sel.Name] = true
				case *ast.KeyValueExpr:
					if field, ok := n.Key.(*ast.Ident); ok {
						shown[field.Name] = true
					}
				}
				return true
			})
		}
		for _, name := range []string{"Marshal", "Unmarshal"} { // of encoding/json, which calls them
			shown[name+"JSON"], shown[name+"Text"] = shown[name], shown[name]
		}
		for _, name := range exported {
			_, last, method := strings.Cut(name, ".")
			if !method {
				last = name
			}
			is := shown[last] || slices.ContainsFunc(parts[name], func(part string) bool { return shown[part] })
			switch why := proseUnshown[dir][name]; {
			case is && why != "":
				t.Errorf("%s: %s is in an example now", dir, name)
			case !is && why == "":
				t.Errorf("%s: no tested example shows %s", dir, name)
			}
		}
		for name := range proseUnshown[dir] {
			if !slices.Contains(exported, name) {
				t.Errorf("%s: there is no %s", dir, name)
			}
		}
	}
}

// proseWord reports whether a type is of words or numbers.
func proseWord(spec *ast.TypeSpec) bool {
	underlying, ok := spec.Type.(*ast.Ident)
	return ok && spec.Assign == token.NoPos && slices.Contains([]string{"string", "int", "byte", "int64", "uint8"}, underlying.Name)
}

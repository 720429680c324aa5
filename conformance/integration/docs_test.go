package integration

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

var (
	docsFunction = regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)[(\[]`)
	docsRule     = regexp.MustCompile(`(?m)^\t\{rule: "([^"]*)"`)
	docsCode     = regexp.MustCompile("`([^`]*)`")
	docsQuoted   = regexp.MustCompile(`"([^"]*)"`)
)

// TestConformancePage holds docs/conformance.md to the repository: each file,
// function, test and mutant that it names is there, and no step is left out.
func TestConformancePage(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	guards, err := os.ReadFile(filepath.Join(root, "tools", "mutants", "guards.go"))
	if err != nil {
		t.Fatal(err)
	}
	rules := docsNames(docsRule, guards)
	tests := map[string]bool{}
	if err := filepath.WalkDir(filepath.Join(root, "core"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for name := range docsNames(docsFunction, source) {
			tests[name] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}

	section, steps := "", map[string]int{}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) < 4 || strings.HasPrefix(cells[0], "-") || strings.Contains(cells[len(cells)-1], "Mutant") {
			continue
		}
		steps[section]++
		if what := strings.TrimSpace(cells[0]); len(cells) == 6 && what != fmt.Sprint(steps[section]) {
			t.Errorf("%s: step %s comes after step %d", section, what, steps[section]-1)
		}
		where, testCell, mutants := cells[len(cells)-3], cells[len(cells)-2], cells[len(cells)-1]
		for name := range docsNames(docsCode, []byte(testCell)) {
			if !tests[name] || !strings.HasPrefix(name, "Test") {
				t.Errorf("%s: there is no test %s", section, name)
			}
		}
		for rule := range docsNames(docsQuoted, []byte(mutants)) {
			if !rules[rule] {
				t.Errorf("%s: there is no mutant %q", section, rule)
			}
		}
		var functions map[string]bool // of the file that was named last
		for _, m := range docsCode.FindAllStringSubmatch(where, -1) {
			if strings.HasSuffix(m[1], ".go") {
				source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m[1])))
				if err != nil {
					t.Errorf("%s: %v", section, err)
				}
				functions = docsNames(docsFunction, source)
			} else if !functions[m[1]] {
				t.Errorf("%s: there is no function %s in %s", section, m[1], where)
			}
		}
	}
	for name, want := range map[string]int{"Registration (§7.1)": 29, "Sign-in (§7.2)": 25} {
		if steps[name] != want {
			t.Errorf("%s has %d steps, want %d", name, steps[name], want)
		}
	}
	if len(rules) == 0 || len(tests) == 0 || len(steps) != 3 {
		t.Errorf("found %d mutants, %d tests and %d tables", len(rules), len(tests), len(steps))
	}
}

// TestImportPage holds docs/import.md to the importer: each system, its query and its
// columns, and each reason and warning.
func TestImportPage(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "import.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.Trim(line, "| \n"), " | "); len(cells) == 3 {
			rows[strings.Trim(cells[0], "`")] = cells
		}
	}
	for _, system := range importer.Systems() {
		row := rows[string(system)]
		if row == nil {
			t.Errorf("%s is not there", system)
			continue
		}
		if q := system.Query(); q != "" && row[2] != "`"+q+"`" || q == "" && strings.Contains(row[2], "`") {
			t.Errorf("%s has the query %s", system, row[2])
		}
		columns := map[string]string{}
		for name := range docsNames(docsCode, []byte(row[1])) {
			columns[name] = "x"
		}
		delete(columns, "Credential")       // go-webauthn's type
		delete(columns, "identity_user_id") // Auth0's other user_id
		source := importer.Source{System: system, Reader: strings.NewReader(""), Columns: columns}
		if _, err := importer.Import(t.Context(), source, passkeys.NewMemoryCredentials(), importer.Options{RPID: "example.org"}); err != nil {
			t.Errorf("%s: %v", system, err)
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "core", "importer", "importer.go"))
	if err != nil {
		t.Fatal(err)
	}
	words := docsNames(regexp.MustCompile(`(?:Reason|Warning) += "(\w+)"`), source)
	for word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("%s is not there", word)
		}
	}
	if len(words) < 20 {
		t.Errorf("found %d reasons and warnings", len(words))
	}
}

// docsNames are all that the pattern finds.
func docsNames(pattern *regexp.Regexp, text []byte) map[string]bool {
	names := map[string]bool{}
	for _, m := range pattern.FindAllSubmatch(text, -1) {
		names[string(m[1])] = true
	}
	return names
}

// TestSecurityPage holds SECURITY.md to the repository: each test that it names is
// there, and each row of the conformance suites.
func TestSecurityPage(t *testing.T) {
	tests, suites := map[string]bool{}, ""
	proseFiles(t, []string{".go"}, func(name, text string) {
		if strings.HasSuffix(name, "_test.go") {
			for test := range docsNames(docsFunction, []byte(text)) {
				tests[test] = true
			}
		} else if strings.HasPrefix(name, "conformance/") {
			suites += text
		}
	})
	page := guidePage(t, "SECURITY.md")
	named := docsNames(regexp.MustCompile("`((?:Test|Benchmark)[A-Z]\\w*)`"), []byte(page))
	for test := range named {
		if !tests[test] {
			t.Errorf("there is no %s", test)
		}
	}
	rows := 0
	for _, m := range regexp.MustCompile("conformance((?: `[^`]*`,?)+)").FindAllStringSubmatch(page, -1) {
		for row := range docsNames(docsCode, []byte(m[1])) {
			if rows++; !strings.Contains(suites, strings.TrimPrefix(row, "…")) {
				t.Errorf("no suite has %s", row)
			}
		}
	}
	if len(named) < 50 || rows < 10 {
		t.Errorf("found %d tests and %d rows", len(named), rows)
	}
}

// TestWirePage holds docs/wire.md to the routes and to the errors.
func TestWirePage(t *testing.T) {
	page := guidePage(t, "docs/wire.md")
	codes := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d{3}) \| (.*) \|$`).FindAllStringSubmatch(page, -1) {
		for code := range docsNames(docsCode, []byte(row[2])) {
			status, err := strconv.Atoi(row[1])
			if err != nil {
				t.Fatal(err)
			}
			codes[code] = status
		}
	}
	source, err := os.ReadFile(filepath.Join("..", "..", "core", "errors.go"))
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{}
	for _, m := range regexp.MustCompile(`Code: "(\w+)", Status: http\.Status(\w+)`).FindAllStringSubmatch(string(source), -1) {
		defined[m[1]] = true
		if name := strings.ReplaceAll(http.StatusText(codes[m[1]]), " ", ""); name != m[2] {
			t.Errorf("%s is %s, and the page says %d", m[1], m[2], codes[m[1]])
		}
	}
	for code := range codes {
		if !defined[code] {
			t.Errorf("there is no %s", code)
		}
	}

	p, err := passkeys.New(demo())
	if err != nil {
		t.Fatal(err)
	}
	routes, err := passkeys.Routes(p, exchangeHooks)
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if strings.HasSuffix(route.Path, ".d.ts") {
			continue // the page says that they are there
		}
		if row := regexp.MustCompile("(?m)^\\| `[^|]*" + regexp.QuoteMeta(route.Path) + "`"); !row.MatchString(page) {
			t.Errorf("%s %s is not there", route.Method, route.Path)
		}
	}
	if len(defined) < 20 || len(routes) < 15 {
		t.Errorf("found %d errors and %d routes", len(defined), len(routes))
	}
}

// docs/troubleshooting.md has each error of the routes, and each reason in the words that
// passkeys explain has for it.
func TestTroubleshootingPage(t *testing.T) {
	page := guidePage(t, "docs/troubleshooting.md")
	read := func(elements ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "core"}, elements...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	engine, names := read("internal", "engine", "engine.go"), map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(Reason\w+) +Reason = (?:"([a-z_]+)"|engine\.(\w+))`).FindAllStringSubmatch(read("audit.go"), -1) {
		names[m[1]] = m[2]
		if m[2] == "" {
			names[m[1]] = regexp.MustCompile(`\b` + m[3] + ` *= "([a-z_]+)"`).FindStringSubmatch(engine)[1]
		}
	}
	said := 0
	for _, m := range regexp.MustCompile(`case passkeys\.(Reason\w+):\n\t+return ("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\n`).FindAllStringSubmatch(read("cmd", "passkeys", "reasons.go"), -1) {
		means, errMeans := strconv.Unquote(m[2])
		then, errThen := strconv.Unquote(m[3])
		if errMeans != nil || errThen != nil {
			t.Fatal(m[0])
		}
		said++
		if row := "| `" + names[m[1]] + "` | " + means + " | " + then + " |"; !strings.Contains(page, row) {
			t.Errorf("the page does not say: %s", row)
		}
	}
	if said < 45 || said != len(names) {
		t.Errorf("there are words for %d of %d reasons", said, len(names))
	}
	for _, m := range regexp.MustCompile(`Code: "([a-z_]+)"`).FindAllStringSubmatch(read("errors.go"), -1) {
		if !strings.Contains(page, "| `"+m[1]+"` |") {
			t.Errorf("the page does not say what %s is", m[1])
		}
	}
}

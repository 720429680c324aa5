package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every module of the house is everywhere that modules are listed: in go.work, in the
// Makefile, and where its dependencies are kept up to date.
func TestEveryModuleIsListed(t *testing.T) {
	root := filepath.Join("..", "..")
	var want []string
	if err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.Name() == "go.mod":
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			want = append(want, filepath.ToSlash(dir))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	read := func(file, pattern string) (found []string) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found = append(found, strings.Fields(m[1])...)
		}
		slices.Sort(found)
		return found
	}
	for _, list := range []struct {
		file string
		got  []string
		want []string
	}{
		{"go.work", read("go.work", `\./(\S+)`), without(want, "tools")},
		{"Makefile", read("Makefile", `(?m)^(?:released := |modules  := \$\(released\) )(.*)$`), without(want, "tools")},
		{".github/dependabot.yml", read(".github/dependabot.yml", `package-ecosystem: gomod\n    directory: /(\S+)`), want},
	} {
		if !slices.Equal(list.got, list.want) {
			t.Errorf("%s has %v\nwant %v", list.file, list.got, list.want)
		}
	}
}

// A released module is shown with its licence, what it is, and its own changes. Its
// documents are read where no other file of the house is: their links are whole.
func TestEveryReleasedModuleIsWhole(t *testing.T) {
	read := func(elements ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, elements...)...))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	licence, index := read("LICENSE"), read("CHANGELOG.md")
	modules := strings.Fields(regexp.MustCompile(`(?m)^released := (.*)$`).FindStringSubmatch(read("Makefile"))[1])
	for _, dir := range modules {
		if read(dir, "LICENSE") != licence {
			t.Errorf("%s: LICENSE is not that of the house", dir)
		}
		readme := read(dir, "README.md")
		if !strings.Contains(readme, "go get github.com/passkeys-go/passkeys/"+dir+"\n") || strings.Count(readme, "\n") > 40 {
			t.Errorf("%s: README.md does not say in one page how to get it", dir)
		}
		changes := read(dir, "CHANGELOG.md")
		if strings.Count(changes, "## Unreleased\n") != 1 || !strings.Contains(index, "("+dir+"/CHANGELOG.md)") {
			t.Errorf("%s: CHANGELOG.md has no place for the next version, or the house's does not name it", dir)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(readme+changes, -1) {
			if !strings.HasPrefix(link[1], "https://") {
				t.Errorf("%s: %s leads nowhere", dir, link[1])
			} else if file, ours := strings.CutPrefix(link[1], "https://github.com/passkeys-go/passkeys/blob/main/"); ours {
				read(file)
			}
		}
	}
}

// Whoever takes one module gets that, its one dependency, and core: no framework or store
// of the others.
func TestWhatAModuleBrings(t *testing.T) {
	theirs := []string{"github.com/gin-gonic/", "github.com/labstack/echo/v4/", "github.com/labstack/echo/v5/", "github.com/go-chi/", "gorm.io/", "github.com/redis/", "go.opentelemetry.io/"}
	for _, row := range []struct {
		module, its string
		most        int // modules, its own among them
	}{
		{"core", "", 30},
		{"chipasskeys", "github.com/go-chi/", 40},
		{"ginpasskeys", "github.com/gin-gonic/", 80},
		{"echopasskeys", "github.com/labstack/echo/v4/", 45},
		{"echopasskeys/echo5", "github.com/labstack/echo/v5/", 40},
		{"gormstore", "gorm.io/", 40},
		{"redisstore", "github.com/redis/", 40},
		{"core/otelpasskeys", "go.opentelemetry.io/", 45},
		{"conformance", "", 30},
	} {
		list := func(args ...string) []string {
			cmd := exec.Command("go", append([]string{"list"}, args...)...)
			cmd.Dir, cmd.Env = filepath.Join("..", "..", filepath.FromSlash(row.module)), append(os.Environ(), "GOWORK=off")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v", row.module, err)
			}
			return strings.Fields(string(out))
		}
		modules := list("-m", "-f", "{{.Path}}", "all")
		if len(modules) > row.most {
			t.Errorf("%s brings %d modules, and is to bring at most %d", row.module, len(modules), row.most)
		}
		for _, found := range slices.Concat(modules, list("-deps", "./...")) {
			for _, prefix := range theirs {
				if prefix != row.its && strings.HasPrefix(found+"/", prefix) {
					t.Errorf("%s brings %s", row.module, found)
				}
			}
		}
	}
}

func without(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}

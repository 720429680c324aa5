package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const before = `// Package core is small.
package core

import "io"

const Answer = 42

var Err error

type Shape struct {
	Name   string
	hidden int
}

func (s *Shape) Draw(w io.Writer) error { return nil }
func (s Shape) quiet()                  {}

type Drawer interface{ Draw(io.Writer) error }

type Number interface{ ~int | ~float64 }

type Set[T comparable] map[T]bool

type Alias = Shape

func New(name string) *Shape { return &Shape{Name: string(name)} }
`

const description = `core: const Answer untyped int = 42
core: func (*Shape).Draw(w io.Writer) error
core: func New(name string) *Shape
core: type Alias = Shape
core: type Drawer interface
core: type Drawer interface, Draw(io.Writer) error
core: type Number interface{~int | ~float64}
core: type Set[T comparable] map[T]bool
core: type Shape struct
core: type Shape struct, Name string
core: var Err error
`

// house is a repository of one module, with what it exports described.
func house(t *testing.T) comparison {
	t.Helper()
	c := comparison{ctx: t.Context(), root: t.TempDir(), descriptions: t.TempDir()}
	for name, text := range map[string]string{
		"go.work":                "go 1.26.0\n\nuse ./core\n",
		"core/go.mod":            "module example.org/core\n\ngo 1.26.0\n",
		"core/core.go":           before,
		"core/internal/in.go":    "package internal\n\nconst Hidden = 1\n",
		"core/cmd/drawn/main.go": "package main\n\nfunc main() {}\n",
	} {
		write(t, filepath.Join(c.root, filepath.FromSlash(name)), text)
	}
	git(t, c, "init", "--quiet", "--initial-branch=main")
	git(t, c, "config", "user.name", "test")
	git(t, c, "config", "user.email", "test@example.org")
	git(t, c, "add", "--all")
	git(t, c, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "All of it")
	describeAnew(t, c)
	return c
}

func describeAnew(t *testing.T, c comparison) {
	t.Helper()
	c.write = true
	if err := c.run([]string{"core"}); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, c comparison, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = c.root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestDescription(t *testing.T) {
	c := house(t)
	got, err := os.ReadFile(filepath.Join(c.descriptions, "core.txt"))
	if err != nil || string(got) != description {
		t.Errorf("%v\n%s\nwant\n%s", err, got, description)
	}
}

func TestComparison(t *testing.T) {
	for _, row := range []struct {
		says     string
		old, new string // in the source
		describe bool   // anew
		tag      string // before the change
		version  string // that comes next
		want     string // "": it passes
	}{
		{"Nothing changes.", "", "", false, "", "", ""},
		{"What is added is to be described.", "func New", "func Newer() {}\n\nfunc New", false, "", "", "+ core: func Newer()"},
		{"Once it is, it may come.", "func New", "func Newer() {}\n\nfunc New", true, "", "", ""},
		{"What is removed is seen.", "const Answer = 42", "", false, "", "", "- core: const Answer"},
		{"So is what takes something else.", "New(name string)", "New(name []byte)", false, "", "", "+ core: func New(name []byte)"},
		{"What nobody can use may change.", "hidden int", "hidden string", false, "", "", ""},
		{"Before the first version, anything goes that is described.", "const Answer = 42", "", true, "", "", ""},
		{"An addition needs no more than a patch.", "func New", "func Newer() {}\n\nfunc New", true, "core/v0.1.0", "v0.1.1", ""},
		{"A removal is no patch.", "const Answer = 42", "", true, "core/v0.1.0", "v0.1.1", "Answer: removed"},
		{"Nor is another signature.", "New(name string)", "New(name []byte)", true, "core/v0.1.0", "v0.1.1", "New: changed"},
		{"Nor one method more for whoever implements an interface.", "interface{ Draw(io.Writer) error }", "interface {\n\tDraw(io.Writer) error\n\tFill()\n}", true, "core/v0.1.0", "v0.1.1", "Drawer.Fill: added"},
		{"Before v1.0.0 a minor version may.", "const Answer = 42", "", true, "core/v0.1.0", "v0.2.0", ""},
		{"Which is what comes, where nothing else is said.", "const Answer = 42", "", true, "core/v0.1.0", "", ""},
		{"After it none may.", "const Answer = 42", "", true, "core/v1.2.0", "v1.3.0", "Answer: removed"},
		{"Whatever comes.", "const Answer = 42", "", true, "core/v1.2.0", "", "Answer: removed"},
		{"Another module's tag is none of it.", "const Answer = 42", "", true, "store/v1.2.0", "", ""},
	} {
		t.Run(row.says, func(t *testing.T) {
			c := house(t)
			c.version = row.version
			if row.tag != "" {
				git(t, c, "-c", "tag.gpgsign=false", "tag", row.tag)
			}
			source := strings.Replace(before, row.old, row.new, 1)
			write(t, filepath.Join(c.root, "core", "core.go"), source)
			if row.describe {
				describeAnew(t, c)
			}
			err := c.run([]string{"core"})
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("%v; want %q", err, row.want)
			}
		})
	}
}

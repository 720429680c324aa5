package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// house is a repository of three modules, of which the last is never released.
func house(t *testing.T) repository {
	t.Helper()
	r := repository{t.Context(), t.TempDir()}
	for name, text := range map[string]string{
		"LICENSE":               "MIT\n",
		"core/go.mod":           "module example.org/core\n\ngo 1.26.0\n",
		"core/go.sum":           "",
		"core/core.go":          "package core\n\nconst Answer = 42\n",
		"core/LICENSE":          "MIT\n",
		"core/CHANGELOG.md":     "# Changelog\n\n## Unreleased\n\n* Everything.\n",
		"store/go.mod":          "module example.org/store\n\ngo 1.26.0\n\nrequire example.org/core v0.0.9\n\nreplace example.org/core => ../core\n",
		"store/go.sum":          "",
		"store/store.go":        "package store\n\nimport \"example.org/core\"\n\nconst Kept = core.Answer\n",
		"store/LICENSE":         "MIT\n",
		"store/CHANGELOG.md":    "# Changelog\n\n## Unreleased\n\n## v0.0.9 – 2026-01-01\n\n* It began.\n",
		"examples/go.mod":       "module example.org/examples\n\ngo 1.26.0\n\nrequire (\n\texample.org/core v0.0.9\n\texample.org/store v0.0.9\n)\n\nreplace (\n\texample.org/core => ../core\n\texample.org/store => ../store\n)\n",
		"examples/examples.go":  "package main\n\nimport _ \"example.org/store\"\n\nfunc main() {}\n",
		"examples/.gitignore":   "node_modules/\n",
		"examples/node_modules": "", // what is not committed, and needs not be
	} {
		if name == "examples/node_modules" {
			name = "examples/node_modules/file"
		}
		write(t, r, name, text)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"config", "user.name", "test"}, {"config", "user.email", "test@example.org"},
		{"config", "commit.gpgsign", "false"}, {"config", "tag.gpgsign", "false"}, {"add", "--all"}, {"commit", "--quiet", "--message", "All of it"}, {"tag", "store/v0.0.9"},
	} {
		do(t, r, args...)
	}
	return r
}

var released = []string{"store", "core"} // whatever the order

func write(t *testing.T, r repository, name, text string) {
	t.Helper()
	name = filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, r repository, args ...string) string {
	t.Helper()
	out, err := r.git(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRelease(t *testing.T) {
	r := house(t)
	before := do(t, r, "rev-parse", "HEAD")
	tags, err := release(r, "v0.1.0", "2026-11-27", released)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(tags, " "); got != "core/v0.1.0 store/v0.1.0" {
		t.Errorf("the tags are %s", got)
	}
	for _, tag := range tags {
		if got := do(t, r, "rev-parse", tag+"^{commit}"); got != do(t, r, "rev-parse", "main~1") {
			t.Errorf("%s is on %s", tag, got)
		}
	}
	for _, row := range []struct{ says, file, want string }{
		{"What is tagged needs its siblings by version, and by nothing else.", "main~1:store/go.mod", "module example.org/store\n\ngo 1.26.0\n\nrequire example.org/core v0.1.0"},
		{"A section has the changes.", "main~1:core/CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## v0.1.0 – 2026-11-27\n\n* Everything."},
		{"A module without changes says so, above what was before.", "main~1:store/CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## v0.1.0 – 2026-11-27\n\nNothing has changed here: it goes with the other modules of this version.\n\n## v0.0.9 – 2026-01-01\n\n* It began."},
		{"Main goes on with its folders, and knows the version.", "main:store/go.mod", "module example.org/store\n\ngo 1.26.0\n\nrequire example.org/core v0.1.0\n\nreplace example.org/core => ../core"},
		{"So does what is never released.", "main:examples/go.mod", "module example.org/examples\n\ngo 1.26.0\n\nrequire (\n\texample.org/core v0.1.0\n\texample.org/store v0.1.0\n)\n\nreplace (\n\texample.org/core => ../core\n\texample.org/store => ../store\n)"},
		{"Main keeps the changelogs.", "main:core/CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## v0.1.0 – 2026-11-27\n\n* Everything."},
		{"And has no sums of what is in its folders.", "main:store/go.sum", ""},
	} {
		if got := do(t, r, "show", row.file); got != row.want {
			t.Errorf("%s\n%s is\n%s\nwant\n%s", row.says, row.file, got, row.want)
		}
	}
	if got := do(t, r, "rev-list", "--count", before+"..main"); got != "2" {
		t.Errorf("%s commits", got)
	}
	if got := do(t, r, "status", "--porcelain"); got != "" {
		t.Errorf("it leaves %s", got)
	}

	// The sums are those that go itself finds in what a proxy would make of the tags.
	stage := theatre{repository: r, dir: t.TempDir()}
	for _, dir := range released {
		if err := stage.publish(module{dir: dir, path: "example.org/" + dir}, "v0.1.0"); err != nil {
			t.Fatal(err)
		}
	}
	if stage.env, err = stage.environment(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stage.clear() })
	if _, err := stage.check(module{dir: "store", path: "example.org/store"}, "v0.1.0"); err != nil {
		t.Error(err)
	}
	do(t, r, "checkout", "--quiet", "main")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "./...")
	build.Dir, build.Env = filepath.Join(r.dir, "examples"), append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("main builds no more: %v\n%s", err, out)
	}

	// And the next one is like the first.
	write(t, r, "core/core.go", "package core\n\nconst Answer = 43\n")
	do(t, r, "commit", "--quiet", "--all", "--message", "Better")
	if _, err := release(r, "v0.1.1", "2026-12-01", released); err != nil {
		t.Error(err)
	}
}

func TestReleaseRefuses(t *testing.T) {
	for _, row := range []struct {
		says, version string
		spoil         func(*testing.T, repository)
		want          string
	}{
		{"What is not committed would be forgotten.", "v0.1.0", func(t *testing.T, r repository) { write(t, r, "new.go", "package x\n") }, "not committed"},
		{"Only main is released.", "v0.1.0", func(t *testing.T, r repository) { do(t, r, "checkout", "--quiet", "-b", "side") }, "not on main"},
		{"A version is one.", "0.1.0", nil, "no version"},
		{"All of it.", "v0.1", nil, "no version"},
		{"Another major version is another path.", "v2.0.0", nil, "major"},
		{"Versions go up.", "v0.0.9", nil, "does not come after v0.0.9"},
		{"Nor to one before.", "v0.0.8", nil, "does not come after v0.0.9"},
		{"A module without a place for its changes.", "v0.1.0", func(t *testing.T, r repository) {
			write(t, r, "core/CHANGELOG.md", "# Changelog\n")
			do(t, r, "commit", "--quiet", "--all", "--message", "No place")
		}, "## Unreleased"},
		{"A module that is another's fork here is the original everywhere else.", "v0.1.0", func(t *testing.T, r repository) {
			write(t, r, "store/go.mod", "module example.org/store\n\ngo 1.26.0\n\nrequire example.org/core v0.0.9\n\nreplace example.org/core => example.org/fork v1.0.0\n")
			do(t, r, "commit", "--quiet", "--all", "--message", "Fork")
		}, "another module"},
		{"The second commit fails when the tags are there.", "v0.1.0", func(t *testing.T, r repository) {
			if err := os.WriteFile(filepath.Join(r.dir, ".git", "hooks", "pre-commit"), []byte("#!/bin/sh\nif git log -1 --format=%s | grep -q ^Release; then exit 1; fi\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "git commit"},
	} {
		t.Run(row.says, func(t *testing.T) {
			r := house(t)
			if row.spoil != nil {
				row.spoil(t, r)
			}
			state := func() string {
				return do(t, r, "rev-parse", "HEAD") + do(t, r, "status", "--porcelain") + do(t, r, "tag", "--list")
			}
			before := state()
			_, err := release(r, row.version, "2026-11-27", released)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v; want %q", err, row.want)
			}
			if after := state(); after != before {
				t.Errorf("it leaves\n%s\nof\n%s", after, before)
			}
		})
	}
}

func TestNext(t *testing.T) {
	for last, want := range map[string]string{"": "v0.1.0", "v0.1.0": "v0.2.0", "v0.1.3": "v0.2.0", "v1.4.1": "v1.5.0"} {
		if got := next(last); got != want {
			t.Errorf("after %q comes %s; want %s", last, got, want)
		}
	}
}

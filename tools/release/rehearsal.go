package main

import (
	_ "embed" // the consumers
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	mod "golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
	"golang.org/x/tools/txtar"
)

// rehearsal releases what is in the folder, committed or not, in a copy. Then it
// builds and tests each module, and a program of each module's user, from what a module
// proxy would make of the tags, with a module cache of its own and without a network.
// Modules of others come from the cache of this machine.
func rehearsal(r repository, version, date string, dirs []string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "rehearsal")
	if err != nil {
		return err
	}
	stage := theatre{repository: repository{r.ctx, filepath.Join(dir, "copy")}, dir: dir}
	defer func() { err = errors.Join(err, stage.clear()) }()
	if err := stage.copy(r); err != nil {
		return err
	}
	if version == "" {
		last, _ := lastVersion(r) // a folder that is no repository has no tags
		version = next(last)
	}
	tags, err := release(stage.repository, version, date, dirs)
	if err != nil {
		return err
	}
	all, err := modules(stage.repository.dir, dirs)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := stage.publish(m, version); err != nil {
			return err
		}
	}
	if stage.env, err = stage.environment(); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "tag\tzip\tbuild, vet, test\tits user's program\tmodules\tgo.sum\tbinary")
	for i, m := range all {
		took, err := stage.check(m, version)
		if err != nil {
			return fmt.Errorf("%s: %w", tags[i], err)
		}
		zipped, err := os.Stat(stage.zip(m, version))
		if err != nil {
			return err
		}
		weight, err := stage.consume(m.dir, m.path+"@"+version)
		if err != nil {
			return fmt.Errorf("a user of %s: %w", tags[i], err)
		}
		_, _ = fmt.Fprintf(table, "%s\t%d kB\t%.0f s\t%s\n", tags[i], zipped.Size()>>10, took.Seconds(), weight)
	}
	weight, err := stage.consume("by hand")
	if err != nil {
		return fmt.Errorf("go-webauthn by hand: %w", err)
	}
	_, _ = fmt.Fprintf(table, "go-webauthn by hand, on Chi\t\t\t%s\n", weight)
	if err := stage.command("github.com/passkeys-go/passkeys/core/cmd/passkeys", version); err != nil {
		return fmt.Errorf("the command: %w", err)
	}
	_, _ = fmt.Fprintf(table, "go run …/core/cmd/passkeys@%s\t\t\tok\n", version)
	return table.Flush()
}

// next is the version after one, for which a break is no reason to wait.
func next(last string) string {
	if last == "" {
		return "v0.1.0"
	}
	var major, minor, patch int
	_, _ = fmt.Sscanf(semver.Canonical(last), "v%d.%d.%d", &major, &minor, &patch)
	return fmt.Sprintf("v%d.%d.0", major, minor+1)
}

// theatre is where a rehearsal takes place.
type theatre struct {
	repository
	dir string
	env []string
}

// clear removes it, the module cache's read-only folders too.
func (s theatre) clear() error {
	err := filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o700) //nolint:gosec // a folder of our own
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(s.dir))
}

// copy makes main of what is in a folder.
func (s theatre) copy(from repository) error {
	if err := filepath.WalkDir(from.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from.dir, path)
		if err != nil {
			return err
		}
		to := filepath.Join(s.repository.dir, name)
		switch {
		case entry.IsDir() && (name == ".git" || name == "bin" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(to, 0o700)
		case !entry.Type().IsRegular() || name == ".git": // a link to node_modules, a worktree's file
			return nil
		}
		return copyFile(to, path)
	}); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"config", "user.name", "rehearsal"}, {"config", "user.email", "rehearsal@example.org"},
		{"config", "commit.gpgsign", "false"}, {"config", "tag.gpgsign", "false"}, {"add", "--all"}, {"commit", "--quiet", "--message", "What is in the folder"},
	} {
		if _, err := s.git(args...); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from) //nolint:gosec // a file of the repository
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm()) //nolint:gosec // git heeds whether it can be executed
}

// zip is the file of a module proxy that has the module.
func (s theatre) zip(m module, version string) string { return s.proxied(m, version) + ".zip" }

func (s theatre) proxied(m module, version string) string {
	escaped, _ := mod.EscapePath(m.path) // a path of ours needs no escape
	return filepath.Join(s.dir, "proxy", filepath.FromSlash(escaped), "@v", version)
}

// publish makes of a tag what a module proxy makes of it.
func (s theatre) publish(m module, version string) error {
	base, tag := s.proxied(m, version), m.dir+"/"+version
	if err := os.MkdirAll(filepath.Dir(base), 0o700); err != nil {
		return err
	}
	file, err := os.Create(base + ".zip") //nolint:gosec // in a folder of our own
	if err != nil {
		return err
	}
	err = zip.CreateFromVCS(file, mod.Version{Path: m.path, Version: version}, s.repository.dir, tag, m.dir)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	gomod, err := s.git("show", tag+":"+m.dir+"/go.mod")
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(base+".mod", []byte(gomod+"\n"), 0o600), os.WriteFile(base+".info", info, 0o600),
		os.WriteFile(filepath.Join(filepath.Dir(base), "list"), []byte(version+"\n"), 0o600))
}

// environment is that of somebody who has nothing of ours, and no network.
func (s theatre) environment() ([]string, error) {
	out, err := exec.CommandContext(s.ctx, "go", "env", "GOMODCACHE").Output()
	if err != nil {
		return nil, err
	}
	others := filepath.Join(strings.TrimSpace(string(out)), "cache", "download")
	url := func(path string) string { return "file://" + filepath.ToSlash(path) }
	return append(os.Environ(), "GOWORK=off", "GOTOOLCHAIN=local", "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=", "GOFLAGS=-trimpath", "GOBIN="+filepath.Join(s.dir, "bin"),
		"GOMODCACHE="+filepath.Join(s.dir, "modules"), "GOPROXY="+url(filepath.Join(s.dir, "proxy"))+","+url(others)), nil
}

func (s theatre) run(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.ctx, args[0], args[1:]...) //nolint:gosec // the words are ours
	cmd.Dir, cmd.Env = dir, s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// check builds and tests a module as it was tagged.
func (s theatre) check(m module, version string) (time.Duration, error) {
	dir, start := filepath.Join(s.dir, "source", filepath.FromSlash(m.dir)), time.Now()
	if err := zip.Unzip(dir, mod.Version{Path: m.path, Version: version}, s.zip(m, version)); err != nil {
		return 0, err
	}
	for _, args := range [][]string{{"go", "build", "./..."}, {"go", "vet", "./..."}, {"go", "test", "./..."}} {
		if _, err := s.run(dir, args...); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

//go:embed consumers.txtar
var consumers string

// weight is what a user's program brings with it.
type weight struct {
	modules, sums int
	binary        int64 // bytes
}

func (w weight) String() string {
	return fmt.Sprintf("ok\t%d\t%d lines\t%.1f MB", w.modules, w.sums, float64(w.binary)/1e6)
}

// consume makes a module of its own that needs these, builds it and tests it.
func (s theatre) consume(name string, needs ...string) (w weight, err error) {
	dir := filepath.Join(s.dir, "consumers", strings.NewReplacer("/", "-", " ", "-").Replace(name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return w, err
	}
	for _, file := range txtar.Parse([]byte(consumers)).Files {
		folder, base := filepath.Split(filepath.FromSlash(file.Name))
		if folder == "" || filepath.ToSlash(filepath.Clean(folder)) == name { // later ones take the place of earlier
			if err := os.WriteFile(filepath.Join(dir, base), file.Data, 0o600); err != nil {
				return w, err
			}
		}
	}
	others, err := s.others(dir)
	if err != nil {
		return w, err
	}
	require := []string{"go", "mod", "edit", "-go=1.26.0"}
	for _, need := range others {
		require = append(require, "-require="+need)
	}
	for _, args := range [][]string{
		{"go", "mod", "init", "example.com/consumer"},
		require,
		slices.Concat([]string{"go", "get"}, needs),
		{"go", "build", "-mod=mod", "-o", "consumer", "."},
		{"go", "test", "-mod=mod", "./..."},
	} {
		if _, err := s.run(dir, args...); err != nil {
			return w, err
		}
	}
	list, err := s.run(dir, "go", "list", "-m", "-e", "-f", "{{.Path}}", "all") // -e: nothing needs to know from when they are
	if err != nil {
		return w, err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum")) //nolint:gosec // a file of our own
	if err != nil {
		return w, err
	}
	binary, err := os.Stat(filepath.Join(dir, "consumer"))
	if err != nil {
		return w, err
	}
	return weight{strings.Count(list, "\n") - 1, strings.Count(string(sums), "\n"), binary.Size()}, nil
}

// others are the modules of others that a program imports, and what those need, in the
// versions that the house tests with: they are on this machine.
func (s theatre) others(dir string) ([]string, error) {
	house, err := readMod(s.repository.dir, "conformance/integration")
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(filepath.Join(dir, "handler.go")) //nolint:gosec // a file of our own
	if err != nil {
		return nil, err
	}
	list := []string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}@{{.Version}}{{end}}"}
	none := len(list)
	for _, need := range house.Require {
		path := need.Mod.Path
		if at := strings.Index(string(source), `"`+path); at >= 0 && !strings.HasPrefix(path, "github.com/passkeys-go/") {
			imported, _, _ := strings.Cut(string(source[at+1:]), `"`)
			list = append(list, imported)
		}
	}
	if len(list) == none {
		return nil, nil
	}
	cmd := exec.CommandContext(s.ctx, "go", list...)
	cmd.Dir = filepath.Join(s.repository.dir, "conformance", "integration")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	needs := strings.Fields(string(out))
	slices.Sort(needs)
	return slices.Compact(needs), nil
}

// command installs a command by its version, and runs it.
func (s theatre) command(path, version string) error {
	if _, err := s.run(s.dir, "go", "install", path+"@"+version); err != nil {
		return err
	}
	_, err := s.run(s.dir, filepath.Join(s.dir, "bin", filepath.Base(path)), "doctor", "-h")
	return err
}

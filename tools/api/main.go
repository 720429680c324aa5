// Command api says what each module exports, and what a change does to its users.
//
//	go run ./api core ginpasskeys …            compares
//	go run ./api -write core ginpasskeys …     writes the descriptions anew
//
// The description of a module, in tools/api, has a line for each thing that its packages
// export, so that a change of the API is seen as one. It must be up to date. Once a
// module has a tag, what it exports is compared with the last one as well: a change that
// breaks a program is an error unless the version that comes next admits it, which is a
// new minor version before v1.0.0 and none after.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
)

func main() {
	c := comparison{}
	flag.StringVar(&c.root, "root", "..", "the repository")
	flag.StringVar(&c.descriptions, "descriptions", "api", "the folder of the descriptions")
	flag.StringVar(&c.version, "version", "", "that comes next; by default the next minor one")
	flag.BoolVar(&c.write, "write", false, "write the descriptions")
	flag.Parse()
	var stop context.CancelFunc
	c.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	err := c.run(flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// comparison is of the modules below a root with what they were.
type comparison struct {
	ctx                         context.Context //nolint:containedctx // of one run
	root, descriptions, version string
	write                       bool
}

func (c comparison) run(dirs []string) error {
	for _, dir := range dirs {
		if err := c.compare(dir); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

func (c comparison) compare(dir string) error {
	now, err := load(c.ctx, c.root, dir)
	if err != nil {
		return err
	}
	file := filepath.Join(c.descriptions, strings.ReplaceAll(dir, "/", "-")+".txt")
	described := strings.Join(describe(now), "\n") + "\n"
	if c.write {
		return os.WriteFile(file, []byte(described), 0o600)
	}
	before, err := os.ReadFile(file) //nolint:gosec // one of ours
	if err != nil {
		return err
	}
	if string(before) != described {
		return fmt.Errorf("the description is another; if that is what is meant, make api WRITE=1\n%s", difference(string(before), described))
	}
	return c.admitted(dir, now)
}

// difference has the lines that are gone, and those that have come.
func difference(before, after string) string {
	old, young := strings.Split(before, "\n"), strings.Split(after, "\n")
	var lines []string
	for _, line := range old {
		if !slices.Contains(young, line) {
			lines = append(lines, "- "+line)
		}
	}
	for _, line := range young {
		if !slices.Contains(old, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return strings.Join(lines, "\n")
}

// admitted compares a module with its last tag.
func (c comparison) admitted(dir string, now []exported) error {
	last, err := c.lastTag(dir)
	if err != nil || last == "" {
		return err
	}
	root, err := os.MkdirTemp("", "api")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	// All modules as they were: its siblings are found through its go.work.
	if _, err := c.git("worktree", "add", "--quiet", "--detach", root, dir+"/"+last); err != nil {
		return err
	}
	defer func() { _, _ = c.git("worktree", "remove", "--force", root) }()
	then, err := load(c.ctx, root, dir)
	if err != nil {
		return err
	}
	var breaks []string
	for _, old := range then {
		i := slices.IndexFunc(now, func(e exported) bool { return e.types.Path() == old.types.Path() })
		if i < 0 {
			breaks = append(breaks, old.types.Path()+": removed")
			continue
		}
		for _, change := range apidiff.Changes(old.types, now[i].types).Changes {
			if !change.Compatible {
				breaks = append(breaks, old.types.Path()+"."+change.Message)
			}
		}
	}
	if len(breaks) == 0 || breakable(last, c.version) {
		return nil
	}
	slices.Sort(breaks)
	return fmt.Errorf("this breaks programs that were built with %s, which %s does not admit:\n%s", last, cmpVersion(c.version), strings.Join(breaks, "\n"))
}

// breakable reports whether one version may break what the other had.
func breakable(last, version string) bool {
	if version == "" { // the next minor one
		return semver.Major(last) == "v0"
	}
	return semver.Major(version) != semver.Major(last) || semver.Major(last) == "v0" && semver.MajorMinor(version) != semver.MajorMinor(last)
}

func cmpVersion(version string) string {
	if version == "" {
		return "the next minor version"
	}
	return version
}

// lastTag is the highest version of a module, "" where there is none.
func (c comparison) lastTag(dir string) (last string, err error) {
	tags, err := c.git("tag", "--list", dir+"/v*")
	if err != nil {
		return "", err
	}
	for tag := range strings.FieldsSeq(tags) {
		if version := strings.TrimPrefix(tag, dir+"/"); semver.Compare(version, last) > 0 {
			last = version
		}
	}
	return last, nil
}

func (c comparison) git(args ...string) (string, error) {
	cmd := exec.CommandContext(c.ctx, "git", args...) //nolint:gosec // the words are ours
	cmd.Dir = c.root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", args[0], err, out)
	}
	return string(out), nil
}

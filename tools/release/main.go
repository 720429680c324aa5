// Command release makes one version of all modules: a commit whose go.mod files need
// each other by version, with a tag for each module, and a commit that has main go on.
//
//	go run ./release -version v0.1.0 core ginpasskeys …
//	go run ./release -rehearse core ginpasskeys …
//
// All modules get the version, changed or not: users need one number for what was
// tested together. It pushes nothing and says what to push; when something fails, the
// repository is as it was.
//
// The second does the first in a copy, offline, and then builds and tests what the
// tags hold, as its users will get it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	root := flag.String("root", "..", "the repository")
	version := flag.String("version", "", "of the release, such as v0.1.0; for a rehearsal, by default, the next")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "of the release")
	rehearse := flag.Bool("rehearse", false, "try it in a copy")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *root, *version, *date, *rehearse, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, version, date string, rehearse bool, dirs []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	r := repository{ctx, root}
	if rehearse {
		return rehearsal(r, version, date, dirs, os.Stdout)
	}
	tags, err := release(r, version, date, dirs)
	if err != nil {
		return err
	}
	fmt.Printf("Released %s. To publish it:\n\n  git push --atomic origin main %s\n", version, strings.Join(tags, " "))
	return nil
}

// repository is a working tree, and runs git in it.
type repository struct {
	ctx context.Context
	dir string
}

func (r repository) git(args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, "git", args...) //nolint:gosec // the words are ours
	cmd.Dir = r.dir
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	mod "golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// release makes the two commits and the tags, which it returns.
func release(r repository, version, date string, dirs []string) (tags []string, err error) {
	if err := ready(r, version, date); err != nil {
		return nil, err
	}
	all, err := modules(r.dir, dirs)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no modules were named")
	}
	before, err := r.git("rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		for _, tag := range tags {
			_, undo := r.git("tag", "-d", tag)
			err = errors.Join(err, undo)
		}
		_, undo := r.git("reset", "--hard", before)
		tags, err = nil, errors.Join(err, undo)
	}()

	if err := pin(r, version, all); err != nil {
		return nil, err
	}
	for _, m := range all {
		if err := editChangelog(r.dir, m.dir, version, date); err != nil {
			return nil, err
		}
	}
	if err := sum(r, version, all); err != nil {
		return nil, err
	}
	if _, err := r.git("commit", "--quiet", "--all", "--message", "Release "+version); err != nil {
		return nil, err
	}
	for _, m := range all {
		tag := m.dir + "/" + version
		if _, err := r.git("tag", "--annotate", "--message", m.dir+" "+version, tag); err != nil {
			return tags, err
		}
		tags = append(tags, tag)
	}

	// What goes on is what was before, but for the changelogs and the number.
	if _, err := r.git("checkout", "--quiet", before, "--", "*go.mod", "*go.sum"); err != nil {
		return tags, err
	}
	if err := goOn(r, version, all); err != nil {
		return tags, err
	}
	_, err = r.git("commit", "--quiet", "--all", "--message", "Go on after "+version)
	return tags, err
}

// ready says why the repository, or the version, is in no state for a release.
func ready(r repository, version, date string) error {
	if semver.Canonical(version) != version || semver.Build(version) != "" {
		return fmt.Errorf("%q is no version such as v0.1.0", version)
	}
	if semver.Major(version) > "v1" {
		return fmt.Errorf("%s: the paths of the modules say no major version", version)
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("%q is no date such as 2026-11-27", date)
	}
	branch, err := r.git("rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return err
	}
	if branch != "main" {
		return fmt.Errorf("on %s, not on main", branch)
	}
	changed, err := r.git("status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("what is not committed would not be released:\n%s", changed)
	}
	last, err := lastVersion(r)
	if err != nil {
		return err
	}
	if last != "" && semver.Compare(version, last) <= 0 {
		return fmt.Errorf("%s does not come after %s", version, last)
	}
	return nil
}

// lastVersion is the highest of all tags, "" where there is none.
func lastVersion(r repository) (last string, err error) {
	tags, err := r.git("tag", "--list", "*/v*")
	if err != nil {
		return "", err
	}
	for tag := range strings.FieldsSeq(tags) {
		if version := tag[strings.LastIndexByte(tag, '/')+1:]; semver.Compare(version, last) > 0 {
			last = version
		}
	}
	return last, nil
}

// pin has the modules need each other by version, and nothing by its folder.
func pin(r repository, version string, all []module) error {
	for _, m := range all {
		if err := editMod(r.dir, m.dir, func(f *modfile.File) error {
			for _, need := range m.siblings {
				if err := f.AddRequire(need, version); err != nil {
					return err
				}
			}
			for _, replaced := range slices.Clone(f.Replace) {
				if !modfile.IsDirectoryPath(replaced.New.Path) {
					return fmt.Errorf("%s: %s is replaced by another module, which none of its users would see", m.dir, replaced.Old.Path)
				}
				if err := f.DropReplace(replaced.Old.Path, replaced.Old.Version); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// goOn has every module of the house say the new version of those that it finds in
// their folders.
func goOn(r repository, version string, all []module) error {
	files, err := r.git("ls-files", "*go.mod")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(files) {
		if err := editMod(r.dir, filepath.ToSlash(filepath.Dir(name)), func(f *modfile.File) error {
			for _, need := range slices.Clone(f.Require) {
				if slices.ContainsFunc(all, func(m module) bool { return m.path == need.Mod.Path }) {
					if err := f.AddRequire(need.Mod.Path, version); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// sum writes into each go.sum what the modules that it needs will be, so that the
// tagged folders build by themselves. All is in the order in which they need each other.
func sum(r repository, version string, all []module) error {
	sums := map[string][]byte{} // by path
	for _, m := range all {
		name := filepath.Join(r.dir, filepath.FromSlash(m.dir), "go.sum")
		text, err := os.ReadFile(name) //nolint:gosec // below the repository's root
		if err != nil {
			return err
		}
		lines := slices.Collect(strings.Lines(string(text)))
		for _, need := range m.siblings {
			lines = slices.AppendSeq(lines, strings.Lines(string(sums[need])))
		}
		slices.Sort(lines)
		if err := os.WriteFile(name, []byte(strings.Join(slices.Compact(lines), "")), 0o600); err != nil { //nolint:gosec // below the repository's root
			return err
		}
		if _, err := r.git("add", "--all"); err != nil {
			return err
		}
		tree, err := r.git("write-tree")
		if err != nil {
			return err
		}
		if sums[m.path], err = hash(r, m, version, tree); err != nil {
			return err
		}
	}
	return nil
}

// hash returns the two lines of a go.sum for a module as a revision has it.
func hash(r repository, m module, version, revision string) ([]byte, error) {
	file, err := os.CreateTemp("", "release")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	err = zip.CreateFromVCS(file, mod.Version{Path: m.path, Version: version}, r.dir, revision, m.dir)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	whole, err := dirhash.HashZip(file.Name(), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	text, err := r.git("show", revision+":"+m.dir+"/go.mod")
	if err != nil {
		return nil, err
	}
	gomod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text + "\n")), nil
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.path, version, whole, m.path, version, gomod), nil
}

const unreleased = "## Unreleased\n"

var heading = regexp.MustCompile(`(?m)^## `)

// editChangelog makes what was unreleased the section of a version.
func editChangelog(root, dir, version, date string) error {
	name := filepath.Join(root, filepath.FromSlash(dir), "CHANGELOG.md")
	text, err := os.ReadFile(name) //nolint:gosec // below the repository's root
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(text), unreleased)
	if !found {
		return fmt.Errorf("%s has no %s", name, strings.TrimSpace(unreleased))
	}
	changes, rest := after, ""
	if at := heading.FindStringIndex(after); at != nil {
		changes, rest = after[:at[0]], after[at[0]:]
	}
	if changes = strings.TrimSpace(changes); changes == "" {
		changes = "Nothing has changed here: it goes with the other modules of this version."
	}
	section := fmt.Sprintf("%s\n## %s – %s\n\n%s\n", unreleased, version, date, changes)
	if rest != "" {
		section += "\n"
	}
	return os.WriteFile(name, []byte(before+section+rest), 0o600) //nolint:gosec // below the repository's root
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
)

// module is one that is released.
type module struct {
	dir      string // below the root, with slashes
	path     string
	siblings []string // the paths of those that it needs
}

// modules reads the go.mod files, and puts each module behind those that it needs.
func modules(root string, dirs []string) ([]module, error) {
	var all []module
	for _, dir := range dirs {
		file, err := readMod(root, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, module{dir: dir, path: file.Module.Mod.Path})
	}
	for i := range all {
		file, err := readMod(root, all[i].dir)
		if err != nil {
			return nil, err
		}
		for _, need := range file.Require {
			if slices.ContainsFunc(all, func(m module) bool { return m.path == need.Mod.Path }) {
				all[i].siblings = append(all[i].siblings, need.Mod.Path)
			}
		}
	}
	var sorted []module
	for len(sorted) < len(all) {
		before := len(sorted)
		for _, m := range all {
			is := func(path string) func(module) bool { return func(o module) bool { return o.path == path } }
			ready := !slices.ContainsFunc(sorted, is(m.path))
			for _, need := range m.siblings {
				ready = ready && slices.ContainsFunc(sorted, is(need))
			}
			if ready {
				sorted = append(sorted, m)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("the modules need each other in a circle")
		}
	}
	return sorted, nil
}

func readMod(root, dir string) (*modfile.File, error) {
	name := filepath.Join(root, filepath.FromSlash(dir), "go.mod")
	text, err := os.ReadFile(name) //nolint:gosec // below the repository's root
	if err != nil {
		return nil, err
	}
	return modfile.Parse(name, text, nil)
}

// editMod rewrites a go.mod.
func editMod(root, dir string, edit func(*modfile.File) error) error {
	file, err := readMod(root, dir)
	if err != nil {
		return err
	}
	if err := edit(file); err != nil {
		return err
	}
	file.Cleanup()
	text, err := file.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(file.Syntax.Name, text, 0o600)
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// All mutants are built at once, for most of the time of a mutant is that of the
// compiler and the linker: beside each function that has guards stand its copies,
// each without one of them, and the function goes to the copy whose number is in
// the environment.

const numberVariable = "MUTANT_OF_PASSKEYS" // of another prefix than ConfigFromEnv looks for

// mutate returns the files with all mutants in them, by their path below the
// root. Guard i is taken out by mutant i+1.
func mutate(root string, guards []guard) (map[string][]byte, error) {
	var errs []error
	files := map[string]*source{}
	rules := map[string]bool{}
	for i, g := range guards {
		s := files[g.file]
		if s == nil {
			var err error
			if s, err = parse(root, g.file); err != nil {
				return nil, err
			}
			files[g.file] = s
		}
		err := s.add(i+1, g)
		if rules[g.rule] {
			err = errors.New("the rule is listed twice")
		}
		rules[g.rule] = true
		if err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", g.rule, g.file, err))
		}
	}
	mutated := map[string][]byte{}
	for file, s := range files {
		mutated[file] = s.mutated()
		mutated[path.Join(path.Dir(file), "mutant_number.go")] = fmt.Appendf(nil, `package %s

import (
	"os"
	"strconv"
)

var mutantNumber, _ = strconv.Atoi(os.Getenv(%q))
`, s.ast.Name.Name, numberVariable)
	}
	return mutated, errors.Join(errs...)
}

// source is a file to which mutants are added.
type source struct {
	text     string
	set      *token.FileSet
	ast      *ast.File
	branches map[int]string // by offset: what goes to a copy
	copies   string
}

func parse(root, file string) (*source, error) {
	text, err := os.ReadFile(filepath.Join(root, file)) //nolint:gosec // the files are those of guards.go
	if err != nil {
		return nil, err
	}
	s := &source{text: string(text), set: token.NewFileSet(), branches: map[int]string{}}
	s.ast, err = parser.ParseFile(s.set, file, text, parser.SkipObjectResolution)
	return s, err
}

func (s *source) offset(p token.Pos) int { return s.set.Position(p).Offset }

// add adds the mutant of a guard.
func (s *source) add(number int, g guard) error {
	at := g.at
	if at == 0 {
		if n := strings.Count(s.text, g.old); n != 1 {
			return fmt.Errorf("the guard stands there %d times", n)
		}
		at = strings.Index(s.text, g.old)
	}
	i := slices.IndexFunc(s.ast.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && s.offset(f.Pos()) <= at && at+len(g.old) <= s.offset(f.End())+1 // and the line break
	})
	if i < 0 {
		return errors.New("the guard is not within a function")
	}
	f := s.ast.Decls[i].(*ast.FuncDecl)
	start, name := s.offset(f.Pos()), s.offset(f.Name.End())
	mutant := s.text[start:at] + g.new + s.text[at+len(g.old):s.offset(f.End())+1]
	suffix := "Mutant" + strconv.Itoa(number)
	s.copies += fmt.Sprintf("\n//line mutant-%d:1\n%s%s%s\n", number, mutant[:name-start], suffix, mutant[name-start:])
	if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+mutant, 0); err != nil {
		return err
	}

	call := f.Name.Name + suffix
	if f.Recv != nil {
		call = f.Recv.List[0].Names[0].Name + "." + call
	}
	call += names("[%s]", f.Type.TypeParams) + names("(%s)", f.Type.Params)
	if f.Type.Results == nil {
		call += "; return"
	} else {
		call = "return " + call
	}
	s.branches[s.offset(f.Body.Lbrace)+1] += fmt.Sprintf(" if mutantNumber == %d { %s };", number, call)
	return nil
}

// names lists parameters as they are passed on.
func names(format string, list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var all []string
	for _, field := range list.List {
		for _, n := range field.Names {
			all = append(all, n.Name)
		}
		if _, variadic := field.Type.(*ast.Ellipsis); variadic {
			all[len(all)-1] += "..."
		}
	}
	return fmt.Sprintf(format, strings.Join(all, ", "))
}

// mutated is the file with its mutants.
func (s *source) mutated() []byte {
	var b strings.Builder
	last := 0
	for _, at := range slices.Sorted(maps.Keys(s.branches)) {
		b.WriteString(s.text[last:at])
		b.WriteString(s.branches[at])
		last = at
	}
	b.WriteString(s.text[last:])
	b.WriteString(s.copies)
	return []byte(b.String())
}

// writeOverlay writes the files to a directory, and what tells the go command that
// they stand in for those below the root.
func writeOverlay(root, dir string, mutated map[string][]byte) (list string, err error) {
	replace := map[string]string{}
	for file, text := range mutated {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = overlayIn(dir)
	return list, os.WriteFile(list, b, 0o600)
}

func overlayIn(dir string) string { return filepath.Join(dir, "overlay.json") }

var numbered = regexp.MustCompile(`\S*mutant-(\d+)`)

// named puts rules for the mutants' numbers in the compiler's output.
func named(guards []guard, out string) string {
	return numbered.ReplaceAllStringFunc(out, func(s string) string {
		n, _ := strconv.Atoi(numbered.FindStringSubmatch(s)[1])
		return guards[n-1].rule
	})
}

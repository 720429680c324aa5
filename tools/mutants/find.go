package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// searched are the packages in which nobody need list what refuses, and those whose tests
// are asked.
var searched = []struct {
	dir   string
	asked []string
}{
	{"core", []string{"./core", "./conformance"}},
	{"core/internal/engine", []string{"./core/internal/engine", "./core", "./core/importer", "./conformance"}},
	{"core/internal/seal", []string{"./core/internal/seal", "./core", "./conformance"}},
	{"core/internal/strictjson", []string{"./core/internal/strictjson", "./core", "./conformance"}},
	{"core/importer", importing},
	{"core/cmd/passkeys", []string{"./core/cmd/passkeys"}},
	{"ginpasskeys", []string{"./ginpasskeys"}},
	{"echopasskeys", []string{"./echopasskeys"}},
	{"echopasskeys/echo5", []string{"./echopasskeys/echo5"}},
	{"chipasskeys", []string{"./chipasskeys"}},
	{"gormstore", storing},
	{"redisstore", []string{"./redisstore"}},
}

// find returns a mutant for each condition that refuses something, and that no
// listed guard takes out: an if or a case whose body ends in an error, false or what is
// no success, each part of it that an || joins, and each part of an && that is returned,
// or without which an if would not return. What is equivalent is left out, and must be
// found.
func find(root string, listed []guard) (found []guard, err error) {
	seen := map[string]int{}
	for _, p := range searched {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(p.dir), "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file := path.Join(p.dir, filepath.Base(name))
			s, err := parse(root, file)
			if err != nil {
				return nil, err
			}
			for _, g := range s.refusals(file, p.asked) {
				if slices.ContainsFunc(listed, func(l guard) bool { return l.covers(s.text, g) }) {
					continue
				}
				if seen[g.rule]++; seen[g.rule] > 1 {
					g.rule += fmt.Sprintf(" (%d)", seen[g.rule])
				}
				found = append(found, g)
			}
		}
	}
	for _, e := range equivalent {
		i := slices.IndexFunc(found, func(g guard) bool { return g.rule == e.rule })
		if i < 0 {
			return nil, fmt.Errorf("%s: it is said to be equivalent, and is not there", e.rule)
		}
		found = slices.Delete(found, i, i+1)
	}
	return found, nil
}

// covers reports whether a listed guard takes out what a found one does.
func (g guard) covers(text string, found guard) bool {
	if g.file != found.file {
		return false
	}
	at := strings.Index(text, g.old)
	return at >= 0 && at < found.at+len(found.old) && found.at < at+len(g.old)
}

// refusals are the mutants of a file, about which the packages are asked.
func (s *source) refusals(file string, asked []string) (found []guard) {
	for _, d := range s.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || !forwardable(f) {
			continue
		}
		add := func(cond ast.Expr, format string) {
			at := s.offset(cond.Pos())
			old := s.text[at:s.offset(cond.End())]
			rule := fmt.Sprintf("%s %s: %s", file, f.Name.Name, strings.Join(strings.Fields(old), " "))
			found = append(found, guard{rule: rule, file: file, at: at, old: old, new: fmt.Sprintf(format, old), packages: asked})
		}
		never := func(e ast.Expr) {
			parts(e, token.LOR, func(e ast.Expr) { add(e, "((%s) && false)") })
		}
		always := func(e ast.Expr) {
			if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.LAND {
				parts(b, token.LAND, func(e ast.Expr) { add(e, "((%s) || true)") })
			}
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.IfStmt:
				switch {
				case refuses(n.Body.List):
					never(n.Cond)
				case returns(n.Body.List):
					always(n.Cond)
				}
			case *ast.SwitchStmt:
				for _, c := range n.Body.List {
					c := c.(*ast.CaseClause)
					for _, e := range c.List {
						if n.Tag == nil && refuses(c.Body) {
							never(e)
						}
					}
				}
			case *ast.ReturnStmt:
				for _, e := range n.Results {
					always(e)
				}
			}
			return true
		})
	}
	return found
}

// parts calls f with what an operator joins, be it within what another joins, or with all
// of it.
func parts(all ast.Expr, op token.Token, f func(ast.Expr)) {
	var walk func(e ast.Expr, part bool)
	walk = func(e ast.Expr, part bool) {
		e = ast.Unparen(e)
		b, ok := e.(*ast.BinaryExpr)
		joins := ok && (b.Op == token.LAND || b.Op == token.LOR)
		joined := joins && b.Op == op
		if joins {
			walk(b.X, joined)
			walk(b.Y, joined)
		}
		if part && !joined {
			f(e)
		}
	}
	walk(all, true)
}

// refuses reports whether a body ends by returning what is no success, by making an error
// of one, or in a panic.
func refuses(body []ast.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	switch last := body[len(body)-1].(type) {
	case *ast.ReturnStmt:
		return len(last.Results) > 0 && !succeeds(last.Results[len(last.Results)-1])
	case *ast.AssignStmt:
		to, ok := last.Lhs[len(last.Lhs)-1].(*ast.Ident)
		return ok && (to.Name == "err" || to.Name == "failed") && !succeeds(last.Rhs[len(last.Rhs)-1])
	case *ast.ExprStmt:
		call, ok := last.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		f, ok := call.Fun.(*ast.Ident)
		return ok && f.Name == "panic"
	}
	return false
}

// returns reports whether a body ends by returning something.
func returns(body []ast.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	r, ok := body[len(body)-1].(*ast.ReturnStmt)
	return ok && len(r.Results) > 0
}

// succeeds reports whether a value says that there is nothing wrong.
func succeeds(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true"
	case *ast.BasicLit: // a number is no refusal
		return e.Kind == token.INT
	}
	return false
}

// forwardable reports whether a function can go to its copy: all that it takes has names.
func forwardable(f *ast.FuncDecl) bool {
	lists := []*ast.FieldList{f.Type.Params}
	if f.Recv != nil {
		lists = append(lists, f.Recv)
	}
	for _, list := range lists {
		for _, field := range list.List {
			if len(field.Names) == 0 || slices.ContainsFunc(field.Names, func(n *ast.Ident) bool { return n.Name == "_" }) {
				return false
			}
		}
	}
	return true
}

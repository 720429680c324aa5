package main

import (
	"context"
	"fmt"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// exported is a package that others can import.
type exported struct {
	path  string // below the house's own
	types *types.Package
}

// load reads the packages of a module, as the workspace of its root finds them.
func load(ctx context.Context, root, dir string) ([]exported, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Context: ctx, Dir: filepath.Join(root, filepath.FromSlash(dir)),
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps | packages.NeedExportFile | packages.NeedModule,
		Env:  append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"), "GOFLAGS="),
	}, "./...")
	if err != nil {
		return nil, err
	}
	var all []exported
	for _, p := range loaded {
		for _, e := range p.Errors {
			return nil, e
		}
		if p.Name != "main" && !strings.Contains(p.PkgPath+"/", "/internal/") {
			all = append(all, exported{strings.TrimPrefix(p.PkgPath, strings.TrimSuffix(p.Module.Path, dir)), p.Types})
		}
	}
	return all, nil
}

// describe returns a line for each thing that can be used.
func describe(all []exported) (lines []string) {
	for _, e := range all {
		brief := func(p *types.Package) string {
			if p == e.types {
				return ""
			}
			return p.Name()
		}
		say := func(format string, args ...any) {
			lines = append(lines, e.path+": "+fmt.Sprintf(format, args...))
		}
		for _, name := range e.types.Scope().Names() {
			object := e.types.Scope().Lookup(name)
			if !object.Exported() {
				continue
			}
			switch o := object.(type) {
			case *types.Const:
				say("const %s %s = %s", name, types.TypeString(o.Type(), brief), o.Val().ExactString())
			case *types.TypeName:
				describeType(o, brief, say)
			default:
				say("%s", types.ObjectString(object, brief))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func describeType(o *types.TypeName, brief types.Qualifier, say func(string, ...any)) {
	if o.IsAlias() {
		say("%s", types.ObjectString(o, brief))
		return
	}
	named := o.Type().(*types.Named)
	name := types.TypeString(named, brief)
	if p := named.TypeParams(); p.Len() > 0 {
		var params []string
		for t := range p.TypeParams() {
			params = append(params, t.String()+" "+types.TypeString(t.Constraint(), brief))
		}
		name = o.Name() + "[" + strings.Join(params, ", ") + "]"
	}
	switch under := named.Underlying().(type) {
	case *types.Struct:
		say("type %s struct", name)
		for f := range under.Fields() {
			if f.Exported() {
				say("type %s struct, %s %s", o.Name(), f.Name(), types.TypeString(f.Type(), brief))
			}
		}
	case *types.Interface:
		if !under.IsMethodSet() { // a constraint
			say("type %s %s", name, types.TypeString(under, brief))
			return
		}
		say("type %s interface", name)
		for m := range under.Methods() {
			say("type %s interface, %s%s", o.Name(), m.Name(), strings.TrimPrefix(types.TypeString(m.Type(), brief), "func"))
		}
	default:
		say("type %s %s", name, types.TypeString(under, brief))
	}
	for m := range named.Methods() {
		if m.Exported() {
			say("%s", types.ObjectString(m, brief))
		}
	}
}

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	echofive "github.com/labstack/echo/v5"
	"github.com/passkeys-go/passkeys/chipasskeys"
	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/echopasskeys"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
	"github.com/passkeys-go/passkeys/ginpasskeys"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the OpenAPI document as a test holds requests and answers to it.
type description struct {
	document map[string]any
	// taken is for requests: what the document says. told is for answers, of which it
	// must name each member, so that none goes out that nobody has described.
	taken, told *jsonschema.Compiler
	mu          sync.Mutex
	seen        map[string]bool // operation and status
}

const openAPIFile = "file:///openapi.json"

func newDescription(t testing.TB) *description {
	t.Helper()
	d := &description{seen: map[string]bool{}}
	w := httptest.NewRecorder()
	passkeys.OpenAPI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	compiler := func(closed bool) *jsonschema.Compiler {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if closed {
			closeObjects(document)
		}
		d.document = document.(map[string]any)
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(openAPIFile, document); err != nil {
			t.Fatal(err)
		}
		return c
	}
	d.told, d.taken = compiler(true), compiler(false)
	return d
}

// closeObjects has no object take a member that it does not name.
func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		_, has := s["properties"].(map[string]any)
		if _, says := s["additionalProperties"]; has && !says {
			s["additionalProperties"] = false
		}
		for name, v := range s {
			if name != "not" {
				closeObjects(v)
			}
		}
	case []any:
		for _, v := range s {
			closeObjects(v)
		}
	}
}

// at returns what a JSON pointer names, following references, or nil.
func (d *description) at(pointer ...string) (value any, where []string) {
	value, where = d.document, pointer
	for i, name := range pointer {
		object, _ := value.(map[string]any)
		if value = object[name]; value == nil {
			return nil, nil
		}
		if object, ok := value.(map[string]any); ok && object["$ref"] != nil {
			to := strings.Split(strings.TrimPrefix(object["$ref"].(string), "#/"), "/")
			return d.at(slices.Concat(to, pointer[i+1:])...)
		}
	}
	return value, where
}

// check holds a JSON value to the schema at a place of the document.
func (d *description) check(c *jsonschema.Compiler, value []byte, pointer ...string) error {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	url := openAPIFile + "#"
	for _, name := range pointer {
		url += "/" + escape.Replace(name)
	}
	d.mu.Lock()
	schema, err := c.Compile(url)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(parsed)
}

// operation returns which of the document's a request is for: where its path is, and
// the method. "" is one that it does not know.
func (d *description) operation(r *http.Request) (where, method string) {
	where, staff := strings.CutPrefix(r.URL.Path, "/admin/passkeys")
	if !staff {
		where = strings.TrimPrefix(where, "/auth/passkeys")
	}
	if dir, _ := pathpkg.Split(where); dir == "/credentials/" {
		where = "/credentials/{id}"
	}
	method = strings.ToLower(r.Method)
	operation, _ := d.at("paths", where, method)
	o, ok := operation.(map[string]any)
	if !ok || staff != slices.Contains(o["tags"].([]any), "staff") {
		return "", ""
	}
	return where, method
}

// asDescribed has h answer, and holds what it takes and what it answers to the
// document. Of a row in which a hook answers by itself, or panics, it sees the
// requests only: what those answer is the application's.
func (d *description) asDescribed(t testing.TB, h http.Handler) http.Handler {
	row := pathpkg.Base(t.Name())
	theirs := row == "hook-answer" || row == "hook-panic" || row == "answer-not-json"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		where, method := d.operation(r)
		if where == "" { // a guarded route, or none
			h.ServeHTTP(w, r)
			return
		}
		taken := &remembered{ReadCloser: r.Body}
		r.Body = taken
		told := &copied{ResponseWriter: w}
		h.ServeHTTP(told, r)
		if told.status == 0 { // it panicked, or the client is gone
			return
		}
		if problem := d.exchange(where, method, taken.body.Bytes(), told, theirs); problem != nil {
			t.Errorf("%s %s: %d %s\n%v", r.Method, r.URL.Path, told.status, told.body.Bytes(), problem)
		}
	})
}

// exchange says what of a request that was taken, or of an answer, is not as described.
func (d *description) exchange(where, method string, taken []byte, told *copied, theirs bool) error {
	place := []string{"paths", where, method}
	status := strconv.Itoa(told.status)
	if told.status < 300 && where != "/outcome" { // which answers anything alike
		_, ok := d.at(append(place, "requestBody")...)
		switch required, _ := d.at(append(place, "requestBody", "required")...); {
		case ok == nil, len(taken) == 0 && required == false:
		case len(taken) == 0:
			return fmt.Errorf("took no body")
		default:
			if err := d.check(d.taken, taken, append(place, "requestBody", "content", "application/json", "schema")...); err != nil {
				return fmt.Errorf("took %s: %w", taken, err)
			}
		}
	}
	if theirs {
		return nil
	}
	response, at := d.at(append(place, "responses", status)...)
	if response == nil {
		status = "default"
		if response, at = d.at(append(place, "responses", status)...); response == nil {
			return fmt.Errorf("no such status")
		}
	}
	d.mu.Lock()
	d.seen[method+" "+where+" "+status] = true
	d.mu.Unlock()
	content, _ := response.(map[string]any)["content"].(map[string]any)
	if content == nil {
		if told.body.Len() > 0 {
			return fmt.Errorf("a body")
		}
		return nil
	}
	for name := range content {
		if got, _, err := mime.ParseMediaType(told.Header().Get("Content-Type")); err != nil || got != name {
			return fmt.Errorf("no %s: %q", name, told.Header().Get("Content-Type"))
		}
		if name == "application/json" {
			return d.check(d.told, told.body.Bytes(), append(at, "content", name, "schema")...)
		}
	}
	return nil
}

// remembered is a body, and what was read of it.
type remembered struct {
	io.ReadCloser
	body bytes.Buffer
}

func (b *remembered) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.body.Write(p[:n])
	return n, err
}

// copied is an answer that goes out, and what it was.
type copied struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copied) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}

func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// described is an adapter whose exchanges are held to the document.
func described[C any](d *description, a conformance.Adapter[C]) conformance.Adapter[C] {
	mount := a.Mount
	a.Mount = func(t testing.TB, app conformance.Application[C]) http.Handler {
		return d.asDescribed(t, mount(t, app))
	}
	return a
}

// Everything that the adapter suite exchanges is as the document says, on each router:
// those of docs/routers.md see to it in their own tests. All that the document says is
// exchanged.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	d := newDescription(t)
	exchange := func(x passkeys.Exchange) passkeys.Exchange { return x }
	colons := strings.NewReplacer("{", ":", "}", "")
	must := func(t testing.TB, errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("ServeMux", func(t *testing.T) {
		conformance.TestAdapter(t, described(d, conformance.Adapter[passkeys.Exchange]{
			Exchange: exchange, RequestOperation: passkeys.Exchange.RequestOperation,
			Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
				mux := http.NewServeMux()
				h, err := passkeys.Handler(app.Find, app.Hooks)
				staff, errStaff := passkeys.AdminHandler(app.Find, app.AdminHooks)
				must(t, err, errStaff, passkeys.MountWellKnown(mux, app.Find))
				mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", h))
				mux.Handle("/admin/passkeys/", http.StripPrefix("/admin/passkeys", staff))
				for _, g := range app.Guarded {
					mux.Handle(g.Method+" "+g.Path, guarded(app, g))
				}
				return mux
			},
		}))
	})
	t.Run("Chi", func(t *testing.T) {
		conformance.TestAdapter(t, described(d, conformance.Adapter[passkeys.Exchange]{
			Exchange: exchange, RequestOperation: chipasskeys.RequestOperation,
			Mount: func(t testing.TB, app conformance.Application[passkeys.Exchange]) http.Handler {
				r := chi.NewRouter()
				r.Route("/auth/passkeys", func(r chi.Router) { must(t, chipasskeys.Mount(r, app.Find, app.Hooks)) })
				r.Route("/admin/passkeys", func(r chi.Router) { must(t, chipasskeys.MountAdmin(r, app.Find, app.AdminHooks)) })
				must(t, chipasskeys.MountWellKnown(r, app.Find))
				for _, g := range app.Guarded {
					r.With(chipasskeys.Require(app.Find, app.Hooks, g.Guard)).MethodFunc(g.Method, g.Path, func(w http.ResponseWriter, r *http.Request) {
						g.Handler(passkeys.Exchange{W: w, R: r})
					})
				}
				return r
			},
		}))
	})
	t.Run("Gin", func(t *testing.T) {
		conformance.TestAdapter(t, described(d, conformance.Adapter[*gin.Context]{
			Exchange:         func(c *gin.Context) passkeys.Exchange { return passkeys.Exchange{W: c.Writer, R: c.Request} },
			RequestOperation: ginpasskeys.RequestOperation,
			Mount: func(t testing.TB, app conformance.Application[*gin.Context]) http.Handler {
				r := gin.New()
				must(t, ginpasskeys.Mount(r.Group("/auth/passkeys"), app.Find, app.Hooks),
					ginpasskeys.MountAdmin(r.Group("/admin/passkeys"), app.Find, app.AdminHooks), ginpasskeys.MountWellKnown(r, app.Find))
				for _, g := range app.Guarded {
					r.Handle(g.Method, colons.Replace(g.Path), ginpasskeys.Require(app.Find, app.Hooks, g.Guard), g.Handler)
				}
				return r
			},
		}))
	})
	t.Run("Echo 4", func(t *testing.T) {
		conformance.TestAdapter(t, described(d, conformance.Adapter[echo.Context]{
			Exchange:         func(c echo.Context) passkeys.Exchange { return passkeys.Exchange{W: c.Response(), R: c.Request()} },
			RequestOperation: echopasskeys.RequestOperation,
			Mount: func(t testing.TB, app conformance.Application[echo.Context]) http.Handler {
				e := echo.New()
				must(t, echopasskeys.Mount(e.Group("/auth/passkeys"), app.Find, app.Hooks),
					echopasskeys.MountAdmin(e.Group("/admin/passkeys"), app.Find, app.AdminHooks), echopasskeys.MountWellKnown(e, app.Find))
				for _, g := range app.Guarded {
					e.Add(g.Method, colons.Replace(g.Path), func(c echo.Context) error {
						g.Handler(c)
						return nil
					}, echopasskeys.Require(app.Find, app.Hooks, g.Guard))
				}
				return e
			},
		}))
	})
	t.Run("Echo 5", func(t *testing.T) {
		conformance.TestAdapter(t, described(d, conformance.Adapter[*echofive.Context]{
			Exchange:         func(c *echofive.Context) passkeys.Exchange { return passkeys.Exchange{W: c.Response(), R: c.Request()} },
			RequestOperation: echo5.RequestOperation,
			Mount: func(t testing.TB, app conformance.Application[*echofive.Context]) http.Handler {
				e := echofive.New()
				must(t, echo5.Mount(e.Group("/auth/passkeys"), app.Find, app.Hooks),
					echo5.MountAdmin(e.Group("/admin/passkeys"), app.Find, app.AdminHooks), echo5.MountWellKnown(e, app.Find))
				for _, g := range app.Guarded {
					e.Add(g.Method, colons.Replace(g.Path), func(c *echofive.Context) error {
						g.Handler(c)
						return nil
					}, echo5.Require(app.Find, app.Hooks, g.Guard))
				}
				return e
			},
		}))
	})
	var unseen []string
	for where, operations := range d.document["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for status := range operation.(map[string]any)["responses"].(map[string]any) {
				if name := method + " " + where + " " + status; !d.seen[name] && status != "default" {
					unseen = append(unseen, name)
				}
			}
		}
	}
	slices.Sort(unseen)
	if len(unseen) > 0 {
		t.Errorf("the suite gets none of these: %v", unseen)
	}
}

// The examples of the document are what it describes, on either side.
func TestOpenAPIExamples(t *testing.T) {
	d := newDescription(t)
	held := 0
	var walk func(value any, place []string)
	walk = func(value any, place []string) {
		if list, ok := value.([]any); ok {
			for i, v := range list {
				walk(v, append(slices.Clone(place), strconv.Itoa(i)))
			}
		}
		object, _ := value.(map[string]any)
		var examples []any
		if example, ok := object["example"]; ok {
			examples = append(examples, example)
		}
		more, _ := object["examples"].(map[string]any)
		for _, e := range more {
			examples = append(examples, e.(map[string]any)["value"])
		}
		for _, e := range examples {
			raw, err := json.Marshal(e)
			if err == nil {
				err = d.check(d.told, raw, append(slices.Clone(place), "schema")...)
			}
			if err != nil {
				t.Errorf("%v: %s: %v", place, raw, err)
			}
			held++
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if name != "example" && name != "examples" {
				walk(object[name], append(slices.Clone(place), name))
			}
		}
	}
	walk(d.document, nil)
	if held < 40 {
		t.Errorf("%d examples", held)
	}
}

// The document is an OpenAPI 3.1 document, by the specification's own schema.
func TestOpenAPIIsOpenAPI(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "..", "tools", "web", "node_modules", "@apidevtools", "openapi-schemas", "schemas", "v3.1", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	specification, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///specification.json", specification); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("file:///specification.json")
	if err != nil {
		t.Fatal(err)
	}
	document := newDescription(t).document
	if err := schema.Validate(document); err != nil {
		t.Error(err)
	}
	delete(document["paths"].(map[string]any)["/signals"].(map[string]any)["get"].(map[string]any), "responses")
	document["openapi"] = "3.0.0"
	if schema.Validate(document) == nil {
		t.Error("it takes anything")
	}
}

// What the client's types say of an answer is what the document says of it.
func TestOpenAPIHoldsTheTypes(t *testing.T) {
	d := newDescription(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	source := &strings.Builder{}
	fmt.Fprintf(source, "import type { Code, Confirm, Confirmed, LocalCode, Passkey, Registered, ServerCode, SignedIn } from '%s/core/client/client.js';\n", filepath.ToSlash(root))
	source.WriteString("type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;\n")
	source.WriteString("type None<T> = [T] extends [never] ? true : false;\n")
	for _, name := range []string{"Confirm", "Confirmed", "Passkey", "Registered", "SignedIn"} {
		wire := d.typeScript(map[string]any{"$ref": "#/components/schemas/" + name})
		if name == "Confirmed" { // of which the one with a cookie, and no proof, is written out
			wire = "Required<" + wire + ">"
		}
		fmt.Fprintf(source, "export const the%s: Same<%s, %s> = true;\n", name, name, wire)
	}
	var codes []string
	for _, response := range d.document["components"].(map[string]any)["responses"].(map[string]any) {
		content, _ := response.(map[string]any)["content"].(map[string]any)
		media, _ := content["application/json"].(map[string]any)
		examples, _ := media["examples"].(map[string]any)
		for code := range examples {
			codes = append(codes, strconv.Quote(code))
		}
	}
	outcome := d.typeScript(map[string]any{"$ref": "#/components/schemas/Outcome"})
	fmt.Fprintf(source, "type Codes = %s;\ntype Outcome = %s;\n", strings.Join(codes, " | "), outcome)
	// The client gives its own word for wrong_origin to a page.
	source.WriteString("export const eachCode: None<Exclude<Codes, Code | 'wrong_origin'>> = true;\n")
	source.WriteString("export const noOther: None<Exclude<ServerCode, Codes>> = true;\n")
	source.WriteString("export const eachOutcome: None<Exclude<Outcome['outcome'], LocalCode>> = true;\n")

	file := filepath.Join(t.TempDir(), "wire.ts")
	if err := os.WriteFile(file, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	tsc := filepath.Join(root, "tools", "web", "node_modules", ".bin", "tsc")
	if out, err := exec.Command(tsc, "--ignoreConfig", "--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--types", "", file).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s\n%s", err, out, source)
	}
}

// typeScript is a schema as a type.
func (d *description) typeScript(schema map[string]any) string {
	if to, ok := schema["$ref"].(string); ok {
		value, _ := d.at(strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
		return d.typeScript(value.(map[string]any))
	}
	if only, ok := schema["const"]; ok {
		return fmt.Sprintf("%#v", only)
	}
	if all, ok := schema["enum"].([]any); ok {
		var literals []string
		for _, v := range all {
			literals = append(literals, fmt.Sprintf("%#v", v))
		}
		return strings.Join(literals, " | ")
	}
	var types []string
	switch is := schema["type"].(type) {
	case string:
		types = []string{is}
	case []any:
		for _, v := range is {
			types = append(types, v.(string))
		}
	}
	for i, is := range types {
		switch is {
		case "integer":
			types[i] = "number"
		case "array":
			types[i] = "Array<" + d.typeScript(schema["items"].(map[string]any)) + ">"
		case "object":
			required, _ := schema["required"].([]any)
			var members []string
			for name, member := range schema["properties"].(map[string]any) {
				mark := "?"
				if slices.Contains(required, any(name)) {
					mark = ""
				}
				members = append(members, fmt.Sprintf("%q%s: %s", name, mark, d.typeScript(member.(map[string]any))))
			}
			types[i] = "{ " + strings.Join(members, "; ") + " }"
		}
	}
	return strings.Join(types, " | ")
}

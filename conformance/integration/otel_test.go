package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	echofive "github.com/labstack/echo/v5"
	"github.com/passkeys-go/passkeys/chipasskeys"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/otelpasskeys"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/echopasskeys"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
	"github.com/passkeys-go/passkeys/ginpasskeys"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// telemetry is what an application would export.
type telemetry struct {
	observer *otelpasskeys.Observer
	reader   *sdkmetric.ManualReader
	spans    *tracetest.SpanRecorder
	tracers  *sdktrace.TracerProvider
}

func newTelemetry(t testing.TB) *telemetry {
	t.Helper()
	o := &telemetry{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	o.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))
	var err error
	if o.observer, err = otelpasskeys.New(otelpasskeys.WithTracerProvider(o.tracers), otelpasskeys.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader)))); err != nil {
		t.Fatal(err)
	}
	return o
}

// observed is how often which attributes were exported, of each instrument by its name
// and unit.
func (o *telemetry) observed(t testing.TB) map[string]map[string]int {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	observed := map[string]map[string]int{}
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != otelpasskeys.ScopeName || scope.Scope.Version == "" {
			t.Errorf("the scope is %q %q", scope.Scope.Name, scope.Scope.Version)
		}
		for _, m := range scope.Metrics {
			points := map[string]int{}
			observed[m.Name+" "+m.Unit] = points
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					points[words(p.Attributes.ToSlice())] = int(p.Count)
					if p.Sum <= 0 {
						t.Errorf("%s: %v in %d steps", m.Name, p.Sum, p.Count)
					}
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					points[words(p.Attributes.ToSlice())] = int(p.Value)
				}
				if !data.IsMonotonic {
					t.Errorf("%s is no counter", m.Name)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return observed
}

func words(attributes []attribute.KeyValue) string {
	var all []string
	for _, a := range attributes {
		all = append(all, string(a.Key)+"="+a.Value.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// watched is a relying party whose steps are observed, and a client of its routes.
func watched(t testing.TB, o passkeys.Observer, configure ...func(*passkeys.Config)) (*passkeys.Passkeys, http.Handler) {
	t.Helper()
	cfg := passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{origin}, Credentials: passkeys.NewMemoryCredentials(),
		Secret: secret, Logger: silent(), Observer: o, SignCountPolicy: passkeys.FlagDisable,
	}
	for _, f := range configure {
		f(&cfg)
	}
	p, err := passkeys.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser:  func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "alice", Name: "alice"}, nil },
		FindUser: func(passkeys.Exchange, string) (string, error) { return "", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, handler
}

func TestOpenTelemetryMetrics(t *testing.T) {
	o := newTelemetry(t)
	clock := passkeytest.NewClock(time.Time{})
	p, handler := watched(t, o.observer, func(c *passkeys.Config) { c.Now = clock.Now })
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := passkeytest.New(origin)
	must(register(ctx, p, a, "alice"))
	clone := a.Clone()
	must(signInOnce(ctx, p, a))
	clock.Advance(time.Second)
	must(signInOnce(ctx, p, a))
	clock.Advance(time.Second)
	if err := signInOnce(ctx, p, clone); err == nil {
		t.Fatal("a clone signs in")
	}
	list, err := p.Credentials(ctx, "alice")
	must(err)
	must(p.Restore(ctx, "alice", list[0].ID))
	must(p.Rename(ctx, "alice", list[0].ID, "Phone"))
	must(p.Rename(ctx, "alice", list[0].ID, "Phone")) // which changes nothing
	must(p.Admin("desk/anna").Revoke(ctx, "alice", list[0].ID))
	r := httptest.NewRequest(http.MethodPost, "/outcome", strings.NewReader(`{"mode":"conditional","outcome":"cancelled","ms":1840}`))
	r.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(httptest.NewRecorder(), r)

	want := map[string]map[string]int{
		"passkeys.ceremony.duration s": {
			"passkeys.ceremony=registration passkeys.mode=registration passkeys.step=begin":                                    1,
			"passkeys.ceremony=registration passkeys.mode=registration passkeys.step=finish":                                   1,
			"passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=begin":                                  3,
			"passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=finish":                                 2,
			"error.type=sign_count_regressed passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=finish": 1,
		},
		"passkeys.client.outcomes {outcome}": {
			"passkeys.ceremony=authentication passkeys.client.duration_class=lt_2s passkeys.client.outcome=cancelled passkeys.mode=conditional": 1,
		},
		"passkeys.credential.changes {change}": {
			"passkeys.change=added": 1, "passkeys.change=quarantined": 1, "passkeys.change=restored": 1, "passkeys.change=renamed": 1, "passkeys.change=revoked": 1,
		},
	}
	if got := o.observed(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// The steps are spans below the framework's, on each router, and the database's are
// below them.
func TestOpenTelemetrySpans(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	alice := passkeys.User{ID: "alice", Name: "alice"}
	for _, row := range []struct {
		router string
		mount  func(*passkeys.Passkeys) (http.Handler, error)
	}{
		{"net/http", func(p *passkeys.Passkeys) (http.Handler, error) {
			return passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }})
		}},
		{"Chi", func(p *passkeys.Passkeys) (http.Handler, error) {
			r := chi.NewRouter()
			return r, chipasskeys.Mount(r, p, chipasskeys.Hooks{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }})
		}},
		{"Gin", func(p *passkeys.Passkeys) (http.Handler, error) {
			r := gin.New()
			return r, ginpasskeys.Mount(r.Group(""), p, ginpasskeys.Hooks{GetUser: func(*gin.Context) (passkeys.User, error) { return alice, nil }})
		}},
		{"Echo 4", func(p *passkeys.Passkeys) (http.Handler, error) {
			e := echo.New()
			return e, echopasskeys.Mount(e.Group(""), p, echopasskeys.Hooks{GetUser: func(echo.Context) (passkeys.User, error) { return alice, nil }})
		}},
		{"Echo 5", func(p *passkeys.Passkeys) (http.Handler, error) {
			e := echofive.New()
			return e, echo5.Mount(e.Group(""), p, echo5.Hooks{GetUser: func(*echofive.Context) (passkeys.User, error) { return alice, nil }})
		}},
	} {
		t.Run(row.router, func(t *testing.T) {
			o := newTelemetry(t)
			inside := &spanned{CredentialRepository: passkeys.NewMemoryCredentials()}
			p, _ := watched(t, o.observer, func(c *passkeys.Config) { c.Credentials = inside })
			handler, err := row.mount(p)
			if err != nil {
				t.Fatal(err)
			}
			a := passkeytest.New(origin)
			if err := register(t.Context(), p, a, "alice"); err != nil {
				t.Fatal(err)
			}
			o.spans.Reset()
			post := func(path, body string) []byte {
				ctx, span := o.tracers.Tracer("the framework's").Start(t.Context(), "POST "+path, trace.WithSpanKind(trace.SpanKindServer))
				defer span.End()
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w.Body.Bytes()
			}
			begun := post("/authenticate/begin", "")
			credential, err := a.Get(begun)
			if err != nil {
				t.Fatal(err)
			}
			var state struct{ State string }
			if err := json.Unmarshal(begun, &state); err != nil {
				t.Fatal(err)
			}
			finish := fmt.Sprintf(`{"state":%q,"credential":%s}`, state.State, credential)
			post("/authenticate/finish", finish)
			store := inside.last
			post("/authenticate/finish", finish)
			ended := o.spans.Ended()
			if len(ended) != 6 {
				t.Fatalf("%d spans", len(ended))
			}
			for i, want := range []string{
				"passkeys.authentication.begin: passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=begin",
				"passkeys.authentication.finish: passkeys.authenticator=other passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=finish",
				"passkeys.authentication.finish: error.type=challenge_spent passkeys.ceremony=authentication passkeys.mode=usernameless passkeys.step=finish",
			} {
				span, parent := ended[2*i], ended[2*i+1]
				if got := span.Name() + ": " + words(span.Attributes()); got != want || span.SpanKind() != trace.SpanKindInternal {
					t.Errorf("got  %s (%s)\nwant %s", got, span.SpanKind(), want)
				}
				if span.Parent().SpanID() != parent.SpanContext().SpanID() {
					t.Errorf("%s is not below the framework's", span.Name())
				}
				if failed := strings.Contains(want, "error.type"); (span.Status().Code == codes.Error) != failed || failed && span.Status().Description != "challenge_spent" {
					t.Errorf("%s: the status is %+v", want, span.Status())
				}
			}
			if store != ended[2].SpanContext().SpanID() {
				t.Error("the store is not asked below the step")
			}
		})
	}
}

// spanned remembers in which span it was asked last.
type spanned struct {
	passkeys.CredentialRepository
	last trace.SpanID
}

func (s *spanned) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	s.last = trace.SpanContextFromContext(ctx).SpanID()
	return s.CredentialRepository.Get(ctx, id)
}

// Whatever clients send, no value is exported that core does not name.
func TestOpenTelemetryExportsClosedSets(t *testing.T) {
	known := map[string]map[string]bool{
		"error.type": coreWords(t, "Reason"), "passkeys.ceremony": coreWords(t, "CeremonyName"), "passkeys.step": coreWords(t, "StepName"),
		"passkeys.mode": coreWords(t, "Mode"), "passkeys.client.outcome": coreWords(t, "ClientCode"),
		"passkeys.client.duration_class": coreWords(t, "DurationClass"), "passkeys.change": coreWords(t, "Change"),
	}
	if n := len(known["error.type"]); n < 45 {
		t.Fatalf("found %d reasons", n)
	}
	// Spans have the same attributes, and 100,000 of them a test's memory.
	o := &telemetry{reader: sdkmetric.NewManualReader()}
	observer, err := otelpasskeys.New(otelpasskeys.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader))))
	if err != nil {
		t.Fatal(err)
	}
	p, handler := watched(t, observer)
	a := synced()
	if err := register(t.Context(), p, a, "alice"); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(11, 11))
	var seeds []string
	for range 20 {
		r, err := answered(t.Context(), p, a)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, fmt.Sprintf(`{"state":%q,"credential":%s}`, r.State, r.Credential))
	}
	seeds = append(seeds, "", "{}", `{"username":"alice"}`, `{"userId":"alice"}`, `{"mode":"conditional"}`, `{"mode":"immediate"}`, `{"mode":"evil"}`,
		`{"mediation":"conditional","grant":"x"}`, `{"request":"x"}`, `{"mode":"conditional","outcome":"cancelled","ms":1840}`, `{"mode":"evil","outcome":"evil","ms":1e9}`)
	paths := []string{"/register/begin", "/register/finish", "/authenticate/begin", "/authenticate/finish", "/confirm/begin", "/confirm/finish", "/outcome", "/outcome"}
	const alphabet = `abc"{}[]:,0\ é`
	requests := 100_000
	if testing.Short() {
		requests = 1000
	}
	for range requests {
		body := []byte(seeds[random.IntN(len(seeds))])
		for range random.IntN(4) {
			if len(body) > 0 {
				body[random.IntN(len(body))] = alphabet[random.IntN(len(alphabet))]
			}
		}
		r := httptest.NewRequest(http.MethodPost, paths[random.IntN(len(paths))], strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		if random.IntN(20) == 0 {
			r.Header.Set("Origin", "https://evil.example")
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	series := 0
	for instrument, points := range o.observed(t) {
		for point := range points {
			series++
			for _, a := range strings.Split(point, " ") {
				name, value, _ := strings.Cut(a, "=")
				if !known[name][value] {
					t.Errorf("%s: %s is %q", instrument, name, value)
				}
			}
		}
	}
	if series < 20 { // 29 to 33: what breaks first of a body is chance
		t.Errorf("only %d series", series)
	}
}

// coreWords are the values of core's constants of this type.
func coreWords(t *testing.T, typ string) map[string]bool {
	t.Helper()
	values, aliases := map[string]bool{}, map[string]string{}
	for _, dir := range []string{"core/internal/engine", "core"} {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 {
					return true
				}
				switch value := spec.Values[0].(type) {
				case *ast.BasicLit:
					text, _ := strconv.Unquote(value.Value)
					if is, ok := spec.Type.(*ast.Ident); ok && is.Name == typ && dir == "core" {
						values[text] = true
					}
					aliases[spec.Names[0].Name] = text
				case *ast.SelectorExpr:
					if is, ok := spec.Type.(*ast.Ident); ok && is.Name == typ {
						values[aliases[value.Sel.Name]] = true
					}
				}
				return true
			})
		}
	}
	return values
}

// BenchmarkOpenTelemetry is a sign-in over HTTP, begin and finish, that is observed, in
// sign-ins that nobody observes, the passkeys in PostgreSQL: with metrics alone, and with each span recorded as well,
// by an SDK whose exporters cost nothing. They are measured in turn in one loop, and go by
// their medians.
func BenchmarkOpenTelemetry(b *testing.B) {
	meters := func() otelpasskeys.Option {
		return otelpasskeys.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(discarding{}))
	postgresql := engines[slices.IndexFunc(engines, func(e engine) bool { return e.name == "postgresql" })]
	type client struct {
		url string
		a   *passkeytest.Authenticator
	}
	clients := map[string]client{}
	for name, options := range map[string][]otelpasskeys.Option{"": nil, "metrics": {meters()}, "metrics-and-spans": {meters(), otelpasskeys.WithTracerProvider(tracers)}} {
		var o passkeys.Observer
		if options != nil {
			observer, err := otelpasskeys.New(options...)
			if err != nil {
				b.Fatal(err)
			}
			o = observer
		}
		p, handler := watched(b, o, func(c *passkeys.Config) { c.Credentials = postgresql.stores(b).credentials })
		server := httptest.NewServer(handler)
		b.Cleanup(server.Close)
		clients[name] = client{server.URL, synced()}
		if err := register(b.Context(), p, clients[name].a, "alice"); err != nil {
			b.Fatal(err)
		}
	}
	post := func(url, body string) []byte {
		answer, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		defer answer.Body.Close()
		all, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: %d %s, %v", url, answer.StatusCode, all, err)
		}
		return all
	}
	took := map[string][]float64{}
	for b.Loop() {
		for name, c := range clients {
			start := time.Now()
			begun := post(c.url+"/authenticate/begin", "{}")
			begin := time.Since(start)
			credential, err := c.a.Get(begun)
			if err != nil {
				b.Fatal(err)
			}
			var state struct{ State string }
			if err := json.Unmarshal(begun, &state); err != nil {
				b.Fatal(err)
			}
			finish := fmt.Sprintf(`{"state":%q,"credential":%s}`, state.State, credential)
			start = time.Now()
			post(c.url+"/authenticate/finish", finish)
			took[name] = append(took[name], float64(begin+time.Since(start)))
		}
	}
	for name := range took {
		if name != "" {
			b.ReportMetric(median(took[name])/median(took[""]), name+"-sign-ins")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// discarding is an exporter that costs nothing.
type discarding struct{}

func (discarding) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discarding) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (discarding) Shutdown(context.Context) error                  { return nil }
func (discarding) ForceFlush(context.Context) error                { return nil }

// Package otelpasskeys has OpenTelemetry see what package passkeys does
// (github.com/passkeys-go/passkeys/core): spans and metrics of the ceremonies, of the
// prompts that browsers show, and of what becomes of passkeys.
//
//	observer, err := otelpasskeys.New()
//	if err != nil {
//		return err
//	}
//	p, err := passkeys.New(passkeys.Config{
//		…
//		Observer: observer,
//	})
//
// With it the routes have POST /outcome, to which client.js says how a prompt ended of
// which the server would hear nothing.
//
// # Metrics
//
//	passkeys.ceremony.duration   histogram, s          each step of each ceremony
//	    passkeys.ceremony        registration, authentication, confirmation
//	    passkeys.step            begin, finish, use
//	    passkeys.mode            a passkeys.Mode; absent where the step failed before it was known
//	    error.type               a passkeys.Reason, of a step that failed
//	passkeys.client.outcomes     counter, {outcome}    each prompt that ended without an answer
//	    passkeys.ceremony, passkeys.mode
//	    passkeys.client.outcome  a passkeys.ClientCode
//	    passkeys.client.duration_class  lt_2s, lt_20s, ge_20s
//	passkeys.credential.changes  counter, {change}     each passkey that was added, renamed, …
//	    passkeys.change          a passkeys.Change
//
// Every value is one of a closed set that package passkeys names, whatever clients send:
// the number of time series is bounded. Outcomes can be posted by anybody, so how many
// there are is not to be relied on.
//
// # Spans
//
// Each step is a span, such as passkeys.authentication.finish, of kind internal, below
// the one that the framework's instrumentation has begun (otelhttp, otelgin, …) and above
// those of the database's. It has the attributes of the metric; passkeys.authenticator,
// the name of what made the passkey, or other, once its response was verified; and of a
// confirmation passkeys.operation, the name that the application gives what is confirmed. A
// step that failed has the status Error, with the reason. No user, no id of a passkey, no
// origin and nothing else that a client has sent is in any of them.
package otelpasskeys

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the name of the instrumentation scope. Its version is that of the module
// in the program that runs.
const ScopeName = "github.com/passkeys-go/passkeys/core/otelpasskeys"

// Observer is a [passkeys.Observer], a [passkeys.ClientObserver] and a
// [passkeys.ChangeObserver]. Make one with [New]. It is safe for concurrent use.
type Observer struct {
	tracer   trace.Tracer
	duration metric.Float64Histogram
	outcomes metric.Int64Counter
	changes  metric.Int64Counter

	ends sync.Map // of end by ended: each series is made once
}

// ended is how a step ended, as far as metrics tell it apart. All of it is of closed sets.
type ended struct {
	passkeys.Step
	mode   passkeys.Mode
	reason passkeys.Reason
}

type end struct {
	attributes []attribute.KeyValue
	record     []metric.RecordOption
}

var (
	_ passkeys.Observer       = (*Observer)(nil)
	_ passkeys.ClientObserver = (*Observer)(nil)
	_ passkeys.ChangeObserver = (*Observer)(nil)
)

// Option is for [New].
type Option func(*config)

type config struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
}

// WithTracerProvider has spans go to another provider than otel.GetTracerProvider's.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) { c.tracers = p }
}

// WithMeterProvider has metrics go to another provider than otel.GetMeterProvider's.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) { c.meters = p }
}

// New returns an observer, or the provider's error where it makes no instruments.
func New(options ...Option) (*Observer, error) {
	c := config{otel.GetTracerProvider(), otel.GetMeterProvider()}
	for _, option := range options {
		option(&c)
	}
	meter := c.meters.Meter(ScopeName, metric.WithInstrumentationVersion(version()))
	o := &Observer{tracer: c.tracers.Tracer(ScopeName, trace.WithInstrumentationVersion(version()))}
	var err error
	if o.duration, err = meter.Float64Histogram("passkeys.ceremony.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of a step of a ceremony."),
		// A finish is a signature check and two statements; what takes longer waits for
		// the store.
		metric.WithExplicitBucketBoundaries(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)); err != nil {
		return nil, err
	}
	if o.outcomes, err = meter.Int64Counter("passkeys.client.outcomes",
		metric.WithUnit("{outcome}"), metric.WithDescription("Prompts of browsers that ended without an answer.")); err != nil {
		return nil, err
	}
	if o.changes, err = meter.Int64Counter("passkeys.credential.changes",
		metric.WithUnit("{change}"), metric.WithDescription("Passkeys that were added, renamed, revoked, quarantined or restored.")); err != nil {
		return nil, err
	}
	return o, nil
}

// version is that of this module in the program that runs.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == ScopeName {
				return m.Version
			}
		}
	}
	return "(devel)"
}

// Observe implements [passkeys.Observer].
func (o *Observer) Observe(ctx context.Context, s passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	start := time.Now()
	ctx, span := o.tracer.Start(ctx, "passkeys."+string(s.Ceremony)+"."+string(s.Name))
	return ctx, func(outcome passkeys.Outcome) {
		e := o.end(ended{s, outcome.Mode, outcome.Reason})
		o.duration.Record(ctx, time.Since(start).Seconds(), e.record...)
		if span.IsRecording() {
			span.SetAttributes(e.attributes...)
			if outcome.Reason != "" {
				span.SetStatus(codes.Error, string(outcome.Reason))
			}
			if outcome.Authenticator != "" {
				span.SetAttributes(attribute.String("passkeys.authenticator", outcome.Authenticator))
			}
			if outcome.Operation != "" {
				span.SetAttributes(attribute.String("passkeys.operation", outcome.Operation))
			}
		}
		span.End()
	}
}

func (o *Observer) end(key ended) end {
	if e, ok := o.ends.Load(key); ok {
		return e.(end)
	}
	attributes := []attribute.KeyValue{attribute.String("passkeys.ceremony", string(key.Ceremony)), attribute.String("passkeys.step", string(key.Name))}
	if key.mode != "" {
		attributes = append(attributes, attribute.String("passkeys.mode", string(key.mode)))
	}
	if key.reason != "" {
		attributes = append(attributes, attribute.String("error.type", string(key.reason)))
	}
	// The set sorts what it is made of.
	e := end{attributes, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes...))}}
	o.ends.Store(key, e)
	return e
}

// ObserveClient implements [passkeys.ClientObserver].
func (o *Observer) ObserveClient(ctx context.Context, c passkeys.ClientOutcome) {
	o.outcomes.Add(ctx, 1, metric.WithAttributes(
		attribute.String("passkeys.ceremony", string(c.Ceremony)), attribute.String("passkeys.mode", string(c.Mode)),
		attribute.String("passkeys.client.outcome", string(c.Code)), attribute.String("passkeys.client.duration_class", string(c.Duration)),
	))
}

// ObserveChange implements [passkeys.ChangeObserver].
func (o *Observer) ObserveChange(ctx context.Context, c passkeys.Change) {
	o.changes.Add(ctx, 1, metric.WithAttributes(attribute.String("passkeys.change", string(c))))
}

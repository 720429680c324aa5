package otelpasskeys_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/otelpasskeys"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	tracing "go.opentelemetry.io/otel/trace/noop"
)

// What is exported is tested where the SDK is, which an importer of this module need not
// have: in conformance/integration.

// broken makes no instrument of this name.
type broken struct {
	noop.Meter
	name string
}

type provider struct {
	noop.MeterProvider
	meter metric.Meter
}

func (p provider) Meter(string, ...metric.MeterOption) metric.Meter { return p.meter }

func (b broken) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return noop.Float64Histogram{}, b.made(name)
}

func (b broken) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return noop.Int64Counter{}, b.made(name)
}

var errInstrument = errors.New("no such instrument")

func (b broken) made(name string) error {
	if name == b.name {
		return errInstrument
	}
	return nil
}

func TestNewFailsWhereAnInstrumentDoes(t *testing.T) {
	for _, name := range []string{"passkeys.ceremony.duration", "passkeys.client.outcomes", "passkeys.credential.changes"} {
		if o, err := otelpasskeys.New(otelpasskeys.WithMeterProvider(provider{meter: broken{name: name}})); o != nil || !errors.Is(err, errInstrument) {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

// In earnest, the providers are those of an SDK, and may be left out where they are the
// global ones.
func ExampleNew() {
	observer, err := otelpasskeys.New(
		otelpasskeys.WithTracerProvider(tracing.NewTracerProvider()),
		otelpasskeys.WithMeterProvider(noop.NewMeterProvider()),
	)
	if err != nil {
		panic(err)
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Secret: []byte("32 bytes that are not random now"),
		Observer: observer,
	})
	if err != nil {
		panic(err)
	}
	_, err = p.BeginAuthentication(context.Background(), passkeys.AuthenticationRequest{})
	fmt.Println(err)
	// Output: <nil>
}

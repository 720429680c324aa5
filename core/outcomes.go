package passkeys

import (
	"context"
	"net/http"
	"strconv"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// ClientObserver is an [Observer] that also hears how prompts ended from which
// nothing came back: that a user dismissed one is seen by the page alone. Where
// Config.Observer is one, there is the route POST /outcome, for
//
//	{"mode":"conditional","outcome":"cancelled","ms":1840}
//
// which anybody can post anything to, and which is of no user and no session. What
// is told comes from closed sets, so that each value can label a metric; but how
// often is not to be relied on, nor is it for the audit.
type ClientObserver interface {
	// ObserveClient is called on the goroutine that serves the request, by many at
	// once. ctx is the request's, without a user or a session of ours in it.
	ObserveClient(ctx context.Context, o ClientOutcome)
}

// ClientOutcome is how a prompt ended, as the page saw it.
type ClientOutcome struct {
	Ceremony CeremonyName
	Mode     Mode // which the ceremony follows from
	Code     ClientCode
	Duration DurationClass // from the call of the browser's function to its end
}

// ClientCode is what became of a prompt: the code that the client gives to a page.
type ClientCode string

// The codes, and the exceptions of WebAuthn L3 §5.1.3 and §5.1.4 that they are for.
const (
	ClientCancelled               ClientCode = "cancelled"                // NotAllowedError, which is also a timeout
	ClientNoneAvailable           ClientCode = "none_available"           // NotAllowedError at once, under ModeImmediate
	ClientAlreadyRegistered       ClientCode = "already_registered"       // InvalidStateError
	ClientAuthenticatorUnsuitable ClientCode = "authenticator_unsuitable" // ConstraintError
	ClientUnsupported             ClientCode = "unsupported"              // NotSupportedError, or there is no such function
	ClientWrongSite               ClientCode = "wrong_site"               // SecurityError
	ClientBadOptions              ClientCode = "bad_options"              // TypeError, EncodingError
	ClientAuthenticatorFailed     ClientCode = "authenticator_failed"     // UnknownError, and all others
	ClientNetwork                 ClientCode = "network"                  // begin or finish was not answered
)

func (c ClientCode) known() bool {
	switch c {
	case ClientCancelled, ClientNoneAvailable, ClientAlreadyRegistered, ClientAuthenticatorUnsuitable, ClientUnsupported,
		ClientWrongSite, ClientBadOptions, ClientAuthenticatorFailed, ClientNetwork:
		return true
	}
	return false
}

// DurationClass is how long a prompt was open: dismissed at a glance, ended in the
// time that it takes to use a passkey, or struggled with.
type DurationClass string

// The classes.
const (
	DurationUnder2s  DurationClass = "lt_2s"
	DurationUnder20s DurationClass = "lt_20s"
	DurationFrom20s  DurationClass = "ge_20s"
)

// durationClass returns the class of a JSON number of milliseconds, and whether it
// can be one.
func durationClass(number []byte) (DurationClass, bool) {
	switch ms, err := strconv.ParseFloat(string(number), 64); {
	case err != nil || ms < 0:
		return "", false
	case ms < 2_000:
		return DurationUnder2s, true
	case ms < 20_000:
		return DurationUnder20s, true
	}
	return DurationFrom20s, true
}

const maxOutcome = 256 // bytes

// outcome passes on what the page of a prompt says. Whoever posts is told nothing
// by the answer, which is always the same: not who listens, nor what for.
func (t *table[C]) outcome(c C, w http.ResponseWriter, r *http.Request) {
	ctx := ensureRequestID(r.Context())
	p, err := t.find(ctx, c)
	if answered(w) {
		return
	}
	if err == nil {
		q := request{p: p, w: w, r: r, rule: requiredBody, most: maxOutcome, route: "/outcome", client: t.client(c, r)}
		if observer, ok := p.cfg.Observer.(ClientObserver); ok && p.ours(r) && q.limit(ctx, "") == nil {
			if o, ok := q.outcome(); ok {
				observer.ObserveClient(ctx, o)
			}
		}
	}
	write(w, http.StatusNoContent, nil)
}

// outcome reads a body, of which each member is one that there is, or none counts.
func (q request) outcome() (o ClientOutcome, ok bool) {
	var mode, code string
	var ms []byte
	if q.decode(strictjson.String("mode", &mode), strictjson.String("outcome", &code), strictjson.Raw("ms", &ms)) != nil {
		return o, false
	}
	o = ClientOutcome{Ceremony: Mode(mode).ceremony(), Mode: Mode(mode), Code: ClientCode(code)}
	o.Duration, ok = durationClass(ms)
	return o, ok && o.Ceremony != "" && o.Code.known()
}

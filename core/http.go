package passkeys

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// bodyRule says what a route takes.
type bodyRule int

const (
	noBody bodyRule = iota // whatever comes is not read
	optionalBody
	requiredBody
)

// request is what an endpoint sees of an HTTP request.
type request struct {
	p      *Passkeys // who answers it
	w      http.ResponseWriter
	r      *http.Request
	rule   bodyRule
	most   int64  // bytes of the body
	route  string // its path; "": one that no limiter is asked about
	client netip.Addr
}

// answered reports whether a hook has written the response.
func answered(w http.ResponseWriter) bool {
	x, ok := w.(interface{ Written() bool })
	return ok && x.Written()
}

// find returns who answers a request, and tells the operator where nobody can be
// found.
func (t *table[C]) find(ctx context.Context, c C) (*Passkeys, error) {
	p, err := t.resolve(c)
	if err == nil && p == nil {
		err = errors.New("returned nil")
	}
	if err != nil {
		return nil, hookError(ctx, slog.Default(), "the resolver of Passkeys", err)
	}
	return p, nil
}

// serve wraps an endpoint: whatever it returns becomes the answer, unless a hook
// has given one.
func (t *table[C]) serve(route string, rule bodyRule, f endpoint[C]) func(C, http.ResponseWriter, *http.Request) {
	return func(c C, w http.ResponseWriter, r *http.Request) {
		ctx := ensureRequestID(r.Context())
		p, err := t.find(ctx, c)
		if err == nil && answered(w) { // which did not mean to let this pass
			return
		}
		var value any
		if err == nil {
			value, err = t.answer(ctx, c, request{p: p, w: w, r: r, rule: rule, most: maxBody, route: route}, f)
		}
		if answered(w) {
			return
		}
		body, done := value.(encoded)
		if err == nil && value != nil && !done {
			if body, err = json.Marshal(value); err != nil {
				err = hookError(ctx, p.cfg.Logger, "OnAuthenticated", err)
			}
		}
		switch {
		case err != nil:
			if e := asError(err); p != nil && e.detail != "" && errors.Is(e, ErrInvalidRequest) {
				// Whoever sends what @simplewebauthn returns, and not {"credential": it}, has
				// no other clue.
				p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: request refused", slog.String("request_id", requestID(ctx)), slog.String("route", route), slog.String("detail", e.detail))
			}
			WriteError(w, r.WithContext(ctx), err)
		case body == nil:
			write(w, http.StatusNoContent, nil)
		default:
			write(w, http.StatusOK, body)
		}
	}
}

// WriteError answers a request as the routes answer theirs: with the status of
// the [*Error] in err's chain and {"error":{"code","message","id"}}. Any other
// error is a 500 internal_error that says nothing, so log it yourself; so is one
// whose Status is none of an error's. The id is that of [WithRequestID], and left
// out where there is none. What [Passkeys.RateLimit] returned has a Retry-After, in
// whole seconds.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	status := e.Status
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.retryAfter+time.Second-1)/time.Second), 10))
	}
	write(w, status, e.body(requestID(r.Context())))
}

// write answers with a JSON body, or with none.
func write(w http.ResponseWriter, status int, body []byte) {
	h, values := w.Header(), []string{"no-store", "nosniff", "application/json"}
	h["Cache-Control"], h["X-Content-Type-Options"] = values[:1:1], values[1:2:2]
	if body != nil {
		h["Content-Type"] = values[2:]
	}
	w.WriteHeader(status)
	if body != nil {
		_, _ = w.Write(body) //nolint:gosec // JSON, declared so and not to be sniffed; and a client that is gone needs no answer
	}
}

// answer refuses what a page of another site sends, and asks the endpoint.
func (t *table[C]) answer(ctx context.Context, c C, q request, f endpoint[C]) (any, error) {
	if err := q.p.admits(ctx, q.r); err != nil {
		return nil, err
	}
	if q.route == "" || q.p.cfg.Limiter == nil {
		return f(t.session(ctx, c), c, q)
	}
	q.client = t.client(c, q.r)
	step, ceremony := stepOf(q.route)
	if err := q.limit(ctx, ""); err != nil {
		if ceremony {
			ctx, a := q.p.start(ctx, step)
			err = a.end(ctx, err)
		}
		return nil, err
	}
	value, err := f(t.session(ctx, c), c, q)
	if err != nil && ceremony && step.Name == StepFinish {
		if status := asError(err).Status; status >= 400 && status < 500 {
			ctx, cancel := regardless(ctx) // who hangs up has failed as well
			defer cancel()
			q.p.take(ctx, q.client, Limit{Route: q.route, Failed: true})
		}
	}
	return value, err
}

// client is whom a request is from.
func (t *table[C]) client(c C, r *http.Request) netip.Addr {
	if t.hooks.ClientIP != nil {
		return t.hooks.ClientIP(c)
	}
	return RemoteIP(r)
}

// admits refuses what a page sends that is none of ours, and tells the log.
func (p *Passkeys) admits(ctx context.Context, r *http.Request) error {
	if p.ours(r) {
		return nil
	}
	origin := r.Header.Get("Origin")
	p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: request refused",
		slog.String("request_id", requestID(ctx)), slog.String("reason", string(ReasonOriginMismatch)),
		slog.String("seen", origin[:min(len(origin), 256)]), slog.Any("expected", p.cfg.Origins))
	p.explainOrigin(ctx, origin)
	wrong := *ErrWrongOrigin
	wrong.expected = p.development
	return &wrong
}

// session ties what follows to the browser session, if the application has such.
func (t *table[C]) session(ctx context.Context, c C) context.Context {
	if t.hooks.SessionID == nil {
		return ctx
	}
	return WithSessionID(ctx, t.hooks.SessionID(c))
}

// ours reports whether the page that sent a request is one of ours. A native
// application sends no Origin, nor does a page with a GET, whose answer no other
// site can read.
//
// An opaque origin is a sandboxed frame's; but a page of ours sends "null" as well,
// under Referrer-Policy: no-referrer. Which of the two it is the browser tells by
// Sec-Fetch-Site, a header that no page can set. It says no more than that page and
// server have one name, which must be one of ours: another may be that of a host
// for its users' files, with the same cookies. Of a page that gives its name it says
// nothing: cross-site is also one of a related origin, or in a frame.
func (p *Passkeys) ours(r *http.Request) bool {
	switch origin := r.Header.Get("Origin"); origin {
	case "":
		return true
	case "null":
		return r.Header.Get("Sec-Fetch-Site") == "same-origin" && slices.ContainsFunc(p.cfg.Origins, func(o string) bool {
			_, host, web := strings.Cut(o, "://")
			return web && host == r.Host
		})
	default:
		return slices.Contains(p.cfg.Origins, origin)
	}
}

// body is the error on the wire.
func (e *Error) body(requestID string) []byte {
	var wire struct {
		Error struct {
			Code     string   `json:"code"`
			Message  string   `json:"message"`
			ID       string   `json:"id,omitempty"`
			Expected []string `json:"expected,omitempty"`
		} `json:"error"`
		Confirm *confirm `json:"confirm,omitempty"`
	}
	wire.Confirm = e.confirm
	wire.Error.Code, wire.Error.Message, wire.Error.ID, wire.Error.Expected = e.Code, e.Message, requestID, e.expected
	b, _ := json.Marshal(wire) // strings always marshal
	return b
}

// decode reads the members of the body: one JSON object in UTF-8 that is not too
// large, declared as application/json. Nothing is read before the declaration is
// seen, nothing is parsed before the size is known.
func (q request) decode(members ...strictjson.Field) error {
	declared := q.r.Header.Get("Content-Type")
	if declared != "" && declared != "application/json" {
		if mediaType, _, err := mime.ParseMediaType(declared); err != nil || mediaType != "application/json" {
			return ErrUnsupportedMediaType
		}
	}
	if q.r.ContentLength > q.most {
		return ErrPayloadTooLarge
	}
	if q.r.Body == nil { // a request that did not come through a server
		q.r.Body = http.NoBody
	}
	body, err := q.read()
	switch {
	case tooMuch(err):
		return ErrPayloadTooLarge
	case err != nil:
		return ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	switch b := body; {
	case int64(len(b)) > q.most:
		return ErrPayloadTooLarge
	case len(b) == 0 && q.rule == optionalBody && (q.r.ContentLength == 0 || declared == ""): // else somebody may have read it before
		return nil
	case declared == "":
		return ErrUnsupportedMediaType
	}
	if err := strictjson.Read(body, members...); err != nil {
		return ErrInvalidRequest.explained(err.Error()).because(ReasonRequestMalformed)
	}
	return nil
}

// read returns the body, or of one that is too large its beginning and a byte.
func (q request) read() ([]byte, error) {
	if n := q.r.ContentLength; n > 0 { // of which net/http lets no more be read
		body := make([]byte, n)
		_, err := io.ReadFull(q.r.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(q.r.Body, q.most+1))
}

// tooMuch reports whether reading a body failed because a middleware lets no more of it
// be read: net/http's, or one whose error says so, as Echo's does.
func tooMuch(err error) bool {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return true
	}
	says, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err)
	return ok && says.StatusCode() == http.StatusRequestEntityTooLarge
}

// parse reads a credential that was given by hand.
func parse(raw json.RawMessage, into engine.Form) error {
	if len(raw) > maxBody {
		return ErrPayloadTooLarge
	}
	if engine.Parse(raw, into) != nil {
		return ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return nil
}

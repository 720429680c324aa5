package passkeys

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"unicode/utf8"
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
	r        *http.Request
	rule     bodyRule
	answered func() bool // whether a hook has written the response
}

// serve wraps an endpoint: whatever it returns becomes the answer, unless a hook
// has given one.
func (t *table[C]) serve(rule bodyRule, f endpoint[C]) func(C, http.ResponseWriter, *http.Request) {
	return func(c C, w http.ResponseWriter, r *http.Request) {
		ctx := ensureRequestID(r.Context())
		answered := func() bool {
			x, ok := w.(interface{ Written() bool })
			return ok && x.Written()
		}
		value, err := t.answer(ctx, c, request{r, rule, answered}, f)
		if answered() {
			return
		}
		var body []byte
		status := http.StatusOK
		switch {
		case err == nil && value == nil:
			status = http.StatusNoContent
		case err == nil:
			if body, err = json.Marshal(value); err != nil {
				err = t.hookError(ctx, "OnAuthenticated", err)
			}
		}
		if err != nil {
			e := asError(err)
			if status = e.Status; status < 400 || status > 599 { // an *Error of a hook's
				status = http.StatusInternalServerError
			}
			body = e.body(requestID(ctx))
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if body == nil {
			w.WriteHeader(status)
			return
		}
		h.Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

// answer refuses what a page of another site sends, and asks the endpoint.
func (t *table[C]) answer(ctx context.Context, c C, q request, f endpoint[C]) (any, error) {
	if origin := q.r.Header.Get("Origin"); origin != "" && !slices.Contains(t.p.cfg.Origins, origin) {
		t.p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: request refused",
			slog.String("request_id", requestID(ctx)), slog.String("reason", string(ReasonOriginMismatch)),
			slog.String("seen", origin[:min(len(origin), 256)]), slog.Any("expected", t.p.cfg.Origins))
		return nil, ErrForbidden
	}
	if t.hooks.SessionID != nil {
		ctx = WithSessionID(ctx, t.hooks.SessionID(c))
	}
	return f(ctx, c, q)
}

// body is the error on the wire.
func (e *Error) body(requestID string) []byte {
	var wire struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			ID      string `json:"id,omitempty"`
		} `json:"error"`
	}
	wire.Error.Code, wire.Error.Message, wire.Error.ID = e.Code, e.Message, requestID
	b, _ := json.Marshal(wire) // strings always marshal
	return b
}

// decode reads the body into v: one JSON object in UTF-8 of at most 64 KiB,
// declared as application/json. Nothing is read before the declaration is seen,
// nothing is parsed before the size is known.
func (q request) decode(v any) error {
	declared := q.r.Header.Get("Content-Type")
	if declared != "" {
		if mediaType, _, err := mime.ParseMediaType(declared); err != nil || mediaType != "application/json" {
			return ErrUnsupportedMediaType
		}
	}
	if q.r.ContentLength > maxBody {
		return ErrPayloadTooLarge
	}
	if q.r.Body == nil { // a request that did not come through a server
		q.r.Body = http.NoBody
	}
	var body bytes.Buffer
	body.Grow(int(max(q.r.ContentLength, 0)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(q.r.Body, maxBody+1)); err != nil {
		return ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	switch b := body.Bytes(); {
	case len(b) > maxBody:
		return ErrPayloadTooLarge
	case len(b) == 0 && q.rule == optionalBody:
		return nil
	case declared == "":
		return ErrUnsupportedMediaType
	case !utf8.Valid(b), !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")), json.Unmarshal(b, v) != nil:
		return ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return nil
}

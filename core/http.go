package passkeys

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
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
	r    *http.Request
	rule bodyRule
}

// serve wraps an endpoint: whatever it returns becomes the answer, unless a hook
// has given one.
func (t *table[C]) serve(rule bodyRule, f endpoint[C]) func(C, http.ResponseWriter, *http.Request) {
	return func(c C, w http.ResponseWriter, r *http.Request) {
		value, err := f(r.Context(), c, request{r, rule})
		if x, ok := w.(interface{ Written() bool }); ok && x.Written() {
			return
		}
		var body []byte
		status := http.StatusOK
		switch {
		case err == nil && value == nil:
			status = http.StatusNoContent
		case err == nil:
			if body, err = json.Marshal(value); err != nil {
				err = t.hookError(r.Context(), "OnAuthenticated", err)
			}
		}
		if err != nil {
			e := asError(err)
			status, body = e.Status, e.body()
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

// body is the error on the wire.
func (e *Error) body() []byte {
	var wire struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	wire.Error.Code, wire.Error.Message = e.Code, e.Message
	b, _ := json.Marshal(wire) // two strings always marshal
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

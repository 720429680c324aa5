package passkeys

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// A client carries the proof of a confirmation in one of these.
const (
	// ProofHeader is for pages with a script, and for APIs. What is in it comes before
	// what is in the cookie.
	ProofHeader = "Passkey-Proof"
	// ProofCookie is for forms of pages that the server renders, set by the route
	// /confirm/finish where the page asks for it: Secure, HttpOnly, SameSite=Strict.
	ProofCookie = "__Host-passkey-proof"
)

// Guard is the rule of a route of the application's own: how fresh the user's
// confirmation must be, and of what. The zero value asks that it is still they: that
// they have signed in, or confirmed the zero [Operation], within 5 minutes. The
// adapters' Require makes a middleware of it, [Require] one for net/http.
//
// What it refuses is 403 confirmation_required, with what the client needs to ask:
//
//	{"error":{"code","message","id"},"confirm":{"request","operation","maxAge"}}
//
// request goes to the route /confirm/begin, operation is the operation's name, ""
// for none, and maxAge is in seconds. The client's function fetch does the rest.
//
// Set Hooks.SessionID: without it, a proof is good in every session of its user. A page
// that is none of Config.Origins passes no guard, as it is answered by no route:
// [ErrWrongOrigin].
type Guard[C any] struct {
	// MaxAge is how long ago the user may have confirmed it, in whole seconds, at
	// most 24 hours. Default: 5 minutes.
	MaxAge time.Duration
	// Operation says what the request is about to do, and is asked before anything is
	// done. It must have a Name. Then nothing but a proof of just this lets the
	// request pass, and is used up by it, be the handler successful or not. An error
	// is answered like that of a hook. Default: nothing in particular; then a sign-in
	// counts too, where Hooks.AuthenticatedAt says when it was. What it reads of the
	// body it has to put back for the handler, as [RequestOperation] does.
	Operation func(C) (Operation, error)
	// Reusable lets a proof of an Operation pass as often as it is fresh: for what
	// does no harm when it is done again.
	Reusable bool
	// Bearer refuses as RFC 9470 §3 says, for APIs whose clients carry a token: 401,
	// with the same body, and a header WWW-Authenticate: Bearer with the error
	// insufficient_user_authentication and max_age.
	Bearer bool
	// Refused may answer what is refused for want of a confirmation, such as with a
	// page that asks for it: err.ConfirmationRequest is what that needs. Default, and
	// where it writes nothing: the answer above.
	Refused func(c C, err *Error)
}

// Check decides whether a request may pass, and if not, answers it. Whoever lets it
// pass goes on with the request that the framework has by then, which hooks may have
// replaced, and [WithProof]; the proof is nil where it was a sign-in. w is asked what
// [Route].Serve asks it.
type Check[C any] func(c C, w http.ResponseWriter, r *http.Request) (proof *Proof, ok bool)

// NewCheck is what the adapters' Require is made from. Of the hooks it asks GetUser,
// SessionID and AuthenticatedAt. The error matches [ErrConfiguration] where GetUser is
// missing, the source nil or MaxAge out of bounds.
func NewCheck[C any, P Source[C]](source P, h Hooks[C], g Guard[C]) (Check[C], error) {
	t, err := newTable(source, h)
	if err != nil {
		return nil, err
	}
	setDefault(&g.MaxAge, defaultMaxAge)
	if err := checkMaxAge(g.MaxAge); err != nil {
		return nil, err
	}
	return func(c C, w http.ResponseWriter, r *http.Request) (*Proof, bool) {
		ctx := ensureRequestID(r.Context())
		if answered(w) {
			logFailure(ctx, slog.Default(), "a guard was asked too late", ErrConfiguration.explained("Guard: it must stand in front of the handler"))
			return nil, false
		}
		proof, err := t.guarded(ctx, c, w, r, g)
		if answered(w) {
			return nil, false
		}
		if err != nil {
			e := asError(err)
			if g.Refused != nil && e.Is(ErrConfirmationRequired) {
				if g.Refused(c, e); answered(w) {
					return nil, false
				}
			}
			if g.Bearer && e.Is(ErrConfirmationRequired) {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_user_authentication", error_description=%q, max_age="%d"`, e.Message, g.MaxAge/time.Second))
				bearer := *e
				bearer.Status, e = http.StatusUnauthorized, &bearer
			}
			WriteError(w, r.WithContext(ctx), e)
			return nil, false
		}
		return proof, true
	}, nil
}

// Require returns a middleware that lets through what the guard does: for net/http,
// and routers on it. It panics with an error that matches [ErrConfiguration] where
// [NewCheck] returns it.
//
//	guard := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{})
//	mux.Handle("POST /settings", guard(settings))
func Require[P Source[Exchange]](source P, h Hooks[Exchange], g Guard[Exchange]) func(http.Handler) http.Handler {
	check, err := NewCheck(source, h, g)
	if err != nil {
		panic(err)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := NewExchange(w, r)
			if proof, ok := check(x, x.W, x.R); ok {
				next.ServeHTTP(w, r.WithContext(WithProof(r.Context(), proof)))
			}
		})
	}
}

// guarded returns the proof that lets a request pass, nil where it was a sign-in.
func (t *table[C]) guarded(ctx context.Context, c C, w http.ResponseWriter, r *http.Request, g Guard[C]) (*Proof, error) {
	p, err := t.find(ctx, c)
	if err != nil || answered(w) {
		return nil, err
	}
	if err := p.admits(ctx, r); err != nil {
		return nil, err
	}
	ctx, q := t.session(ctx, c), request{p: p, w: w, r: r}
	user, err := t.user(ctx, c, q, "")
	if err != nil {
		return nil, err
	}
	check := ProofCheck{UserID: user.ID, MaxAge: g.MaxAge, Reusable: g.Reusable}
	if g.Operation != nil {
		check.Operation, err = g.Operation(c)
		if err == nil && check.Operation.Name == "" {
			err = ErrConfiguration.explained("Guard.Operation: returned one without a Name")
		}
		if err == nil {
			_, err = check.Operation.of(g.MaxAge)
		}
		if err != nil {
			return nil, hookError(ctx, p.cfg.Logger, "Guard.Operation", err)
		}
		if answered(w) {
			return nil, nil
		}
	}
	return t.proved(ctx, c, q, check)
}

// proved returns the proof in the request of what is checked; nil where a sign-in
// does.
func (t *table[C]) proved(ctx context.Context, c C, q request, check ProofCheck) (*Proof, error) {
	anything := check.Operation.Name == ""
	if anything && t.hooks.AuthenticatedAt != nil && q.p.fresh(t.hooks.AuthenticatedAt(c), check.MaxAge) {
		return nil, nil
	}
	sealed, fromCookie := q.r.Header.Get(ProofHeader), false
	if sealed == "" {
		if cookie, err := q.r.Cookie(ProofCookie); err == nil && !sibling(q.r) {
			sealed, fromCookie = cookie.Value, true
		}
	}
	proof, err := q.p.VerifyProof(ctx, sealed, check)
	if err == nil && fromCookie && !anything && !check.Reusable {
		http.SetCookie(q.w, proofCookie("", -1))
	}
	return proof, err
}

// sibling reports whether the page that sent a request without an Origin, as a GET is,
// is another one of our site, with which cookies are shared.
func sibling(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // an old browser, a page of ours, the user
		return false
	}
	return r.Header.Get("Origin") == ""
}

func proofCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: ProofCookie, Value: value, MaxAge: maxAge, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// confirm is what a client that was refused must have confirmed.
type confirm struct {
	Request   string `json:"request,omitempty"`
	Operation string `json:"operation"`
	MaxAge    int64  `json:"maxAge"` // seconds
}

// ConfirmationRequest is the request for the confirmation that is missing, which the
// route /confirm/begin takes; "" for any error but [ErrConfirmationRequired].
func (e *Error) ConfirmationRequest() string {
	if e.confirm == nil {
		return ""
	}
	return e.confirm.Request
}

// FreshWithin is an answer for Hooks.Authorize: yes, if the user has signed in within
// d or confirmed that it is still they, as a [Guard] without an Operation asks; else
// [ErrConfirmationRequired]. d is in whole seconds and at most 24 hours, or the answer
// is [ErrConfiguration]; 0 is 5 minutes.
//
//	Authorize: func(c *gin.Context, u passkeys.User, a passkeys.Action) error {
//		if a == passkeys.ActionRename || signingUp(c) {
//			return nil
//		}
//		return passkeys.FreshWithin(5 * time.Minute)
//	},
//
// A user without a passkey can confirm nothing: to let them add their first, let it
// pass, as above one who is signing up, or have Hooks.AuthenticatedAt count a sign-in
// by other means. Where it is joined with another error, or wrapped, it is a refusal.
func FreshWithin(d time.Duration) error {
	setDefault(&d, defaultMaxAge)
	if err := checkMaxAge(d); err != nil {
		return err
	}
	fresh := *ErrConfirmationRequired
	fresh.confirm = &confirm{MaxAge: int64(d / time.Second)}
	return &fresh
}

// freshly is the answer behind that of FreshWithin; any other stays what it is.
func (t *table[C]) freshly(ctx context.Context, c C, q request, user User, err error) error {
	e, ok := err.(*Error) //nolint:errorlint // one that is joined with another is no yes to that
	if !ok || e == nil || e.confirm == nil || e.confirm.Request != "" {
		return err
	}
	_, err = t.proved(ctx, c, q, ProofCheck{UserID: user.ID, MaxAge: time.Duration(e.confirm.MaxAge) * time.Second})
	return err
}

// RequestOperation is the operation of a whole request: its Name is the method and
// the pattern of the route, such as "POST /accounts/{id}/transfer", OTHER for a method
// that net/http has no name for. Its Payload is the method, the host, the URL with its
// query as it was sent and as it stands now, the header Content-Type and the body, each
// behind its length as four bytes, the highest first. Whatever of these is different
// when the request is sent again is another operation. What else a handler goes by,
// such as other headers and cookies, is not confirmed.
//
// pattern is that of the router, which has to have found the route by then; the
// adapters' RequestOperation know it, and [Exchange.RequestOperation]. The body is read, and put back for the handler:
// at most 64 KiB, or the error is [ErrPayloadTooLarge]. One that somebody has read
// before, or parsed as a form, is [ErrConfiguration]; where its length was not declared
// and nothing is left of it, [ErrInvalidRequest].
func RequestOperation(r *http.Request, pattern string) (Operation, error) {
	if _, path, ok := strings.Cut(pattern, " "); ok { // net/http's begins with the method
		pattern = path
	}
	if pattern == "" {
		return Operation{}, ErrConfiguration.explained("RequestOperation: the request has no route; its guard must stand behind the router")
	}
	body, err := wholeBody(r)
	if err != nil {
		return Operation{}, err
	}
	var payload []byte
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.Host), []byte(r.RequestURI), []byte(r.URL.RequestURI()), []byte(r.Header.Get("Content-Type")), body} {
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(part)))
		payload = append(payload, part...)
	}
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
	default: // any text of the client's
		method = "OTHER"
	}
	return Operation{Name: method + " " + pattern, Payload: payload}, nil
}

// RequestOperation is the function of that name, for Guard.Operation behind a
// http.ServeMux:
//
//	passkeys.Guard[passkeys.Exchange]{Operation: passkeys.Exchange.RequestOperation}
func (x Exchange) RequestOperation() (Operation, error) { return RequestOperation(x.R, x.R.Pattern) }

// wholeBody reads a body and puts it back, nothing behind it.
func wholeBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case len(body) > maxBody || tooMuch(err):
		return nil, ErrPayloadTooLarge
	case err != nil, r.ContentLength < 0 && len(body) == 0:
		return nil, ErrInvalidRequest
	case r.ContentLength >= 0 && r.ContentLength != int64(len(body)), len(r.PostForm) > 0, r.MultipartForm != nil:
		return nil, ErrConfiguration.explained("RequestOperation: the body was read before")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return body, nil
}

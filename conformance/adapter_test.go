package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestHandler(t *testing.T) { TestAdapter(t, serveMux(mountServeMux)) }

func TestMemory(t *testing.T) {
	for name, sealed := range map[string]bool{"sealed": true, "kept": false} {
		t.Run(name, func(t *testing.T) {
			TestConfirmations(t, func(testing.TB, func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
				if sealed {
					return passkeys.NewMemoryCredentials(), nil
				}
				return passkeys.NewMemoryCredentials(), passkeys.NewMemoryChallenges()
			})
		})
	}
}

type application = Application[passkeys.Exchange]

// stage is where a row gets its site from.
type stage struct {
	testing.TB
	mount func(testing.TB, application) http.Handler
}

// changed is an adapter that does something to what it mounts.
func changed(change func(app *application)) func(stage) stage {
	return func(s stage) stage {
		return stage{s.TB, func(t testing.TB, app application) http.Handler {
			change(&app)
			return s.mount(t, app)
		}}
	}
}

// hooked is an adapter that does something to the hooks.
func hooked(change func(h *hooks)) func(stage) stage {
	return changed(func(app *application) { change(&app.Hooks) })
}

// found is an adapter that does something to who answers.
func found(change func(find finder) finder) func(stage) stage {
	return changed(func(app *application) { app.Find = change(app.Find) })
}

// ruled is an adapter that does something to the guards.
func ruled(change func(g *passkeys.Guard[passkeys.Exchange])) func(stage) stage {
	return changed(func(app *application) {
		for i := range app.Guarded {
			change(&app.Guarded[i].Guard)
		}
	})
}

// behind is an adapter with another way of asking a guard.
func behind(require func(sound func(http.Handler) http.Handler, next http.Handler) http.Handler) func(stage) stage {
	return func(s stage) stage {
		return stage{s.TB, func(t testing.TB, app application) http.Handler {
			return mountBehind(t, app, func(find finder, h hooks, g passkeys.Guard[passkeys.Exchange]) func(http.Handler) http.Handler {
				return func(next http.Handler) http.Handler { return require(passkeys.Require(find, h, g), next) }
			})
		}}
	}
}

// named is an adapter that does something to what a request is about to do.
func named(change func(x passkeys.Exchange, o *passkeys.Operation)) func(stage) stage {
	return ruled(func(g *passkeys.Guard[passkeys.Exchange]) {
		if sound := g.Operation; sound != nil {
			g.Operation = func(x passkeys.Exchange) (passkeys.Operation, error) {
				o, err := sound(x)
				change(x, &o)
				return o, err
			}
		}
	})
}

// wrapped is an adapter behind a middleware.
func wrapped(middleware func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(stage) stage {
	return func(s stage) stage {
		return stage{s.TB, func(t testing.TB, app application) http.Handler {
			next := s.mount(t, app)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { middleware(w, r, next) })
		}}
	}
}

// edited is an adapter that does something to the answers.
func edited(change func(r *http.Request, answer *httptest.ResponseRecorder)) func(stage) stage {
	return wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		change(r, rec)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		if rec.Body.Len() != 0 {
			_, _ = w.Write(rec.Body.Bytes())
		}
	})
}

// rewritten is an adapter behind a middleware that decodes the body, and encodes
// what it has decoded.
func rewritten(change func(body map[string]any)) func(stage) stage {
	return wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		raw, err := io.ReadAll(r.Body)
		var body map[string]any
		if err == nil && len(raw) <= 64<<10 && json.Unmarshal(raw, &body) == nil && body != nil {
			change(body)
			raw, _ = json.Marshal(body)
			r.ContentLength = int64(len(raw))
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		next.ServeHTTP(w, r)
	})
}

// forgetful is an adapter that does not say whether a hook has answered, or only
// if it wrote a body.
func forgetful(bodies bool) func(stage) stage {
	return func(s stage) stage {
		return stage{s.TB, func(t testing.TB, app application) http.Handler {
			routes, err := passkeys.Routes(app.Find, app.Hooks)
			if err != nil {
				t.Fatal(err)
			}
			staff, err := passkeys.AdminRoutes(app.Find, app.AdminHooks)
			if err != nil {
				t.Fatal(err)
			}
			for i := range staff {
				staff[i].Path = staffPrefix + staff[i].Path
			}
			for i := range routes {
				routes[i].Path = prefix + routes[i].Path
			}
			mux := http.NewServeMux()
			if err := passkeys.MountWellKnown(mux, app.Find); err != nil {
				t.Fatal(err)
			}
			for _, route := range append(routes, staff...) {
				mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
					if bodies {
						w = &bodyWriter{ResponseWriter: w}
					}
					route.Serve(passkeys.Exchange{W: w, R: r}, w, r)
				})
			}
			for _, g := range app.Guarded {
				check, err := passkeys.NewCheck(app.Find, app.Hooks, g.Guard)
				if err != nil {
					t.Fatal(err)
				}
				mux.HandleFunc(g.Method+" "+g.Path, func(w http.ResponseWriter, r *http.Request) {
					if bodies {
						w = &bodyWriter{ResponseWriter: w}
					}
					if proof, ok := check(passkeys.Exchange{W: w, R: r}, w, r); ok {
						g.Handler(passkeys.Exchange{W: w, R: r.WithContext(passkeys.WithProof(r.Context(), proof))})
					}
				})
			}
			return mux
		}}
	}
}

// bodyWriter holds a status back until there is a body, as some frameworks do.
type bodyWriter struct {
	http.ResponseWriter
	written bool
}

func (w *bodyWriter) Written() bool { return w.written }

func (w *bodyWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}

func TestAdapterFaults(t *testing.T) {
	testRows(t, adapterRows())
	var rows []row[stage]
	for _, r := range adapterRows() {
		rows = append(rows, row[stage]{r.name, r.rule, func(c *check, s stage) { r.check(c, newSite(s, serveMux(s.mount).mount, inMemory)) }})
	}
	const everyHook = "hook-headers hook-answer hook-error hook-panic"
	faults := []fault[stage]{
		{"no file may be kept", edited(func(r *http.Request, a *httptest.ResponseRecorder) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, ".") {
				a.Header().Set("Cache-Control", "no-store")
			}
		}), "client well-known-webauthn well-known-passkey-endpoints well-known-assetlinks well-known-apple-app-site-association"},
		{"nothing to tell is an empty document", edited(func(r *http.Request, a *httptest.ResponseRecorder) {
			if a.Code == http.StatusNotFound && strings.HasPrefix(r.URL.Path, "/.well-known/") {
				a.Code, a.Body = http.StatusOK, bytes.NewBufferString("{}")
			}
		}), "well-known-unset"},
		{"every answer is sent whole", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				r.Header.Del("If-None-Match")
			}
			next.ServeHTTP(w, r)
		}), "well-known-webauthn well-known-passkey-endpoints well-known-assetlinks well-known-apple-app-site-association"},
		{"an answer ends in a line break", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Body.Len() != 0 {
				a.Body.WriteByte('\n')
			}
		}), "register sign-in …"},
		{"an answer has a charset", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Body.Len() != 0 {
				a.Header().Set("Content-Type", "application/json; charset=UTF-8")
			}
		}), "register sign-in …"},
		{"an answer may be cached", edited(func(_ *http.Request, a *httptest.ResponseRecorder) { a.Header().Del("Cache-Control") }),
			"register sign-in list rename revoke …"},
		{"no content has a type", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Code == http.StatusNoContent {
				a.Header().Set("Content-Type", "application/json")
			}
		}), "rename revoke …"},
		{"no content is null", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Code == http.StatusNoContent {
				a.Code = http.StatusOK
				a.Body.WriteString("null")
			}
		}), "rename revoke …"},
		{"JSON is not escaped for HTML", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			a.Body = bytes.NewBuffer(bytes.ReplaceAll(a.Body.Bytes(), []byte(`\u003c`), []byte("<")))
		}), "sign-in sign-in-default"},
		{"an empty list is null", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Body.String() == "[]" {
				a.Body = bytes.NewBufferString("null")
			}
		}), "list admin admin-count"},
		{"a list has no empty lists", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			a.Body = bytes.NewBuffer(bytes.ReplaceAll(a.Body.Bytes(), []byte(`"allAcceptedCredentialIds":[]`), []byte(`"allAcceptedCredentialIds":null`)))
		}), "signals"},
		{"of equal headers the last goes out", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			for name, values := range a.Header() {
				a.Header()[name] = values[len(values)-1:]
			}
		}), "hook-headers"},
		{"an error has no cookies", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Code >= 400 {
				a.Header().Del("Set-Cookie")
			}
		}), "hook-headers"},
		{"a deletion is said and not done", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodDelete {
				r.Method = http.MethodPatch
				r.Header.Set("Content-Type", "application/json")
				r.Body = http.NoBody
			}
			next.ServeHTTP(w, r)
		}), "revoke …"},
		{"a body needs a length", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.ContentLength < 0 {
				http.Error(w, "length required", http.StatusLengthRequired)
				return
			}
			next.ServeHTTP(w, r)
		}), "begin-body payload_too_large outcome confirm-concurrent guarded-body request-operation attack-body attack-payload-bit"},
		{"a body has a default type", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("Content-Type") == "" {
				r.Header.Set("Content-Type", "application/json")
			}
			next.ServeHTTP(w, r)
		}), "unsupported_media_type outcome confirm-concurrent request-operation"},
		{"every body is JSON", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if kind := r.Header.Get("Content-Type"); kind == "text/plain" && (r.Method == http.MethodGet || r.Method == http.MethodDelete) {
				http.Error(w, "no JSON", http.StatusUnsupportedMediaType)
				return
			}
			next.ServeHTTP(w, r)
		}), "unread-body unauthenticated"},
		{"a body is read and written again", rewritten(func(body map[string]any) {}), "invalid_request …"},
		{"names are of any case", rewritten(func(body map[string]any) {
			for name, value := range body {
				if lower := strings.ToLower(name); lower != name {
					body[lower] = value
				}
			}
		}), "unknown-members challenge_not_found …"},
		{"null is nothing", rewritten(func(body map[string]any) {
			for name, value := range body {
				if value == nil {
					body[name] = ""
				}
			}
			if body["username"] == "" {
				body["username"] = "nobody"
			}
		}), "null-members …"},
		{"there are no modes", rewritten(func(body map[string]any) {
			if body["mode"] == "immediate" {
				body["mode"] = "usernameless"
			}
		}), "sign-in-modes …"},
		{"there is no mediation", rewritten(func(body map[string]any) { delete(body, "mediation") }), "upgrade …"},
		{"a body ends at 32 KiB", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.ContentLength <= 64<<10 {
				r.Body = http.MaxBytesReader(w, r.Body, 32<<10)
			}
			next.ServeHTTP(w, r)
		}), "payload_too_large guarded-body"},
		{"the path is unescaped", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.URL.RawPath = ""
			next.ServeHTTP(w, r)
		}), "not_found request-operation"},
		{"any method will do", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, prefix) {
				r.Method = http.MethodPatch
			}
			next.ServeHTTP(w, r)
		}), "methods"},
		{"the Origin is not handed on", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Origin")
			next.ServeHTTP(w, r)
		}), "wrong_origin tenants outcome confirm-cookie-origin"},
		{"Sec-Fetch-Site is not handed on", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Sec-Fetch-Site")
			next.ServeHTTP(w, r)
		}), "wrong_origin outcome confirm-cookie-origin"},
		{"a request cannot be cancelled", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
		}), "storage_unavailable"},
		{"the request's context is not handed on", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		}), "storage_unavailable hook-error …"},
		{"a panic is swallowed", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			defer func() { _ = recover() }()
			next.ServeHTTP(w, r)
		}), "hook-panic"},
		{"a guard is not in front", behind(func(_ func(http.Handler) http.Handler, next http.Handler) http.Handler { return next }),
			"confirm confirm-operation confirmation_required attack-another-user attack-another-session attack-another-operation attack-payload-bit attack-body " +
				"attack-at-once attack-expired attack-in-place attack-dead-passkey …"},
		{"what has passed is not handed on", behind(func(sound func(http.Handler) http.Handler, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sound(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { next.ServeHTTP(w, r) })).ServeHTTP(w, r)
			})
		}), "proof confirm-concurrent"},
		{"the handler reads on where the guard has stopped", behind(func(sound func(http.Handler) http.Handler, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				wire := r.Body
				sound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Body = wire
					next.ServeHTTP(w, r)
				})).ServeHTTP(w, r)
			})
		}), "guarded-body attack-body …"},
		{"Guard.Operation is not handed on", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.Operation = nil }),
			"confirm-operation request-operation reusable attack-another-operation attack-at-once …"},
		{"Guard.MaxAge is not handed on", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.MaxAge = 0 }), "confirm reusable bearer attack-expired …"},
		{"Guard.Reusable is not handed on", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.Reusable = false }), "confirm-cookie reusable …"},
		{"every proof can be used again", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.Reusable = true }),
			"confirm-operation confirm-cookie attack-at-once attack-dead-passkey …"},
		{"Guard.Bearer is not handed on", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.Bearer = false }), "bearer"},
		{"Guard.Refused is not handed on", ruled(func(g *passkeys.Guard[passkeys.Exchange]) { g.Refused = nil }), "refused"},
		{"WWW-Authenticate is not handed on", edited(func(_ *http.Request, a *httptest.ResponseRecorder) { a.Header().Del("WWW-Authenticate") }), "bearer"},
		{"an operation is named after its URL", named(func(x passkeys.Exchange, o *passkeys.Operation) { o.Name = x.R.Method + " " + x.R.URL.Path }), "request-operation …"},
		{"all operations have one name", named(func(_ passkeys.Exchange, o *passkeys.Operation) { o.Name = "request" }),
			"request-operation confirm-page attack-another-operation …"},
		{"no operation has a payload", named(func(_ passkeys.Exchange, o *passkeys.Operation) { o.Payload = nil }),
			"proof attack-payload-bit attack-body …"},
		{"there is no proof in a header", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del(passkeys.ProofHeader)
			next.ServeHTTP(w, r)
		}), "confirm confirm-operation …"},
		{"there is no proof in a cookie", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Cookie")
			next.ServeHTTP(w, r)
		}), "confirm-cookie confirm-cookie-origin"},
		{"a cookie is a header", wrapped(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if cookie, err := r.Cookie(passkeys.ProofCookie); err == nil {
				r.Header.Set(passkeys.ProofHeader, cookie.Value)
			}
			next.ServeHTTP(w, r)
		}), "confirm-cookie confirm-cookie-origin"},
		{"AuthenticatedAt is not mounted", hooked(func(h *hooks) { h.AuthenticatedAt = nil }), "fresh-sign-in fresh-within"},
		{"everyone has just signed in", hooked(func(h *hooks) {
			h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }
		}), "confirm fresh-sign-in confirmation_required attack-another-user …"},
		{"OnConfirmed is not mounted", hooked(func(h *hooks) { h.OnConfirmed = nil }), "on-confirmed " + everyHook},
		{"an error of OnConfirmed is not handed on", hooked(func(h *hooks) {
			sound := h.OnConfirmed
			h.OnConfirmed = func(x passkeys.Exchange, u passkeys.User, r passkeys.ConfirmationResult) error {
				_ = sound(x, u, r)
				return nil
			}
		}), "on-confirmed hook-headers hook-error"},
		{"Authorize of staff is not mounted", changed(func(app *application) {
			app.AdminHooks.Authorize = func(passkeys.Exchange, passkeys.Action) (string, error) { return "desk/anna", nil }
		}), "admin forbidden " + everyHook + " …"},
		{"all of the staff is anna", changed(func(app *application) {
			sound := app.AdminHooks.Authorize
			app.AdminHooks.Authorize = func(x passkeys.Exchange, a passkeys.Action) (string, error) {
				_, err := sound(x, a)
				return "anna", err
			}
		}), "admin …"},
		{"staff is asked about reading alone", changed(func(app *application) {
			sound := app.AdminHooks.Authorize
			app.AdminHooks.Authorize = func(x passkeys.Exchange, _ passkeys.Action) (string, error) { return sound(x, passkeys.ActionList) }
		}), "admin …"},
		{"what has no provider is not counted", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if bytes.HasPrefix(a.Body.Bytes(), []byte(`[{"provider":"",`)) {
				a.Body = bytes.NewBufferString("[]")
			}
		}), "admin-count …"},
		{"an answer ends at 32 KiB", edited(func(r *http.Request, a *httptest.ResponseRecorder) {
			if strings.HasPrefix(r.URL.Path, staffPrefix) {
				a.Body.Truncate(min(a.Body.Len(), 32<<10))
			}
		}), "admin-export …"},
		{"everyone is alice", hooked(func(h *hooks) {
			sound := h.GetUser
			h.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
				u, err := sound(x)
				if u.ID != "" {
					u.ID = "alice"
				}
				return u, err
			}
		}), "confirm-concurrent attack-another-user …"},
		{"what is not verified is", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if strings.Contains(a.Body.String(), `"confirmation_failed"`) {
				a.Code = http.StatusOK
			}
		}), "confirmation_failed attack-unverified …"},
		{"what is unknown was there once", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			a.Body = bytes.NewBuffer(bytes.ReplaceAll(a.Body.Bytes(), []byte("challenge_not_found"), []byte("challenge_expired")))
		}), "challenge_not_found attack-in-place …"},
		{"a hook's answer is not seen", forgetful(false), "hook-answer refused"},
		{"a hook's answer is not seen without a body", forgetful(true), "hook-answer refused"},
		{"OnRegistered is not mounted", hooked(func(h *hooks) { h.OnRegistered = nil }), "register registration-taken-back " + everyHook},
		{"FindUser is not mounted", hooked(func(h *hooks) { h.FindUser = nil }), "sign-in-by-name rate_limited " + everyHook},
		{"OnAuthenticated is not mounted", hooked(func(h *hooks) { h.OnAuthenticated = nil }), "sign-in sign-in-concurrent answer-not-json " + everyHook},
		{"CanonicalName is not mounted", hooked(func(h *hooks) { h.CanonicalName = nil }), "sign-in-by-name"},
		{"Authorize is not mounted", hooked(func(h *hooks) { h.Authorize = nil }), "forbidden upgrade fresh-within " + everyHook},
		{"who answers is found once", found(func(find finder) finder {
			var once sync.Once
			var first *passkeys.Passkeys
			return func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
				var err error
				once.Do(func() { first, err = find(x) })
				return first, err
			}
		}), "tenants wrong_origin outcome well-known-unset " + everyHook},
		{"who answers is found without the response", found(func(find finder) finder {
			return func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
				return find(passkeys.Exchange{W: httptest.NewRecorder(), R: x.R})
			}
		}), "hook-headers hook-answer"},
		{"who answers where nobody does is the first", found(func(find finder) finder {
			var first atomic.Pointer[passkeys.Passkeys]
			return func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
				p, err := find(x)
				first.CompareAndSwap(nil, p)
				if p == nil && err == nil {
					p = first.Load()
				}
				return p, err
			}
		}), "tenants"},
		{"ClientIP is not mounted", hooked(func(h *hooks) { h.ClientIP = nil }), "rate_limited"},
		{"HasOtherSignIn is not mounted", hooked(func(h *hooks) { h.HasOtherSignIn = nil }), "last_credential " + everyHook},
		{"SessionID is not mounted", hooked(func(h *hooks) { h.SessionID = nil }), "session upgrade attack-another-session"},
		{"an error of OnRegistered is not handed on", hooked(func(h *hooks) {
			sound := h.OnRegistered
			h.OnRegistered = func(x passkeys.Exchange, u passkeys.User, c passkeys.RegistrationResult) error {
				_ = sound(x, u, c)
				return nil
			}
		}), "registration-taken-back hook-headers hook-error"},
		{"names are folded", hooked(func(h *hooks) {
			sound := h.FindUser
			h.FindUser = func(x passkeys.Exchange, name string) (string, error) { return sound(x, strings.TrimSpace(name)) }
		}), "sign-in-by-name"},
		{"a sign-in is that of another request", hooked(func(h *hooks) {
			var first atomic.Pointer[passkeys.AuthenticationResult]
			sound := h.OnAuthenticated
			h.OnAuthenticated = func(x passkeys.Exchange, r passkeys.AuthenticationResult) (any, error) {
				first.CompareAndSwap(nil, &r)
				return sound(x, *first.Load())
			}
		}), "sign-in-concurrent"},
	}
	for _, r := range rows { // the rows that are named after an error code
		if refused(r.name).status == 0 {
			continue
		}
		faults = append(faults, fault[stage]{r.name + " has another status", edited(func(_ *http.Request, a *httptest.ResponseRecorder) {
			if strings.Contains(a.Body.String(), `"code":"`+r.name+`"`) {
				a.Code = http.StatusTeapot
			}
		}), r.name + " …"})
	}
	testFaults(t, func(t *testing.T, f func(*testing.T)) { t.Run("row", f) }, rows,
		func(t testing.TB) stage { return stage{t, mountServeMux} }, faults)
}

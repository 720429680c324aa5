package passkeys_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

type guard = passkeys.Guard[passkeys.Exchange]

// guarded puts a guard in front of a handler that says what it was given.
func (s *site) guarded(p *passkeys.Passkeys, g guard, configure ...func(*passkeys.Hooks[passkeys.Exchange])) *site {
	s.t.Helper()
	h := passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }}
	for _, f := range configure {
		f(&h)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /accounts/{id}/transfer", passkeys.Require(p, h, g)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		proof, ok := passkeys.ProofFrom(r.Context())
		_, _ = fmt.Fprintf(w, "%s %d %v; %s %v", body, r.ContentLength, err, proof.Operation, ok)
	})))
	return &site{s.t, mux, s.header.Clone(), s.host}
}

// refusal is the answer of a guard.
type refusal struct {
	Error   struct{ Code string }
	Confirm *struct {
		Request, Operation string
		MaxAge             int
	}
}

func refusedBy(t *testing.T, answer []byte) (r refusal) {
	t.Helper()
	if err := json.Unmarshal(answer, &r); err != nil || r.Error.Code != "confirmation_required" || r.Confirm == nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return r
}

// confirm asks the routes for what a guard has asked for, as a page does.
func (s *site) confirm(a *passkeytest.Authenticator, request, more string) (proof string, header http.Header) {
	s.t.Helper()
	options := s.post("/confirm/begin", `{"request":"`+request+`"}`, http.StatusOK)
	credential, err := a.Get(options)
	if err != nil {
		s.t.Fatal(err)
	}
	body := strings.TrimSuffix(finishBody(s.t, options, credential), "}") + more + "}"
	r := httptest.NewRequest(http.MethodPost, "/confirm/finish", strings.NewReader(body))
	r.Header, r.Host = s.header.Clone(), s.host
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	var answer struct{ Proof, ExpiresAt string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.ExpiresAt == "" {
		s.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.Proof, w.Header()
}

const path = "/accounts/42/transfer?fast=yes"

func TestGuardOfAnOperation(t *testing.T) {
	b, phone := newConfirming(t)
	s := newSite(t, b.Passkeys)
	bank := s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation, MaxAge: time.Minute})
	r := refusedBy(t, bank.post(path, `{"amount":100}`, http.StatusForbidden))
	if r.Confirm.Operation != "POST /accounts/{id}/transfer" || r.Confirm.MaxAge != 60 {
		t.Errorf("%+v", r)
	}
	if n := len(b.events.list); b.events.last().Type != passkeys.RegistrationSucceeded {
		t.Errorf("what asked for no more than it may is no event: %+v", b.events.list[n-1])
	}
	proof, _ := s.confirm(phone, r.Confirm.Request, "")
	for _, row := range []struct{ says, path, contentType, body string }{
		{"It is of this account.", "/accounts/43/transfer?fast=yes", "application/json", `{"amount":100}`},
		{"It is of these parameters.", "/accounts/42/transfer?fast=no", "application/json", `{"amount":100}`},
		{"It is of this amount.", path, "application/json", `{"amount":101}`},
		{"It is of a body that is read like this.", path, "text/plain", `{"amount":100}`},
		{"It has no part that could move.", path, "application/json{", `"amount":100}`},
	} {
		bank.header.Set(passkeys.ProofHeader, proof)
		bank.header.Set("Content-Type", row.contentType)
		again := refusedBy(t, bank.post(row.path, row.body, http.StatusForbidden))
		if e := b.events.last(); e.Reason != passkeys.ReasonPayloadMismatch || again.Confirm.Request == r.Confirm.Request {
			t.Errorf("%s %+v", row.says, e)
		}
	}
	bank.header.Set("Content-Type", "application/json")
	if answer := bank.post(path, `{"amount":100}`, http.StatusOK); string(answer) != `{"amount":100} 14 <nil>; POST /accounts/{id}/transfer true` {
		t.Errorf("%s", answer)
	}
	refusedBy(t, bank.post(path, `{"amount":100}`, http.StatusForbidden))
	if e := b.events.last(); e.Reason != passkeys.ReasonChallengeSpent {
		t.Errorf("%+v", e)
	}
	// What was asked for with a life of its own ends with it.
	proof, _ = s.confirm(phone, refusedBy(t, bank.post(path, "", http.StatusForbidden)).Confirm.Request, "")
	bank.header.Set(passkeys.ProofHeader, proof)
	b.clock.Advance(time.Minute + time.Second)
	bank.post(path, "", http.StatusForbidden)
}

func TestAGuardThatMayPassAgain(t *testing.T) {
	b, phone := newConfirming(t)
	s := newSite(t, b.Passkeys)
	bank := s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation, Reusable: true})
	proof, _ := s.confirm(phone, refusedBy(t, bank.post(path, "", http.StatusForbidden)).Confirm.Request, "")
	bank.header.Set(passkeys.ProofHeader, proof)
	for range 3 {
		bank.post(path, "", http.StatusOK)
	}
}

// A request is for whoever was refused, in their session, and for an hour.
func TestARequestIsTheirs(t *testing.T) {
	b, _ := newConfirming(t)
	b.registered(bob, passkeytest.New(origin))
	ctx := passkeys.WithSessionID(t.Context(), "session")
	who, session := alice, "session"
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return who, nil }
		h.SessionID = func(passkeys.Exchange) string { return session }
	})
	request, err := b.RequestConfirmation(ctx, alice.ID, transfer, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(want int, why passkeys.Reason) {
		t.Helper()
		s.post("/confirm/begin", `{"request":"`+request+`"}`, want)
		if e := b.events.last(); e.Reason != why || e.UserID != who.ID {
			t.Errorf("%+v, want %s", e, why)
		}
	}
	begin(http.StatusOK, "")
	begin(http.StatusOK, "") // as often as it is wanted
	who = bob
	begin(http.StatusBadRequest, passkeys.ReasonUserChanged)
	who, session = alice, "another"
	begin(http.StatusBadRequest, passkeys.ReasonSessionMismatch)
	session = "session"
	b.clock.Advance(time.Hour - time.Second)
	begin(http.StatusOK, "")
	b.clock.Advance(time.Second)
	begin(http.StatusBadRequest, passkeys.ReasonChallengeExpired)
}

// That a user has just signed in is as good as that they have just confirmed
// nothing in particular; of an operation it says nothing.
func TestASignInCounts(t *testing.T) {
	b, phone := newConfirming(t)
	s := newSite(t, b.Passkeys)
	at := b.clock.Now()
	signedIn := func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return at }
	}
	settings := s.guarded(b.Passkeys, guard{}, signedIn)
	if answer := settings.post(path, "", http.StatusOK); string(answer) != " 0 <nil>;  false" {
		t.Errorf("%s", answer)
	}
	refusedBy(t, s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation}, signedIn).post(path, "", http.StatusForbidden))
	b.clock.Advance(5*time.Minute + 1)
	r := refusedBy(t, settings.post(path, "", http.StatusForbidden))
	if r.Confirm.Operation != "" || r.Confirm.MaxAge != 300 {
		t.Errorf("%+v", r)
	}
	settings.header.Set("Origin", "https://evil.example")
	if answer := settings.post(path, "", http.StatusForbidden); code(answer) != "wrong_origin" {
		t.Errorf("for another site's page: %s", answer)
	}
	settings.header.Set("Origin", origin)
	at = b.clock.Now().Add(time.Hour) // no clock is so wrong
	settings.post(path, "", http.StatusForbidden)
	at = time.Time{}
	settings.post(path, "", http.StatusForbidden)
	proof, _ := s.confirm(phone, r.Confirm.Request, "")
	settings.header.Set(passkeys.ProofHeader, proof)
	for range 2 {
		if answer := settings.post(path, "", http.StatusOK); string(answer) != " 0 <nil>;  true" {
			t.Errorf("%s", answer)
		}
	}
}

func TestProofCookie(t *testing.T) {
	b, phone := newConfirming(t)
	s := newSite(t, b.Passkeys)
	bank := s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation, MaxAge: time.Minute})
	settings := s.guarded(b.Passkeys, guard{})
	cookie := func(of *site, request string) string {
		t.Helper()
		proof, header := s.confirm(phone, request, `,"cookie":true`)
		set := header["Set-Cookie"]
		if len(set) != 1 || proof != "" {
			t.Fatalf("%q and %q", set, proof)
		}
		value, attributes, _ := strings.Cut(strings.TrimPrefix(set[0], "__Host-passkey-proof="), "; ")
		of.header.Set("Cookie", "__Host-passkey-proof="+value)
		return attributes
	}
	if got := cookie(bank, refusedBy(t, bank.post(path, "x", http.StatusForbidden)).Confirm.Request); got != "Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict" {
		t.Errorf("%q", got)
	}
	for _, row := range []struct{ says, origin, site string }{
		{"It has no name, as a GET, and is another one of our site.", "", "same-site"},
		{"It has no name, and is another site's.", "", "cross-site"},
	} {
		bank.header["Origin"], bank.header["Sec-Fetch-Site"] = []string{row.origin}, []string{row.site}
		if answer := bank.post(path, "x", http.StatusForbidden); code(answer) != "confirmation_required" {
			t.Errorf("%s %s", row.says, answer)
		}
	}
	for _, row := range []struct{ says, origin, site string }{
		{"It is another site's.", "https://evil.example", "cross-site"},
		{"It is a sandboxed frame's.", "null", "cross-site"},
	} {
		bank.header["Origin"], bank.header["Sec-Fetch-Site"] = []string{row.origin}, []string{row.site}
		if answer := bank.post(path, "x", http.StatusForbidden); code(answer) != "wrong_origin" {
			t.Errorf("%s %s", row.says, answer)
		}
	}
	bank.header["Origin"], bank.header["Sec-Fetch-Site"] = []string{origin}, []string{"same-site"}
	bank.header.Set(passkeys.ProofHeader, "none")
	bank.post(path, "x", http.StatusForbidden) // the header is what is meant
	bank.header.Del(passkeys.ProofHeader)
	for _, row := range []struct {
		of   *site
		want []string
	}{
		{bank, []string{"__Host-passkey-proof=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"}},
		{settings, nil}, // which may pass again
	} {
		if row.of == settings {
			settings.header.Set("Sec-Fetch-Site", "none") // the user, by the address bar
			if got := cookie(settings, ""); got != "Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict" {
				t.Errorf("%q", got)
			}
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("x"))
		r.Header, r.Host = row.of.header.Clone(), row.of.host
		w := httptest.NewRecorder()
		row.of.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || fmt.Sprint(w.Header()["Set-Cookie"]) != fmt.Sprint(row.want) {
			t.Errorf("%d %q", w.Code, w.Header())
		}
	}
}

func TestBearerGuard(t *testing.T) {
	b, _ := newConfirming(t)
	api := newSite(t, b.Passkeys).guarded(b.Passkeys, guard{Bearer: true, MaxAge: 90 * time.Second})
	w := httptest.NewRecorder()
	api.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
	want := `Bearer error="insufficient_user_authentication", error_description="Please confirm this with your passkey.", max_age="90"`
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != want {
		t.Errorf("%d %q", w.Code, w.Header())
	}
	if r := refusedBy(t, w.Body.Bytes()); r.Confirm.MaxAge != 90 {
		t.Errorf("%+v", r)
	}
	none := newSite(t, b.Passkeys).guarded(b.Passkeys, guard{Bearer: true}, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrForbidden }
	})
	if answer := none.post(path, "", http.StatusForbidden); code(answer) != "forbidden" {
		t.Errorf("%s", answer)
	}
}

// What an application answers for itself is a page, and no way in.
func TestRefusedByAPage(t *testing.T) {
	b, phone := newConfirming(t)
	s := newSite(t, b.Passkeys)
	writes := true
	bank := s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation, Bearer: true, Refused: func(x passkeys.Exchange, err *passkeys.Error) {
		if !errors.Is(err, passkeys.ErrConfirmationRequired) {
			t.Error(err)
		}
		if writes {
			_, _ = io.WriteString(x.W, err.ConfirmationRequest())
		}
	}})
	request := bank.post(path, "x", http.StatusOK)
	proof, _ := s.confirm(phone, string(request), "")
	bank.header.Set(passkeys.ProofHeader, proof)
	if answer := bank.post(path, "x", http.StatusOK); !strings.HasPrefix(string(answer), "x 1 <nil>; POST") {
		t.Errorf("%s", answer)
	}
	writes = false
	refusedBy(t, bank.post(path, "x", http.StatusUnauthorized))
	if passkeys.ErrForbidden.ConfirmationRequest() != "" {
		t.Error("another error asks for a confirmation")
	}
	none := s.guarded(b.Passkeys, guard{Refused: func(passkeys.Exchange, *passkeys.Error) { t.Error("asked of another error") }}, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrForbidden }
	})
	none.post(path, "", http.StatusForbidden)
}

// What else a hook wants confirmed is not confirmed by a sign-in, however fresh.
func TestAuthorizeAsksForAnOperation(t *testing.T) {
	b, _ := newConfirming(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.Authorize = func(x passkeys.Exchange, user passkeys.User, _ passkeys.Action) error {
			_, err := b.VerifyProof(x.R.Context(), "", passkeys.ProofCheck{UserID: user.ID, Operation: transfer})
			return err
		}
		h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return b.clock.Now() }
	})
	if r := refusedBy(t, s.post("/register/begin", "", http.StatusForbidden)); r.Confirm.Operation != transfer.Name || r.Confirm.Request == "" {
		t.Errorf("%+v", r)
	}
}

func TestFreshWithin(t *testing.T) {
	if a, b := passkeys.FreshWithin(time.Minute), passkeys.FreshWithin(time.Hour); a == b { //nolint:errorlint // each is its own
		t.Error("the second is an answer to the first")
	}
	b, phone := newConfirming(t)
	within, at, joined := time.Duration(0), time.Time{}, error(nil)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
			if joined != nil {
				return errors.Join(passkeys.FreshWithin(within), joined)
			}
			return passkeys.FreshWithin(within)
		}
		h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return at }
	})
	credential := "/credentials/" + passkeys.EncodeID(b.stored().ID)
	all := func(want int) (answers [][]byte) {
		t.Helper()
		status := func(done int) int {
			if want == http.StatusForbidden {
				return want
			}
			return done
		}
		return [][]byte{
			s.post("/register/begin", "", status(http.StatusOK)),
			s.post("/register/finish", "{}", status(http.StatusBadRequest)),
			s.do(http.MethodPatch, credential, `{"deviceName":"x"}`, status(http.StatusNoContent)),
		}
	}
	var r refusal
	for _, answer := range all(http.StatusForbidden) {
		r = refusedBy(t, answer)
		if r.Confirm.MaxAge != 300 || r.Confirm.Operation != "" {
			t.Errorf("%s", answer)
		}
	}
	at = b.clock.Now().Add(-5 * time.Minute)
	all(http.StatusOK)
	b.clock.Advance(1)
	all(http.StatusForbidden)
	proof, _ := s.confirm(phone, r.Confirm.Request, "")
	s.header.Set(passkeys.ProofHeader, proof)
	all(http.StatusOK)
	within = 2 * time.Second
	all(http.StatusOK)
	b.clock.Advance(3 * time.Second)
	if r := refusedBy(t, all(http.StatusForbidden)[0]); r.Confirm.MaxAge != 2 {
		t.Errorf("%+v", r)
	}
	for _, within = range []time.Duration{-1, time.Millisecond, 25 * time.Hour} {
		// No rule at all, and none that is laxer than what was meant.
		if answer := s.post("/register/begin", "", http.StatusInternalServerError); code(answer) != "configuration_error" {
			t.Errorf("%v: %s", within, answer)
		}
	}
	// Joined with another answer, or wrapped in one, it is no yes to that.
	within = 0
	for _, also := range []error{passkeys.ErrForbidden, errors.New("down"), passkeys.FreshWithin(time.Second)} {
		joined = also
		if answer := s.post("/register/begin", "", http.StatusForbidden); code(answer) != "confirmation_required" {
			t.Errorf("with %v: %s", also, answer)
		}
	}
	// Where no route resolves it, it is a refusal all the same.
	w := httptest.NewRecorder()
	passkeys.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), passkeys.FreshWithin(time.Minute))
	if got := w.Body.String(); w.Code != http.StatusForbidden || !strings.HasSuffix(got, `,"confirm":{"operation":"","maxAge":60}}`) {
		t.Errorf("%d %s", w.Code, got)
	}
	s.confirm(phone, "", "")
}

// Only a proof lets a request pass: neither a hook that fails nor one that has
// answered, nor a guard that asks for nothing where it should ask for something.
func TestAGuardThatCannotTell(t *testing.T) {
	b, _ := newConfirming(t)
	errSecret := errors.New("secret")
	none := func(*passkeys.Hooks[passkeys.Exchange]) {}
	for _, row := range []struct {
		says      string
		operation func(passkeys.Exchange) (passkeys.Operation, error)
		configure func(*passkeys.Hooks[passkeys.Exchange])
		status    int
		code      string
	}{
		{"Nobody is signed in.", nil, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }
		}, http.StatusUnauthorized, "unauthenticated"},
		{"Nobody can say who is.", nil, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, errSecret }
		}, http.StatusInternalServerError, "internal_error"},
		{"They have been answered.", nil, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
				http.Redirect(x.W, x.R, "/sign-in", http.StatusSeeOther)
				return alice, nil
			}
			h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return b.clock.Now() }
		}, http.StatusSeeOther, ""},
		{"The operation is not known.", func(passkeys.Exchange) (passkeys.Operation, error) { return passkeys.Operation{}, errSecret }, none, http.StatusInternalServerError, "internal_error"},
		{"The operation does not exist.", func(passkeys.Exchange) (passkeys.Operation, error) {
			return passkeys.Operation{}, passkeys.ErrNotFound
		}, none, http.StatusNotFound, "not_found"},
		{"The operation has no name.", func(passkeys.Exchange) (passkeys.Operation, error) { return passkeys.Operation{}, nil }, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.AuthenticatedAt = func(passkeys.Exchange) time.Time { return b.clock.Now() }
		}, http.StatusInternalServerError, "configuration_error"},
		{"The operation's name is none.", func(passkeys.Exchange) (passkeys.Operation, error) { return passkeys.Operation{Name: "\n"}, nil }, none, http.StatusInternalServerError, "configuration_error"},
		{"The operation has been answered.", func(x passkeys.Exchange) (passkeys.Operation, error) {
			x.W.WriteHeader(http.StatusTeapot)
			return transfer, nil
		}, none, http.StatusTeapot, ""},
	} {
		answer := newSite(t, b.Passkeys).guarded(b.Passkeys, guard{Operation: row.operation}, row.configure).post(path, "", row.status)
		if code(answer) != row.code || strings.Contains(string(answer), "secret") {
			t.Errorf("%s %s", row.says, answer)
		}
	}
}

// What is wrong with a guard's operation is the operator's to know.
func TestAnOperationThatIsNoneIsLogged(t *testing.T) {
	for _, name := range []string{"", "a\nb"} {
		var log bytes.Buffer
		b, _ := newConfirming(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		g := guard{Operation: func(passkeys.Exchange) (passkeys.Operation, error) { return passkeys.Operation{Name: name}, nil }}
		newSite(t, b.Passkeys).guarded(b.Passkeys, g).post(path, "", http.StatusInternalServerError)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="passkeys: Guard.Operation failed"`) || !strings.Contains(got, "Name") {
			t.Errorf("%q: %s", name, got)
		}
	}
}

// A proof is of the session that it was made in, and so is what asks for one.
func TestAGuardAsksInTheSession(t *testing.T) {
	b, phone := newConfirming(t)
	session := func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.SessionID = func(x passkeys.Exchange) string { return x.R.Header.Get("X-Session") }
	}
	s := newSite(t, b.Passkeys, session)
	bank := s.guarded(b.Passkeys, guard{Operation: passkeys.Exchange.RequestOperation}, session)
	s.header.Set("X-Session", "one")
	bank.header.Set("X-Session", "one")
	proof, _ := s.confirm(phone, refusedBy(t, bank.post(path, "", http.StatusForbidden)).Confirm.Request, "")
	bank.header.Set(passkeys.ProofHeader, proof)
	bank.header.Set("X-Session", "another")
	bank.post(path, "", http.StatusForbidden)
	if e := b.events.last(); e.Reason != passkeys.ReasonSessionMismatch {
		t.Errorf("%+v", e)
	}
	bank.header.Set("X-Session", "one")
	bank.post(path, "", http.StatusOK)
}

func TestRequireNeedsWhatItAsks(t *testing.T) {
	b := newBench(t)
	h := passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }}
	for _, row := range []struct {
		says   string
		source *passkeys.Passkeys
		hooks  passkeys.Hooks[passkeys.Exchange]
		guard  guard
	}{
		{"There is nobody to ask.", nil, h, guard{}},
		{"There is no telling who it is.", b.Passkeys, passkeys.Hooks[passkeys.Exchange]{}, guard{}},
		{"Nothing is that fresh.", b.Passkeys, h, guard{MaxAge: -time.Second}},
		{"No proof is that old.", b.Passkeys, h, guard{MaxAge: 24*time.Hour + time.Second}},
		{"The client could not be told.", b.Passkeys, h, guard{MaxAge: 1500 * time.Millisecond}},
	} {
		if _, err := passkeys.NewCheck(row.source, row.hooks, row.guard); !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("%s %v", row.says, err)
		}
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, passkeys.ErrConfiguration) {
					t.Errorf("%s %v", row.says, err)
				}
			}()
			passkeys.Require(row.source, row.hooks, row.guard)
		}()
	}
}

// A guard that comes when the answer has been given can do no more than say so.
func TestAGuardThatComesTooLate(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	b, _ := newConfirming(t)
	h := passkeys.Hooks[passkeys.Exchange]{
		GetUser:         func(passkeys.Exchange) (passkeys.User, error) { return alice, nil },
		AuthenticatedAt: func(passkeys.Exchange) time.Time { return b.clock.Now() },
	}
	check, err := passkeys.NewCheck(b.Passkeys, h, guard{})
	if err != nil {
		t.Fatal(err)
	}
	x := passkeys.NewExchange(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	if _, ok := check(x, x.W, x.R); !ok {
		t.Error("it does not let pass")
	}
	x.W.WriteHeader(http.StatusOK)
	if _, ok := check(x, x.W, x.R); ok || !strings.Contains(log.String(), "in front of the handler") {
		t.Errorf("%v, %s", ok, log.String())
	}
}

// A guard takes a handler's request as it came: its context, its writer and its
// request id.
func TestAGuardLeavesTheRequestAlone(t *testing.T) {
	b, phone := newConfirming(t)
	proof := b.mustConfirm(t.Context(), phone, passkeys.Operation{}).Sealed
	type key struct{}
	w := httptest.NewRecorder()
	h := passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }}
	handler := passkeys.Require(b.Passkeys, h, guard{})(http.HandlerFunc(func(got http.ResponseWriter, r *http.Request) {
		if proof, ok := passkeys.ProofFrom(r.Context()); got != w || r.Context().Value(key{}) != "value" || !ok || proof.UserID != alice.ID {
			t.Errorf("%v, %+v", got, proof)
		}
	}))
	r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(context.WithValue(t.Context(), key{}, "value"))
	r.Header.Set(passkeys.ProofHeader, proof)
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	outer := passkeys.WithProof(t.Context(), &passkeys.Proof{UserID: alice.ID})
	for _, ctx := range []context.Context{t.Context(), passkeys.WithProof(outer, nil)} { // the latter behind a sign-in
		if p, ok := passkeys.ProofFrom(ctx); ok {
			t.Errorf("there is a proof of nothing: %+v", p)
		}
	}
}

func TestRequestOperation(t *testing.T) {
	large := strings.Repeat("x", 64<<10)
	request := func(body io.Reader) *http.Request {
		return httptest.NewRequest(http.MethodPost, "/a%2Fb/c?d=e", body)
	}
	unknown := func(body string) io.Reader { return struct{ io.Reader }{strings.NewReader(body)} } // of a length that is
	payload := func(parts ...string) (all string) {
		for _, part := range parts {
			all += string(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) + part
		}
		return all
	}
	const sent, form = "/a%2Fb/c?d=e", "application/x-www-form-urlencoded"
	for _, row := range []struct {
		says, pattern string
		r             *http.Request
		change        func(*http.Request)
		name          string
		payload       string
		want          error
	}{
		{"No body.", "/{x}/c", request(nil), nil, "POST /{x}/c", payload("POST", "example.com", sent, sent, "", ""), nil},
		{"The pattern of a ServeMux.", "POST example.org/{x}/c", request(nil), nil, "POST example.org/{x}/c", payload("POST", "example.com", sent, sent, "", ""), nil},
		{"Another host.", "/c", request(nil), func(r *http.Request) { r.Host = "example.org" }, "POST /c", payload("POST", "example.org", sent, sent, "", ""), nil},
		{"Another address by now.", "/c", request(nil), func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/c", "" }, "POST /c", payload("POST", "example.com", sent, "/c?d=e", "", ""), nil},
		{"A body.", "/c", request(strings.NewReader("body")), func(r *http.Request) { r.Header.Set("Content-Type", "a/b") }, "POST /c", payload("POST", "example.com", sent, sent, "a/b", "body"), nil},
		{"No reader at all.", "/c", request(nil), func(r *http.Request) { r.Body = nil }, "POST /c", payload("POST", "example.com", sent, sent, "", ""), nil},
		{"A body of a length that is not known.", "/c", request(unknown("body")), nil, "POST /c", payload("POST", "example.com", sent, sent, "", "body"), nil},
		{"The largest.", "/c", request(strings.NewReader(large)), nil, "POST /c", payload("POST", "example.com", sent, sent, "", large), nil},
		{"A method that there is.", "/c", request(nil), func(r *http.Request) { r.Method = http.MethodDelete }, "DELETE /c", payload("DELETE", "example.com", sent, sent, "", ""), nil},
		{"A method of the client's.", "/c", request(nil), func(r *http.Request) { r.Method = "STEAL" }, "OTHER /c", payload("STEAL", "example.com", sent, sent, "", ""), nil},
		{"A larger one.", "/c", request(strings.NewReader(large + "x")), nil, "", "", passkeys.ErrPayloadTooLarge},
		{"One that a middleware has cut off.", "/c", request(strings.NewReader("body")), func(r *http.Request) { r.Body = http.MaxBytesReader(nil, r.Body, 2) }, "", "", passkeys.ErrPayloadTooLarge},
		{"One that breaks off.", "/c", request(io.MultiReader(strings.NewReader("body"), broken{})), nil, "", "", passkeys.ErrInvalidRequest},
		{"One that was read before.", "/c", request(strings.NewReader("body")), func(r *http.Request) { _, _ = io.ReadAll(r.Body) }, "", "", passkeys.ErrConfiguration},
		{"One of which a part was read before.", "/c", request(strings.NewReader("body")), func(r *http.Request) { _, _ = r.Body.Read(make([]byte, 1)) }, "", "", passkeys.ErrConfiguration},
		{"One that was read before, of a length that is not known.", "/c", request(unknown("body")), func(r *http.Request) { _, _ = io.ReadAll(r.Body) }, "", "", passkeys.ErrInvalidRequest},
		{"A form that was parsed before, and put back as something else.", "/c", request(unknown("eur=1000")), func(r *http.Request) {
			r.Header.Set("Content-Type", form)
			_ = r.ParseForm()
			r.Body = io.NopCloser(strings.NewReader("eur=1"))
		}, "", "", passkeys.ErrConfiguration},
		{"One of several parts, of which a parser leaves what is behind the last.", "/c", request(unknown("--b\r\nContent-Disposition: form-data; name=\"eur\"; filename=\"f\"\r\n\r\n1000\r\n--b--\r\n" + large[:8<<10])), func(r *http.Request) {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			_ = r.ParseMultipartForm(1 << 20)
		}, "", "", passkeys.ErrConfiguration},
		{"No route.", "", request(nil), nil, "", "", passkeys.ErrConfiguration},
	} {
		if row.change != nil {
			row.change(row.r)
		}
		o, err := passkeys.RequestOperation(row.r, row.pattern)
		if !errors.Is(err, row.want) || o.Name != row.name || string(o.Payload) != row.payload {
			t.Errorf("%s %.200q %v", row.says, o.Payload, err)
		}
		if row.want != nil {
			continue
		}
		body, err := io.ReadAll(row.r.Body)
		if err != nil || !strings.HasSuffix(row.payload, string(body)) || row.r.ContentLength != int64(len(body)) {
			t.Errorf("%s The handler reads %.100q of %d, %v", row.says, body, row.r.ContentLength, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestOnConfirmed(t *testing.T) {
	b, phone := newConfirming(t)
	var kept []passkeys.ConfirmationResult
	var refuses error
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnConfirmed = func(_ passkeys.Exchange, u passkeys.User, r passkeys.ConfirmationResult) error {
			if u != alice {
				t.Errorf("%+v", u)
			}
			kept = append(kept, r)
			return refuses
		}
	})
	request, err := b.RequestConfirmation(t.Context(), alice.ID, transfer, 0)
	if err != nil {
		t.Fatal(err)
	}
	proof, _ := s.confirm(phone, request, "")
	if r := kept[0]; r.Sealed != proof || r.Evidence.Verify(transfer.Payload) != nil || r.Proof.Operation != "transfer" {
		t.Errorf("%+v", r)
	}
	refuses = passkeys.ErrForbidden
	options := s.post("/confirm/begin", "", http.StatusOK)
	credential, err := phone.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	answer := s.post("/confirm/finish", finishBody(t, options, credential), http.StatusForbidden)
	if e := b.events.last(); code(answer) != "forbidden" || e.Type != passkeys.ConfirmationFailed || e.Reason != passkeys.ReasonHookFailed {
		t.Errorf("%s %+v", answer, e)
	}
	refuses = nil
	if answer := s.post("/confirm/finish", finishBody(t, options, credential), http.StatusBadRequest); code(answer) != "challenge_not_found" {
		t.Errorf("%s", answer)
	}
}

func TestOfALargeRequestLittleIsRead(t *testing.T) {
	body := &endless{}
	r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(body, 1<<20))
	r.ContentLength = -1
	if _, err := passkeys.RequestOperation(r, "/"); err == nil || body.read > 128<<10 {
		t.Errorf("%d bytes were read: %v", body.read, err)
	}
}

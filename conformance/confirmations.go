package conformance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func confirmationRows() []row[*site] {
	return []row[*site]{
		{"confirm", "A passkey confirms that its user is still there, and the proof of it passes, as often as it is fresh, where nothing in particular is asked for.", confirm},
		{"confirm-operation", "What a guard refuses has a request, whose confirmation passes there, once, and neither elsewhere nor without it.", confirmOperation},
		{"confirm-page", "The page that a server renders asks with RequestConfirmation, and its maxAge is the life of the proof.", confirmPage},
		{"confirm-cookie", "A proof goes into a cookie where the page asks for that, and not into the body; its one use clears it, and a header comes before it.", confirmCookie},
		{"confirm-cookie-origin", "The cookie is no use to a page that is none of the origins, nor does it count for one that has no name and is another of our site.", confirmCookieOrigin},
		{"confirm-concurrent", "Guarded requests at the same time have each their own proof and body.", confirmConcurrent},
		{"on-confirmed", "OnConfirmed is told who has confirmed what, with evidence; its error is the answer, and there is no proof then.", onConfirmed},
		{"bearer", "A guard for tokens refuses with 401 and what RFC 9470 has in WWW-Authenticate, and the same body.", bearer},
		{"refused", "Refused may answer with a page that asks for what is missing, and is asked for no other error; where it writes nothing, it can still set headers.", refusedPage},
		{"fresh-sign-in", "A sign-in passes within MaxAge, by what AuthenticatedAt says, and only where nothing in particular is asked for; the handler finds no proof then.", freshSignIn},
		{"fresh-within", "FreshWithin as the answer of Authorize asks for the same before a passkey is added, at both ends, renamed or revoked.", freshWithin},
		{"proof", "The handler behind a guard finds the proof in the request's context.", proofFrom},
		{"reusable", "Where a proof is reusable, it passes its operation as often as it is fresh, and asks no store.", reusable},
		{"request-operation", "RequestOperation has the name of method and route, as the router spells it, and the payload of method, host, URL, Content-Type and body.", requestOperation},
		{"guarded-body", "The handler reads the body that was confirmed to the byte, with and without a Content-Length; one of more than 64 KiB is 413, and one that was read before is none.", guardedBody},
		{"no_credentials", "A confirmation by a user with no passkey that works is 409.", noCredentials},
		{"confirmation_failed", "A confirmation that does not verify is 403.", confirmationFailed},
		{"confirmation_required", "A guarded request without a proof, or with what is none, is 403 and never reaches its handler.", confirmationRequired},
	}
}

// guard is the rule of a route of the site's own.
type guard struct {
	method, path string
	maxAge       time.Duration
	operation    bool // asks site.operation
	reusable     bool
	bearer       bool
}

func guards() []guard {
	return []guard{
		{method: http.MethodPost, path: "/settings"},
		{method: http.MethodPost, path: "/keys", maxAge: 24 * time.Hour},
		{method: http.MethodPost, path: "/accounts/{id}/transfer", operation: true},
		{method: http.MethodPut, path: "/accounts/{id}/transfer", operation: true},
		{method: http.MethodPost, path: "/accounts/{id}/close", operation: true},
		{method: http.MethodGet, path: "/accounts/{id}/report", maxAge: time.Hour, operation: true, reusable: true},
		{method: http.MethodPost, path: "/api/settings", maxAge: 10 * time.Minute, bearer: true},
		{method: http.MethodPost, path: "/api/transfer", operation: true, bearer: true},
	}
}

// guard is that of a request's route.
func (m message) guard() guard {
	path, _, _ := strings.Cut(m.path, "?")
	all := guards()
	return all[slices.IndexFunc(all, func(g guard) bool { return g.method == m.method && fits(g.path, path) })]
}

// maxAge is that of its guard, in seconds.
func (m message) maxAge() int { return int(cmp.Or(m.guard().maxAge, 5*time.Minute) / time.Second) }

// fits reports whether a path is one of this pattern.
func fits(pattern, path string) bool {
	before, after, ok := strings.Cut(pattern, "{id}")
	return ok && strings.HasPrefix(path, before) && strings.HasSuffix(path, after) || pattern == path
}

// Requests by alice that guards stand in front of: settings asks for nothing in
// particular, transfer for itself, and so does report, as often as you like.
func settings() message {
	return message{guarded: true, user: "alice", method: http.MethodPost, path: "/settings", body: `{"theme":"dark"}`}
}

func transfer() message {
	return message{guarded: true, user: "alice", method: http.MethodPost, path: "/accounts/1/transfer?to=2", body: `{"amount":100}`}
}

func report() message {
	return message{guarded: true, user: "alice", method: http.MethodGet, path: "/accounts/1/report?year=2029"}
}

// with is the request with a proof in the header.
func (m message) with(proof string) message {
	m.proof = proof
	return m
}

// payload is what RequestOperation makes of a request.
func (m message) payload() []byte {
	contentType := m.contentType
	switch {
	case contentType == "-":
		contentType = ""
	case contentType == "" && m.body != "":
		contentType = "application/json"
	}
	var b []byte
	for _, part := range []string{m.method, strings.TrimPrefix(origin, "https://"), m.path, m.path, contentType, m.body} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// handle is the handler of every guarded route: it says what has let the request
// pass, and what it has read.
func (s *site) handle(x passkeys.Exchange) {
	body, err := io.ReadAll(x.R.Body)
	says := "no proof"
	if p, ok := passkeys.ProofFrom(x.R.Context()); ok {
		says = proofOf(p)
	}
	if err != nil {
		says = "reading the body: " + err.Error()
	}
	x.W.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprintf(x.W, "%s\n%s", says, body)
}

func proofOf(p passkeys.Proof) string {
	return fmt.Sprintf("%s %s %s %q %x %t %t %t", p.UserID, passkeys.EncodeID(p.CredentialID), p.At.Format(time.RFC3339Nano), p.Operation,
		p.PayloadHash, p.UserVerified, p.Reliable, p.CeremonyID != "")
}

// passed is the answer of the handler. Which proof it has found is a row's of its
// own to say, and here that of got.
func passed(got answer, body string) answer {
	says, _, _ := strings.Cut(got.body, "\n")
	return answer{http.StatusOK, http.Header{"Content-Type": {"text/plain"}}, says + "\n" + body}
}

// passes reports a request that does not reach its handler, whole, and returns
// what that says of the proof.
func (c *check) passes(what string, s *site, m message) string {
	got := c.send(s, m)
	c.answers(what, got, passed(got, m.body))
	says, _, _ := strings.Cut(got.body, "\n")
	return says
}

// demand is what a guard asks for.
type demand struct {
	Request   string
	Operation string
	MaxAge    int
}

// asked reports an answer that is not the refusal of a guard, and returns what it
// asks for. Which operation the router makes of it is a row's of its own.
func (c *check) asked(what string, got answer, maxAge int) demand {
	var v struct{ Confirm demand }
	_ = json.Unmarshal([]byte(got.body), &v) // if that is wrong, so is what follows
	c.answers(what, got, demanded(v.Confirm.Request, v.Confirm.Operation, maxAge))
	if v.Confirm.Request == "" || len(v.Confirm.Request) > 1024 || strings.Trim(v.Confirm.Request, urlSafe) != "" {
		c.errorf("%s: the request is %.2000q", what, v.Confirm.Request)
	}
	return v.Confirm
}

const urlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// demanded is the refusal of a guard.
func demanded(request, operation string, maxAge int) answer {
	a := refused("confirmation_required")
	a.body = strings.TrimSuffix(a.body, "}") + fmt.Sprintf(`,"confirm":{"request":%q,"operation":%q,"maxAge":%d}}`, request, operation, maxAge)
	return a
}

// required reports a request that a guard does not refuse, and returns what it
// asks for.
func (c *check) required(what string, s *site, m message) demand {
	return c.asked(what, c.send(s, m), m.maxAge())
}

// at is a request of the same user in the same session to one of the routes.
func (m message) at(path, body string) message {
	return message{user: m.user, session: m.session, tenant: m.tenant, method: http.MethodPost, path: path, body: body}
}

// confirming begins a confirmation and returns the body that finishes it.
func (c *check) confirming(s *site, phone *passkeytest.Authenticator, m message, request string) string {
	body := ""
	if request != "" {
		body = fmt.Sprintf(`{"request":%q}`, request)
	}
	return c.signed(phone, c.send(s, m.at("/confirm/begin", body)))
}

// proof confirms what a request asks for, as the user of m.
func (c *check) proof(s *site, phone *passkeytest.Authenticator, m message, request string) string {
	return c.proved(c.send(s, m.at("/confirm/finish", c.confirming(s, phone, m, request))))
}

// proved returns the proof in the answer of a finish, and reports one that is
// none.
func (c *check) proved(got answer) string {
	var v struct{ Proof, ExpiresAt string }
	_ = json.Unmarshal([]byte(got.body), &v)
	c.answers("confirmation", got, ok(fmt.Sprintf(`{"proof":%q,"expiresAt":%q}`, v.Proof, v.ExpiresAt)))
	if v.Proof == "" || len(v.Proof) > 2200 || strings.Trim(v.Proof, urlSafe) != "" {
		c.errorf("the proof is %.3000q", v.Proof)
	}
	return v.Proof
}

// lasting finishes a confirmation a second after it was begun, and reports a proof
// that does not end then.
func (c *check) lasting(s *site, m message, body string, life time.Duration) string {
	s.clock.Advance(time.Second) // a server makes no two at one moment
	got := c.send(s, m.at("/confirm/finish", body))
	proof := c.proved(got)
	c.answers("finish", got, ok(`{"proof":"`+proof+`","expiresAt":"`+s.clock.Now().Add(life).Format(time.RFC3339Nano)+`"}`))
	return proof
}

// confirmed confirms just what a request is about to do, and returns the proof.
func (c *check) confirmed(s *site, phone *passkeytest.Authenticator, m message) string {
	return c.proof(s, phone, m, c.required("without a proof", s, m).Request)
}

// confirmationOptions is what a begin of a confirmation answers.
func (c *check) confirmationOptions(begin answer, id string) answer {
	want := c.requestOptions(begin, `{"id":"`+id+`","type":"public-key","transports":["internal"]}`)
	want.body = strings.Replace(want.body, `"userVerification":"preferred"`, `"userVerification":"required"`, 1)
	return want
}

func confirm(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	asked := c.required("without a proof", s, settings())
	if asked.Operation != "" {
		c.errorf("the operation is %q, want none", asked.Operation)
	}
	var proof string
	for _, body := range []string{"", "{}", `{"request":""}`, `{"request":"` + asked.Request + `"}`} {
		begin := c.post(s, "alice", "/confirm/begin", body)
		c.answers("begin with "+body, begin, c.confirmationOptions(begin, id))
		proof = c.lasting(s, settings(), c.signed(phone, begin), 24*time.Hour)
		for range 2 {
			c.passes("with a proof", s, settings().with(proof))
		}
	}
	c.required("with a proof of nothing in particular", s, transfer().with(proof))
	c.signsIn(s, phone, alice())
	c.required("after a sign-in", s, settings())
	s.clock.Advance(5 * time.Minute)
	c.passes("after five minutes", s, settings().with(proof))
	s.clock.Advance(time.Second)
	c.required("after more", s, settings().with(proof))
	c.passes("after more, where more is enough", s, message{guarded: true, user: "alice", method: http.MethodPost, path: "/keys", proof: proof})
}

func confirmOperation(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	asked := c.required("without a proof", s, transfer())
	begin := c.post(s, "alice", "/confirm/begin", `{"request":"`+asked.Request+`"}`)
	c.answers("begin", begin, c.confirmationOptions(begin, id))
	proof := c.lasting(s, transfer(), c.signed(phone, begin), 5*time.Minute)
	other := transfer()
	other.path = "/accounts/1/close"
	c.required("elsewhere", s, other.with(proof))
	c.required("without it", s, transfer())
	c.passes("with the proof", s, transfer().with(proof))
	if again := c.required("with the proof again", s, transfer().with(proof)); again.Operation != asked.Operation {
		c.errorf("the operation is %q, and was %q", again.Operation, asked.Operation)
	}
	c.passes("with another", s, transfer().with(c.proof(s, phone, transfer(), asked.Request)))
}

// By what was rendered an hour ago one can still confirm, and the guard decides
// whether that is enough.
func confirmPage(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	operation := passkeys.Operation{Name: "transfer", Payload: []byte("100 to 2")}
	s.operation = func(passkeys.Exchange, func() (passkeys.Operation, error)) (passkeys.Operation, error) {
		return operation, nil
	}
	request := func(maxAge time.Duration) string {
		request, err := s.passkeys.RequestConfirmation(c.ctx, "alice", operation, maxAge)
		c.is(err, nil, "RequestConfirmation")
		return request
	}
	for maxAge, expires := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Second: time.Second, 24 * time.Hour: 24 * time.Hour} {
		rendered := request(maxAge)
		s.clock.Advance(time.Hour - time.Second)
		proof := c.lasting(s, transfer(), c.confirming(s, phone, transfer(), rendered), expires)
		m := transfer() // whose URL and body are not what is confirmed here
		m.path, m.body = "/accounts/2/transfer", fmt.Sprint(maxAge)
		c.passes("what was confirmed", s, m.with(proof))
	}
	late := request(0)
	s.clock.Advance(time.Hour)
	c.answers("begin after an hour", c.send(s, transfer().at("/confirm/begin", `{"request":"`+late+`"}`)), refused("challenge_expired"))
}

// cookied confirms what a request asks for into a cookie, and returns what the
// browser sends of it.
func (c *check) cookied(s *site, phone *passkeytest.Authenticator, m message, request, expires string, maxAge int) string {
	body := strings.Replace(c.confirming(s, phone, m, request), "{", `{"cookie":true,`, 1)
	s.clock.Advance(time.Second)
	got := c.send(s, m.at("/confirm/finish", body))
	pair, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	name, value, _ := strings.Cut(pair, "=")
	if name != passkeys.ProofCookie || value == "" || strings.Trim(value, urlSafe) != "" {
		c.errorf("the cookie is %.3000q", pair)
	}
	want := ok(`{"expiresAt":"` + expires + `"}`)
	want.header.Set("Set-Cookie", fmt.Sprintf("%s; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Strict", pair, maxAge))
	c.answers("finish with cookie", got, want)
	return pair
}

func confirmCookie(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	m := settings()
	m.cookie = "theme=dark; " + c.cookied(s, phone, m, "", "2030-01-02T00:00:01Z", 24*60*60)
	for range 2 {
		c.passes("what asks for nothing in particular", s, m)
	}
	c.required("with a header that is no proof", s, m.with("x"))

	m = transfer()
	m.cookie = c.cookied(s, phone, m, c.required("without", s, m).Request, "2030-01-01T00:05:02Z", 5*60)
	c.required("with a header that is no proof", s, m.with("x"))
	got := c.send(s, m)
	want := passed(got, m.body)
	want.header.Set("Set-Cookie", passkeys.ProofCookie+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict")
	c.answers("an operation", got, want)
	c.required("again", s, m)

	m = report()
	m.cookie = c.cookied(s, phone, m, c.required("without", s, m).Request, "2030-01-01T01:00:03Z", 60*60)
	for range 2 {
		c.passes("what can be used again", s, m)
	}
	for _, none := range []string{"false", "null"} {
		body := strings.Replace(c.confirming(s, phone, m, ""), "{", `{"cookie":`+none+`,`, 1)
		c.proved(c.send(s, m.at("/confirm/finish", body)))
	}
}

func confirmCookieOrigin(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for _, m := range []message{settings(), transfer(), report()} {
		request := c.required("without a proof", s, m).Request
		body := strings.Replace(c.confirming(s, phone, m, request), "{", `{"cookie":true,`, 1)
		m.cookie, _, _ = strings.Cut(c.send(s, m.at("/confirm/finish", body)).header.Get("Set-Cookie"), ";")
		for _, other := range []message{{origin: "https://evil.example"}, {origin: "https://evil.example", fetchSite: "same-origin"}, {origin: "null"}, {origin: "null", fetchSite: "cross-site"}} {
			evil := m
			evil.origin, evil.fetchSite = other.origin, other.fetchSite
			c.answers(fmt.Sprintf("%s from %s, %q", m.path, evil.origin, evil.fetchSite), c.send(s, evil), refused("wrong_origin"))
		}
		for _, m.fetchSite = range []string{"same-site", "cross-site"} {
			m.origin = "-"
			c.required(fmt.Sprintf("%s from a page of no name, %q", m.path, m.fetchSite), s, m)
		}
		own := []message{{origin: "null", fetchSite: "same-origin"}, {origin: "-", fetchSite: "same-origin"}, {origin: "-", fetchSite: "none"}, {origin: "-"}}
		if m.guard().operation && !m.guard().reusable {
			own = own[:1]
		}
		for _, other := range own {
			m.origin, m.fetchSite = other.origin, other.fetchSite
			if got := c.send(s, m); got.status != http.StatusOK {
				c.errorf("%s from a page of ours, %q, %q: %v", m.path, m.origin, m.fetchSite, got)
			}
		}
	}
}

func confirmConcurrent(c *check, s *site) {
	together(8, func(i int) {
		phone, m := passkeytest.New(origin), transfer()
		m.user, m.session = fmt.Sprintf("user-%d", i), fmt.Sprint(i)
		id := c.enrol(s, phone, m.user)
		for n := range 4 {
			m.path, m.body = fmt.Sprintf("/accounts/%d/transfer?n=%d", i, n), strings.Repeat(fmt.Sprint(i), 1000*n)
			m.chunked = n > 0 && i%2 > 0
			hash := sha256.Sum256(m.payload())
			if says := c.passes(m.path, s, m.with(c.confirmed(s, phone, m))); !strings.HasPrefix(says, m.user+" "+id+" ") || !strings.Contains(says, hex.EncodeToString(hash[:])) {
				c.errorf("%s has passed with the proof of %s", m.user, says)
			}
		}
	})
}

func onConfirmed(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	m := transfer()
	var told passkeys.ConfirmationResult
	s.hooks.OnConfirmed = func(_ passkeys.Exchange, u passkeys.User, r passkeys.ConfirmationResult) error {
		if told = r; u.ID != "alice" || u.Name != "alice@example.org" {
			c.errorf("OnConfirmed was told %q, %q", u.ID, u.Name)
		}
		return nil
	}
	proof := c.lasting(s, m, c.confirming(s, phone, m, c.required("without a proof", s, m).Request), 5*time.Minute)
	if told.Sealed != proof || told.Proof.UserID != "alice" || passkeys.EncodeID(told.Proof.CredentialID) != id || told.Evidence.UserID != "alice" || told.Evidence.RPID != "example.org" ||
		!told.Evidence.UserVerified() || !told.ExpiresAt.Equal(s.clock.Now().Add(5*time.Minute)) {
		c.errorf("OnConfirmed was told %+v", told)
	}
	c.is(told.Evidence.Verify(m.payload()), nil, "Verify of the evidence")

	for code, err := range map[string]error{"internal_error": errors.New("secret"), "forbidden": passkeys.ErrForbidden} {
		s.hooks.OnConfirmed = func(passkeys.Exchange, passkeys.User, passkeys.ConfirmationResult) error { return err }
		body := strings.Replace(c.confirming(s, phone, m, ""), "{", `{"cookie":true,`, 1)
		c.answers("finish", c.post(s, "alice", "/confirm/finish", body), refused(code))
		c.answers("finish again", c.post(s, "alice", "/confirm/finish", body), refused("challenge_not_found"))
	}
}

func bearer(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for path, maxAge := range map[string]int{"/api/settings": 600, "/api/transfer": 300} {
		m := transfer()
		m.path = path
		refusal := func(what, proof string) demand {
			got := c.send(s, m.with(proof))
			plain := answer{http.StatusForbidden, got.header.Clone(), got.body}
			plain.header.Del("WWW-Authenticate")
			asked := c.asked(what, plain, maxAge)
			want := demanded(asked.Request, asked.Operation, maxAge)
			want.status = http.StatusUnauthorized
			want.header.Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_user_authentication", error_description="Please confirm this with your passkey.", max_age="%d"`, maxAge))
			c.answers(what, got, want)
			return asked
		}
		proof := c.proof(s, phone, m, refusal("without a proof", "").Request)
		refusal("with what is none", "x")
		c.passes("with a proof", s, m.with(proof))
		m.user = ""
		c.answers("without a user", c.send(s, m), refused("unauthenticated"))
	}
}

func refusedPage(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	var asked []string
	s.refused = func(x passkeys.Exchange, err *passkeys.Error) {
		c.is(err, passkeys.ErrConfirmationRequired, "the error of Refused")
		asked = append(asked, x.R.URL.Path)
		switch request := err.ConfirmationRequest(); x.R.URL.Path {
		case "/settings":
			x.W.Header().Set("X-Refused", "yes")
		case "/accounts/1/transfer":
			x.W.Header().Set("Content-Type", "text/html")
			x.W.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(x.W, request)
		default: // with no body
			x.W.Header().Set("Location", request)
			x.W.WriteHeader(http.StatusSeeOther)
		}
	}
	m := transfer()
	got := c.send(s, m)
	c.answers("a page", got, answer{http.StatusForbidden, http.Header{"Content-Type": {"text/html"}}, got.body})
	c.passes("with the proof of what the page has asked for", s, m.with(c.proof(s, phone, m, got.body)))
	m.path = "/api/transfer"
	got = c.send(s, m)
	request := got.header.Get("Location")
	c.answers("a redirect", got, answer{http.StatusSeeOther, http.Header{"Location": {request}}, ""})
	c.passes("with the proof of what the redirect has asked for", s, m.with(c.proof(s, phone, m, request)))
	got = c.send(s, settings())
	if got.header.Get("X-Refused") != "yes" {
		c.errorf("without an answer of its own: %v", got)
	}
	got.header.Del("X-Refused")
	c.asked("without an answer of its own", got, settings().maxAge())
	for _, m := range []message{settings(), transfer()} {
		m.user = ""
		c.answers("without a user", c.send(s, m), refused("unauthenticated"))
	}
	if want := []string{"/accounts/1/transfer", "/api/transfer", "/settings"}; !slices.Equal(asked, want) {
		c.errorf("Refused was asked at %q, want %q", asked, want)
	}
}

func freshSignIn(c *check, s *site) {
	c.enrol(s, passkeytest.New(origin), "alice")
	at := s.clock.Now()
	s.hooks.AuthenticatedAt = func(x passkeys.Exchange) time.Time {
		if x.R.Header.Get("X-User") != "alice" {
			return time.Time{}
		}
		return at
	}
	s.clock.Advance(5 * time.Minute)
	if says := c.passes("after five minutes", s, settings()); says != "no proof" {
		c.errorf("the handler finds %s", says)
	}
	for _, m := range []message{transfer(), report()} {
		c.required("an operation", s, m)
	}
	bob := settings()
	bob.user = "bob"
	c.required("one whose sign-in is not known", s, bob)
	s.clock.Advance(time.Second)
	c.required("after more", s, settings())
}

func freshWithin(c *check, s *site) {
	phone, other := passkeytest.New(origin), passkeytest.New(origin)
	id, second := c.enrol(s, phone, "alice"), c.enrol(s, other, "alice")
	signedIn := s.clock.Now()
	s.hooks.AuthenticatedAt = func(passkeys.Exchange) time.Time { return signedIn }
	within := 2 * time.Minute
	s.hooks.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
		return passkeys.FreshWithin(within)
	}
	begin := message{user: "alice", method: http.MethodPost, path: "/register/begin"}
	changes := []message{begin, begin.at("/register/finish", c.created(s, passkeytest.New(origin), "alice")), patch(id, `{"deviceName":"New"}`), del(second)}
	s.clock.Advance(within + time.Second)
	var request string
	for _, m := range changes {
		asked := c.asked(m.method+" "+m.path, c.send(s, m), 120)
		if request = asked.Request; asked.Operation != "" {
			c.errorf("%s %s: the operation is %q", m.method, m.path, asked.Operation)
		}
	}
	c.keeps(s, "alice", "Phone", "Phone")
	ofTransfer := c.confirmed(s, phone, transfer())
	proof := c.proof(s, phone, begin, request)
	s.clock.Advance(within)
	signedIn, within = time.Time{}, 0
	for _, m := range changes {
		c.asked(m.method+" "+m.path+" with the proof of an operation", c.send(s, m.with(ofTransfer)), 300)
	}
	within = 2 * time.Minute
	for _, m := range changes {
		if got := c.send(s, m.with(proof)); got.status >= 300 {
			c.errorf("%s %s with a proof: %v", m.method, m.path, got)
		}
	}
	c.keeps(s, "alice", "New", "Phone")
	s.clock.Advance(time.Second)
	c.asked("with an old one", c.send(s, del(id).with(proof)), 120)
	signedIn = s.clock.Now()
	c.answers("after a sign-in", c.send(s, del(id)), noContent())
	signedIn, within = time.Time{}, 25*time.Hour
	c.answers("within more than a day", c.send(s, del(id)), refused("configuration_error"))
	s.hooks.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
		return fmt.Errorf("not at all, and %w", passkeys.FreshWithin(0))
	}
	want := refused("confirmation_required")
	want.body = strings.TrimSuffix(want.body, "}") + `,"confirm":{"operation":"","maxAge":300}}`
	signedIn = s.clock.Now()
	c.answers("joined with another error", c.send(s, del(id)), want)
}

func proofFrom(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	m := transfer()
	asked := c.required("without a proof", s, m)
	for _, row := range []struct {
		message
		demand
		hash [sha256.Size]byte
	}{
		{m, asked, sha256.Sum256(m.payload())},
		{settings(), demand{}, sha256.Sum256(nil)},
	} {
		body := c.confirming(s, phone, m, row.Request)
		s.clock.Advance(1500 * time.Millisecond)
		at := s.clock.Now().Format(time.RFC3339Nano)
		proof := c.proved(c.post(s, "alice", "/confirm/finish", body))
		s.clock.Advance(time.Second)
		if got, want := c.passes(row.path, s, row.with(proof)), fmt.Sprintf("alice %s %s %q %x true true true", id, at, row.Operation, row.hash); got != want {
			c.errorf("the handler of %s finds the proof\n\t%s, want\n\t%s", row.path, got, want)
		}
	}
}

func reusable(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	m := report()
	proof := c.lasting(s, m, c.confirming(s, phone, m, c.required("without a proof", s, m).Request), time.Hour)
	for _, m.gone = range []bool{false, true} {
		c.passes("a proof", s, m.with(proof))
	}
	m.gone = false
	s.clock.Advance(time.Hour - time.Second)
	c.passes("a proof, later", s, m.with(proof))
	s.clock.Advance(time.Second)
	c.required("after an hour", s, m.with(proof))
}

func requestOperation(c *check, s *site) {
	var got []passkeys.Operation
	s.operation = func(_ passkeys.Exchange, whole func() (passkeys.Operation, error)) (passkeys.Operation, error) {
		o, err := whole()
		got = append(got, o)
		return o, err
	}
	// Whether it is {id} or :id is the router's.
	plain := strings.NewReplacer("{", "", "}", "", ":", "", "<", "", ">", "")
	for _, m := range []message{
		transfer(),
		{method: http.MethodPost, path: "/accounts/2/transfer"},
		{method: http.MethodPost, path: "/accounts/a%20%C3%a4/transfer?a=%2f&&b;c", body: "a=b", contentType: "application/x-www-form-urlencoded; charset=utf-8", chunked: true},
		{method: http.MethodPut, path: "/accounts/1/transfer?", body: "\x00\xff", contentType: "-"},
		report(),
		{method: http.MethodGet, path: "/accounts/1/report", body: "a body"},
	} {
		m.guarded, m.user = true, "alice"
		got = nil
		asked := c.required(m.method+" "+m.path, s, m)
		path, _, _ := strings.Cut(m.path, "?")
		name := m.method + " /accounts/id" + path[strings.LastIndexByte(path, '/'):]
		if len(got) != 1 || plain.Replace(got[0].Name) != name || asked.Operation != got[0].Name {
			c.errorf("%s %s: %d operations, %+v; asked for %q", m.method, m.path, len(got), got, asked.Operation)
			continue
		}
		if want := m.payload(); string(got[0].Payload) != string(want) {
			c.errorf("%s %s: the payload is\n\t%q, want\n\t%q", m.method, m.path, got[0].Payload, want)
		}
	}
	s.operation = func(passkeys.Exchange, func() (passkeys.Operation, error)) (passkeys.Operation, error) {
		return passkeys.Operation{}, nil
	}
	c.answers("an operation without a name", c.send(s, transfer()), refused("configuration_error"))
}

func guardedBody(c *check, s *site) {
	const most = 64 << 10
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	all := make([]byte, most)
	for i := range all {
		all[i] = byte(i * i >> 4)
	}
	for _, chunked := range []bool{false, true} {
		for _, body := range []string{"x", string(all), strings.Repeat("\r\n", most/2)} {
			m := transfer()
			m.body, m.chunked, m.contentType = body, chunked, "application/octet-stream"
			c.passes(fmt.Sprintf("%d bytes", len(body)), s, m.with(c.confirmed(s, phone, m)))
		}
		m := transfer()
		m.body, m.chunked = string(all)+"x", chunked
		c.answers("a byte more", c.send(s, m), refused("payload_too_large"))
		c.answers("a byte more with a proof of less", c.send(s, m.with(c.confirmed(s, phone, transfer()))), refused("payload_too_large"))
	}
	m := transfer()
	m.body = ""
	c.passes("none", s, m.with(c.confirmed(s, phone, m)))

	m = transfer()
	proof := c.confirmed(s, phone, m)
	s.before = func(r *http.Request) { _, _ = io.ReadAll(r.Body) }
	c.answers("one that was read before", c.send(s, m.with(proof)), refused("configuration_error"))
	m.chunked = true
	c.answers("one that was read before, of no declared length", c.send(s, m.with(proof)), refused("invalid_request"))
	s.before = func(r *http.Request) { _, _ = r.Body.Read(make([]byte, 1)) }
	m.chunked = false
	c.answers("one that was begun", c.send(s, m.with(proof)), refused("configuration_error"))
	m.chunked, m.contentType = true, "multipart/form-data; boundary=x"
	s.before = func(r *http.Request) { _ = r.ParseMultipartForm(1 << 20) } //nolint:gosec // what the suite has sent
	for _, name := range []string{`"amount"`, `"invoice"; filename="invoice.txt"`} {
		m.body = "--x\r\nContent-Disposition: form-data; name=" + name + "\r\n\r\n100\r\n--x--\r\n" + strings.Repeat("epilogue", 4096)
		c.answers("a form of "+name+" that was read before, with something behind it", c.send(s, m), refused("configuration_error"))
	}
	m.body, m.contentType = "amount=100", "application/x-www-form-urlencoded"
	s.before = func(r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader("amount=900"))
		_ = r.ParseForm()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.answers("a form that was read from elsewhere", c.send(s, m), refused("configuration_error"))
}

func noCredentials(c *check, s *site) {
	phone := passkeytest.New(origin)
	begin := func() answer { return c.post(s, "alice", "/confirm/begin", "") }
	c.answers("begin without a passkey", begin(), refused("no_credentials"))
	c.enrol(s, passkeytest.New(origin), "bob")
	c.enrol(s, phone, "alice")
	c.quarantine(s, phone)
	c.answers("begin with one that is disabled", begin(), refused("no_credentials"))
	c.stored(s.credentials, passkeys.Credential{ID: []byte{1}, UserID: "alice", PublicKey: []byte{0xa0}, RPID: "example.net", CreatedAt: s.clock.Now()})
	c.answers("begin with one of another relying party", begin(), refused("no_credentials"))
	id := c.enrol(s, passkeytest.New(origin), "alice")
	got := begin()
	c.answers("begin with one that works", got, c.confirmationOptions(got, id))
}

// quarantine disables the passkey of a phone.
func (c *check) quarantine(s *site, phone *passkeytest.Authenticator) {
	cr, err := s.credentials.Get(c.ctx, phone.Credentials()[0].ID)
	c.is(err, nil, "Get")
	cr.QuarantinedAt, cr.QuarantineReason = s.clock.Now(), passkeys.ReasonSignCountRegressed
	c.is(s.credentials.Update(c.ctx, cr), nil, "Update")
}

func confirmationFailed(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for what, page := range map[string]func(*passkeytest.Authenticator){
		"another site's page": func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
		"another's RP id":     func(a *passkeytest.Authenticator) { a.RPID = "evil.example" },
		"another's signature": func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) { r.Signature[len(r.Signature)-1] ^= 1 }
		},
		"no passkey of ours": func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) { r.RawID = "AAAA"; r.ID = "AAAA" }
		},
		"nobody there":     func(a *passkeytest.Authenticator) { a.UserNotPresent = true },
		"a copied passkey": func(a *passkeytest.Authenticator) { a.Counter = passkeytest.CounterZero },
	} {
		c.signsIn(s, phone, alice())
		evil := phone.Clone()
		page(evil)
		c.answers(what, c.post(s, "alice", "/confirm/finish", c.confirming(s, evil, settings(), "")), refused("confirmation_failed"))
	}
	c.passes("with a sound one", s, settings().with(c.proof(s, phone, settings(), "")))
}

func confirmationRequired(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for _, m := range []message{settings(), transfer(), report()} {
		proof := c.confirmed(s, phone, m)
		for _, none := range []string{"", "x", proof + "A", proof[:len(proof)-1], proof[:len(proof)/2], strings.ToUpper(proof), strings.Repeat("A", 4096), "Bearer " + proof, proof + "," + proof} {
			if none != proof {
				c.required(m.path+" with the proof "+none, s, m.with(none))
			}
		}
		m.cookie = passkeys.ProofCookie + "=" + proof[1:]
		c.required(m.path+" with a cookie that is none", s, m)
		m.cookie = strings.TrimPrefix(passkeys.ProofCookie, "__Host-") + "=" + proof
		c.required(m.path+" with another cookie", s, m)
		m.cookie = ""
		c.passes(m.path, s, m.with(proof))
	}
}

// gate is a repository that can be told to let nobody go on who has read a
// credential until all have that are expected, so that they race to write; and to
// have something happen before the next write.
type gate struct {
	passkeys.CredentialRepository

	mu        sync.Mutex
	expected  int
	open      chan struct{}
	meanwhile func()
}

// expect makes the next n who read wait for each other, but not for ever.
func (g *gate) expect(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected, g.open = n, make(chan struct{})
}

func (g *gate) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	c, err := g.CredentialRepository.Get(ctx, id)
	g.mu.Lock()
	open, wait := g.open, g.expected > 0
	if g.expected--; g.expected == 0 {
		close(open)
	}
	g.mu.Unlock()
	if wait {
		select {
		case <-open:
		case <-time.After(2 * time.Second):
		}
	}
	return c, err
}

func (g *gate) Scan(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
	return g.CredentialRepository.(passkeys.CredentialScanner).Scan(ctx, after, limit) // as those in memory have
}

func (g *gate) Update(ctx context.Context, c passkeys.Credential) error {
	g.mu.Lock()
	meanwhile := g.meanwhile
	g.meanwhile = nil
	g.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	return g.CredentialRepository.Update(ctx, c)
}

// before has something happen between the read and the write of the next change.
func (g *gate) before(meanwhile func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meanwhile = meanwhile
}

// guarded are one request to each of the routes that guards stand in front of.
func guarded() []message {
	var all []message
	for _, g := range guards() {
		all = append(all, message{guarded: true, method: g.method, path: strings.Replace(g.path, "{id}", "1", 1)})
	}
	return slices.Clip(all)
}

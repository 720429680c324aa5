package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/client"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// TestAdapter holds an adapter to the wire contract: it registers, signs in,
// manages passkeys, those of others too as staff, and confirms what its guards ask
// for over HTTP, and knows each answer to the byte, so that all adapters that pass
// are the same to a front end. C is the context of the adapter's framework.
//
//	conformance.TestAdapter(t, conformance.Adapter[*gin.Context]{
//		Exchange: func(c *gin.Context) passkeys.Exchange {
//			return passkeys.Exchange{W: c.Writer, R: c.Request}
//		},
//		RequestOperation: mygin.RequestOperation,
//		Mount: func(t testing.TB, app conformance.Application[*gin.Context]) http.Handler {
//			r := gin.New()
//			if err := mygin.Mount(r.Group("/auth/passkeys"), app.Find, app.Hooks); err != nil {
//				t.Fatal(err)
//			}
//			if err := mygin.MountAdmin(r.Group("/admin/passkeys"), app.Find, app.AdminHooks); err != nil {
//				t.Fatal(err)
//			}
//			if err := mygin.MountWellKnown(r, app.Find); err != nil {
//				t.Fatal(err)
//			}
//			for _, g := range app.Guarded {
//				path := strings.NewReplacer("{", ":", "}", "").Replace(g.Path)
//				r.Handle(g.Method, path, mygin.Require(app.Find, app.Hooks, g.Guard), g.Handler)
//			}
//			return r
//		},
//	})
func TestAdapter[C any](t *testing.T, a Adapter[C]) {
	t.Helper()
	test(t, adapterRows(), func(t testing.TB) *site { return newSite(t, a.mount, inMemory) })
}

// Adapter is what [TestAdapter] knows of an adapter.
type Adapter[C any] struct {
	// Exchange returns what a hook or a handler writes to and reads from, given the
	// framework's context.
	Exchange func(C) passkeys.Exchange
	// RequestOperation is the adapter's own.
	RequestOperation func(C) (passkeys.Operation, error)
	// Mount is called once for each row. It returns a handler that serves the routes
	// under /auth/passkeys, those for staff under /admin/passkeys, the well-knowns, and
	// those that are guarded where they say, and adds nothing to their answers; a
	// middleware that recovers from panics is welcome.
	Mount func(testing.TB, Application[C]) http.Handler
}

// Application is what an adapter is to mount.
type Application[C any] struct {
	// Find says who answers a request, as [passkeys.Source] describes.
	Find func(C) (*passkeys.Passkeys, error)
	// Hooks are for the routes and the guards. None is nil.
	Hooks passkeys.Hooks[C]
	// AdminHooks are for the routes for staff.
	AdminHooks passkeys.AdminHooks[C]
	// Guarded are the application's own routes.
	Guarded []Guarded[C]
}

// Guarded is a route with the adapter's Require in front of it.
type Guarded[C any] struct {
	Method, Path string // in net/http syntax: /accounts/{id}/transfer
	Guard        passkeys.Guard[C]
	Handler      func(C)
}

// mount has the adapter mount a site. The rows may change its hooks, so they are
// looked up at each request.
func (a Adapter[C]) mount(t testing.TB, s *site) http.Handler {
	app := Application[C]{
		Find: func(c C) (*passkeys.Passkeys, error) { return s.find(a.Exchange(c)) },
		Hooks: passkeys.Hooks[C]{
			GetUser: func(c C) (passkeys.User, error) { return s.hooks.GetUser(a.Exchange(c)) },
			OnAuthenticated: func(c C, r passkeys.AuthenticationResult) (any, error) {
				return s.hooks.OnAuthenticated(a.Exchange(c), r)
			},
			OnRegistered: func(c C, u passkeys.User, r passkeys.RegistrationResult) error {
				return s.hooks.OnRegistered(a.Exchange(c), u, r)
			},
			OnConfirmed: func(c C, u passkeys.User, r passkeys.ConfirmationResult) error {
				return s.hooks.OnConfirmed(a.Exchange(c), u, r)
			},
			AuthenticatedAt: func(c C) time.Time { return s.hooks.AuthenticatedAt(a.Exchange(c)) },
			FindUser:        func(c C, name string) (string, error) { return s.hooks.FindUser(a.Exchange(c), name) },
			CanonicalName:   func(name string) string { return s.hooks.CanonicalName(name) },
			SessionID:       func(c C) string { return s.hooks.SessionID(a.Exchange(c)) },
			Authorize: func(c C, u passkeys.User, action passkeys.Action) error {
				return s.hooks.Authorize(a.Exchange(c), u, action)
			},
			HasOtherSignIn: func(c C, u passkeys.User) (bool, error) { return s.hooks.HasOtherSignIn(a.Exchange(c), u) },
			ClientIP:       func(c C) netip.Addr { return s.hooks.ClientIP(a.Exchange(c)) },
		},
	}
	app.AdminHooks.Authorize = func(c C, action passkeys.Action) (string, error) { return s.authorize(a.Exchange(c), action) }
	for _, g := range guards() {
		guarded := Guarded[C]{
			Method: g.method, Path: g.path,
			Guard: passkeys.Guard[C]{
				MaxAge: g.maxAge, Reusable: g.reusable, Bearer: g.bearer,
				Refused: func(c C, err *passkeys.Error) { s.refused(a.Exchange(c), err) },
			},
			Handler: func(c C) { s.handle(a.Exchange(c)) },
		}
		if g.operation {
			guarded.Guard.Operation = func(c C) (passkeys.Operation, error) {
				return s.operation(a.Exchange(c), func() (passkeys.Operation, error) { return a.RequestOperation(c) })
			}
		}
		app.Guarded = append(app.Guarded, guarded)
	}
	return a.Mount(t, app)
}

type (
	hooks     = passkeys.Hooks[passkeys.Exchange]
	finder    = func(passkeys.Exchange) (*passkeys.Passkeys, error)
	mountFunc = func(testing.TB, *site) http.Handler
	stores    = func(t testing.TB, now func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore)
)

func inMemory(testing.TB, func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore) {
	return passkeys.NewMemoryCredentials(), nil
}

func adapterRows() []row[*site] {
	return slices.Concat([]row[*site]{
		{"register", "A passkey is registered and stored, and OnRegistered is told.", register},
		{"upgrade", "With a grant, and no other way, a passkey is registered that no user touched: once, by this user, in this session, within two minutes.", upgrade},
		{"sign-in", "A passkey signs in without a username, and what OnAuthenticated returns is the answer.", signIn},
		{"sign-in-default", "Where OnAuthenticated returns nil, the answer says who has signed in.", signInDefault},
		{"sign-in-by-name", "Begin takes a user's id, or the name that FindUser knows, and lists that user's passkeys, or decoys.", signInByName},
		{"sign-in-modes", "A sign-in for autofill, or one that fails at once, begins like one without a username; the timeout of the first is the life of its state.", signInModes},
		{"sign-in-concurrent", "Requests at the same time do not get each other's answers.", signInConcurrent},
		{"outcome", "How a prompt ended is passed on if it can be told, with no user and no session; whatever is posted, the answer has no body.", outcome},
		{"list", "A user's passkeys are listed, oldest first, and nobody else's.", list},
		{"signals", "A user's browser is told which passkeys are theirs, by handle, and how they are called now.", signals},
		{"rename", "A passkey is renamed with an answer of no body.", renameRoute},
		{"revoke", "A passkey is revoked with an answer of no body, and cannot sign in.", revoke},
		{"admin", "Staff sees a user's passkeys, ends a quarantine, and revokes one, all, and the last; Authorize is asked about each, and the audit log has who did it.", admin},
		{"admin-count", "Staff counts all passkeys of one kind and another.", adminCount},
		{"admin-export", "Staff gets the records of all passkeys, 500 at once.", adminExport},
		{"begin-body", "Begin takes an empty body or an object, with and without a Content-Length.", beginBody},
		{"unread-body", "To list and to revoke, what comes as a body does not matter.", unreadBody},
		{"unknown-members", "A member that a route does not know, by a name in another case too, is skipped, whatever it holds.", unknownMembers},
		{"null-members", "A member that is null is as good as absent.", nullMembers},
		{"session", "A ceremony is finished only in the session that began it.", session},
		{"tenants", "Who answers is found for each request; an error of that goes out like a hook's, and nobody is internal_error.", tenants},
		{"hook-headers", "Cookies and headers that a hook sets go out, with success and with an error.", hookHeaders},
		{"hook-answer", "If a hook writes the response itself, be it a status alone, that is what the client gets.", hookAnswer},
		{"hook-error", "A hook's *Error goes out with its code and status; any other error, a nil *Error too, is a 500 that says nothing.", hookError},
		{"hook-panic", "A panic in a hook is no success, and takes a new credential back.", hookPanic},
		{"registration-taken-back", "An error of OnRegistered takes the credential back.", registrationTakenBack},
		{"answer-not-json", "A value of OnAuthenticated that is no JSON is internal_error.", answerNotJSON},
		{"prf_results_present", "A response that holds outputs of the prf extension is 400, and the state is still good.", prfResultsPresent},
		{"challenge_not_found", "A state or a request that is unknown, of another ceremony, another user's, or used with success is 400; a finish that fails uses none.", challengeNotFound},
		{"challenge_expired", "A ceremony that took more than six minutes, or an hour for autofill or to begin what was asked for, is 400.", challengeExpired},
		{"attestation_verification_failed", "A registration that does not verify is 400.", attestationFailed},
		{"credential_already_exists", "A passkey that is registered already, by whomever, is 409.", credentialExists},
		{"assertion_verification_failed", "A sign-in that does not verify is 401.", assertionFailed},
		{"credential_not_found", "A sign-in with a passkey that is not known is 401.", credentialNotFound},
		{"clone_detected", "A counter that went back is 401.", cloneDetected},
		{"configuration_error", "A GetUser that breaks its own rules is 500.", configurationError},
		{"unauthenticated", "Without a user, all but the sign-in is 401, whatever is sent, and so is what is guarded.", unauthenticated},
		{"too_many_credentials", "A registration by a user of 50 passkeys is 409.", tooManyCredentials},
		{"last_credential", "Revoking the last passkey of a user without another way to sign in is 409.", lastCredential},
		{"forbidden", "What a hook forbids is 403.", forbidden},
		{"wrong_origin", "Another site's page is 403, whatever proof it brings, and is told what is expected only where that is localhost; one of ours that hides its name is not.", wrongOrigin},
		{"not_found", "An id that is unknown, another user's, or spelled otherwise is 404 to rename and revoke.", notFound},
		{"invalid_request", "A body that is not one JSON object in UTF-8, with each member once and as it should be, is 400.", invalidRequest},
		{"payload_too_large", "A body of more than 64 KiB is 413, with and without a Content-Length.", payloadTooLarge},
		{"unsupported_media_type", "A body that is not declared application/json is 415; parameters do not matter.", unsupportedMediaType},
		{"rate_limited", "A client that has to wait is 429 with a Retry-After on every route of the browser's; what is counted is by its address, and by whom it names, whether there is such a user or not.", rateLimited},
		{"storage_unavailable", "A store that fails, such as by the request's context, is 503 on every route that asks it.", storageUnavailable},
		{"client", "The browser's half is served as it is, to anyone; a browser may keep it for ever under its version, and not under another.", browsersHalf},
		{"well-known-webauthn", "Browsers are told which pages of other domains may use the passkeys.", wellKnown("webauthn",
			`{"origins":["https://example.co.uk","https://example.de:8443"]}`)},
		{"well-known-passkey-endpoints", "Password managers are told where passkeys are added, managed and explained.", wellKnown("passkey-endpoints",
			`{"enroll":"https://example.org/new","manage":"https://example.org/passkeys","prfUsageDetails":"https://example.org/keys"}`)},
		{"well-known-assetlinks", "Android is told which applications may use the passkeys, by certificate.", wellKnown("assetlinks.json",
			`[{"relation":["delegate_permission/common.handle_all_urls","delegate_permission/common.get_login_creds"],`+
				`"target":{"namespace":"android_app","package_name":"org.example.app","sha256_cert_fingerprints":["`+fingerprint+`"]}}]`)},
		{"well-known-apple-app-site-association", "Apple's devices are told which applications may use the passkeys.", wellKnown("apple-app-site-association",
			`{"webcredentials":{"apps":["A1B2C3D4E5.org.example.app"]}}`)},
		{"well-known-unset", "A tenant with nothing to tell is 404 under each of these names, and one that cannot be found what it is elsewhere.", wellKnownUnset},
		{"methods", "A method that a route does not have is 404 or 405 and has no effect.", methods},
	}, confirmationRows(), attackRows())
}

const (
	prefix      = "/auth/passkeys"
	staffPrefix = "/admin/passkeys"
	origin      = "https://example.org"
	requestID   = "REQUEST" // the outer middleware's, of every request
)

// site is a web application with passkeys. Whoever sends the header X-User is
// signed in, X-Session is the id of their session, and X-Tenant is what they call
// the site.
type site struct {
	passkeys    *passkeys.Passkeys
	find        finder
	hooks       hooks
	authorize   func(passkeys.Exchange, passkeys.Action) (string, error) // of staff
	operation   func(x passkeys.Exchange, whole func() (passkeys.Operation, error)) (passkeys.Operation, error)
	refused     func(passkeys.Exchange, *passkeys.Error) // of the guards
	credentials *gate
	challenges  passkeys.ChallengeStore // nil: states are sealed
	clock       passkeytest.Clock
	handler     http.Handler
	url         string
	transport   http.RoundTripper
	before      func(*http.Request) // what another middleware does first
	seen        sync.Map            // by X-Request: a chan of what the middleware saw
	serial      atomic.Int64
	limiter
	listener
}

// limiter has those wait who are told so, and writes down what it is asked.
type limiter struct {
	mu    sync.Mutex
	wait  func(passkeys.Limit) time.Duration // nil: nobody
	asked []passkeys.Limit
}

func (l *limiter) Take(_ context.Context, limit passkeys.Limit) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wait == nil {
		return 0, nil
	}
	l.asked = append(l.asked, limit)
	return l.wait(limit), nil
}

// limit has the limiter decide, and returns what it was asked by the end of f.
func (l *limiter) limit(wait func(passkeys.Limit) time.Duration, f func()) []passkeys.Limit {
	set := func(wait func(passkeys.Limit) time.Duration) (asked []passkeys.Limit) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wait, asked, l.asked = wait, l.asked, nil
		return asked
	}
	set(wait)
	f()
	return set(nil)
}

// listener is an observer that hears how prompts ended, and a sink that hears what
// anna of the staff does.
type listener struct {
	mu    sync.Mutex
	heard []string
	acts  []string
}

func (l *listener) Emit(_ context.Context, e passkeys.AuditEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Actor == "desk/anna" {
		l.acts = append(l.acts, strings.TrimSpace(fmt.Sprint(e.Type, " ", e.UserID, " ", e.CredentialID, " ", e.Reason)))
	}
}

func (*listener) Observe(ctx context.Context, _ passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	return ctx, func(passkeys.Outcome) {}
}

func (l *listener) ObserveClient(_ context.Context, o passkeys.ClientOutcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, fmt.Sprint(o.Ceremony, " ", o.Mode, " ", o.Code, " ", o.Duration))
}

func (l *listener) take() (heard []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard, l.heard = l.heard, nil
	return heard
}

func newSite(t testing.TB, mount mountFunc, open stores) *site {
	s := &site{credentials: new(gate)}
	s.credentials.CredentialRepository, s.challenges = open(t, s.clock.Now)
	var err error
	if s.passkeys, err = s.party("example.org"); err != nil {
		t.Fatal(err)
	}
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) { return s.passkeys, nil }
	s.hooks = hooks{
		GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
			id := x.R.Header.Get("X-User")
			if id == "" {
				return passkeys.User{}, passkeys.ErrUnauthenticated
			}
			return passkeys.User{ID: id, Name: id + "@example.org"}, nil
		},
		OnAuthenticated: func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error) { return nil, nil },
		OnRegistered:    func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error { return nil },
		OnConfirmed:     func(passkeys.Exchange, passkeys.User, passkeys.ConfirmationResult) error { return nil },
		AuthenticatedAt: func(passkeys.Exchange) time.Time { return time.Time{} },
		FindUser:        func(passkeys.Exchange, string) (string, error) { return "", nil },
		CanonicalName:   func(name string) string { return name },
		Authorize:       func(passkeys.Exchange, passkeys.User, passkeys.Action) error { return nil },
		HasOtherSignIn:  func(passkeys.Exchange, passkeys.User) (bool, error) { return true, nil },
		SessionID:       func(x passkeys.Exchange) string { return x.R.Header.Get("X-Session") },
		ClientIP: func(x passkeys.Exchange) netip.Addr {
			address, _ := netip.ParseAddr(x.R.Header.Get("X-Client"))
			return address
		},
	}
	s.authorize = func(passkeys.Exchange, passkeys.Action) (string, error) { return "anna", nil }
	s.operation = func(_ passkeys.Exchange, whole func() (passkeys.Operation, error)) (passkeys.Operation, error) {
		return whole()
	}
	s.refused = func(passkeys.Exchange, *passkeys.Error) {}
	s.handler = mount(t, s)
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a second status is a failure, and needs no log
	server.Start()
	t.Cleanup(server.Close)
	s.url, s.transport = server.URL, server.Client().Transport
	return s
}

// party is a relying party of the site. They share one secret and one store.
func (s *site) party(rpID string) (*passkeys.Passkeys, error) {
	page := "https://" + rpID
	if rpID == "localhost" {
		page = "http://localhost:8080"
	}
	return passkeys.New(passkeys.Config{
		RPID: rpID, RPName: "Example", Origins: []string{page},
		WellKnown:   told(rpID),
		Credentials: s.credentials, Challenges: s.challenges, Secret: make([]byte, 32), Now: s.clock.Now, Logger: slog.New(slog.DiscardHandler), Observer: &s.listener, Audit: &s.listener, Limiter: &s.limiter,
	})
}

// sight is what an outer middleware sees of an exchange.
type sight struct {
	http.ResponseWriter
	statuses []int
	panicked bool
}

func (v *sight) WriteHeader(status int) {
	v.statuses = append(v.statuses, status)
	v.ResponseWriter.WriteHeader(status)
}

func (v *sight) Write(b []byte) (int, error) {
	if v.statuses == nil {
		v.statuses = []int{http.StatusOK}
	}
	return v.ResponseWriter.Write(b)
}

func (v *sight) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// serve is the outer middleware. A request with X-Gone is one whose client has
// gone away.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	v := &sight{ResponseWriter: w}
	defer func() {
		if recover() != nil {
			v.panicked = true
			http.Error(w, "panic", http.StatusInternalServerError)
		}
		if seen, ok := s.seen.LoadAndDelete(r.Header.Get("X-Request")); ok {
			seen.(chan *sight) <- v
		}
	}()
	ctx, cancel := context.WithCancel(passkeys.WithRequestID(r.Context(), requestID))
	defer cancel()
	if r.Header.Get("X-Gone") != "" {
		cancel()
	}
	if s.before != nil {
		s.before(r)
	}
	s.handler.ServeHTTP(v, r.WithContext(ctx))
}

// message is a request as a front end sends it.
type message struct {
	method, path  string
	user, session string
	tenant        string
	origin        string // "": the site's own; "-": none
	fetchSite     string // of Sec-Fetch-Site; "": no such header
	body          string
	contentType   string // "": application/json if there is a body; "-": none
	chunked, gone bool
	guarded       bool // the path is one of the application's own, or a well-known: not below the prefix
	ifNoneMatch   string
	client        string // of X-Client, which the hook ClientIP returns; "": no such header
	proof, cookie string // of the headers Passkey-Proof and Cookie; "": no such header
}

// answer is a response. Of its header all but Date and Content-Length counts.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string {
	var b strings.Builder
	_ = a.header.Write(&b) // never fails
	return fmt.Sprintf("status %d, header %q, body %.2000q", a.status, b.String(), a.body)
}

// send returns the answer to m, and reports one that the outer middleware saw
// differently.
func (c *check) send(s *site, m message) answer {
	var body io.Reader
	if m.body != "" {
		body = strings.NewReader(m.body)
	}
	if m.chunked {
		body = struct{ io.Reader }{body} // of unknown length
	}
	under := prefix
	if m.guarded {
		under = ""
	}
	r, err := http.NewRequestWithContext(c.ctx, m.method, s.url+under+m.path, body)
	if !c.is(err, nil, "%s %s", m.method, m.path) {
		return answer{}
	}
	switch {
	case m.contentType == "-":
	case m.contentType != "":
		r.Header.Set("Content-Type", m.contentType)
	case m.body != "":
		r.Header.Set("Content-Type", "application/json")
	}
	if m.origin != "-" {
		r.Header.Set("Origin", cmp.Or(m.origin, origin))
	}
	r.Host = strings.TrimPrefix(origin, "https://")
	if m.fetchSite != "" {
		r.Header.Set("Sec-Fetch-Site", m.fetchSite)
	}
	r.Header.Set("X-User", m.user)
	r.Header.Set("X-Session", m.session)
	r.Header.Set("X-Tenant", m.tenant)
	if m.gone {
		r.Header.Set("X-Gone", "yes")
	}
	if m.client != "" {
		r.Header.Set("X-Client", m.client)
	}
	if m.proof != "" {
		r.Header.Set(passkeys.ProofHeader, m.proof)
	}
	if m.ifNoneMatch != "" {
		r.Header.Set("If-None-Match", m.ifNoneMatch)
	}
	if m.cookie != "" {
		r.Header.Set("Cookie", m.cookie)
	}
	serial, seen := strconv.FormatInt(s.serial.Add(1), 10), make(chan *sight, 1)
	s.seen.Store(serial, seen)
	r.Header.Set("X-Request", serial)
	response, err := s.transport.RoundTrip(r) // redirects are answers
	if !c.is(err, nil, "%s %s", m.method, m.path) {
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	c.is(err, nil, "%s %s: reading the answer", m.method, m.path)
	response.Header.Del("Date")
	response.Header.Del("Content-Length")
	if v := <-seen; !v.panicked && !slices.Equal(v.statuses, []int{response.StatusCode}) {
		c.errorf("%s %s: the answer has status %d, an outer middleware saw %d", m.method, m.path, response.StatusCode, v.statuses)
	}
	return answer{response.StatusCode, response.Header, string(b)}
}

func (c *check) post(s *site, user, path, body string) answer {
	return c.send(s, message{user: user, method: http.MethodPost, path: path, body: body})
}

// answers reports an answer that is not this to the byte.
func (c *check) answers(what string, got, want answer) {
	if got.status != want.status || got.body != want.body || !maps.EqualFunc(got.header, want.header, slices.Equal) {
		c.errorf("%s:\n\tgot  %v\n\twant %v", what, got, want)
	}
}

// ok is the answer of a route that went well, and noContent that of one with
// nothing to say.
func ok(body string) answer {
	return answer{http.StatusOK, http.Header{
		"Cache-Control":          {"no-store"},
		"Content-Type":           {"application/json"},
		"X-Content-Type-Options": {"nosniff"},
	}, body}
}

func noContent() answer {
	a := ok("")
	a.status = http.StatusNoContent
	delete(a.header, "Content-Type")
	return a
}

// refused is the answer with this error code, as the wire contract spells it.
func refused(code string) answer {
	wire := map[string]struct {
		status  int
		message string
	}{
		"challenge_not_found":             {400, "The request is unknown or has been used already. Please start again."},
		"challenge_expired":               {400, "The request took too long. Please start again."},
		"attestation_verification_failed": {400, "The passkey could not be verified."},
		"credential_already_exists":       {409, "This passkey is registered already."},
		"assertion_verification_failed":   {401, "The sign-in could not be verified."},
		"credential_not_found":            {401, "This passkey is not known here."},
		"clone_detected":                  {401, "This passkey may have been copied and cannot be used."},
		"configuration_error":             {500, "The server is not configured correctly."},
		"prf_results_present":             {400, "The request holds a secret of the passkey that must stay in the browser."},
		"invalid_request":                 {400, "The request is malformed."},
		"unauthenticated":                 {401, "Please sign in first."},
		"forbidden":                       {403, "This is not allowed."},
		"wrong_origin":                    {403, "Passkeys do not work at this address."},
		"not_found":                       {404, "There is no such passkey."},
		"payload_too_large":               {413, "The request is too large."},
		"unsupported_media_type":          {415, "The request must be application/json."},
		"rate_limited":                    {429, "Too many requests. Please wait a moment and try again."},
		"storage_unavailable":             {503, "The service is unavailable for the moment. Please try again."},
		"too_many_credentials":            {409, "There are too many passkeys. Please remove one first."},
		"last_credential":                 {409, "This is the only way to sign in and cannot be removed."},
		"no_credentials":                  {409, "There is no passkey to confirm this with. Please add one first."},
		"confirmation_required":           {403, "Please confirm this with your passkey."},
		"confirmation_failed":             {403, "The confirmation could not be verified."},
		"internal_error":                  {500, "Something went wrong."},
	}[code]
	a := ok(`{"error":{"code":"` + code + `","message":"` + wire.message + `","id":"` + requestID + `"}}`)
	a.status = wire.status
	return a
}

// parts returns what differs from one begin to the next.
func (c *check) parts(begin answer) (challenge, state string) {
	var v struct {
		PublicKey struct{ Challenge string }
		State     string
	}
	c.is(json.Unmarshal([]byte(begin.body), &v), nil, "decoding the answer of begin %.200q", begin.body)
	return v.PublicKey.Challenge, v.State
}

// allowed returns whose passkeys the options of a sign-in list, as they do.
func (c *check) allowed(begin answer) string {
	var v struct {
		PublicKey struct{ AllowCredentials json.RawMessage }
	}
	c.is(json.Unmarshal([]byte(begin.body), &v), nil, "decoding the answer of begin %.200q", begin.body)
	return strings.Trim(string(v.PublicKey.AllowCredentials), "[]")
}

// finish returns the body of a finish.
func finish(credential json.RawMessage, state string) string {
	if credential == nil {
		credential = json.RawMessage("null")
	}
	return fmt.Sprintf(`{"credential":%s,"state":%q,"deviceName":"Phone"}`, credential, state)
}

// created begins a registration and returns the body that finishes it.
func (c *check) created(s *site, phone *passkeytest.Authenticator, user string) string {
	begin := c.post(s, user, "/register/begin", "")
	_, state := c.parts(begin)
	credential, err := phone.Create([]byte(begin.body))
	c.is(err, nil, "creating a passkey from %.200q", begin.body)
	return finish(credential, state)
}

// begin begins a sign-in without a username, beginWith one with this body.
func (c *check) begin(s *site) answer { return c.beginWith(s, "") }

func (c *check) beginWith(s *site, body string) answer {
	return c.post(s, "", "/authenticate/begin", body)
}

// signed returns the body that finishes a sign-in.
func (c *check) signed(phone *passkeytest.Authenticator, begin answer) string {
	_, state := c.parts(begin)
	credential, err := phone.Get([]byte(begin.body))
	c.is(err, nil, "signing %.200q", begin.body)
	return finish(credential, state)
}

// registers reports a registration with another answer than this.
func (c *check) registers(s *site, phone *passkeytest.Authenticator, user string, want answer) {
	c.answers("registration by "+user, c.post(s, user, "/register/finish", c.created(s, phone, user)), want)
}

// signsIn reports a sign-in with another answer than this.
func (c *check) signsIn(s *site, phone *passkeytest.Authenticator, want answer) {
	body := c.signed(phone, c.begin(s))
	c.answers("sign-in", c.post(s, "", "/authenticate/finish", body), want)
}

// enrol registers a passkey and returns its id.
func (c *check) enrol(s *site, phone *passkeytest.Authenticator, user string) (id string) {
	got := c.post(s, user, "/register/finish", c.created(s, phone, user))
	if own := phone.Credentials(); len(own) != 0 {
		id = passkeys.EncodeID(own[len(own)-1].ID)
	}
	c.answers("registration by "+user, got, ok(`{"status":"ok","credentialId":"`+id+`"}`))
	return id
}

// alice is who signs in where it does not matter who does.
func alice() answer { return ok(`{"status":"ok","userId":"alice"}`) }

// keeps reports that the user does not have these passkeys, of these names.
func (c *check) keeps(s *site, user string, names ...string) {
	own, err := s.credentials.ListByUser(c.ctx, user)
	c.is(err, nil, "ListByUser")
	if !slices.EqualFunc(own, names, func(cr passkeys.Credential, name string) bool { return cr.DeviceName == name }) {
		c.errorf("%s has %d passkeys, want %q", user, len(own), names)
	}
}

func register(c *check, s *site) {
	var told []string
	s.hooks.OnRegistered = func(_ passkeys.Exchange, u passkeys.User, r passkeys.RegistrationResult) error {
		told = append(told, u.ID, u.Name, passkeys.EncodeID(r.Credential.ID), r.Credential.UserID, r.Credential.DeviceName)
		return nil
	}
	begin := c.post(s, "alice", "/register/begin", "")
	c.answers("begin", begin, c.creationOptions(begin, "", ""))
	id := c.enrol(s, passkeytest.New(origin), "alice")
	c.keeps(s, "alice", "Phone")
	if want := []string{"alice", "alice@example.org", id, "alice", "Phone"}; !slices.Equal(told, want) {
		c.errorf("OnRegistered was told %q, want %q", told, want)
	}
	begin = c.post(s, "alice", "/register/begin", "")
	c.answers("begin again", begin, c.creationOptions(begin, `{"id":"`+id+`","type":"public-key","transports":["internal"]}`, ""))
}

// creationOptions is what alice's begin of a registration answers.
func (c *check) creationOptions(begin answer, exclude, mediation string) answer {
	challenge, state := c.parts(begin)
	return ok(`{"publicKey":{"rp":{"id":"example.org","name":"Example"},` +
		`"user":{"id":"YWxpY2U","name":"alice@example.org","displayName":"alice@example.org"},"challenge":"` + challenge + `",` +
		`"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-35},` +
		`{"type":"public-key","alg":-36},{"type":"public-key","alg":-257}],"timeout":300000,"excludeCredentials":[` + exclude + `],` +
		`"authenticatorSelection":{"residentKey":"preferred","requireResidentKey":false,"userVerification":"preferred"},` +
		`"attestation":"none","extensions":{"credProps":true}},` + mediation + `"state":"` + state + `"}`)
}

func upgrade(c *check, s *site) {
	const begin, session = "/register/begin", "of the password"
	phone := passkeytest.New(origin)
	phone.UserNotPresent, phone.UserNotVerified = true, true
	post := func(user, session, path, body string) answer {
		return c.send(s, message{user: user, session: session, method: http.MethodPost, path: path, body: body})
	}
	body := func(grant string) string { return `{"mediation":"conditional","grant":"` + grant + `"}` }
	grant := func() string {
		grant, err := s.passkeys.GrantUpgrade(passkeys.WithSessionID(c.ctx, session), "alice")
		c.is(err, nil, "GrantUpgrade")
		return grant
	}
	created := func(begin answer) string {
		_, state := c.parts(begin)
		credential, err := phone.Create([]byte(begin.body))
		c.is(err, nil, "creating a passkey from %.200q", begin.body)
		return finish(credential, state)
	}
	c.answers("registration without one", post("alice", session, "/register/finish", created(post("alice", session, begin, ""))), refused("attestation_verification_failed"))
	g := grant()
	c.answers("begin by another", post("bob", session, begin, body(g)), refused("challenge_not_found"))
	c.answers("begin in another session", post("alice", "another", begin, body(g)), refused("challenge_not_found"))
	_, state := c.parts(post("alice", session, begin, ""))
	c.answers("begin with a state", post("alice", session, begin, body(state)), refused("challenge_not_found"))
	old := grant()
	s.clock.Advance(2*time.Minute - time.Second)
	begun, again := post("alice", session, begin, body(g)), post("alice", session, begin, body(g))
	c.answers("begin", begun, c.creationOptions(begun, "", `"mediation":"conditional",`))
	s.clock.Advance(time.Second)
	c.answers("begin after two minutes", post("alice", session, begin, body(old)), refused("challenge_expired"))
	c.keeps(s, "alice")
	if got := post("alice", session, "/register/finish", created(begun)); got.status != http.StatusOK {
		c.errorf("finish: %v", got)
	}
	c.answers("finish again", post("alice", session, "/register/finish", created(again)), refused("challenge_not_found"))
	c.keeps(s, "alice", "Phone")

	s.hooks.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error { return passkeys.ErrForbidden }
	c.answers("begin that Authorize forbids", post("alice", session, begin, body(grant())), refused("forbidden"))
}

func (c *check) requestOptions(begin answer, allow string) answer {
	return c.requestOptionsFor(begin, allow, 5*time.Minute)
}

func (c *check) requestOptionsFor(begin answer, allow string, timeout time.Duration) answer {
	challenge, state := c.parts(begin)
	return ok(`{"publicKey":{"challenge":"` + challenge + `","timeout":` + strconv.FormatInt(timeout.Milliseconds(), 10) + `,"rpId":"example.org","allowCredentials":[` + allow + `],` +
		`"userVerification":"preferred"},"state":"` + state + `"}`)
}

func signIn(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	var told []string
	s.hooks.OnAuthenticated = func(_ passkeys.Exchange, r passkeys.AuthenticationResult) (any, error) {
		told = append(told, r.UserID, passkeys.EncodeID(r.Credential.ID), r.Credential.DeviceName, fmt.Sprint(r.UserVerified))
		return map[string]any{"token": "<&>", "roles": []string{}, "expires": 3600}, nil
	}
	begin := c.begin(s)
	c.answers("begin", begin, c.requestOptions(begin, ""))
	c.signsIn(s, phone, ok(`{"expires":3600,"roles":[],"token":"\u003c\u0026\u003e"}`))
	if want := []string{"alice", id, "Phone", "true"}; !slices.Equal(told, want) {
		c.errorf("OnAuthenticated was told %q, want %q", told, want)
	}
}

func signInDefault(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice <a>")
	for range 2 {
		c.signsIn(s, phone, ok(`{"status":"ok","userId":"alice \u003ca\u003e"}`))
	}
}

func signInByName(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	s.hooks.FindUser = func(_ passkeys.Exchange, name string) (string, error) {
		if name == "Älice " {
			return "alice", nil
		}
		return "", nil
	}
	s.hooks.CanonicalName = func(name string) string { return strings.ReplaceAll(name, ".", "") }
	own := `{"id":"` + id + `","type":"public-key","transports":["internal"]}`
	for body, allow := range map[string]string{
		`{"userId":"alice"}`: own, `{"username":"Älice "}`: own, `{"userId":"","username":""}`: "",
	} {
		begin := c.beginWith(s, body)
		c.answers("begin with "+body, begin, c.requestOptions(begin, allow))
	}
	decoys := map[string]string{}
	for _, body := range []string{`{"userId":"bob"}`, `{"username":"älice"}`, `{"username":".älice."}`, `{"username":"Älice"}`} {
		begin := c.beginWith(s, body)
		c.answers("begin with "+body, begin, c.requestOptions(begin, c.allowed(begin)))
		if decoys[body] = c.allowed(begin); decoys[body] == "" || strings.Contains(begin.body, id) {
			c.errorf("begin with %s: no decoys, or the passkey of another: %s", body, begin.body)
		}
		if again := c.allowed(c.beginWith(s, body)); again != decoys[body] {
			c.errorf("begin with %s: first %s, then %s", body, decoys[body], again)
		}
	}
	if decoys[`{"username":"älice"}`] != decoys[`{"username":".älice."}`] || decoys[`{"username":"älice"}`] == decoys[`{"username":"Älice"}`] {
		c.errorf("names are not told apart as CanonicalName does: %q", decoys)
	}
	phone.OmitUserHandle = true // as some do when they are told whose passkey it is
	begin := c.beginWith(s, `{"username":"Älice "}`)
	c.answers("sign-in", c.post(s, "", "/authenticate/finish", c.signed(phone, begin)), alice())
}

func signInModes(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for body, timeout := range map[string]time.Duration{
		`{"mode":"conditional"}`: time.Hour, `{"mode":"immediate"}`: 5 * time.Minute, `{"mode":""}`: 5 * time.Minute,
		`{"mode":"conditional","userId":"","username":""}`: time.Hour,
	} {
		begin := c.beginWith(s, body)
		c.answers("begin with "+body, begin, c.requestOptionsFor(begin, "", timeout))
		c.answers("sign-in after "+body, c.post(s, "", "/authenticate/finish", c.signed(phone, begin)), alice())
	}
}

func signInConcurrent(c *check, s *site) {
	s.hooks.OnAuthenticated = func(x passkeys.Exchange, r passkeys.AuthenticationResult) (any, error) {
		x.W.Header().Set("Set-Cookie", "user="+r.UserID)
		return nil, nil
	}
	together(8, func(i int) {
		phone, user := passkeytest.New(origin), fmt.Sprintf("user-%d", i)
		c.enrol(s, phone, user)
		want := ok(`{"status":"ok","userId":"` + user + `"}`)
		want.header.Set("Set-Cookie", "user="+user)
		for range 4 {
			c.signsIn(s, phone, want)
		}
	})
}

func outcome(c *check, s *site) {
	const good = `{"mode":"conditional","outcome":"cancelled","ms":1840}`
	s.find = func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		if x.R.Header.Get("X-Tenant") == "failed" {
			return s.passkeys, passkeys.ErrNotFound
		}
		return s.passkeys, nil
	}
	s.hooks.GetUser = func(passkeys.Exchange) (passkeys.User, error) {
		c.errorf("GetUser is asked")
		return passkeys.User{ID: "alice"}, nil
	}
	s.hooks.SessionID = func(passkeys.Exchange) string {
		c.errorf("SessionID is asked")
		return ""
	}
	for _, m := range []struct {
		message
		heard string
	}{
		{message{body: good}, "authentication conditional cancelled lt_2s"},
		{message{body: strings.Replace(good, "1840", "2000", 1), chunked: true}, "authentication conditional cancelled lt_20s"},
		{message{body: `{"ms":20000.5,"outcome":"network","mode":"upgrade","x":1}`}, "registration upgrade network ge_20s"},
		{message{body: good, contentType: "application/json; charset=utf-8", origin: "null", fetchSite: "same-origin"}, "authentication conditional cancelled lt_2s"},
		{message{}, ""},
		{message{body: "nonsense"}, ""},
		{message{body: strings.Replace(good, "conditional", "evil", 1)}, ""},
		{message{body: strings.Replace(good, "cancelled", "evil", 1)}, ""},
		{message{body: strings.Replace(good, "1840", `"1840"`, 1)}, ""},
		{message{body: strings.Replace(good, `"ms"`, `"mode":"immediate","ms"`, 1)}, ""},
		{message{body: good + strings.Repeat(" ", 256)}, ""},
		{message{body: good + strings.Repeat(" ", 64<<10), chunked: true}, ""},
		{message{body: good, contentType: "text/plain"}, ""},
		{message{body: good, contentType: "-"}, ""},
		{message{body: good, origin: "https://evil.example"}, ""},
		{message{body: good, tenant: "failed"}, ""},
	} {
		m.method, m.path, m.user = http.MethodPost, "/outcome", "alice"
		what := fmt.Sprintf("%.100s of type %q from %q, tenant %q", m.body, m.contentType, m.origin, m.tenant)
		c.answers(what, c.send(s, m.message), noContent())
		if got := strings.Join(s.take(), ", "); got != m.heard {
			c.errorf("%s: heard %q, want %q", what, got, m.heard)
		}
	}
}

func list(c *check, s *site) {
	get := func(user string) answer {
		return c.send(s, message{user: user, method: http.MethodGet, path: "/credentials"})
	}
	c.answers("list of none", get("alice"), ok(`[]`))
	key, phone := passkeytest.New(origin), passkeytest.New(origin)
	key.Transports = []string{"usb", "nfc"}
	key.AAGUID, _ = passkeys.ParseAAGUID("bada5566-a7aa-401f-bd96-45619a55120d")
	phone.BackupEligible, phone.BackupState = true, true
	first := c.enrol(s, key, "alice")
	s.clock.Advance(90 * time.Second)
	second := c.enrol(s, phone, "alice")
	s.clock.Advance(1500 * time.Millisecond)
	c.enrol(s, passkeytest.New(origin), "bob")
	c.signsIn(s, phone, alice())
	disabled, err := s.credentials.Get(c.ctx, key.Credentials()[0].ID)
	c.is(err, nil, "Get")
	disabled.QuarantinedAt, disabled.QuarantineReason = s.clock.Now(), passkeys.ReasonSignCountRegressed
	c.is(s.credentials.Update(c.ctx, disabled), nil, "Update")
	c.answers("list of two", get("alice"), ok(`[{"id":"`+first+`","deviceName":"Phone","provider":"1Password","aaguid":"bada5566-a7aa-401f-bd96-45619a55120d","transports":["usb","nfc"],`+
		`"backupEligible":false,"backupState":false,"createdAt":"2030-01-01T00:00:00Z","lastUsedAt":null,"quarantinedAt":"2030-01-01T00:01:31.5Z"},`+
		`{"id":"`+second+`","deviceName":"Phone","provider":"","aaguid":"00000000-0000-0000-0000-000000000000","transports":["internal"],`+
		`"backupEligible":true,"backupState":true,"createdAt":"2030-01-01T00:01:30Z","lastUsedAt":"2030-01-01T00:01:31.5Z","quarantinedAt":null}]`))
}

// staff is a request to a route for staff.
func staff(path, body string) message {
	return message{guarded: true, method: http.MethodPost, path: staffPrefix + path, body: body}
}

// staffRoutes are one request to each of them, about alice and the credential with
// this id.
func staffRoutes(id string) []message {
	one := `{"userId":"alice","id":"` + id + `"}`
	return []message{
		staff("/credentials", `{"userId":"alice"}`),
		staff("/revoke", one),
		staff("/revoke-all", `{"userId":"alice"}`),
		staff("/restore", one),
		staff("/count", `{}`),
		staff("/export", `{}`),
	}
}

func admin(c *check, s *site) {
	s.hooks.HasOtherSignIn = func(passkeys.Exchange, passkeys.User) (bool, error) { return false, nil } // which asks no staff
	var asked []string
	s.authorize = func(x passkeys.Exchange, a passkeys.Action) (string, error) {
		asked = append(asked, string(a))
		return "desk/" + x.R.Header.Get("X-User"), nil
	}
	send := func(path, body string) answer {
		m := staff(path, body)
		m.user = "anna"
		return c.send(s, m)
	}
	key := passkeytest.New(origin)
	first := c.enrol(s, key, "alice")
	s.clock.Advance(time.Second)
	second := c.enrol(s, passkeytest.New(origin), "alice")
	ofBob := c.enrol(s, passkeytest.New(origin), "bob")
	disabled, err := s.credentials.Get(c.ctx, key.Credentials()[0].ID)
	c.is(err, nil, "Get")
	disabled.QuarantinedAt, disabled.QuarantineReason = s.clock.Now(), passkeys.ReasonSignCountRegressed
	c.is(s.credentials.Update(c.ctx, disabled), nil, "Update")

	c.answers("list of none", send("/credentials", `{"userId":"nobody"}`), ok(`[]`))
	rest := `"deviceName":"Phone","provider":"","aaguid":"00000000-0000-0000-0000-000000000000","transports":["internal"],"backupEligible":false,"backupState":false,"createdAt":"2030-01-01T00:00:0`
	c.answers("list of two", send("/credentials", `{"userId":"alice"}`), ok(
		`[{"id":"`+first+`",`+rest+`0Z","lastUsedAt":null,"quarantinedAt":"2030-01-01T00:00:01Z","quarantineReason":"sign_count_regressed"},`+
			`{"id":"`+second+`",`+rest+`1Z","lastUsedAt":null,"quarantinedAt":null,"quarantineReason":""}]`))
	one := func(user, id string) string { return `{"userId":"` + user + `","id":"` + id + `"}` }
	c.answers("restoration of another's", send("/restore", one("bob", first)), refused("not_found"))
	c.answers("restoration", send("/restore", one("alice", first)), noContent())
	c.signsIn(s, key, alice())
	c.answers("revocation of another's", send("/revoke", one("bob", first)), refused("not_found"))
	c.answers("revocation", send("/revoke", one("alice", first)), noContent())
	c.answers("revocation of the last", send("/revoke", one("alice", second)), noContent())
	c.keeps(s, "bob", "Phone")
	c.answers("revocation of all", send("/revoke-all", `{"userId":"bob"}`), noContent())
	c.keeps(s, "alice")
	c.keeps(s, "bob")
	if want := []string{
		"credentials_read nobody", "credentials_read alice",
		"restoration_failed bob " + first + " credential_unknown", "credential_restored alice " + first,
		"revocation_failed bob " + first + " credential_unknown", "credential_revoked alice " + first, "credential_revoked alice " + second,
		"credentials_read bob", "credential_revoked bob " + ofBob,
	}; !slices.Equal(s.acts, want) {
		c.errorf("the audit log of anna has %q, want %q", s.acts, want)
	}
	if want := []string{"list", "list", "restore", "restore", "revoke", "revoke", "revoke", "revoke"}; !slices.Equal(asked, want) {
		c.errorf("Authorize was asked %q, want %q", asked, want)
	}
}

func adminCount(c *check, s *site) {
	c.answers("count of none", c.send(s, staff("/count", "{}")), ok(`[]`))
	manager, _ := passkeys.ParseAAGUID("bada5566-a7aa-401f-bd96-45619a55120d")
	for i := range byte(10) {
		cr := passkeys.Credential{ID: []byte{i}, UserID: "alice", PublicKey: []byte{1}, BackupEligible: i%5 > 0, BackupState: i%5 > 1}
		if i > 4 {
			cr.AAGUID = manager
		}
		if i == 9 {
			cr = quarantined(cr)
		}
		c.stored(s.credentials, cr)
	}
	row := func(provider string, eligible, state, disabled bool, n int) string {
		return fmt.Sprintf(`{"provider":%q,"backupEligible":%t,"backupState":%t,"quarantined":%t,"credentials":%d}`, provider, eligible, state, disabled, n)
	}
	c.answers("count", c.send(s, staff("/count", "{}")), ok("["+strings.Join([]string{
		row("", false, false, false, 1), row("", true, false, false, 1), row("", true, true, false, 3),
		row("1Password", false, false, false, 1), row("1Password", true, false, false, 1), row("1Password", true, true, false, 2), row("1Password", true, true, true, 1),
	}, ",")+"]"))
}

func adminExport(c *check, s *site) {
	c.answers("export of none", c.send(s, staff("/export", "{}")), ok(`{"credentials":[]}`))
	c.stored(s.credentials, sample("alice", 0), quarantined(sample("bob", 1)))
	for i := range 499 {
		c.stored(s.credentials, bare(2, byte(i>>8), byte(i)))
	}
	for after, body := []byte(nil), "{}"; body != ""; {
		page, err := s.credentials.Scan(c.ctx, after, 500)
		c.is(err, nil, "Scan")
		records, err := json.Marshal(page)
		c.is(err, nil, "encoding credentials")
		want := `{"credentials":` + string(records)
		sent := body
		if body = ""; len(page) == 500 {
			after = page[499].ID
			want += `,"next":"` + passkeys.EncodeID(after) + `"`
			body = `{"after":"` + passkeys.EncodeID(after) + `"}`
		}
		c.answers("export of "+sent, c.send(s, staff("/export", sent)), ok(want+"}"))
	}
}

func signals(c *check, s *site) {
	get := func(user string) answer {
		return c.send(s, message{user: user, method: http.MethodGet, path: "/signals"})
	}
	list := func(handle string, ids ...string) string {
		quoted, _ := json.Marshal(append([]string{}, ids...)) // strings always marshal
		return `{"rpId":"example.org","userId":"` + handle + `","allAcceptedCredentialIds":` + string(quoted) + `}`
	}
	details := func(handle, name string) string {
		return `{"rpId":"example.org","userId":"` + handle + `","name":"` + name + `","displayName":"` + name + `"}`
	}
	c.answers("signals of none", get("alice"), ok(`{"allAcceptedCredentials":[`+list("YWxpY2U")+`],"currentUserDetails":[`+details("YWxpY2U", "alice@example.org")+`]}`))
	id := c.enrol(s, passkeytest.New(origin), "alice")
	c.enrol(s, passkeytest.New(origin), "bob")
	s.clock.Advance(time.Second)
	for i, imported := range []passkeys.Credential{{UserHandle: []byte("other")}, {HandleUnknown: true}, {RPID: "example.net"}} {
		imported.ID, imported.UserID, imported.PublicKey, imported.CreatedAt = []byte{byte(i)}, "alice", []byte{0xa0}, s.clock.Now()
		c.stored(s.credentials, imported)
	}
	c.answers("signals", get("alice"), ok(`{"allAcceptedCredentials":[`+list("YWxpY2U", id, "AQ")+`,`+list("b3RoZXI", "AA", "AQ")+
		`],"currentUserDetails":[`+details("YWxpY2U", "alice@example.org")+`,`+details("b3RoZXI", "alice@example.org")+`]}`))
}

func browsersHalf(c *check, s *site) {
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) { return nil, passkeys.ErrForbidden }
	for _, f := range client.Files() {
		for _, query := range []string{"", "?v=" + f.Version, "?v=another"} {
			want := httptest.NewRecorder()
			f.ServeHTTP(want, httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/"+query, nil))
			want.Header().Del("Content-Length")
			got := c.send(s, message{method: http.MethodGet, path: "/" + f.Name + query, origin: "https://elsewhere.example"})
			c.answers(f.Name+query, got, answer{want.Code, want.Header(), want.Body.String()})
			if got = c.send(s, message{method: http.MethodGet, path: "/" + f.Name + query, ifNoneMatch: `"` + f.Version + `"`}); got.status != http.StatusNotModified || got.body != "" {
				c.errorf("%s that the browser has: %v", f.Name+query, got)
			}
		}
	}
}

// fingerprint is that of the site's application for Android.
const fingerprint = "0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:0A:F0"

// told is what a party of this name tells under /.well-known/: all that there is, or
// nothing.
func told(rpID string) passkeys.WellKnown {
	if rpID != "example.org" {
		return passkeys.WellKnown{}
	}
	return passkeys.WellKnown{
		Related: []string{"https://example.co.uk", "https://example.de:8443"},
		Android: []passkeys.AndroidApp{{Package: "org.example.app", Fingerprints: []string{fingerprint}}},
		Apple:   []string{"A1B2C3D4E5.org.example.app"},
		Enroll:  "https://example.org/new", Manage: "https://example.org/passkeys", PRFUsage: "https://example.org/keys",
	}
}

// wellKnown knows a document to the byte: a client that has it gets no more than that
// it is still good, and of a page of another site none asks where it comes from.
func wellKnown(name, document string) func(*check, *site) {
	return func(c *check, s *site) {
		ask := message{guarded: true, method: http.MethodGet, path: "/.well-known/" + name, origin: "https://elsewhere.example"}
		got := c.send(s, ask)
		etag := got.header.Get("ETag")
		if len(etag) < 3 || etag[0] != '"' { // a weak one is none: a byte may differ
			c.errorf("ETag: %q", etag)
		}
		header := http.Header{"Cache-Control": {"public, max-age=3600"}, "Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}, "Etag": {etag}, "Accept-Ranges": {"bytes"}}
		c.answers(name, got, answer{http.StatusOK, header, document})
		ask.ifNoneMatch = etag
		header = maps.Clone(header)
		header.Del("Content-Type")
		header.Del("Accept-Ranges")
		c.answers(name+" again", c.send(s, ask), answer{http.StatusNotModified, header, ""})
	}
}

func wellKnownUnset(c *check, s *site) {
	other, err := s.party("example.net")
	c.is(err, nil, "New")
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) { return other, nil }
	ask := func(code string) {
		for _, name := range []string{"webauthn", "passkey-endpoints", "assetlinks.json", "apple-app-site-association"} {
			c.answers(name, c.send(s, message{guarded: true, method: http.MethodGet, path: "/.well-known/" + name}), refused(code))
		}
	}
	ask("not_found")
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) { return nil, errors.New("secret") }
	ask("internal_error")
}

// patch and del are what alice sends to rename and to revoke.
func patch(id, body string) message {
	return message{user: "alice", method: http.MethodPatch, path: "/credentials/" + id, body: body}
}

func del(id string) message {
	return message{user: "alice", method: http.MethodDelete, path: "/credentials/" + id}
}

func renameRoute(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	for _, name := range []string{"Läptop 💻", "", strings.Repeat("😀", 64)} {
		c.answers("rename", c.send(s, patch(id, `{"deviceName":"`+name+`"}`)), noContent())
		c.keeps(s, "alice", name)
	}
}

func revoke(c *check, s *site) {
	phone := passkeytest.New(origin)
	m := del(c.enrol(s, phone, "alice"))
	c.enrol(s, passkeytest.New(origin), "alice")
	c.answers("revoke", c.send(s, m), noContent())
	c.answers("revoke again", c.send(s, m), refused("not_found"))
	c.keeps(s, "alice", "Phone")
	c.signsIn(s, phone, refused("credential_not_found"))
}

func beginBody(c *check, s *site) {
	c.enrol(s, passkeytest.New(origin), "bob")
	for _, path := range []string{"/register/begin", "/authenticate/begin", "/confirm/begin"} {
		for _, body := range []string{"", "{}", " {\"more\": [1]}\n"} {
			for _, chunked := range []bool{false, true} {
				m := message{user: "bob", method: http.MethodPost, path: path, body: body, contentType: "application/json", chunked: chunked && body != ""}
				got := c.send(s, m)
				c.answers(path+" with the body "+strconv.Quote(body), got, ok(got.body))
			}
		}
	}
}

func unreadBody(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	for _, m := range []message{{method: http.MethodGet, path: "/credentials"}, {method: http.MethodGet, path: "/signals"}, {method: http.MethodDelete, path: "/credentials/" + id}} {
		m.user, m.body, m.contentType = "alice", "nonsense", "text/plain"
		if got := c.send(s, m); got.status >= 300 {
			c.errorf("%s with a body: %v", m.method, got)
		}
	}
}

func unknownMembers(c *check, s *site) {
	deep := `{"more":{"more":[1,null]},"more":"twice","deep":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) +
		`,"STATE":1,"State":{},"Credential":[],"DEVICENAME":1,"USERID":"bob","Username":"bob","MODE":"conditional","Mediation":"conditional","GRANT":"x","Request":"x","COOKIE":true`
	with := func(body string) string {
		body = strings.Replace(body, `"response":{`, `"response":{"more":1,"CLIENTDATAJSON":1,"more":[[]],`, 1)
		return deep + "," + body[1:]
	}
	phone := passkeytest.New(origin)
	begin := c.post(s, "alice", "/register/begin", deep+"}")
	c.answers("begin", begin, ok(begin.body))
	if got := c.post(s, "alice", "/register/finish", with(c.created(s, phone, "alice"))); got.status != http.StatusOK {
		c.errorf("registration: %v", got)
	}
	begin = c.beginWith(s, deep+"}")
	c.answers("begin", begin, c.requestOptions(begin, ""))
	c.answers("sign-in", c.post(s, "", "/authenticate/finish", with(c.signed(phone, begin))), alice())
	begin = c.post(s, "alice", "/confirm/begin", deep+"}")
	c.proved(c.post(s, "alice", "/confirm/finish", with(c.signed(phone, begin))))
	if own := phone.Credentials(); len(own) == 1 {
		c.answers("rename", c.send(s, patch(passkeys.EncodeID(own[0].ID), with(`{"deviceName":"New"}`))), noContent())
	}
	c.keeps(s, "alice", "New")
}

func nullMembers(c *check, s *site) {
	phone := passkeytest.New(origin)
	registration := c.created(s, phone, "alice")
	registration = strings.Replace(registration, `"deviceName":"Phone"`, `"deviceName":null`, 1)
	registration = strings.Replace(registration, `"transports":["internal"]`, `"transports":null`, 1)
	registration = strings.Replace(registration, `"clientExtensionResults":{"credProps":{"rk":true}}`, `"clientExtensionResults":null`, 1)
	if got := c.post(s, "alice", "/register/finish", registration); got.status != http.StatusOK {
		c.errorf("registration with %s: %v", registration, got)
	}
	c.keeps(s, "alice", "")
	begin := c.beginWith(s, `{"userId":null,"username":null,"mode":null}`)
	c.answers("begin", begin, c.requestOptions(begin, ""))
	phone.OmitUserHandle = true
	authentication := c.signed(phone, c.beginWith(s, `{"userId":"alice","mode":null}`))
	authentication = strings.Replace(authentication, `"response":{`, `"response":{"userHandle":null,`, 1)
	c.answers("sign-in", c.post(s, "", "/authenticate/finish", authentication), alice())
	confirmation := c.signed(phone, c.post(s, "alice", "/confirm/begin", `{"request":null}`))
	c.proved(c.post(s, "alice", "/confirm/finish", strings.Replace(confirmation, "{", `{"cookie":null,`, 1)))
}

func session(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for _, at := range []struct {
		begun, finished string
		want            answer
	}{
		{"1", "1", alice()},
		{"1", "2", refused("challenge_not_found")},
		{"1", "", refused("challenge_not_found")},
		{"", "2", refused("challenge_not_found")},
	} {
		begin := c.send(s, message{session: at.begun, method: http.MethodPost, path: "/authenticate/begin"})
		c.answers(fmt.Sprintf("a sign-in begun in session %q and finished in %q", at.begun, at.finished),
			c.send(s, message{session: at.finished, method: http.MethodPost, path: "/authenticate/finish", body: c.signed(phone, begin)}), at.want)
	}
}

// eachHook has f called in every hook, and tells each what the client gets.
func (c *check) eachHook(s *site, f func(passkeys.Exchange) error, each func(hook string, got answer)) {
	phone, plain, found, operation, authorize := passkeytest.New(origin), s.hooks, s.find, s.operation, s.authorize
	c.enrol(s, phone, "alice")
	proof := c.confirmed(s, phone, report())
	guarded := func() answer { return c.send(s, report().with(proof)) }
	for _, hook := range []struct {
		name string
		set  func()
		call func() answer
	}{
		{"find", func() {
			s.find = func(x passkeys.Exchange) (*passkeys.Passkeys, error) { return s.passkeys, f(x) }
		}, func() answer { return c.begin(s) }},
		{"GetUser", func() {
			s.hooks.GetUser = func(x passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "alice"}, f(x) }
		}, func() answer { return c.post(s, "", "/register/begin", "") }},
		{"OnRegistered", func() {
			s.hooks.OnRegistered = func(x passkeys.Exchange, _ passkeys.User, _ passkeys.RegistrationResult) error { return f(x) }
		}, func() answer {
			return c.post(s, "bob", "/register/finish", c.created(s, passkeytest.New(origin), "bob"))
		}},
		{"FindUser", func() {
			s.hooks.FindUser = func(x passkeys.Exchange, _ string) (string, error) { return "alice", f(x) }
		}, func() answer { return c.post(s, "", "/authenticate/begin", `{"username":"alice"}`) }},
		{"OnAuthenticated", func() {
			s.hooks.OnAuthenticated = func(x passkeys.Exchange, _ passkeys.AuthenticationResult) (any, error) { return nil, f(x) }
		}, func() answer {
			return c.post(s, "", "/authenticate/finish", c.signed(phone, c.begin(s)))
		}},
		{"Authorize", func() {
			s.hooks.Authorize = func(x passkeys.Exchange, _ passkeys.User, _ passkeys.Action) error { return f(x) }
		}, func() answer { return c.post(s, "alice", "/register/begin", "") }},
		{"HasOtherSignIn", func() {
			s.hooks.HasOtherSignIn = func(x passkeys.Exchange, _ passkeys.User) (bool, error) { return true, f(x) }
		}, func() answer {
			user := fmt.Sprint("user-", s.serial.Load()) // whose only passkey it is
			return c.send(s, message{user: user, method: http.MethodDelete, path: "/credentials/" + c.enrol(s, passkeytest.New(origin), user)})
		}},
		{"OnConfirmed", func() {
			s.hooks.OnConfirmed = func(x passkeys.Exchange, _ passkeys.User, _ passkeys.ConfirmationResult) error { return f(x) }
		}, func() answer {
			return c.post(s, "alice", "/confirm/finish", c.confirming(s, phone, report(), ""))
		}},
		{"find of a guard", func() {
			s.find = func(x passkeys.Exchange) (*passkeys.Passkeys, error) { return s.passkeys, f(x) }
		}, guarded},
		{"GetUser of a guard", func() {
			s.hooks.GetUser = func(x passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "alice"}, f(x) }
		}, guarded},
		{"Operation of a guard", func() {
			s.operation = func(x passkeys.Exchange, whole func() (passkeys.Operation, error)) (passkeys.Operation, error) {
				o, err := whole()
				c.is(err, nil, "RequestOperation")
				return o, f(x)
			}
		}, guarded},
		{"Authorize of staff", func() {
			s.authorize = func(x passkeys.Exchange, _ passkeys.Action) (string, error) { return "anna", f(x) }
		}, func() answer { return c.send(s, staff("/credentials", `{"userId":"alice"}`)) }},
	} {
		hook.set()
		each(hook.name, hook.call())
		s.hooks, s.find, s.operation, s.authorize = plain, found, operation, authorize
	}
}

func tenants(c *check, s *site) {
	const otherOrigin = "https://example.net"
	other, err := s.party("example.net")
	c.is(err, nil, "New")
	s.find = func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		switch x.R.Header.Get("X-Tenant") {
		case "net":
			return other, nil
		case "unknown":
			return nil, fmt.Errorf("tenant: %w", passkeys.ErrNotFound)
		case "failed":
			return s.passkeys, errors.New("secret")
		case "nobody":
			return nil, nil
		}
		return s.passkeys, nil
	}
	at := func(tenant, origin, path, body string) answer {
		return c.send(s, message{user: "alice", tenant: tenant, origin: origin, method: http.MethodPost, path: path, body: body})
	}
	phone := passkeytest.New(otherOrigin)
	begin := at("net", otherOrigin, "/register/begin", "")
	if !strings.Contains(begin.body, `"rp":{"id":"example.net"`) {
		c.errorf("begin: %v", begin)
	}
	_, state := c.parts(begin)
	credential, err := phone.Create([]byte(begin.body))
	c.is(err, nil, "creating a passkey from %.200q", begin.body)
	c.answers("registration at the other", at("", origin, "/register/finish", finish(credential, state)), refused("challenge_not_found"))
	if got := at("net", otherOrigin, "/register/finish", finish(credential, state)); got.status != http.StatusOK {
		c.errorf("registration: %v", got)
	}
	begin = at("net", otherOrigin, "/authenticate/begin", "")
	authentication := c.signed(phone, begin)
	c.answers("sign-in at the other", at("", origin, "/authenticate/finish", authentication), refused("challenge_not_found"))
	c.answers("sign-in from the other's page", at("net", origin, "/authenticate/finish", authentication), refused("wrong_origin"))
	c.answers("sign-in", at("net", otherOrigin, "/authenticate/finish", authentication), alice())
	begin = at("net", otherOrigin, "/confirm/begin", "")
	proof := c.proved(at("net", otherOrigin, "/confirm/finish", c.signed(phone, begin)))
	c.required("a proof at the other", s, settings().with(proof))
	m := settings().with(proof)
	m.tenant, m.origin = "net", otherOrigin
	c.passes("a proof", s, m)
	for tenant, code := range map[string]string{"unknown": "not_found", "failed": "internal_error", "nobody": "internal_error"} {
		for _, m := range slices.Concat(routes("AAAA"), guarded(), staffRoutes("AAAA")) {
			m.user, m.tenant = "alice", tenant
			c.answers(m.method+" "+m.path+" of the tenant "+tenant, c.send(s, m), refused(code))
		}
	}
}

func hookHeaders(c *check, s *site) {
	set := func(h http.Header) {
		h.Add("Set-Cookie", "session=1; Path=/; HttpOnly")
		h.Add("Set-Cookie", "theme=dark")
		h.Set("X-Hook", "was here")
	}
	for _, err := range []error{nil, passkeys.ErrForbidden} {
		c.eachHook(s, func(x passkeys.Exchange) error {
			set(x.W.Header())
			return err
		}, func(hook string, got answer) {
			want := ok(got.body)
			switch {
			case err != nil:
				want = refused("forbidden")
			case hook == "HasOtherSignIn":
				want = noContent()
			case strings.HasSuffix(hook, "of a guard"):
				want = passed(got, "")
			}
			set(want.header)
			c.answers(fmt.Sprintf("%s with the error %v", hook, err), got, want)
		})
	}
}

func hookAnswer(c *check, s *site) {
	for _, err := range []error{nil, errors.New("secret")} {
		for _, want := range []answer{
			{http.StatusTeapot, http.Header{"Content-Type": {"text/plain"}}, "short and stout\n"},
			{http.StatusSeeOther, http.Header{"Location": {"/login"}}, ""},
		} {
			c.eachHook(s, func(x passkeys.Exchange) error {
				maps.Copy(x.W.Header(), want.header)
				x.W.WriteHeader(want.status)
				if want.body != "" {
					_, _ = io.WriteString(x.W, want.body)
				}
				return err
			}, func(hook string, got answer) {
				c.answers(fmt.Sprintf("%s with the error %v", hook, err), got, want)
			})
		}
	}
}

func hookError(c *check, s *site) {
	limited := ok(`{"error":{"code":"rate_limited","message":"Slow down.","id":"` + requestID + `"}}`)
	limited.status = http.StatusTooManyRequests
	for _, hook := range []struct {
		err  error
		want answer
	}{
		{fmt.Errorf("session: %w", passkeys.ErrUnauthenticated), refused("unauthenticated")},
		{passkeys.ErrForbidden, refused("forbidden")},
		{&passkeys.Error{Code: "rate_limited", Status: http.StatusTooManyRequests, Message: "Slow down."}, limited},
		{errors.New("secret"), refused("internal_error")},
		{(*passkeys.Error)(nil), refused("internal_error")}, // which is not nil
	} {
		c.eachHook(s, func(passkeys.Exchange) error { return hook.err }, func(name string, got answer) {
			c.answers(fmt.Sprintf("%s with the error %v", name, hook.err), got, hook.want)
		})
	}
}

func hookPanic(c *check, s *site) {
	c.eachHook(s, func(passkeys.Exchange) error { panic("in a hook of conformance.TestAdapter") }, func(hook string, got answer) {
		if got.status < 500 {
			c.errorf("%s: %v", hook, got)
		}
	})
	c.keeps(s, "bob")
}

func registrationTakenBack(c *check, s *site) {
	phone := passkeytest.New(origin)
	phone.CredentialID = []byte("taken back")
	s.hooks.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error { return errors.New("secret") }
	c.registers(s, phone, "alice", refused("internal_error"))
	c.keeps(s, "alice")
	phone.Forget(phone.CredentialID)
	s.hooks.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error { return nil }
	c.enrol(s, phone, "alice")
}

func answerNotJSON(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	s.hooks.OnAuthenticated = func(passkeys.Exchange, passkeys.AuthenticationResult) (any, error) { return make(chan int), nil }
	c.signsIn(s, phone, refused("internal_error"))
}

func prfResultsPresent(c *check, s *site) {
	leak := func(r *passkeytest.Response) {
		r.ClientExtensionResults = map[string]any{"prf": map[string]any{"results": map[string]any{"first": "AAAA"}}}
	}
	phone := passkeytest.New(origin)
	begin := c.post(s, "alice", "/register/begin", "")
	_, state := c.parts(begin)
	phone.Corrupt = leak
	leaked, err := phone.Create([]byte(begin.body))
	c.is(err, nil, "creating a passkey from %.200q", begin.body)
	c.answers("registration", c.post(s, "alice", "/register/finish", finish(leaked, state)), refused("prf_results_present"))
	c.keeps(s, "alice")
	phone.Corrupt = nil
	sound, err := phone.Create([]byte(begin.body))
	c.is(err, nil, "creating a passkey from %.200q", begin.body)
	if got := c.post(s, "alice", "/register/finish", finish(sound, state)); got.status != http.StatusOK {
		c.errorf("registration without them: %v", got)
	}

	begin = c.begin(s)
	phone.Corrupt = leak
	c.answers("sign-in", c.post(s, "", "/authenticate/finish", c.signed(phone, begin)), refused("prf_results_present"))
	phone.Corrupt = nil
	c.answers("sign-in without them", c.post(s, "", "/authenticate/finish", c.signed(phone, begin)), alice())

	begin = c.post(s, "alice", "/confirm/begin", "")
	phone.Corrupt = leak
	c.answers("confirmation", c.post(s, "alice", "/confirm/finish", c.signed(phone, begin)), refused("prf_results_present"))
	phone.Corrupt = nil
	c.proved(c.post(s, "alice", "/confirm/finish", c.signed(phone, begin)))
}

func challengeNotFound(c *check, s *site) {
	const register, authenticate = "/register/finish", "/authenticate/finish"
	phone, want := passkeytest.New(origin), refused("challenge_not_found")
	broken := func(r *passkeytest.Response) { r.ClientDataJSON = []byte("{}") }

	begin := c.post(s, "alice", "/register/begin", "")
	registration := func() string {
		_, state := c.parts(begin)
		credential, err := phone.Create([]byte(begin.body))
		c.is(err, nil, "creating a passkey from %.200q", begin.body)
		return finish(credential, state)
	}
	phone.Corrupt = broken
	c.answers("registration that fails", c.post(s, "alice", register, registration()), refused("attestation_verification_failed"))
	phone.Corrupt = nil
	body := registration()
	c.answers("registration by another", c.post(s, "bob", register, body), want)
	if got := c.post(s, "alice", register, body); got.status != http.StatusOK {
		c.errorf("registration: %v", got)
	}
	c.answers("registration again", c.post(s, "alice", register, body), want)
	c.keeps(s, "alice", "Phone")
	c.keeps(s, "bob")

	begin = c.begin(s)
	phone.Corrupt = broken
	c.answers("sign-in that fails", c.post(s, "", authenticate, c.signed(phone, begin)), refused("assertion_verification_failed"))
	phone.Corrupt = nil
	body = c.signed(phone, begin)
	c.answers("sign-in", c.post(s, "", authenticate, body), alice())
	c.answers("sign-in again", c.post(s, "", authenticate, body), want)
	c.answers("sign-in again, signed anew", c.post(s, "", authenticate, c.signed(phone, begin)), want)

	begin = c.begin(s)
	body = c.signed(phone, begin)
	_, state := c.parts(begin)
	_, other := c.parts(c.post(s, "alice", "/register/begin", ""))
	for _, wrong := range []string{"", "unknown", other, state + "A", state[:len(state)/2]} {
		c.answers("sign-in with the state "+strconv.Quote(wrong), c.post(s, "", authenticate, strings.Replace(body, state, wrong, 1)), want)
	}
	for _, wrong := range []string{`"STATE":"`, `"state":null,"State":"`, `"state ":"`} {
		c.answers("sign-in with "+wrong, c.post(s, "", authenticate, strings.Replace(body, `"state":"`, wrong, 1)), want)
	}
	c.answers("sign-in", c.post(s, "", authenticate, body), alice())

	const confirm = "/confirm/finish"
	begin = c.post(s, "alice", "/confirm/begin", "")
	phone.Corrupt = broken
	c.answers("confirmation that fails", c.post(s, "alice", confirm, c.signed(phone, begin)), refused("confirmation_failed"))
	phone.Corrupt = nil
	body = c.signed(phone, begin)
	c.answers("confirmation by another", c.post(s, "bob", confirm, body), want)
	_, state = c.parts(begin)
	for _, wrong := range []string{"", "unknown", other, state + "A", state[:len(state)/2]} {
		c.answers("confirmation with the state "+strconv.Quote(wrong), c.post(s, "alice", confirm, strings.Replace(body, state, wrong, 1)), want)
		if wrong != "" { // which is as good as none
			c.answers("begin with the request "+strconv.Quote(wrong), c.post(s, "alice", "/confirm/begin", `{"request":"`+wrong+`"}`), want)
		}
	}
	c.proved(c.post(s, "alice", confirm, body))
	c.answers("confirmation again", c.post(s, "alice", confirm, body), want)
	c.answers("confirmation again, signed anew", c.post(s, "alice", confirm, c.signed(phone, begin)), want)
}

func challengeExpired(c *check, s *site) {
	const enough, enoughForAutofill = 6 * time.Minute, time.Hour
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	for _, begin := range []struct {
		body string
		life time.Duration
	}{
		{"", enough}, {`{"userId":"alice"}`, enough}, {`{"mode":"immediate"}`, enough}, {`{"mode":"conditional"}`, enoughForAutofill},
	} {
		early, late := c.beginWith(s, begin.body), c.beginWith(s, begin.body)
		s.clock.Advance(begin.life - time.Second)
		c.answers("sign-in after "+begin.life.String(), c.post(s, "", "/authenticate/finish", c.signed(phone, early)), alice())
		s.clock.Advance(time.Second)
		c.answers("sign-in after "+begin.life.String(), c.post(s, "", "/authenticate/finish", c.signed(phone, late)), refused("challenge_expired"))
	}
	confirmation, early := c.confirming(s, phone, settings(), ""), c.confirming(s, phone, settings(), "")
	request := c.required("without a proof", s, settings()).Request
	s.clock.Advance(enough - time.Second)
	c.proved(c.post(s, "alice", "/confirm/finish", early))
	s.clock.Advance(time.Second)
	c.answers("confirmation", c.post(s, "alice", "/confirm/finish", confirmation), refused("challenge_expired"))
	s.clock.Advance(time.Hour - enough)
	c.answers("begin with a request of an hour ago", c.post(s, "alice", "/confirm/begin", `{"request":"`+request+`"}`), refused("challenge_expired"))
	registration := c.created(s, passkeytest.New(origin), "bob")
	s.clock.Advance(enough)
	c.answers("registration", c.post(s, "bob", "/register/finish", registration), refused("challenge_expired"))
	c.keeps(s, "bob")
}

func attestationFailed(c *check, s *site) {
	phone := passkeytest.New("https://evil.example")
	c.registers(s, phone, "alice", refused("attestation_verification_failed"))
	c.keeps(s, "alice")
}

func credentialExists(c *check, s *site) {
	for i, user := range []string{"alice", "bob", "alice"} {
		phone := passkeytest.New(origin)
		phone.CredentialID = []byte("the same")
		got := c.post(s, user, "/register/finish", strings.Replace(c.created(s, phone, user), "Phone", fmt.Sprint(i), 1))
		if i > 0 {
			c.answers("finish by "+user, got, refused("credential_already_exists"))
		}
	}
	c.keeps(s, "alice", "0")
	c.keeps(s, "bob")
}

func assertionFailed(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	phone.Corrupt = func(r *passkeytest.Response) { r.Signature[len(r.Signature)-1] ^= 1 }
	c.signsIn(s, phone, refused("assertion_verification_failed"))
}

func credentialNotFound(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	c.is(s.credentials.Delete(c.ctx, "alice", phone.Credentials()[0].ID), nil, "Delete")
	c.signsIn(s, phone, refused("credential_not_found"))
}

func cloneDetected(c *check, s *site) {
	phone := passkeytest.New(origin)
	c.enrol(s, phone, "alice")
	clone := phone.Clone()
	c.signsIn(s, phone, alice())
	c.signsIn(s, clone, refused("clone_detected"))
}

func configurationError(c *check, s *site) {
	s.hooks.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, nil }
	c.answers("begin", c.post(s, "", "/register/begin", ""), refused("configuration_error"))
	c.answers("a guard", c.send(s, settings()), refused("configuration_error"))
}

// routes are those whose answer depends on the request, for the credential with
// this id.
func routes(id string) []message {
	return []message{
		{method: http.MethodPost, path: "/register/begin"},
		{method: http.MethodPost, path: "/register/finish"},
		{method: http.MethodPost, path: "/authenticate/begin"},
		{method: http.MethodPost, path: "/authenticate/finish"},
		{method: http.MethodGet, path: "/credentials"},
		{method: http.MethodPatch, path: "/credentials/" + id},
		{method: http.MethodDelete, path: "/credentials/" + id},
		{method: http.MethodGet, path: "/signals"},
		{method: http.MethodPost, path: "/confirm/begin"},
		{method: http.MethodPost, path: "/confirm/finish"},
	}
}

// bodied are the routes that read a body.
func bodied(id string) []message {
	return slices.DeleteFunc(routes(id), func(m message) bool { return m.method == http.MethodGet || m.method == http.MethodDelete })
}

func unauthenticated(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	for _, m := range slices.Concat(routes(id), routes("unknown"), guarded()) {
		if strings.HasPrefix(m.path, "/authenticate/") {
			continue
		}
		for _, m.body = range []string{"", `{"deviceName":"Mine"}`, "[", strings.Repeat(" ", 64<<10+1)} {
			for _, m.contentType = range []string{"application/json", "text/plain"} {
				c.answers(m.method+" "+m.path, c.send(s, m), refused("unauthenticated"))
			}
		}
	}
	c.keeps(s, "alice", "Phone")
}

func tooManyCredentials(c *check, s *site) {
	registration := c.created(s, passkeytest.New(origin), "alice")
	for i := range byte(50) {
		cr := sample("alice", i)
		cr.Spent = nil // which is no store's to read, but the routes'
		c.stored(s.credentials, cr)
	}
	c.answers("begin", c.post(s, "alice", "/register/begin", ""), refused("too_many_credentials"))
	c.answers("finish", c.post(s, "alice", "/register/finish", registration), refused("too_many_credentials"))
}

func lastCredential(c *check, s *site) {
	first, last := c.enrol(s, passkeytest.New(origin), "alice"), c.enrol(s, passkeytest.New(origin), "alice")
	s.hooks.HasOtherSignIn = func(passkeys.Exchange, passkeys.User) (bool, error) { return false, nil }
	c.answers("revoke", c.send(s, del(first)), noContent())
	c.answers("revoke the last", c.send(s, del(last)), refused("last_credential"))
	c.keeps(s, "alice", "Phone")
}

func forbidden(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	s.hooks.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error { return passkeys.ErrForbidden }
	for _, m := range routes(id) {
		if m.user = "alice"; strings.HasPrefix(m.path, "/authenticate/") || strings.HasPrefix(m.path, "/confirm/") || m.method == http.MethodGet {
			continue
		}
		c.answers(m.method+" "+m.path+" that Authorize forbids", c.send(s, m), refused("forbidden"))
	}
	for _, no := range []*passkeys.Error{passkeys.ErrForbidden, passkeys.ErrUnauthenticated} {
		s.authorize = func(passkeys.Exchange, passkeys.Action) (string, error) { return "anna", no }
		for _, m := range staffRoutes(id) {
			for _, m.body = range []string{m.body, "["} {
				c.answers(m.path+" that Authorize refuses", c.send(s, m), refused(no.Code))
			}
		}
	}
	c.keeps(s, "alice", "Phone")
}

func wrongOrigin(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	s.hooks.AuthenticatedAt = func(passkeys.Exchange) time.Time { return s.clock.Now() }
	proof := c.confirmed(s, phone, report())
	for _, m := range slices.Concat(routes(id), []message{settings(), report().with(proof)}) {
		if !m.guarded {
			m.user, m.body = "alice", "{}"
		}
		for _, other := range []message{{origin: "https://evil.example"}, {origin: "https://evil.example", fetchSite: "same-origin"}, {origin: "null"}, {origin: "null", fetchSite: "cross-site"}} {
			m.origin, m.fetchSite = other.origin, other.fetchSite
			c.answers(fmt.Sprintf("%s %s from %s, %q", m.method, m.path, m.origin, m.fetchSite), c.send(s, m), refused("wrong_origin"))
		}
	}
	for _, m := range staffRoutes(id) {
		m.origin = "https://evil.example"
		c.answers(m.path+" from "+m.origin, c.send(s, m), refused("wrong_origin"))
	}
	c.keeps(s, "alice", "Phone")
	hidden := c.send(s, message{method: http.MethodPost, path: "/authenticate/begin", origin: "null", fetchSite: "same-origin"})
	c.answers("begin from a page of ours that hides its name", hidden, c.requestOptions(hidden, ""))

	local, err := s.party("localhost")
	c.is(err, nil, "New")
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) { return local, nil }
	want := refused("wrong_origin")
	want.body = strings.Replace(want.body, `"}}`, `","expected":["http://localhost:8080"]}}`, 1)
	c.answers("begin from an address that is not configured", c.send(s, message{method: http.MethodPost, path: "/authenticate/begin", origin: "http://127.0.0.1:8080"}), want)
}

func notFound(c *check, s *site) {
	phone := passkeytest.New(origin)
	phone.CredentialID = []byte{0xfb, 0xef, 0xbe, 0xfb} // "-----w", and "+++++w==" in the other alphabet
	id := c.enrol(s, phone, "alice")
	ofBob := c.enrol(s, passkeytest.New(origin), "bob")
	for _, other := range []string{ofBob, "AAAA", "A", "%00", id + "==", id + "%3D%3D", id[:5] + "x", "%2D" + id[1:], id[:5] + "%77",
		"+++++w", "+++++w==", id + "%0A", "%20" + id, id + ".", strings.Repeat("A", 1366), strings.Repeat("A", 4096)} {
		c.answers("PATCH of "+other, c.send(s, patch(other, `{"deviceName":"New"}`)), refused("not_found"))
		c.answers("DELETE of "+other, c.send(s, del(other)), refused("not_found"))
	}
	c.keeps(s, "alice", "Phone")
	c.keeps(s, "bob", "Phone")
	c.answers("PATCH of "+id, c.send(s, patch(id, `{"deviceName":"New"}`)), noContent())
}

func invalidRequest(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	registration := c.created(s, passkeytest.New(origin), "bob")
	authentication := c.signed(phone, c.begin(s))
	confirmation := c.confirming(s, phone, settings(), "")
	// Each takes what is once in a body for something else; of a body without it
	// they make what is broken anyway.
	edited := func(body string, edits ...string) (broken []string) {
		for i := 0; i < len(edits); i += 2 {
			broken = append(broken, strings.Replace(body, edits[i], edits[i+1], 1))
		}
		return broken
	}
	finishes := func(body string) []string {
		_, clientData, _ := strings.Cut(body, `"clientDataJSON":"`)
		clientData, _, _ = strings.Cut(clientData, `"`)
		return edited(body,
			`"state":"`, `"state":1,"x":"`, `"state":"`, `"state":"x","state":"`, `"state":"`, `"state":null,"state":"`,
			`"state":"`, `"st\u0061te":"x","state":"`, `"state":"`, `"state":"\ud800`, `"state":"`, `"\udc00":1,"state":"`,
			`"credential":{`, `"credential":null,"credential":{`, `"credential":{`, `"Credential":{`, `"credential":{`, `"credential":{"\ud800":1,`,
			`"id":"`, `"id":"=`, `"id":"`, `"id":"x","id":"`, `"id":"`, `"ID":"`, `"rawId":"`, `"rawId":"A`, `"rawId":"`, `"rawId":null,"x":"`,
			`"type":"public-key"`, `"type":"password"`, `"type":"public-key"`, `"type":"public-key","type":"public-key"`,
			`"response":{`, `"response":null,"x":{`, `"response":{`, `"response":{},"response":{`, `"response":{`, `"response":{"clientDataJSON":"e30",`,
			`"clientDataJSON":"`, `"clientDataJSON":"+`, `"clientDataJSON":"`, `"clientDataJSON":"\n`, `"clientDataJSON":"`, `"clientDataJSON":"","x":"`,
			clientData+`"`, clientData+`="`, clientData+`"`, clientData+`=="`, clientData+`"`, clientData+`A===="`)
	}
	long := strings.Repeat("n", 65)
	broken := []string{"nonsense", "null", `"x"`, "1", "[]", "[{}]", "{", `{"deviceName":"x"`, `{"deviceName":"x",}`, `{"deviceName":"x"} {}`,
		`{"deviceName":"x"}]`, "{\"deviceName\":\"\xff\"}", "{\"\xff\":1}", "{\"deviceName\":\"\x01\"}", "\ufeff{}", "{'deviceName':'x'}", "{deviceName:\"x\"}",
		`{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, `{"deviceName":"x","x":` + strings.Repeat(`{"x":`, 16) + `1` + strings.Repeat("}", 17)}
	for i, more := range [][]string{
		{`{"mediation":"conditional"}`, `{"mediation":"conditional","grant":""}`, `{"grant":"x"}`, `{"mediation":null,"grant":"x"}`, `{"mediation":"optional","grant":"x"}`,
			`{"mediation":"optional"}`, `{"mediation":"silent"}`, `{"mediation":true,"grant":"x"}`, `{"mediation":"conditional","grant":1}`,
			`{"mediation":"conditional","mediation":"conditional","grant":"x"}`, `{"mediation":"conditional","grant":"x","grant":"x"}`},
		slices.Concat([]string{"{}", `{"state":"x"}`, `{"state":"x","credential":null}`, `{"state":"x","credential":{}}`, `{"state":"x","credential":[]}`, authentication},
			finishes(registration), edited(registration, "Phone", long, "Phone", `\ud83d`, "Phone", `\u0000`, `"Phone"`, `1`, `"deviceName":`, `"deviceName":"x","deviceName":`)),
		{`{"userId":1}`, `{"username":1}`, `{"mode":1}`, `{"userId":"` + strings.Repeat("u", 65) + `"}`, `{"userId":"alice","username":"alice"}`,
			`{"username":"` + strings.Repeat("n", 1025) + `"}`, `{"userId":"alice","userId":"alice"}`, `{"username":null,"username":"alice"}`,
			`{"username":"\ud83d"}`, `{"\ud83d\ud83d":1}`, `{"mode":"conditional","mode":"conditional"}`,
			`{"mode":"Conditional"}`, `{"mode":"conditional "}`, `{"mode":"usernameless"}`, `{"mode":"user"}`, `{"mode":"username"}`, `{"mode":"registration"}`,
			`{"mode":"user","userId":"alice"}`, `{"mode":"conditional","userId":"alice"}`, `{"mode":"immediate","username":"alice"}`},
		slices.Concat([]string{"{}", `{"state":"x"}`, `{"state":"x","credential":null}`, `{"state":"x","credential":{}}`, registration}, finishes(authentication)),
		{"{}", `{"deviceName":null}`, `{"deviceName":1}`, `{"deviceName":"` + long + `"}`, `{"deviceName":"\u0000"}`, `{"deviceName":"x","deviceName":"x"}`,
			`{"deviceName":"x","device\u004eame":"x"}`, `{"DeviceName":"x"}`, `{"deviceName":"\ud800x"}`, `{"\ud800":1,"deviceName":"x"}`},
		{`{"request":1}`, `{"request":["x"]}`, `{"request":"x","request":"x"}`, `{"request":null,"request":"x"}`, `{"request":"\ud800"}`},
		slices.Concat([]string{"{}", `{"state":"x"}`, `{"state":"x","credential":null}`, `{"state":"x","credential":{}}`, registration}, finishes(confirmation),
			edited(confirmation, `{`, `{"cookie":1,`, `{`, `{"cookie":"true",`, `{`, `{"cookie":{},`, `{`, `{"cookie":true,"cookie":true,`, `{`, `{"cookie":null,"cookie":false,`)),
	} {
		m := bodied(id)[i]
		m.user = "bob"
		if m.method == http.MethodPatch || strings.HasPrefix(m.path, "/confirm/") {
			m.user = "alice"
		}
		for _, m.body = range slices.Concat(broken, more) {
			c.answers(m.method+" "+m.path+" with "+strconv.Quote(m.body), c.send(s, m), refused("invalid_request"))
		}
	}
	for _, m := range staffRoutes(id) {
		more := []string{"", "{}", m.body + "x"}
		switch {
		case strings.HasSuffix(m.path, "/count"):
			more = more[:1] // and an object has nothing that it reads
		case strings.HasSuffix(m.path, "/export"):
			more = []string{"", `{"after":""}`, `{"after":1}`, `{"after":"A"}`, `{"after":"AA=="}`, `{"after":"AA","after":"AA"}`, `{"after":"` + strings.Repeat("A", 1366) + `"}`}
		default:
			more = append(more, edited(m.body, `"alice"`, `""`, `"alice"`, `null`, `"alice"`, `1`, `"alice"`, `"`+strings.Repeat("u", 65)+`"`, `{`, `{"userId":"alice",`,
				`"alice"`, `"\ud800"`, `"userId"`, `"userID"`)...)
		}
		if strings.Contains(m.body, id) {
			more = append(more, edited(m.body, `"`+id+`"`, `""`, id, id+"==", `"`+id+`"`, `null`, `"`+id+`"`, `1`, id, strings.Repeat("A", 1366), `{`, `{"id":"AA",`, `"id"`, `"Id"`)...)
		}
		for _, m.body = range append(more, broken[:2]...) {
			m.contentType = "application/json" // of an empty one too
			c.answers(m.path+" with "+strconv.Quote(m.body), c.send(s, m), refused("invalid_request"))
		}
	}
	c.keeps(s, "alice", "Phone")
	c.keeps(s, "bob")
	// What is no request does not spend the challenge it names.
	if got := c.post(s, "bob", "/register/finish", registration); got.status != http.StatusOK {
		c.errorf("finish after malformed ones: %v", got)
	}
	c.answers("sign-in after malformed ones", c.post(s, "", "/authenticate/finish", authentication), alice())
	c.proved(c.post(s, "alice", "/confirm/finish", confirmation))
}

func payloadTooLarge(c *check, s *site) {
	const most = 64 << 10
	id := c.enrol(s, passkeytest.New(origin), "alice")
	pad := func(body string, size int) string { return body + strings.Repeat(" ", size-len(body)) }
	for _, chunked := range []bool{false, true} {
		for _, m := range bodied(id) {
			m.user, m.body, m.chunked = "alice", pad(`{"deviceName":"Large"}`, most+1), chunked
			c.answers(m.method+" "+m.path, c.send(s, m), refused("payload_too_large"))
		}
		c.keeps(s, "alice", "Phone")
	}
	for _, m := range staffRoutes(id) {
		m.body, m.chunked = pad(m.body, most+1), true
		c.answers(m.path, c.send(s, m), refused("payload_too_large"))
	}
	c.keeps(s, "alice", "Phone")
	m := patch(id, pad(`{"deviceName":"Largest"}`, most))
	for _, m.chunked = range []bool{false, true} {
		c.answers("PATCH of 64 KiB", c.send(s, m), noContent())
	}
	c.keeps(s, "alice", "Largest")
}

func rateLimited(c *check, s *site) {
	phone := passkeytest.New(origin)
	id := c.enrol(s, phone, "alice")
	const attacker, victim = "203.0.113.7", "2001:db8:1:2:3:4:5:6"
	slow := refused("rate_limited")
	slow.header.Set("Retry-After", "2")
	waits := func(l passkeys.Limit) time.Duration {
		if l.Client.String() != attacker+"/32" || l.Failed {
			return 0
		}
		return 1100 * time.Millisecond
	}
	s.limit(waits, func() {
		for _, m := range routes(id) {
			m.user, m.client = "alice", attacker
			for _, m.body = range []string{"", "[", strings.Repeat(" ", 64<<10+1)} {
				m.contentType = "application/json"
				c.answers(m.method+" "+m.path+" of one who has to wait", c.send(s, m), slow)
			}
		}
		c.keeps(s, "alice", "Phone")
		c.signsIn(s, phone, ok(`{"status":"ok","userId":"alice"}`)) // from another address
	})

	// Who is named is counted besides, by a word that is the same for the same user, and
	// tells nobody apart.
	s.hooks.FindUser = func(_ passkeys.Exchange, name string) (string, error) {
		return map[string]string{"Alice": "alice"}[name], nil
	}
	accounts := map[string]string{}
	for _, m := range []message{
		{method: http.MethodPost, path: "/authenticate/begin", body: `{"username":"Alice"}`},
		{method: http.MethodPost, path: "/authenticate/begin", body: `{"username":"Nobody"}`},
		{method: http.MethodPost, path: "/authenticate/begin", body: `{"userId":"alice"}`},
		{method: http.MethodPost, path: "/authenticate/begin", body: `{"userId":"nobody"}`},
		{method: http.MethodPost, path: "/confirm/begin", user: "alice"},
	} {
		what := m.path + " with " + m.body
		m.client = victim
		for range 2 {
			asked := s.limit(func(passkeys.Limit) time.Duration { return 0 }, func() {
				if got := c.send(s, m); got.status != http.StatusOK {
					c.errorf("%s: %v", what, got)
				}
			})
			if len(asked) != 2 || asked[0] != (passkeys.Limit{Route: m.path, Client: netip.MustParsePrefix("2001:db8:1:2::/64")}) ||
				asked[1].Client != asked[0].Client || asked[1].Route != m.path || asked[1].Failed || len(asked[1].Account) != 32 || strings.Trim(asked[1].Account, "0123456789abcdef") != "" {
				c.errorf("%s: the limiter is asked about %+v", what, asked)
				continue
			}
			if before, ok := accounts[what]; ok && before != asked[1].Account {
				c.errorf("%s: it is counted for %s, and before for %s", what, asked[1].Account, before)
			}
			accounts[what] = asked[1].Account
		}
		s.limit(func(l passkeys.Limit) time.Duration {
			if l.Account == "" {
				return 0
			}
			return 2 * time.Second
		}, func() { c.answers(what, c.send(s, m), slow) })
	}

	// A finish that is refused counts as failed, a decoy's as a passkey's.
	for _, decoy := range []bool{false, true} {
		begin := c.begin(s)
		phone.Corrupt = func(r *passkeytest.Response) {
			r.Signature[8] ^= 1
			if decoy {
				_, list, _ := strings.Cut(c.allowed(c.beginWith(s, `{"userId":"nobody"}`)), `"id":"`)
				r.ID, _, _ = strings.Cut(list, `"`)
				r.RawID = r.ID
			}
		}
		m := message{method: http.MethodPost, path: "/authenticate/finish", body: c.signed(phone, begin), client: victim}
		phone.Corrupt = nil
		asked := s.limit(func(passkeys.Limit) time.Duration { return 0 }, func() {
			c.answers("a bad signature", c.send(s, m), refused("assertion_verification_failed"))
		})
		want := passkeys.Limit{Route: m.path, Client: netip.MustParsePrefix("2001:db8:1:2::/64")}
		failed := want
		failed.Failed = true
		if !slices.Equal(asked, []passkeys.Limit{want, failed}) {
			c.errorf("a bad signature: the limiter is asked about %+v", asked)
		}
	}
}

func unsupportedMediaType(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	for _, m := range bodied(id) {
		m.user, m.body = "alice", `{"deviceName":"New"}`
		for _, m.contentType = range []string{"-", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
			"application/problem+json", "application/jsonp", "application/json/x", "json", ";"} {
			c.answers(m.method+" "+m.path+" of "+m.contentType, c.send(s, m), refused("unsupported_media_type"))
		}
	}
	for _, m := range staffRoutes(id) {
		m.contentType = "text/plain"
		c.answers(m.path+" of "+m.contentType, c.send(s, m), refused("unsupported_media_type"))
	}
	c.keeps(s, "alice", "Phone")
	for _, fine := range []string{"application/json; charset=utf-8", "Application/JSON", "application/json;odata=verbose"} {
		m := patch(id, `{"deviceName":"New"}`)
		m.contentType = fine
		c.answers("PATCH of "+fine, c.send(s, m), noContent())
	}
}

// The stores of a client who has gone away fail, as their context is cancelled.
func storageUnavailable(c *check, s *site) {
	phone := uncounted()
	id := c.enrol(s, phone, "alice")
	bodies := []string{"", c.created(s, passkeytest.New(origin), "alice"), `{"userId":"alice"}`, c.signed(phone, c.begin(s)),
		"", `{"deviceName":"New"}`, "", "", "", c.confirming(s, phone, settings(), "")}
	proof, anything := c.confirmed(s, phone, transfer()), c.proof(s, phone, settings(), "")
	var hook error
	plain := s.hooks.GetUser
	s.hooks.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
		hook = x.R.Context().Err()
		return passkeys.User{ID: "alice"}, nil
	}
	for i, m := range routes(id) {
		m.body, m.gone = bodies[i], true
		c.answers(m.method+" "+m.path, c.send(s, m), refused("storage_unavailable"))
	}
	c.is(hook, context.Canceled, "the context of GetUser")
	for _, m := range staffRoutes(id) {
		m.gone = true
		c.answers(m.path, c.send(s, m), refused("storage_unavailable"))
	}
	m := transfer().with(proof)
	m.gone = true
	c.answers("a guarded operation", c.send(s, m), refused("storage_unavailable"))
	c.required("without a proof", s, transfer())
	m = settings().with(anything)
	m.gone = true
	c.passes("what asks for nothing in particular", s, m)
	begin := c.send(s, message{method: http.MethodPost, path: "/authenticate/begin", gone: true}) // which stores nothing
	c.answers("begin without a name", begin, c.requestOptions(begin, ""))
	s.hooks.GetUser = plain
	c.answers("sign-in when the store is back", c.post(s, "", "/authenticate/finish", bodies[3]), alice())
	c.passes("a guarded operation when the store is back", s, transfer().with(proof))
	c.keeps(s, "alice", "Phone")
}

func methods(c *check, s *site) {
	id := c.enrol(s, passkeytest.New(origin), "alice")
	s.hooks.GetUser = func(x passkeys.Exchange) (passkeys.User, error) {
		c.errorf("%s %s: GetUser is asked", x.R.Method, x.R.URL.Path)
		return passkeys.User{ID: "alice"}, nil
	}
	for path, allowed := range map[string][]string{
		"/register/begin":      {http.MethodPost},
		"/register/finish":     {http.MethodPost},
		"/authenticate/begin":  {http.MethodPost},
		"/authenticate/finish": {http.MethodPost},
		"/credentials":         {http.MethodGet},
		"/signals":             {http.MethodGet},
		"/outcome":             {http.MethodPost},
		"/confirm/begin":       {http.MethodPost},
		"/confirm/finish":      {http.MethodPost},
		"/client.js":           {http.MethodGet},
		"/credentials/" + id:   {http.MethodPatch, http.MethodDelete},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if slices.Contains(allowed, method) {
				continue
			}
			got := c.send(s, message{user: "alice", method: method, path: path, body: `{"deviceName":"New"}`})
			if got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
				c.errorf("%s %s: %v", method, path, got)
			}
		}
	}
	s.authorize = func(x passkeys.Exchange, _ passkeys.Action) (string, error) {
		c.errorf("%s %s: Authorize is asked", x.R.Method, x.R.URL.Path)
		return "anna", nil
	}
	for _, m := range staffRoutes(id) {
		m.method = http.MethodGet
		if got := c.send(s, m); got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
			c.errorf("%s %s: %v", m.method, m.path, got)
		}
	}
	c.keeps(s, "alice", "Phone")
}

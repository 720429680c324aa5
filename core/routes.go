package passkeys

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/passkeys-go/passkeys/core/client"
	"github.com/passkeys-go/passkeys/core/internal/engine"
	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// Route is one row of the table that adapters turn into a router.
type Route[C any] struct {
	Method string
	Path   string // in net/http syntax: /credentials/{id}
	// Serve answers a request. c is handed to the hooks; w is where the answer
	// goes. If w has a method Written() bool, it is asked whether a hook has
	// answered already. Serve reads the path's last segment from r.URL, so an
	// adapter need not pass path parameters on.
	Serve func(c C, w http.ResponseWriter, r *http.Request)
}

// Source says which relying party answers a request: one for all of them, or for
// an application of many tenants a function that finds the one for each. Its
// error, or a nil, is answered as a hook's is, and goes to slog.Default().
//
// Tenants that share a [CredentialRepository] share its users: where one user id
// may be two people, give each tenant a repository of its own, and a Secret, or a
// proof that one of the two is still there would be good for the other.
type Source[C any] interface {
	*Passkeys | func(C) (*Passkeys, error)
}

// Routes returns the routes, with the hooks that each asks, or an error that
// matches [ErrConfiguration] if GetUser is missing, or the source nil. Adapters
// call it; an application calls its adapter.
//
//	POST   /register/begin       GetUser, Authorize
//	POST   /register/finish      GetUser, Authorize, OnRegistered
//	POST   /authenticate/begin   FindUser
//	POST   /authenticate/finish  OnAuthenticated
//	GET    /credentials          GetUser
//	PATCH  /credentials/{id}     GetUser, Authorize
//	DELETE /credentials/{id}     GetUser, Authorize, HasOtherSignIn
//	GET    /signals              GetUser
//	POST   /confirm/begin        GetUser
//	POST   /confirm/finish       GetUser, OnConfirmed
//	POST   /outcome              none
//	GET    /client.js            none; and the other files of package client
//
// All that name a hook ask SessionID too, and where Authorize answers [FreshWithin],
// AuthenticatedAt; all but the files ask ClientIP where Config.Limiter is set. /outcome is there where the source is a
// function, or Config.Observer a [ClientObserver].
func Routes[C any, P Source[C]](source P, h Hooks[C]) ([]Route[C], error) {
	t, err := newTable(source, h)
	if err != nil {
		return nil, err
	}
	outcomes := true // where who listens is found for each request
	if p, ok := any(source).(*Passkeys); ok {
		_, outcomes = p.cfg.Observer.(ClientObserver)
	}
	routes := []Route[C]{
		{http.MethodPost, "/register/begin", t.serve("/register/begin", optionalBody, t.registerBegin)},
		{http.MethodPost, "/register/finish", t.serve("/register/finish", requiredBody, t.registerFinish)},
		{http.MethodPost, "/authenticate/begin", t.serve("/authenticate/begin", optionalBody, t.authenticateBegin)},
		{http.MethodPost, "/authenticate/finish", t.serve("/authenticate/finish", requiredBody, t.authenticateFinish)},
		{http.MethodGet, "/credentials", t.serve("/credentials", noBody, t.list)},
		{http.MethodPatch, "/credentials/{id}", t.serve("/credentials/{id}", requiredBody, t.rename)},
		{http.MethodDelete, "/credentials/{id}", t.serve("/credentials/{id}", noBody, t.revoke)},
		{http.MethodGet, "/signals", t.serve("/signals", noBody, t.signals)},
		{http.MethodPost, "/confirm/begin", t.serve("/confirm/begin", optionalBody, t.confirmBegin)},
		{http.MethodPost, "/confirm/finish", t.serve("/confirm/finish", requiredBody, t.confirmFinish)},
	}
	if outcomes {
		routes = append(routes, Route[C]{http.MethodPost, "/outcome", t.outcome})
	}
	// What anyone may load is nobody's in particular: no hook is asked.
	for _, f := range client.Files() {
		routes = append(routes, Route[C]{http.MethodGet, "/" + f.Name, func(_ C, w http.ResponseWriter, r *http.Request) { f.ServeHTTP(w, r) }})
	}
	return routes, nil
}

// Handler returns the routes on a plain http.ServeMux, whose own 404 and 405 are
// plain text. Mount it with http.StripPrefix:
//
//	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler))
func Handler[P Source[Exchange]](source P, h Hooks[Exchange]) (http.Handler, error) {
	routes, err := Routes(source, h)
	if err != nil {
		return nil, err
	}
	return serveMux(routes), nil
}

// serveMux is the routes on a mux. Behind a mount that leaves its own path in front of
// theirs, or takes too much away, it would find nothing and say no more than that: the
// log is told, once.
func serveMux(routes []Route[Exchange]) http.Handler {
	mux := http.NewServeMux()
	mount(mux, routes)
	var told sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, route := range routes {
			if path := r.URL.Path; path != route.Path && strings.HasSuffix("/"+path, route.Path) {
				told.Do(func() {
					slog.Default().LogAttrs(r.Context(), slog.LevelWarn, `passkeys: the handler is asked for another path than its own: mount it as mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler)), the second without a slash at its end`,
						slog.String("seen", path[:min(len(path), 256)]), slog.String("expected", route.Path))
				})
			}
		}
		mux.ServeHTTP(w, r)
	})
}

func mount(mux *http.ServeMux, routes []Route[Exchange]) {
	for _, route := range routes {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			x := NewExchange(w, r)
			route.Serve(x, x.W, x.R)
		})
	}
}

const maxUsername = 1024 // bytes

// table holds what the routes' endpoints share. An endpoint returns the body of
// a 200, or nil for a 204.
type table[C any] struct {
	resolve func(C) (*Passkeys, error)
	hooks   Hooks[C]
}

// newTable refuses what no route and no guard can do without.
func newTable[C any, P Source[C]](source P, h Hooks[C]) (*table[C], error) {
	resolve, err := resolver[C](source)
	if err != nil {
		return nil, err
	}
	if h.GetUser == nil {
		return nil, ErrConfiguration.explained("Hooks.GetUser: must be set")
	}
	return &table[C]{resolve, h}, nil
}

// resolver returns how the source finds who answers.
func resolver[C any, P Source[C]](source P) (resolve func(C) (*Passkeys, error), _ error) {
	switch s := any(source).(type) {
	case *Passkeys:
		if s != nil {
			resolve = func(C) (*Passkeys, error) { return s, nil }
		}
	case func(C) (*Passkeys, error):
		resolve = s
	}
	if resolve == nil {
		return nil, ErrConfiguration.explained("Passkeys: must not be nil")
	}
	return resolve, nil
}

type endpoint[C any] func(ctx context.Context, c C, q request) (any, error)

func (t *table[C]) registerBegin(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionAdd)
	if err != nil {
		return nil, err
	}
	ctx, a := q.p.start(ctx, Step{CeremonyRegistration, StepBegin})
	defer a.abandon(ctx)
	r := RegistrationRequest{User: user}
	var mediation string
	err = q.decode(strictjson.String("mediation", &mediation), strictjson.String("grant", &r.Grant))
	// One without the other is a page that means something else than it will get.
	if err == nil && (mediation != "" || r.Grant != "") && (mediation != mediationConditional || r.Grant == "") {
		err = ErrInvalidRequest
	}
	if err != nil {
		a.userID = user.ID
		return nil, a.end(ctx, err)
	}
	ceremony, err := a.beginRegistration(ctx, r)
	return begun(ceremony, a.end(ctx, err))
}

func (t *table[C]) registerFinish(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionAdd)
	if err != nil {
		return nil, err
	}
	ctx, a := q.p.start(ctx, Step{CeremonyRegistration, StepFinish})
	defer a.abandon(ctx)
	a.userID = user.ID
	r := RegistrationResponse{UserID: user.ID}
	var response engine.AttestationResponse
	if err := q.decode(strictjson.String("state", &r.State), engine.Member("credential", &response), strictjson.String("deviceName", &r.DeviceName)); err != nil {
		return nil, a.end(ctx, err)
	}
	var accept func(RegistrationResult) error
	if t.hooks.OnRegistered != nil {
		accept = func(result RegistrationResult) error { return t.hooks.OnRegistered(c, user, result) }
	}
	result, err := a.finishRegistration(ctx, r, &response, accept)
	if err != nil {
		return nil, err
	}
	return struct {
		Status       string `json:"status"`
		CredentialID string `json:"credentialId"`
	}{"ok", EncodeID(result.Credential.ID)}, nil
}

func (t *table[C]) authenticateBegin(ctx context.Context, c C, q request) (any, error) {
	ctx, a := q.p.start(ctx, Step{CeremonyAuthentication, StepBegin})
	defer a.abandon(ctx)
	r, err := t.authenticationRequest(ctx, c, q)
	if err != nil {
		return nil, a.end(ctx, err)
	}
	ceremony, err := a.beginAuthentication(ctx, r)
	return begun(ceremony, a.end(ctx, err))
}

func (t *table[C]) confirmBegin(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, "")
	if err != nil {
		return nil, err
	}
	ctx, a := q.p.start(ctx, Step{CeremonyConfirmation, StepBegin})
	defer a.abandon(ctx)
	a.userID = user.ID
	if err := q.limit(ctx, "user:"+user.ID); err != nil {
		return nil, a.end(ctx, err)
	}
	var request string
	if err := q.decode(strictjson.String("request", &request)); err != nil {
		return nil, a.end(ctx, err)
	}
	subject, err := a.requested(ctx, request)
	if err != nil {
		return nil, a.end(ctx, err)
	}
	ceremony, err := a.beginConfirmation(ctx, subject)
	return begun(ceremony, a.end(ctx, err))
}

func (t *table[C]) confirmFinish(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, "")
	if err != nil {
		return nil, err
	}
	ctx, a := q.p.start(ctx, Step{CeremonyConfirmation, StepFinish})
	defer a.abandon(ctx)
	a.userID = user.ID
	var state string
	var response engine.AssertionResponse
	var cookie bool
	if err := q.decode(strictjson.String("state", &state), engine.Member("credential", &response), strictjson.Bool("cookie", &cookie)); err != nil {
		return nil, a.end(ctx, err)
	}
	var accept func(ConfirmationResult) error
	if t.hooks.OnConfirmed != nil {
		accept = func(result ConfirmationResult) error { return t.hooks.OnConfirmed(c, user, result) }
	}
	result, err := a.finishConfirmation(ctx, state, &response, accept)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Proof     string    `json:"proof,omitempty"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{result.Sealed, result.ExpiresAt}
	if cookie { // which no script needs to see then
		http.SetCookie(q.w, proofCookie(result.Sealed, int(result.ExpiresAt.Sub(result.Proof.At)/time.Second)))
		answer.Proof = ""
	}
	return answer, nil
}

// encoded is an answer that is JSON already.
type encoded []byte

// begun is the answer of a begin. json.Marshal would read what it was given once
// more, and of a sign-in for autofill there is one for each page view.
func begun[O CreationOptions | RequestOptions](c *Ceremony[O], err error) (any, error) {
	if err != nil {
		return nil, err
	}
	b, err := c.MarshalJSON()
	return encoded(b), err
}

// authenticationRequest is what the body of a begin asks for.
func (t *table[C]) authenticationRequest(ctx context.Context, c C, q request) (r AuthenticationRequest, err error) {
	var mode string
	if err := q.decode(strictjson.String("userId", &r.UserID), strictjson.String("username", &r.Username), strictjson.String("mode", &mode)); err != nil {
		return r, err
	}
	switch r.Mode = Mode(mode); {
	case r.Mode != "" && r.Mode != ModeConditional && r.Mode != ModeImmediate:
		return r, ErrInvalidRequest
	case r.UserID != "" && r.Username == "" && r.Mode == "":
		return r, q.limit(ctx, "id:"+r.UserID)
	case r.Username == "" || r.Mode != "": // which beginAuthentication has its rules for
		return r, nil
	case t.hooks.FindUser == nil:
		return r, ErrInvalidRequest.explained("a sign-in by username, and Hooks.FindUser is not set").because(ReasonRequestMalformed)
	case r.UserID != "" || len(r.Username) > maxUsername:
		return r, ErrInvalidRequest
	}
	canonical := canonicalName
	if t.hooks.CanonicalName != nil {
		canonical = t.hooks.CanonicalName
	}
	typed := r.Username
	r.Mode, r.Username = ModeUsername, canonical(typed)
	if err := q.limit(ctx, "name:"+r.Username); err != nil {
		return r, err
	}
	r.UserID, err = t.hooks.FindUser(c, typed)
	return r, err
}

func (t *table[C]) authenticateFinish(ctx context.Context, c C, q request) (any, error) {
	ctx, a := q.p.start(ctx, Step{CeremonyAuthentication, StepFinish})
	defer a.abandon(ctx)
	var state string
	var response engine.AssertionResponse
	if err := q.decode(strictjson.String("state", &state), engine.Member("credential", &response)); err != nil {
		return nil, a.end(ctx, err)
	}
	result, err := a.finishAuthentication(ctx, state, &response)
	if err != nil {
		return nil, err
	}
	if t.hooks.OnAuthenticated != nil {
		value, err := t.hooks.OnAuthenticated(c, *result)
		if err != nil {
			return nil, hookError(ctx, q.p.cfg.Logger, "OnAuthenticated", err)
		}
		if value != nil {
			return value, nil
		}
	}
	return struct {
		Status string `json:"status"`
		UserID string `json:"userId"`
	}{"ok", idText(result.UserID)}, nil
}

// credentialView is a credential as its owner sees it: without the public key.
type credentialView struct {
	ID             string     `json:"id"`
	DeviceName     string     `json:"deviceName"`
	Provider       string     `json:"provider"`
	AAGUID         AAGUID     `json:"aaguid"`
	Transports     []string   `json:"transports"`
	BackupEligible bool       `json:"backupEligible"`
	BackupState    bool       `json:"backupState"`
	CreatedAt      time.Time  `json:"createdAt"`
	LastUsedAt     *time.Time `json:"lastUsedAt"`
	QuarantinedAt  *time.Time `json:"quarantinedAt"`
}

func (t *table[C]) list(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, "")
	if err != nil {
		return nil, err
	}
	credentials, err := q.p.Credentials(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	views := make([]credentialView, len(credentials))
	for i, cr := range credentials {
		views[i] = q.p.view(cr)
	}
	return views, nil
}

func (p *Passkeys) view(cr Credential) credentialView {
	return credentialView{
		ID:             EncodeID(cr.ID),
		DeviceName:     cr.DeviceName,
		Provider:       p.Provider(cr.AAGUID),
		AAGUID:         cr.AAGUID,
		Transports:     append([]string{}, cr.Transports...),
		BackupEligible: cr.BackupEligible,
		BackupState:    cr.BackupState,
		CreatedAt:      cr.CreatedAt,
		LastUsedAt:     orNull(cr.LastUsedAt),
		QuarantinedAt:  orNull(cr.QuarantinedAt),
	}
}

func (t *table[C]) signals(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, "")
	if err != nil {
		return nil, err
	}
	return q.p.Signals(ctx, user)
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (t *table[C]) rename(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionRename)
	if err != nil {
		return nil, err
	}
	var name string
	if err := q.decode(strictjson.String("deviceName", &name).Required()); err != nil {
		return nil, err
	}
	id, err := q.credentialID()
	if err != nil {
		return nil, err
	}
	return nil, q.p.Rename(ctx, user.ID, id, name)
}

func (t *table[C]) revoke(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionRevoke)
	if err != nil {
		return nil, err
	}
	id, err := q.credentialID()
	if err != nil {
		return nil, err
	}
	if err := t.keepLast(ctx, c, q, user, id); err != nil {
		return nil, err
	}
	return nil, q.p.Revoke(ctx, user.ID, id)
}

// user asks the application who it is talking to, and whether they may.
func (t *table[C]) user(ctx context.Context, c C, q request, action Action) (User, error) {
	user, err := t.hooks.GetUser(c)
	if err == nil {
		err = user.validate()
	}
	if err != nil {
		return User{}, hookError(ctx, q.p.cfg.Logger, "GetUser", err)
	}
	if action != "" && t.hooks.Authorize != nil {
		if err = t.hooks.Authorize(c, user, action); err != nil {
			err = t.freshly(ctx, c, q, user, err)
		}
		if err != nil {
			return User{}, hookError(ctx, q.p.cfg.Logger, "Authorize", err)
		}
	}
	if answered(q.w) { // a hook that has answered did not mean to let this pass
		return User{}, ErrForbidden
	}
	return user, nil
}

// keepLast refuses to revoke the last credential that works, unless the user has
// another way in.
func (t *table[C]) keepLast(ctx context.Context, c C, q request, user User, id []byte) error {
	if t.hooks.HasOtherSignIn == nil {
		return nil
	}
	credentials, err := q.p.Credentials(ctx, user.ID)
	if err != nil {
		return err
	}
	last := false
	for _, cr := range credentials {
		switch {
		case bytes.Equal(cr.ID, id):
			last = !cr.Quarantined() // one that does not work is not a way in
		case !cr.Quarantined():
			return nil
		}
	}
	if !last {
		return nil // disabled, or not theirs to revoke: Revoke says so
	}
	other, err := t.hooks.HasOtherSignIn(c, user)
	if err != nil {
		return hookError(ctx, q.p.cfg.Logger, "HasOtherSignIn", err)
	}
	if !other {
		return ErrLastCredential
	}
	return nil
}

// hookError tells the operator of a hook's failure, unless the hook chose the
// client's answer.
func hookError(ctx context.Context, log *slog.Logger, hook string, err error) error {
	e := asError(err)
	if e.Status >= 500 {
		logFailure(ctx, log, hook+" failed", e)
	}
	return e
}

// credentialID returns the id that the path ends in. It is read as it was sent,
// because routers differ in what they unescape.
func (q request) credentialID() ([]byte, error) {
	path := q.r.URL.EscapedPath()
	id, err := DecodeID(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return nil, ErrNotFound
	}
	return id, nil
}

package passkeys

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
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

// Routes returns the seven routes, or an error that matches [ErrConfiguration]
// if GetUser is missing. Adapters call it; an application calls its adapter.
//
//	POST   /register/begin       GetUser, Authorize
//	POST   /register/finish      GetUser, Authorize, OnRegistered
//	POST   /authenticate/begin   FindUser
//	POST   /authenticate/finish  OnAuthenticated
//	GET    /credentials          GetUser
//	PATCH  /credentials/{id}     GetUser, Authorize
//	DELETE /credentials/{id}     GetUser, Authorize, HasOtherSignIn
func Routes[C any](p *Passkeys, h Hooks[C]) ([]Route[C], error) {
	if p == nil {
		return nil, ErrConfiguration.explained("Passkeys: must not be nil")
	}
	if h.GetUser == nil {
		return nil, ErrConfiguration.explained("Hooks.GetUser: must be set")
	}
	t := &table[C]{p, h}
	return []Route[C]{
		{http.MethodPost, "/register/begin", t.serve(optionalBody, t.registerBegin)},
		{http.MethodPost, "/register/finish", t.serve(requiredBody, t.registerFinish)},
		{http.MethodPost, "/authenticate/begin", t.serve(optionalBody, t.authenticateBegin)},
		{http.MethodPost, "/authenticate/finish", t.serve(requiredBody, t.authenticateFinish)},
		{http.MethodGet, "/credentials", t.serve(noBody, t.list)},
		{http.MethodPatch, "/credentials/{id}", t.serve(requiredBody, t.rename)},
		{http.MethodDelete, "/credentials/{id}", t.serve(noBody, t.revoke)},
	}, nil
}

// Handler returns the routes on a plain http.ServeMux, whose own 404 and 405 are
// plain text. Mount it with http.StripPrefix:
//
//	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler))
func Handler(p *Passkeys, h Hooks[Exchange]) (http.Handler, error) {
	routes, err := Routes(p, h)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			x := NewExchange(w, r)
			route.Serve(x, x.W, x.R)
		})
	}
	return mux, nil
}

const maxUsername = 1024 // bytes

// table holds what the routes' endpoints share. An endpoint returns the body of
// a 200, or nil for a 204.
type table[C any] struct {
	p     *Passkeys
	hooks Hooks[C]
}

type endpoint[C any] func(ctx context.Context, c C, q request) (any, error)

func (t *table[C]) registerBegin(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionAdd)
	if err != nil {
		return nil, err
	}
	var ignored struct{}
	if err := q.decode(&ignored); err != nil {
		return nil, err
	}
	ceremony, err := t.p.BeginRegistration(ctx, user)
	if err != nil {
		return nil, err
	}
	return ceremony, nil
}

func (t *table[C]) registerFinish(ctx context.Context, c C, q request) (any, error) {
	user, err := t.user(ctx, c, q, ActionAdd)
	if err != nil {
		return nil, err
	}
	var body struct {
		State      string                      `json:"state"`
		Credential *engine.AttestationResponse `json:"credential"`
		DeviceName string                      `json:"deviceName"`
	}
	if err := q.decode(&body); err != nil || body.Credential == nil {
		return nil, t.malformed(ctx, RegistrationFailed, user.ID, err)
	}
	var accept func(Credential) error
	if t.hooks.OnRegistered != nil {
		accept = func(cr Credential) error { return t.hooks.OnRegistered(c, user, cr) }
	}
	credential, err := t.p.finishRegistration(ctx,
		RegistrationResponse{State: body.State, DeviceName: body.DeviceName, UserID: user.ID}, body.Credential, accept)
	if err != nil {
		return nil, err
	}
	return struct {
		Status       string `json:"status"`
		CredentialID string `json:"credentialId"`
	}{"ok", EncodeID(credential.ID)}, nil
}

func (t *table[C]) authenticateBegin(ctx context.Context, c C, q request) (any, error) {
	var body struct {
		UserID   string `json:"userId"`
		Username string `json:"username"`
	}
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	if body.Username == "" {
		ceremony, err := t.p.BeginAuthentication(ctx, body.UserID)
		if err != nil {
			return nil, err
		}
		return ceremony, nil
	}
	if t.hooks.FindUser == nil || body.UserID != "" || len(body.Username) > maxUsername {
		return nil, ErrInvalidRequest
	}
	userID, err := t.hooks.FindUser(c, body.Username)
	if err != nil {
		return nil, t.hookError(ctx, "FindUser", err)
	}
	canonical := canonicalName
	if t.hooks.CanonicalName != nil {
		canonical = t.hooks.CanonicalName
	}
	ceremony, err := t.p.BeginAuthenticationByName(ctx, canonical(body.Username), userID)
	if err != nil {
		return nil, err
	}
	return ceremony, nil
}

func (t *table[C]) authenticateFinish(ctx context.Context, c C, q request) (any, error) {
	var body struct {
		State      string                    `json:"state"`
		Credential *engine.AssertionResponse `json:"credential"`
	}
	if err := q.decode(&body); err != nil || body.Credential == nil {
		return nil, t.malformed(ctx, AuthenticationFailed, "", err)
	}
	result, err := t.p.finishAuthentication(ctx, body.State, body.Credential)
	if err != nil {
		return nil, err
	}
	if t.hooks.OnAuthenticated != nil {
		value, err := t.hooks.OnAuthenticated(c, *result)
		if err != nil {
			return nil, t.hookError(ctx, "OnAuthenticated", err)
		}
		if value != nil {
			return value, nil
		}
	}
	return struct {
		Status string `json:"status"`
		UserID string `json:"userId"`
	}{"ok", result.UserID}, nil
}

// credentialView is a credential as its owner sees it: without the public key.
type credentialView struct {
	ID             string     `json:"id"`
	DeviceName     string     `json:"deviceName"`
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
	credentials, err := t.p.Credentials(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	views := make([]credentialView, len(credentials))
	for i, cr := range credentials {
		views[i] = credentialView{
			ID:             EncodeID(cr.ID),
			DeviceName:     cr.DeviceName,
			Transports:     append([]string{}, cr.Transports...),
			BackupEligible: cr.BackupEligible,
			BackupState:    cr.BackupState,
			CreatedAt:      cr.CreatedAt,
			LastUsedAt:     orNull(cr.LastUsedAt),
			QuarantinedAt:  orNull(cr.QuarantinedAt),
		}
	}
	return views, nil
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
	var body struct {
		DeviceName *string `json:"deviceName"`
	}
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	if body.DeviceName == nil {
		return nil, ErrInvalidRequest
	}
	id, err := q.credentialID()
	if err != nil {
		return nil, err
	}
	return nil, t.p.Rename(ctx, user.ID, id, *body.DeviceName)
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
	if err := t.keepLast(ctx, c, user, id); err != nil {
		return nil, err
	}
	return nil, t.p.Revoke(ctx, user.ID, id)
}

// user asks the application who it is talking to, and whether he may.
func (t *table[C]) user(ctx context.Context, c C, q request, action Action) (User, error) {
	user, err := t.hooks.GetUser(c)
	if err == nil {
		err = user.validate()
	}
	if err != nil {
		return User{}, t.hookError(ctx, "GetUser", err)
	}
	if action != "" && t.hooks.Authorize != nil {
		if err := t.hooks.Authorize(c, user, action); err != nil {
			return User{}, t.hookError(ctx, "Authorize", err)
		}
	}
	if q.answered() { // a hook that has answered did not mean to let this pass
		return User{}, ErrForbidden
	}
	return user, nil
}

// keepLast refuses to revoke the last credential that works, unless the user has
// another way in.
func (t *table[C]) keepLast(ctx context.Context, c C, user User, id []byte) error {
	if t.hooks.HasOtherSignIn == nil {
		return nil
	}
	credentials, err := t.p.Credentials(ctx, user.ID)
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
		return nil // disabled, or not his to revoke: Revoke says so
	}
	other, err := t.hooks.HasOtherSignIn(c, user)
	if err != nil {
		return t.hookError(ctx, "HasOtherSignIn", err)
	}
	if !other {
		return ErrLastCredential
	}
	return nil
}

// hookError tells the operator of a hook's failure, unless the hook chose the
// client's answer.
func (t *table[C]) hookError(ctx context.Context, hook string, err error) error {
	e := asError(err)
	if e.Status >= 500 {
		t.p.logFailure(ctx, hook+" failed", e)
	}
	return e
}

// malformed is the outcome of a ceremony whose finish is no such request.
func (t *table[C]) malformed(ctx context.Context, failed AuditEventType, userID string, err error) error {
	if err == nil { // well-formed JSON, but without a credential
		err = ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	t.p.outcome(ctx, failed, userID, nil, err)
	return err
}

// credentialID returns the id that the path ends in. It is read as it was sent,
// because routers differ in what they unescape.
func (q request) credentialID() ([]byte, error) {
	path := q.r.URL.EscapedPath()
	id, err := engine.Decode(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil || len(id) == 0 || len(id) > maxCredentialID {
		return nil, ErrNotFound
	}
	return id, nil
}

package passkeys

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// AdminHooks are what the application gives to the routes for its staff.
type AdminHooks[C any] struct {
	// Authorize says who acts, in the words of [Passkeys.Admin], if they may. It is
	// asked at each request, before anything is read, the body included. Return
	// [ErrUnauthenticated] for nobody, and [ErrForbidden] for whoever is not of the
	// staff or may not do this; another error is answered as that of any hook in
	// [Hooks]. [FreshWithin] lets nobody pass here: put a [Guard] in front. Required.
	Authorize func(C, Action) (actor string, err error)
}

// AdminRoutes returns the routes for a support desk, to be mounted apart from those
// of [Routes], or an error that matches [ErrConfiguration] if Authorize is missing or
// the source nil. Adapters call it; an application calls its adapter's MountAdmin, or
// [AdminHandler].
//
//	                   body                  action          answer
//	POST /credentials  {"userId"}            ActionList      the user's passkeys
//	POST /revoke       {"userId", "id"}      ActionRevoke    204
//	POST /revoke-all   {"userId"}            ActionRevoke    204
//	POST /restore      {"userId", "id"}      ActionRestore   204
//	POST /count        {}                    ActionCount     rows of [CredentialCount]
//	POST /export       {}, or {"after"}      ActionExport    {"credentials", "next"}
//
// Each is the method of [Admin] of its name. What is read is asked for by POST too:
// it leaves an event with an actor, which no link or image on another page may bring
// about, and whom it is about stays out of the server's logs.
//
// A passkey is listed as to its owner, with "quarantineReason" besides. An export
// comes in parts of 500: "credentials" has records of [Credential.MarshalJSON], and
// where there may be more, "next" is the "after" of the next request.
//
// A page that is none of Config.Origins is refused here as there. For a desk under a
// name of its own, make another *Passkeys with that origin and the same store, so
// that no passkey can be used at the desk's.
func AdminRoutes[C any, P Source[C]](source P, h AdminHooks[C]) ([]Route[C], error) {
	resolve, err := resolver[C](source)
	if err != nil {
		return nil, err
	}
	if h.Authorize == nil {
		return nil, ErrConfiguration.explained("AdminHooks.Authorize: must be set")
	}
	t := &table[C]{resolve: resolve}
	route := func(path string, action Action, act func(context.Context, Admin, request) (any, error)) Route[C] {
		return Route[C]{http.MethodPost, path, t.serve("", requiredBody, func(ctx context.Context, c C, q request) (any, error) {
			actor, err := h.Authorize(c, action)
			if err == nil && answered(q.w) { // a hook that has answered did not mean to let this pass
				return nil, ErrForbidden
			}
			a := q.p.Admin(actor)
			if err == nil {
				_, err = a.named(ctx)
			}
			if err != nil {
				return nil, hookError(ctx, q.p.cfg.Logger, "AdminHooks.Authorize", err)
			}
			return act(ctx, a, q)
		})}
	}
	return []Route[C]{
		route("/credentials", ActionList, adminList),
		route("/revoke", ActionRevoke, adminOne(Admin.Revoke)),
		route("/revoke-all", ActionRevoke, adminRevokeAll),
		route("/restore", ActionRestore, adminOne(Admin.Restore)),
		route("/count", ActionCount, adminCount),
		route("/export", ActionExport, adminExport),
	}, nil
}

// AdminHandler returns the routes of [AdminRoutes] as [Handler] returns those of
// [Routes].
//
//	mux.Handle("/admin/passkeys/", http.StripPrefix("/admin/passkeys", handler))
func AdminHandler[P Source[Exchange]](source P, h AdminHooks[Exchange]) (http.Handler, error) {
	routes, err := AdminRoutes(source, h)
	if err != nil {
		return nil, err
	}
	return serveMux(routes), nil
}

// userIDMember is the member of a body that says whom it is about.
func userIDMember(to *string) strictjson.Field {
	return strictjson.String("userId", to).If(func() bool { return *to != "" && len(*to) <= maxUserID }).Required()
}

// idMember is one that is a credential's id.
func idMember(name string, to *[]byte) strictjson.Field {
	return strictjson.Base64URL(name, to).If(func() bool { return len(*to) > 0 && len(*to) <= maxCredentialID })
}

// adminView is a credential as the staff sees it.
type adminView struct {
	credentialView
	QuarantineReason Reason `json:"quarantineReason"`
}

func adminList(ctx context.Context, a Admin, q request) (any, error) {
	var userID string
	if err := q.decode(userIDMember(&userID)); err != nil {
		return nil, err
	}
	credentials, err := a.Credentials(ctx, userID)
	if err != nil {
		return nil, err
	}
	views := make([]adminView, len(credentials))
	for i, cr := range credentials {
		views[i] = adminView{a.p.view(cr), cr.QuarantineReason}
	}
	return views, nil
}

// adminOne does something to one passkey.
func adminOne(act func(a Admin, ctx context.Context, userID string, id []byte) error) func(context.Context, Admin, request) (any, error) {
	return func(ctx context.Context, a Admin, q request) (any, error) {
		var userID string
		var id []byte
		if err := q.decode(userIDMember(&userID), idMember("id", &id).Required()); err != nil {
			return nil, err
		}
		return nil, act(a, ctx, userID, id)
	}
}

func adminRevokeAll(ctx context.Context, a Admin, q request) (any, error) {
	var userID string
	if err := q.decode(userIDMember(&userID)); err != nil {
		return nil, err
	}
	return nil, a.RevokeAll(ctx, userID)
}

func adminCount(ctx context.Context, a Admin, q request) (any, error) {
	if err := q.decode(); err != nil {
		return nil, err
	}
	return a.Count(ctx)
}

func adminExport(ctx context.Context, a Admin, q request) (any, error) {
	var after []byte
	if err := q.decode(idMember("after", &after)); err != nil {
		return nil, err
	}
	records, next, err := a.exportPage(ctx, after)
	if err != nil {
		return nil, err
	}
	return struct {
		Credentials []json.RawMessage `json:"credentials"`
		Next        string            `json:"next,omitempty"`
	}{records, next}, nil
}

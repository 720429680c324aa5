// Package app is what the example programs have in common: accounts, sessions,
// the stores, the page and the server. What differs, and what there is to learn
// about a framework, is in gin/main.go, echo/main.go and chi/main.go.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/alexedwards/scs/v2"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// App is one running example. Its methods take the context of a request, in
// which the session is.
type App struct {
	// Passkeys is what an adapter mounts.
	Passkeys *passkeys.Passkeys

	accounts accounts
	sessions *scs.SessionManager
}

// Me is who is signed in, as the page sees it.
type Me struct {
	Username string `json:"username"`
}

// What a session holds: the id of who is signed in, or the id and name of who is
// about to sign up, an id of its own, and that of the passkey it was signed in
// with.
const (
	keyUser        = "user"
	keyPendingID   = "pending_id"
	keyPendingName = "pending_name"
	keySession     = "session"
	keyPasskey     = "passkey"
)

// BeginSignUp remembers in the session who wants to sign up. The account is
// created by [App.Registered], with its first passkey: until then a username is
// neither reserved nor in the database.
//
// The answer says whether a name is taken, which is not for asking as often as one
// likes; and there is a session from then on. So the client has a budget, as it has for
// the passkey routes.
func (a *App) BeginSignUp(ctx context.Context, client netip.Addr, username string) error {
	if err := a.Passkeys.RateLimit(ctx, "sign-up", client, "any"); err != nil {
		return err
	}
	pending, err := newAccount(username)
	if err != nil {
		return err
	}
	// A kindness, before a passkey is made in vain; create decides.
	taken, err := a.accounts.byUsername(ctx, username)
	if err != nil {
		return err
	}
	if taken.ID != "" {
		return errUsernameTaken
	}
	a.sessions.Put(ctx, keyPendingID, pending.ID)
	a.sessions.Put(ctx, keyPendingName, pending.DisplayName)
	return nil
}

// CurrentUser is the hook GetUser: who is signed in, else who is signing up.
func (a *App) CurrentUser(ctx context.Context) (passkeys.User, error) {
	switch signedIn, err := a.signedIn(ctx); {
	case err != nil:
		return passkeys.User{}, err
	case signedIn.ID != "":
		return signedIn.user(), nil
	}
	if pending := a.pending(ctx); pending.ID != "" {
		return pending.user(), nil
	}
	return passkeys.User{}, passkeys.ErrUnauthenticated
}

// Registered is the hook OnRegistered: it creates the account of a sign-up and
// signs it in. For a further passkey of an account there is nothing to do, unless
// that was deleted meanwhile: then an error takes the passkey back.
func (a *App) Registered(ctx context.Context, user passkeys.User) error {
	if a.sessions.GetString(ctx, keyUser) == user.ID {
		_, err := a.Me(ctx)
		return err
	}
	// From here on the session may do more than before, so it gets another token:
	// whoever knew the old one is left with nothing. First, because after the
	// account is created nothing may fail any more.
	if err := a.sessions.RenewToken(ctx); err != nil {
		return err
	}
	created, err := newAccount(user.Name)
	if err != nil {
		return err
	}
	created.ID = user.ID
	if err := a.accounts.create(ctx, created); err != nil {
		return err
	}
	a.signIn(ctx, user.ID)
	return nil
}

// Authenticated is the hook OnAuthenticated: it starts the session.
func (a *App) Authenticated(ctx context.Context, userID string) (Me, error) {
	owner, err := a.accounts.byID(ctx, userID)
	if err != nil {
		return Me{}, err
	}
	if owner.ID == "" {
		// The passkey of an account that is gone: what DeleteAccount has left is done
		// now. On this word the page tells the browser to forget it.
		if err := a.Passkeys.RevokeAll(ctx, userID); err != nil {
			return Me{}, err
		}
		return Me{}, passkeys.ErrCredentialNotFound
	}
	if err := a.sessions.RenewToken(ctx); err != nil {
		return Me{}, err
	}
	a.signIn(ctx, userID)
	return Me{owner.DisplayName}, nil
}

// Uses remembers in the session with which passkey it was signed in.
func (a *App) Uses(ctx context.Context, credentialID []byte) {
	a.sessions.Put(ctx, keyPasskey, passkeys.EncodeID(credentialID))
}

// Passkey returns its id, for the page to mark it.
func (a *App) Passkey(ctx context.Context) string { return a.sessions.GetString(ctx, keyPasskey) }

// FindUser is the hook of the same name.
func (a *App) FindUser(ctx context.Context, username string) (userID string, err error) {
	found, err := a.accounts.byUsername(ctx, username)
	return found.ID, err
}

// SessionID is the hook of the same name: what begins in one browser cannot be
// finished in another. It outlives RenewToken, which the token does not.
func (a *App) SessionID(ctx context.Context) string {
	id := a.sessions.GetString(ctx, keySession)
	if id == "" {
		id = rand.Text()
		a.sessions.Put(ctx, keySession, id)
		a.sessions.SetDeadline(ctx, time.Now().Add(visit))
	}
	return id
}

// Me returns who is signed in, or passkeys.ErrUnauthenticated.
func (a *App) Me(ctx context.Context) (Me, error) {
	signedIn, err := a.signedIn(ctx)
	if err != nil {
		return Me{}, err
	}
	if signedIn.ID == "" {
		return Me{}, passkeys.ErrUnauthenticated
	}
	return Me{signedIn.DisplayName}, nil
}

// DeleteAccount deletes who is signed in, and returns what the browser must know: it
// has passkeys to forget. The account comes first. With it all sessions of its user
// end, who can register no more, and its name is free. If what follows fails, there
// are passkeys left that sign nobody in, and go when one of them is tried.
func (a *App) DeleteAccount(ctx context.Context) (*passkeys.Signals, error) {
	gone, err := a.signedIn(ctx)
	if err != nil {
		return nil, err
	}
	if gone.ID == "" {
		return nil, passkeys.ErrUnauthenticated
	}
	if err := a.accounts.remove(ctx, gone.ID); err != nil {
		return nil, err
	}
	if err := a.Passkeys.RevokeAll(ctx, gone.ID); err != nil {
		return nil, err
	}
	signals, err := a.Passkeys.Signals(ctx, gone.user())
	if err != nil {
		return nil, err
	}
	return signals, a.SignOut(ctx)
}

// SignOut ends the session, on the server and in the browser.
func (a *App) SignOut(ctx context.Context) error {
	return a.sessions.Destroy(ctx)
}

// signedIn and pending return the zero account for nobody.
func (a *App) signedIn(ctx context.Context) (account, error) {
	id := a.sessions.GetString(ctx, keyUser)
	if id == "" {
		return account{}, nil
	}
	return a.accounts.byID(ctx, id)
}

func (a *App) pending(ctx context.Context) account {
	return account{ID: a.sessions.GetString(ctx, keyPendingID), DisplayName: a.sessions.GetString(ctx, keyPendingName)}
}

// visit is how long the session of a visitor lives: a little longer than what was
// begun in it. Everyone who comes without a cookie gets one.
const visit = 65 * time.Minute

func (a *App) signIn(ctx context.Context, userID string) {
	a.sessions.SetDeadline(ctx, time.Now().Add(a.sessions.Lifetime))
	a.sessions.Remove(ctx, keyPendingID)
	a.sessions.Remove(ctx, keyPendingName)
	a.sessions.Put(ctx, keyUser, userID)
}

// Fail answers err in the form that the passkey routes use. What is nobody's
// decision but a failure goes to the log, and the client learns nothing of it.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*passkeys.Error](err); !ok {
		slog.Error("request failed", "error", err)
	}
	passkeys.WriteError(w, r, err)
}

package passkeys

import (
	"net/http"
	"net/netip"
	"time"
)

// Hooks are what the application gives to the routes. C is the context of the
// application's framework, such as *gin.Context, or [Exchange] where the
// framework is net/http.
//
// A hook may put cookies and headers into the response. If it writes the
// response itself, that is what the client gets; where GetUser or Authorize does,
// the request ends there. An error that is an [*Error], [ErrUnauthenticated] and
// [ErrForbidden] among them, goes out with its code and status; any other is a
// 500 that says nothing, and goes to Config.Logger.
type Hooks[C any] struct {
	// GetUser says who is signed in, or for a sign-up, who is about to exist: a
	// new user with a random ID that nobody has, whom the session remembers. It is
	// asked at both ends of a registration and of a confirmation, which must name the
	// same user, for the management of passkeys, for signals and by guards. It returns
	// ErrUnauthenticated for nobody. Required.
	GetUser func(C) (User, error)

	// OnAuthenticated starts the application's session; change the session's id
	// here. Its value becomes the JSON body of the answer, nil that of
	// {"status":"ok","userId":…}. One that does not marshal is a 500, whose
	// cookies have been set by then.
	OnAuthenticated func(C, AuthenticationResult) (any, error)

	// OnRegistered comes after the credential is stored: create the account of a
	// sign-up, sign it in. An error, or a panic, takes the credential back; until
	// then it can sign in already, as the user whom GetUser named. Where the
	// database stored it and its answer was lost, the client is told 503 and this
	// hook is not asked: a sign-in may be of a user without an account.
	OnRegistered func(C, User, RegistrationResult) error

	// OnConfirmed comes after a confirmation was verified: keep its Evidence here, if
	// you want it. What the payload was is known where its Proof is used, which has the
	// same CeremonyID. An error is the answer, and there is no proof then; the passkey
	// has to be used again.
	OnConfirmed func(C, User, ConfirmationResult) error

	// AuthenticatedAt says when this session's user signed in, zero where that is not
	// known: it counts as a confirmation of nothing in particular, for a [Guard]
	// without an Operation and for [FreshWithin]. Return zero for a sign-in that does
	// not count, such as one whose result was not UserVerified.
	AuthenticatedAt func(C) time.Time

	// FindUser allows sign-in by username: it returns the id of the user with
	// this name, as it was typed, or "" if there is none.
	// A name without a user, or whose user has no passkey, is answered with
	// decoys; the hook should take as long for one as for the other.
	FindUser func(c C, username string) (userID string, err error)

	// CanonicalName returns the one spelling of all that FindUser takes for the
	// same name. Decoys depend on it: were it coarser or finer than FindUser,
	// they would differ where passkeys do not, or agree where they do not.
	// Default: without space around it, in Unicode's NFC, in lower case.
	CanonicalName func(username string) string

	// SessionID ties each ceremony to the browser session that begins it: a
	// state that is carried to another session is as good as none. It returns
	// the session's id or a value derived from it, the same at begin and finish;
	// every route asks it, but for outcomes, which are of no session.
	SessionID func(C) string

	// ClientIP says whom a request is from, for Config.Limiter. Default: [RemoteIP],
	// which no client can choose, and which behind a proxy is the proxy: there, set it
	// to the framework's own, such as ginpasskeys.ClientIP, once the framework knows
	// which proxies to trust. What it takes from a header that anybody may send limits
	// nobody.
	ClientIP func(C) netip.Addr

	// Authorize is asked before a passkey is added (at both ends of the
	// ceremony), renamed or revoked: demand a recent sign-in or confirmation with
	// [FreshWithin], or return ErrForbidden.
	Authorize func(C, User, Action) error

	// HasOtherSignIn says whether the user could sign in without any passkey.
	// It is asked before the last one that works is revoked, and false answers
	// ErrLastCredential. Where it is not set, the last can be revoked. Two
	// requests at once that revoke the last two are both let through.
	HasOtherSignIn func(C, User) (bool, error)
}

// Action is what [Hooks].Authorize or [AdminHooks].Authorize is asked about.
type Action string

// The actions, of users, of both, and of staff alone.
const (
	ActionAdd     Action = "add"
	ActionRename  Action = "rename"
	ActionRevoke  Action = "revoke"
	ActionList    Action = "list"
	ActionRestore Action = "restore"
	ActionCount   Action = "count"
	ActionExport  Action = "export"
)

// Exchange is a hook's context where the framework is net/http itself, or a
// router on it: hooks need W to set cookies.
type Exchange struct {
	W http.ResponseWriter
	R *http.Request
}

// NewExchange returns the exchange for a request; its W knows whether a hook has
// written the response, as [Route] asks of it. It unwraps to w for
// http.ResponseController.
func NewExchange(w http.ResponseWriter, r *http.Request) Exchange {
	return Exchange{W: &tracker{ResponseWriter: w}, R: r}
}

// tracker is a ResponseWriter that knows whether it was written to.
type tracker struct {
	http.ResponseWriter
	written bool
}

func (t *tracker) Written() bool { return t.written }

func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tracker) WriteHeader(status int) {
	t.written = t.written || status >= 200
	t.ResponseWriter.WriteHeader(status)
}

// FlushError is what http.NewResponseController looks for; a flush sends headers.
func (t *tracker) FlushError() error {
	t.written = true
	return http.NewResponseController(t.ResponseWriter).Flush()
}

func (t *tracker) Write(b []byte) (int, error) {
	t.written = true
	return t.ResponseWriter.Write(b)
}

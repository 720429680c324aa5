package passkeys

import (
	"errors"
	"net/http"
	"time"
)

// Error is every failure that this package decides on, and what a hook may
// return to choose the answer. Code is the wire's word for it, Status the HTTP
// status it is sent with, and Message one English sentence that is safe to show
// to anyone: none of the three depends on what an attacker would like to know.
//
// Test for a decision with [errors.Is] and one of the Err variables, which
// compares codes, or take the value out with [errors.As].
type Error struct {
	Code    string
	Status  int
	Message string

	reason     Reason
	detail     string
	cause      error
	expected   []string // origins, for a developer's page
	confirm    *confirm // what is to be confirmed
	retryAfter time.Duration
}

// Error returns the code, or for a configuration error what is wrong with which
// field. It never holds a key, a challenge or a token.
func (e *Error) Error() string {
	if e == nil { // a hook, or a store, may return one, which is an error like any other
		return "passkeys: a nil *Error"
	}
	if e.detail != "" {
		return "passkeys: " + e.detail
	}
	return "passkeys: " + e.Code
}

// Is reports whether target is an *Error of the same Code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && e != nil && t != nil && t.Code == e.Code
}

// Unwrap returns the store's own error under [ErrStorageUnavailable], so that
// context.Canceled and a driver's errors stay reachable, and the hook's own
// under one that a hook returned. It is nil for everything else.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Reason returns the precise cause: for logs and metrics, never for a client.
// It is empty where Code says all there is.
func (e *Error) Reason() Reason { return e.reason }

// RetryAfter is how long a client that is told [ErrRateLimited] has to wait, and 0 for
// everything else.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// because returns a copy of a sentinel that carries its precise cause.
func (e *Error) because(reason Reason) *Error {
	c := *e
	c.reason = reason
	return &c
}

// explained returns a copy whose text says more. For the developer's eyes: a
// configuration, not a request.
func (e *Error) explained(detail string) *Error {
	c := *e
	c.detail = detail
	return &c
}

// wrapping returns a copy that unwraps to cause.
func (e *Error) wrapping(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// The decisions a caller can take. Each is an *Error; compare with [errors.Is].
var (
	// ErrChallengeNotFound: the state, or the grant of an upgrade, is unknown, was
	// used before, was issued for something or somebody else, or was altered.
	ErrChallengeNotFound = &Error{Code: "challenge_not_found", Status: http.StatusBadRequest, Message: "The request is unknown or has been used already. Please start again."}
	// ErrChallengeExpired: more than Config.ChallengeTTL has passed since begin, or
	// two minutes since a grant.
	ErrChallengeExpired = &Error{Code: "challenge_expired", Status: http.StatusBadRequest, Message: "The request took too long. Please start again."}
	// ErrAttestationVerification: the response to a registration did not verify.
	ErrAttestationVerification = &Error{Code: "attestation_verification_failed", Status: http.StatusBadRequest, Message: "The passkey could not be verified."}
	// ErrCredentialExists: a credential with this id is stored already, for
	// whomever. Stores return it from Add.
	ErrCredentialExists = &Error{Code: "credential_already_exists", Status: http.StatusConflict, Message: "This passkey is registered already."}
	// ErrAssertionVerification: the response to a sign-in did not verify.
	ErrAssertionVerification = &Error{Code: "assertion_verification_failed", Status: http.StatusUnauthorized, Message: "The sign-in could not be verified."}
	// ErrCredentialNotFound: no credential with this id is stored. Stores return
	// it for a miss; at sign-in it tells the front end that the passkey is gone.
	ErrCredentialNotFound = &Error{Code: "credential_not_found", Status: http.StatusUnauthorized, Message: "This passkey is not known here."}
	// ErrCloneDetected: the signature counter went back, or the credential is
	// quarantined because it once did.
	ErrCloneDetected = &Error{Code: "clone_detected", Status: http.StatusUnauthorized, Message: "This passkey may have been copied and cannot be used."}
	// ErrConfiguration: the application's configuration or one of its hooks is
	// at fault. From [New], [ConfigFromEnv] and [Routes] the text names the field.
	ErrConfiguration = &Error{Code: "configuration_error", Status: http.StatusInternalServerError, Message: "The server is not configured correctly."}
	// ErrInvalidRequest: the body is not what the route takes.
	ErrInvalidRequest = &Error{Code: "invalid_request", Status: http.StatusBadRequest, Message: "The request is malformed."}
	// ErrPRFResultsPresent: the page sent the outputs of the prf extension (WebAuthn
	// L3 §10.1.4), from which users' data are encrypted, along with the credential.
	// toJSON does not leave them out: the page must. The state is still good.
	ErrPRFResultsPresent = &Error{Code: "prf_results_present", Status: http.StatusBadRequest, Message: "The request holds a secret of the passkey that must stay in the browser."}
	// ErrUnauthenticated: return it from GetUser when nobody is signed in.
	ErrUnauthenticated = &Error{Code: "unauthenticated", Status: http.StatusUnauthorized, Message: "Please sign in first."}
	// ErrTooManyCredentials: the user has Config.MaxCredentials passkeys.
	ErrTooManyCredentials = &Error{Code: "too_many_credentials", Status: http.StatusConflict, Message: "There are too many passkeys. Please remove one first."}
	// ErrLastCredential: without this passkey the user could not sign in again.
	ErrLastCredential = &Error{Code: "last_credential", Status: http.StatusConflict, Message: "This is the only way to sign in and cannot be removed."}
	// ErrNoCredentials: a user is to confirm something, and has no passkey that works.
	ErrNoCredentials = &Error{Code: "no_credentials", Status: http.StatusConflict, Message: "There is no passkey to confirm this with. Please add one first."}
	// ErrConfirmationRequired: a guard asks for a confirmation, and the request has no
	// proof of it, or one that is another's, too old, or used up. The answer has a
	// request for it, in a member "confirm" beside "error". 403 and not 401, since the
	// user is signed in: it is no reason to sign them out.
	ErrConfirmationRequired = &Error{Code: "confirmation_required", Status: http.StatusForbidden, Message: "Please confirm this with your passkey."}
	// ErrConfirmationFailed: the response to a confirmation does not verify, or is that
	// of a passkey that is not the user's or does not work.
	ErrConfirmationFailed = &Error{Code: "confirmation_failed", Status: http.StatusForbidden, Message: "The confirmation could not be verified."}
	// ErrWrongOrigin: the page that sent the request is none of Config.Origins. It
	// is another site's, or the application is open at an address that it does not
	// know of: so where all of them are http://localhost, the answer lists them as
	// "expected". What was seen is in the log.
	ErrWrongOrigin = &Error{Code: "wrong_origin", Status: http.StatusForbidden, Message: "Passkeys do not work at this address."}
	// ErrForbidden: return it from a hook that says no.
	ErrForbidden = &Error{Code: "forbidden", Status: http.StatusForbidden, Message: "This is not allowed."}
	// ErrNotFound: the credential to rename or revoke is not there, or is not
	// this user's.
	ErrNotFound = &Error{Code: "not_found", Status: http.StatusNotFound, Message: "There is no such passkey."}
	// ErrRateLimited: Config.Limiter has the client wait, for [Error.RetryAfter].
	ErrRateLimited = &Error{Code: "rate_limited", Status: http.StatusTooManyRequests, Message: "Too many requests. Please wait a moment and try again."}
	// ErrPayloadTooLarge: a body or credential of more than 64 KiB.
	ErrPayloadTooLarge = &Error{Code: "payload_too_large", Status: http.StatusRequestEntityTooLarge, Message: "The request is too large."}
	// ErrUnsupportedMediaType: a body that is not declared application/json.
	ErrUnsupportedMediaType = &Error{Code: "unsupported_media_type", Status: http.StatusUnsupportedMediaType, Message: "The request must be application/json."}
	// ErrStorageUnavailable: a store failed. Nothing is known about the user's
	// credential; trying again later is right. It unwraps to the store's error.
	ErrStorageUnavailable = &Error{Code: "storage_unavailable", Status: http.StatusServiceUnavailable, Message: "The service is unavailable for the moment. Please try again."}

	// errInternal is what a client sees of a hook's own error: nothing.
	errInternal = &Error{Code: "internal_error", Status: http.StatusInternalServerError, Message: "Something went wrong."}
)

// What is no answer to a client: of stores beside the above, and of evidence.
var (
	// ErrInvalidCredential: no store could keep this credential whole. From
	// [Credential.Validate], and so from every store's Add and Update.
	ErrInvalidCredential = errors.New("passkeys: invalid credential")
	// ErrInvalidChallenge: no store may keep this challenge. From
	// [ValidateChallenge], and so from every store's Put.
	ErrInvalidChallenge = errors.New("passkeys: invalid challenge")
	// ErrInvalidEvidence: it does not show what it should. From [Evidence.Verify].
	ErrInvalidEvidence = errors.New("passkeys: invalid evidence")
	// ErrConflict: the credential was changed since it was read. From
	// [CredentialRepository.Update]: read it again, and decide again.
	ErrConflict = errors.New("passkeys: the credential has changed meanwhile")
)

// asError returns the *Error in err's chain. Anything else is a hook's own
// failure, of which a client learns nothing.
func asError(err error) *Error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return errInternal.because(ReasonHookFailed).wrapping(err)
	case e == nil: // an error all the same, whose methods nobody can call
		return errInternal.because(ReasonHookFailed).explained("a nil *Error was returned as an error")
	}
	return e
}

// storeError turns a store's failure into ErrStorageUnavailable.
func storeError(err error) error {
	return ErrStorageUnavailable.because(ReasonStorageFailed).wrapping(err)
}

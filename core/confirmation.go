package passkeys

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// Operation is what a user is to confirm with a passkey. The zero Operation is "it
// is still you": it confirms that the user was here, and nothing that they did.
type Operation struct {
	// Name says which kind of operation it is, such as "transfer": at most 255
	// bytes of UTF-8 without control characters. It goes into audit events, metrics
	// and the client's answer, so it comes from the application's code, and never
	// from a client.
	Name string
	// Payload is what exactly the user confirms, such as the amount and the
	// recipient: bytes that mean one thing only, and the same to whoever asks for
	// the confirmation as to whoever acts on it. Its SHA-256 is what the passkey
	// signs. Empty where there is no Name.
	Payload []byte
}

const maxOperation = 255 // bytes of its name

// of returns the subject that the operation is, for a proof that is good for so
// long.
func (o Operation) of(maxAge time.Duration) (subject, error) {
	bad := func(what string) error {
		return ErrConfiguration.explained("Operation." + what).because(ReasonOperationInvalid)
	}
	switch {
	case len(o.Name) > maxOperation || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return subject{}, bad(fmt.Sprintf("Name: must be at most %d bytes of UTF-8 without control characters", maxOperation))
	case o.Name == "" && len(o.Payload) > 0:
		return subject{}, bad("Name: must be set where there is a Payload")
	}
	hash := sha256.Sum256(o.Payload)
	return subject{o.Name, string(hash[:]), maxAge}, nil
}

// commitment is what a passkey signs to confirm an operation. What it is made of
// has either a length of its own or one in front, so no two operations have one
// commitment.
func commitment(nonce []byte, rpID, userID, operation, payloadHash string) []byte {
	h := sha256.New()
	h.Write([]byte("passkeys/confirm/v1"))
	h.Write(nonce) // of challengeSize
	for _, s := range []string{rpID, userID, operation} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	h.Write([]byte(payloadHash)) // of sha256.Size
	return h.Sum(nil)
}

// signed is the challenge as the browser gets to see it.
func (p *Passkeys) signed(c payload) []byte {
	if c.purpose == forConfirmation {
		return commitment(c.challenge, p.cfg.RPID, c.userID, c.operation, c.hash)
	}
	return c.challenge
}

// requestTTL is how long a page that shows what is to be confirmed may stay open.
const requestTTL = time.Hour

// RequestConfirmation returns a request for the route /confirm/begin: that this
// user confirm this operation, for a proof that is good for maxAge. Guards answer
// with one by themselves. It is for a page that the server renders, which says what
// is to be confirmed, and whose button asks for it before the form is sent.
//
// maxAge is in whole seconds and at most 24 hours; 0 is 5 minutes. The request is
// sealed, for this user and for the session of ctx ([WithSessionID]), and good for
// an hour, as often as it is used: letters, digits, '-' and '_', at most 1,024 of
// them.
//
// It returns [ErrConfiguration] for a userID that is not 1 to 64 bytes, or an
// Operation or a maxAge that breaks its own rules.
func (p *Passkeys) RequestConfirmation(ctx context.Context, userID string, o Operation, maxAge time.Duration) (string, error) {
	setDefault(&maxAge, defaultMaxAge)
	s, err := o.of(maxAge)
	if err != nil {
		return "", err
	}
	if err := (User{ID: userID}).validate(); err != nil {
		return "", asError(err).because(ReasonUserInvalid)
	}
	if err := checkMaxAge(maxAge); err != nil {
		return "", err
	}
	return p.request(ctx, userID, s)
}

func (p *Passkeys) request(ctx context.Context, userID string, s subject) (string, error) {
	c, err := p.draw(ctx, forRequest, ModeConfirmation, userID, requestTTL)
	if err != nil {
		p.logFailure(ctx, "could not request a confirmation", err)
		return "", err
	}
	c.subject = s
	return p.proofs.Seal(c.encode()), nil
}

// ConfirmationResponse is what the browser sends after
// navigator.credentials.get().
type ConfirmationResponse struct {
	State string `json:"state"`
	// Credential is PublicKeyCredential.toJSON(), at most 64 KiB.
	Credential json.RawMessage `json:"credential"`
	// UserID is who is signed in, and must be who began, or the result is
	// [ErrChallengeNotFound]. It never comes from the client's JSON.
	UserID string `json:"-"`
}

// ConfirmationResult is a confirmation that succeeded.
type ConfirmationResult struct {
	Proof Proof
	// Sealed is the proof as a client carries it, in the header Passkey-Proof or in
	// the cookie __Host-passkey-proof: letters, digits, '-' and '_', at most 2,200 of
	// them, mostly fewer than 600.
	Sealed string
	// ExpiresAt is when the proof ends whatever a guard's MaxAge is: of an operation
	// at the MaxAge that it was asked for with, or after 5 minutes; else after 24
	// hours.
	ExpiresAt time.Time
	// Evidence shows to others what was confirmed. It is not kept anywhere.
	Evidence Evidence
}

// BeginConfirmation starts the confirmation of an operation by a user who is signed
// in. The options list those of their passkeys that work, and ask for user
// verification as Config.ConfirmationUserVerification says. Its challenge commits to
// the relying party, the user, the operation and its payload. A confirmation signs
// nobody in, and no sign-in confirms anything.
//
// It returns [ErrConfiguration] for a userID that is not 1 to 64 bytes or an
// Operation that breaks its own rules, [ErrNoCredentials] for a user with no passkey
// that works, and [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) BeginConfirmation(ctx context.Context, userID string, o Operation) (*Ceremony[RequestOptions], error) {
	ctx, a := p.start(ctx, Step{CeremonyConfirmation, StepBegin})
	defer a.abandon(ctx)
	a.userID = userID
	s, err := o.of(defaultMaxAge)
	if err != nil {
		return nil, a.end(ctx, err)
	}
	ceremony, err := a.beginConfirmation(ctx, s)
	return ceremony, a.end(ctx, err)
}

func (a *attempt) beginConfirmation(ctx context.Context, s subject) (*Ceremony[RequestOptions], error) {
	p := a.p
	a.mode, a.operation = ModeConfirmation, s.operation
	if err := (User{ID: a.userID}).validate(); err != nil {
		return nil, asError(err).because(ReasonUserInvalid)
	}
	all, err := p.cfg.Credentials.ListByUser(ctx, a.userID)
	if err != nil {
		return nil, storeError(err)
	}
	working := slices.DeleteFunc(all, func(c Credential) bool { return c.Quarantined() || !c.boundTo(p.cfg.RPID) })
	if len(working) == 0 {
		return nil, ErrNoCredentials.because(ReasonCredentialUnknown)
	}
	c, err := p.draw(ctx, forConfirmation, ModeConfirmation, a.userID, p.cfg.ChallengeTTL)
	if err != nil {
		return nil, err
	}
	c.subject = s
	return a.ask(ctx, c, working, p.cfg.Timeout)
}

// requested returns what a request asks this user to confirm.
func (a *attempt) requested(ctx context.Context, request string) (subject, error) {
	if request == "" {
		return Operation{}.of(0)
	}
	c, err := a.unseal(ctx, forRequest, request)
	return c.subject, err
}

// FinishConfirmation verifies the browser's response (WebAuthn L3 §7.2), records
// its use with the credential and returns the proof of it. With that the state is
// spent for this credential.
//
// It returns [ErrInvalidRequest], [ErrPayloadTooLarge], [ErrPRFResultsPresent],
// [ErrChallengeNotFound], [ErrChallengeExpired], [ErrConfirmationFailed] for
// whatever does not verify, or [ErrStorageUnavailable].
func (p *Passkeys) FinishConfirmation(ctx context.Context, r ConfirmationResponse) (*ConfirmationResult, error) {
	ctx, a := p.start(ctx, Step{CeremonyConfirmation, StepFinish})
	defer a.abandon(ctx)
	a.userID = r.UserID
	var response engine.AssertionResponse
	if err := parse(r.Credential, &response); err != nil {
		return nil, a.end(ctx, err)
	}
	return a.finishConfirmation(ctx, r.State, &response, nil)
}

// finishConfirmation is FinishConfirmation on a response that is read. What accept
// refuses proves nothing.
func (a *attempt) finishConfirmation(ctx context.Context, state string, response *engine.AssertionResponse, accept func(ConfirmationResult) error) (*ConfirmationResult, error) {
	who := a.userID
	a.id = response.RawID
	if err := withoutSecrets(&response.Response); err != nil {
		return nil, a.end(ctx, err)
	}
	c, err := a.redeem(ctx, forConfirmation, state)
	if err == nil && c.userID != who {
		err = ErrChallengeNotFound.because(ReasonUserChanged)
	}
	if err != nil {
		return nil, a.end(ctx, err)
	}
	verified, err := a.verifyAssertion(ctx, c, response)
	a.userID = who // whosever the passkey is
	if err != nil {
		switch e := asError(err); {
		case errors.Is(e, ErrAssertionVerification), errors.Is(e, ErrCredentialNotFound), errors.Is(e, ErrCloneDetected):
			err = ErrConfirmationFailed.because(e.reason)
		}
		return nil, a.end(ctx, err)
	}
	result := a.p.prove(c, verified)
	result.Evidence = a.p.evidence(c, response, verified.Credential.PublicKey)
	if accept != nil {
		if err := accept(result); err != nil {
			return nil, a.end(ctx, asError(err).because(ReasonHookFailed))
		}
	}
	return &result, a.end(ctx, nil)
}

package passkeys

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

const (
	challengeSize = 32       // twice what WebAuthn L3 §13.4.3 asks for
	maxBody       = 64 << 10 // of a request, and of a credential by hand
)

// attempt is one step of one ceremony under way, and what is known of it so far.
type attempt struct {
	p         *Passkeys
	step      Step
	observed  func(Outcome)
	mode      Mode
	userID    string
	id        []byte // the credential's
	challenge []byte
	operation string  // the name of what is confirmed
	verified  *AAGUID // of whose response was
	ended     bool
}

// start begins a step. Its caller defers abandon and returns through end.
func (p *Passkeys) start(ctx context.Context, step Step) (context.Context, *attempt) {
	a := &attempt{p: p, step: step}
	if p.cfg.Observer != nil {
		inside, observed := p.cfg.Observer.Observe(ctx, step)
		ctx, a.observed = cmp.Or(inside, ctx), observed
	}
	return ctx, a
}

// end is how the step ended: one event, and what the observer is told. What is
// the operator's concern goes to the log.
func (a *attempt) end(ctx context.Context, err error) error {
	event := AuditEvent{Type: a.step.succeeded()}
	if err != nil {
		e := asError(err)
		event.Type, event.Reason = a.step.failed(), cmp.Or(e.reason, ReasonRequestMalformed)
		switch {
		case e.Is(ErrChallengeExpired):
			event.Type = ChallengeExpired
		case e.reason == ReasonSignCountRegressed:
			event.Type = CloneSuspected
		case e.Status >= 500:
			a.p.logFailure(ctx, string(event.Type), e)
		}
	}
	a.ended = true
	if a.observed != nil {
		o := Outcome{Mode: a.mode, Reason: event.Reason, Operation: a.operation}
		if a.verified != nil {
			o.Authenticator = cmp.Or(Provider(*a.verified), otherAuthenticator)
		}
		a.observed(o)
	}
	a.audit(ctx, event)
	return err
}

// abandon ends a step that a panic passes by.
func (a *attempt) abandon(ctx context.Context) {
	if !a.ended {
		_ = a.end(ctx, errInternal.because(ReasonHookFailed))
	}
}

// audit emits an event of this ceremony.
func (a *attempt) audit(ctx context.Context, e AuditEvent) {
	e.UserID, e.Mode, e.Operation = a.userID, a.mode, a.operation
	if len(a.id) <= maxCredentialID { // a longer one is none, and would fill the log
		e.CredentialID = EncodeID(a.id)
	}
	if a.challenge != nil {
		e.CeremonyID = ceremonyID(a.challenge)
	}
	a.p.audit(ctx, e)
}

// ask issues a challenge of an assertion, with the options for it.
func (a *attempt) ask(ctx context.Context, c payload, allowed []Credential, timeout time.Duration) (*Ceremony[RequestOptions], error) {
	p := a.p
	extensions, err := p.requestExtensions(ctx, c.userID, allowed)
	if err != nil {
		return nil, err
	}
	state, err := p.issue(ctx, c)
	if err != nil {
		return nil, err
	}
	a.challenge = c.challenge
	return &Ceremony[RequestOptions]{State: state, PublicKey: &RequestOptions{
		Challenge:        EncodeID(p.signed(c)),
		Timeout:          timeout.Milliseconds(),
		RPID:             p.cfg.RPID,
		AllowCredentials: descriptors(allowed),
		UserVerification: p.verification(c.purpose).asked(),
		Hints:            slices.Clone(p.cfg.Hints),
		Extensions:       extensions,
		Extra:            cloneExtra(p.cfg.RequestExtra),
	}}, nil
}

// draw makes a challenge for this user.
func (p *Passkeys) draw(ctx context.Context, purpose purpose, mode Mode, userID string, ttl time.Duration) (payload, error) {
	now := p.cfg.Now()
	c := payload{
		purpose:   purpose,
		mode:      mode,
		issuedAt:  p.issuedAt(now),
		expiresAt: now.Add(ttl),
		challenge: make([]byte, challengeSize),
		realm:     p.realm,
		userID:    userID,
		session:   sessionHash(ctx),
	}
	if _, err := io.ReadFull(p.cfg.Rand, c.challenge); err != nil {
		return payload{}, errInternal.because(ReasonRandomFailed).wrapping(err)
	}
	return c, nil
}

// issue returns the state that c will be known by, as it goes to the browser.
func (p *Passkeys) issue(ctx context.Context, c payload) (state string, err error) {
	if p.cfg.Challenges == nil {
		return p.states.Seal(c.encode()), nil
	}
	if state, err = p.cfg.Challenges.Put(ctx, c.encode(), c.expiresAt); err != nil {
		return "", storeError(err)
	}
	return state, nil
}

// issuedAt is now, or a microsecond after the last one that was given out: a
// credential that forgets a challenge tells by issue times which came before it.
// A clock that was set back is followed.
func (p *Passkeys) issuedAt(now time.Time) time.Time {
	for {
		last, next := p.lastIssued.Load(), now.UnixMicro()
		if next <= last && last-next < clockSkew.Microseconds() {
			next = last + 1
		}
		if p.lastIssued.CompareAndSwap(last, next) {
			return time.UnixMicro(next)
		}
	}
}

// redeem returns the challenge behind state if it was issued for this purpose
// and still holds. One that is kept in a store is spent by that, whatever
// becomes of the ceremony; a sealed one is spent with the credential that it
// succeeds with.
func (a *attempt) redeem(ctx context.Context, purpose purpose, state string) (payload, error) {
	p := a.p
	raw, err := p.opened(ctx, state)
	switch {
	case errors.Is(err, ErrChallengeNotFound):
		return payload{}, ErrChallengeNotFound.because(ReasonChallengeNotFound)
	case errors.Is(err, ErrChallengeExpired):
		return payload{}, ErrChallengeExpired.because(ReasonChallengeExpired)
	case err != nil:
		return payload{}, storeError(err)
	}
	return a.held(ctx, purpose, raw)
}

// held reads a payload that is for this purpose, relying party and session, and
// still holds.
func (a *attempt) held(ctx context.Context, purpose purpose, raw []byte) (payload, error) {
	p := a.p
	c, err := decodePayload(raw)
	switch {
	case err != nil:
		return payload{}, ErrChallengeNotFound.because(ReasonChallengeNotFound)
	case c.realm != p.realm:
		return payload{}, ErrChallengeNotFound.because(ReasonRPIDMismatch)
	}
	a.mode, a.challenge, a.operation = c.mode, c.challenge, c.operation
	switch {
	case c.purpose != purpose:
		return payload{}, ErrChallengeNotFound.because(ReasonChallengePurpose)
	case subtle.ConstantTimeCompare([]byte(c.session), []byte(sessionHash(ctx))) != 1:
		return payload{}, ErrChallengeNotFound.because(ReasonSessionMismatch)
	}
	// Else whoever asks is known, whosever it is.
	if signsIn := c.purpose == forAuthentication || c.purpose == forRegistration && a.userID == ""; signsIn && somebody(c.userID) {
		a.userID = c.userID
	}
	if !p.cfg.Now().Before(c.expiresAt) {
		return payload{}, ErrChallengeExpired.because(ReasonChallengeExpired)
	}
	return c, nil
}

// opened returns the payload behind state.
func (p *Passkeys) opened(ctx context.Context, state string) ([]byte, error) {
	if p.cfg.Challenges != nil {
		return p.cfg.Challenges.Consume(ctx, state)
	}
	raw, ok := p.states.Open(state)
	if !ok {
		return nil, ErrChallengeNotFound
	}
	return raw, nil
}

// withoutSecrets refuses a response that brings a key of the user's along, which
// is of no use here and was not to leave the browser. It comes before the state
// is looked at, so that the page can try again without.
func withoutSecrets(r *engine.Response) error {
	if r.HoldsPRFResults() {
		return ErrPRFResultsPresent.because(ReasonPRFResultsPresent)
	}
	return nil
}

// unspent refuses a challenge that the credential was used with before, and
// returns the memory of the others.
func (c *Credential) unspent(u use) (spent, error) {
	s, err := decodeSpent(c.Spent)
	switch {
	case errors.Is(err, errSpentLater): // this very challenge may be in it
		return s, ErrChallengeNotFound.because(ReasonChallengeSpent)
	case err != nil:
		return s, storeError(err)
	case s.holds(u):
		return s, ErrChallengeNotFound.because(ReasonChallengeSpent)
	}
	return s, nil
}

// tries is how often a change is decided again because others came before it.
// Each of them has got its way, so it is reached only where more than that many
// change one credential at one moment.
const tries = 32

// change lets f change what was read of a credential and stores it, again from
// the start whenever it was changed by another in between. What f returns ends it.
func (p *Passkeys) change(ctx context.Context, c *Credential, f func(*Credential) error) error {
	for range tries {
		if err := f(c); err != nil {
			return err
		}
		err := p.cfg.Credentials.Update(ctx, *c)
		if err == nil {
			c.Version++
			return nil
		}
		if errors.Is(err, ErrConflict) {
			*c, err = p.cfg.Credentials.Get(ctx, c.ID)
		}
		switch {
		case errors.Is(err, ErrCredentialNotFound):
			return ErrCredentialNotFound.because(ReasonCredentialUnknown)
		case err != nil:
			return storeError(err)
		}
	}
	return storeError(ErrConflict)
}

// refused turns the engine's verdict into ours, and tells the log what a client
// must not know.
func (p *Passkeys) refused(ctx context.Context, as *Error, err error) error {
	f, ok := errors.AsType[*engine.Failure](err)
	if !ok {
		return as
	}
	p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: response refused",
		slog.String("request_id", requestID(ctx)), slog.String("reason", f.Reason), slog.String("seen", f.Seen), slog.String("expected", f.Expected))
	if Reason(f.Reason) == ReasonOriginMismatch {
		p.explainOrigin(ctx, f.Seen)
	}
	return as.because(Reason(f.Reason))
}

// explainOrigin tells a developer, once, what would admit the page that they have open.
// In production nobody is told: there the page is another's.
func (p *Passkeys) explainOrigin(ctx context.Context, seen string) {
	page, err := url.Parse(seen)
	if p.development == nil || err != nil || seen != page.Scheme+"://"+page.Host || page.Host == "" || p.originExplained.Swap(true) {
		return
	}
	text := "set Config.Origins, or PASSKEYS_EXPECTED_ORIGINS=" + strings.Join(append(slices.Clone(p.development), seen), ",")
	if checkOrigin(seen) != "" { // such as http://127.0.0.1:8080
		text = "there are no passkeys at an IP address: open " + p.development[0]
	}
	p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, fmt.Sprintf("passkeys: the page is at %s, and Config.Origins are %s: %s", seen, strings.Join(p.cfg.Origins, ", "), text))
}

func (p *Passkeys) logFailure(ctx context.Context, what string, err error) {
	logFailure(ctx, p.cfg.Logger, what, err)
}

// logFailure tells the operator of a failure of which the client learns nothing.
func logFailure(ctx context.Context, log *slog.Logger, what string, err error) {
	e, level := asError(err), slog.LevelError
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		level = slog.LevelInfo // the client went away
	}
	log.LogAttrs(ctx, level, "passkeys: "+what,
		slog.String("request_id", requestID(ctx)), slog.String("code", e.Code), slog.String("detail", e.detail), slog.Any("error", e.cause))
}

// regardless is a context for what must be done although the client may be gone:
// for a while, because a store that hangs must not hold the request for ever.
func regardless(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// timestamp is now as stores keep it.
func (p *Passkeys) timestamp() time.Time { return p.cfg.Now().UTC().Truncate(time.Microsecond) }

package passkeys

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

const (
	challengeSize = 32       // twice what WebAuthn L3 §13.4.3 asks for
	maxBody       = 64 << 10 // of a request, and of a credential by hand
)

// issue draws a challenge and puts it into the store, and returns both it and
// its handle, as they go to the browser.
func (p *Passkeys) issue(ctx context.Context, purpose purpose, userID string) (challenge, state string, err error) {
	c := payload{
		purpose:   purpose,
		expiresAt: p.cfg.Now().Add(p.cfg.ChallengeTTL),
		challenge: make([]byte, challengeSize),
		userID:    userID,
		session:   sessionHash(ctx),
	}
	if _, err := io.ReadFull(p.cfg.Rand, c.challenge); err != nil {
		return "", "", errInternal.because(ReasonRandomFailed).wrapping(err)
	}
	state, err = p.cfg.Challenges.Put(ctx, c.encode(), c.expiresAt)
	if err != nil {
		return "", "", storeError(err)
	}
	return EncodeID(c.challenge), state, nil
}

// redeem ends the challenge behind state, whatever becomes of the ceremony, and
// returns it if it was issued for this purpose and still holds.
func (p *Passkeys) redeem(ctx context.Context, purpose purpose, state string) (payload, error) {
	raw, err := p.cfg.Challenges.Consume(ctx, state)
	switch {
	case errors.Is(err, ErrChallengeNotFound):
		return payload{}, ErrChallengeNotFound.because(ReasonChallengeNotFound)
	case errors.Is(err, ErrChallengeExpired):
		return payload{}, ErrChallengeExpired.because(ReasonChallengeExpired)
	case err != nil:
		return payload{}, storeError(err)
	}
	c, err := decodePayload(raw)
	switch {
	case err != nil:
		return payload{}, ErrChallengeNotFound.because(ReasonChallengeNotFound)
	case c.purpose != purpose:
		return payload{}, ErrChallengeNotFound.because(ReasonChallengePurpose)
	case subtle.ConstantTimeCompare([]byte(c.session), []byte(sessionHash(ctx))) != 1:
		return payload{}, ErrChallengeNotFound.because(ReasonSessionMismatch)
	case !p.cfg.Now().Before(c.expiresAt):
		return c, ErrChallengeExpired.because(ReasonChallengeExpired)
	}
	return c, nil
}

// decode reads a credential that was given by hand.
func decode[T any](raw json.RawMessage) (*T, error) {
	if len(raw) > maxBody {
		return nil, ErrPayloadTooLarge
	}
	var v *T
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return v, nil
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
	return as.because(Reason(f.Reason))
}

// outcome emits the event of a ceremony that failed with err, and logs what is
// the operator's concern.
func (p *Passkeys) outcome(ctx context.Context, failed AuditEventType, userID string, id []byte, err error) {
	e := asError(err)
	event := AuditEvent{Type: failed, UserID: userID, Reason: cmp.Or(e.reason, ReasonRequestMalformed)}
	if len(id) <= maxCredentialID { // a longer one is none, and would fill the log
		event.CredentialID = EncodeID(id)
	}
	switch {
	case errors.Is(err, ErrChallengeExpired):
		event.Type = ChallengeExpired
	case e.reason == ReasonSignCountRegressed:
		event.Type = CloneSuspected
	case e.Status >= 500:
		p.logFailure(ctx, string(failed), err)
	}
	p.audit(ctx, event)
}

// logFailure tells the operator of a failure of which the client learns nothing.
func (p *Passkeys) logFailure(ctx context.Context, what string, err error) {
	e, level := asError(err), slog.LevelError
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		level = slog.LevelInfo // the client went away
	}
	p.cfg.Logger.LogAttrs(ctx, level, "passkeys: "+what,
		slog.String("request_id", requestID(ctx)), slog.String("code", e.Code), slog.String("detail", e.detail), slog.Any("error", e.cause))
}

// regardless is a context for what must be done although the client may be gone:
// for a while, because a store that hangs must not hold the request for ever.
func regardless(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// timestamp is now as stores keep it.
func (p *Passkeys) timestamp() time.Time { return p.cfg.Now().UTC().Truncate(time.Microsecond) }

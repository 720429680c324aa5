package passkeys

import (
	"context"
	"time"
)

// upgradeTTL is for the page that follows a sign-in to load and to ask.
const upgradeTTL = 2 * time.Minute

// mediationConditional is the mediation of an upgrade, in the browser's argument
// and in the body that begins it.
const mediationConditional = "conditional"

// GrantUpgrade allows one upgrade: that the user's browser makes a passkey for
// them without asking, as some do right after a sign-in with a password that they
// had kept (conditional create, WebAuthn L3 §5.1.3). Call it where a password has
// just been verified, and give the grant to the page that follows, which begins a
// registration with it. Of that registration alone the user need be neither
// present nor verified (§7.1 step 15): so at no other time can a page, or a script
// in it, have an honest browser make a passkey behind its user's back. For this the
// grant must not be kept in the session, nor be given to any other page.
//
// Whether a registration may be at all is another question, which Hooks.Authorize
// answers for this as for every other: an authenticator of a thief's own says that
// it was touched whether it was or not.
//
// The grant is for this user, and for the session of ctx ([WithSessionID]), which
// is the one that follows the sign-in: where Hooks.SessionID is set, the id that it
// will return; else none. It is at most 1,024 letters, digits, '-', '_' and '.', and
// good for two minutes. It may be begun with more than once, but the first passkey
// that is registered uses it up, with all that was begun with it; in a
// [ChallengeStore], the first begin does. As with every registration, once the
// passkey is revoked, the grant is good again until it expires. What was begun can
// be finished until Config.ChallengeTTL after the grant has expired, and in no
// frame of another site, whatever Config.TopOrigins say.
//
// It returns [ErrConfiguration] for a userID that is not 1 to 64 bytes, and
// [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) GrantUpgrade(ctx context.Context, userID string) (grant string, err error) {
	if err := (User{ID: userID}).validate(); err != nil {
		return "", asError(err).because(ReasonUserInvalid)
	}
	c, err := p.draw(ctx, forUpgrade, ModeUpgrade, userID, upgradeTTL)
	if err == nil {
		grant, err = p.issue(ctx, c)
	}
	if err != nil {
		p.logFailure(ctx, "could not grant an upgrade", err)
		return "", err
	}
	return grant, nil
}

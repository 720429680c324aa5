package passkeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// AuthenticationResponse is what the browser sends after
// navigator.credentials.get().
type AuthenticationResponse struct {
	State string `json:"state"`
	// Credential is PublicKeyCredential.toJSON(), at most 64 KiB.
	Credential json.RawMessage `json:"credential"`
}

// BeginAuthentication starts a sign-in. With "" it is usernameless: the browser
// offers the passkeys it has for this site. With a user's id the options list
// that user's passkeys, and only one of his can finish; for an id that is no
// user's, or whose user has no passkey, they list decoys.
//
// It returns [ErrInvalidRequest] for an id of more than 64 bytes and
// [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) BeginAuthentication(ctx context.Context, userID string) (*Ceremony, error) {
	if len(userID) > maxUserID {
		return nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	name := ""
	if userID != "" {
		name = "id:" + userID
	}
	return p.beginAuthentication(ctx, name, userID)
}

// BeginAuthenticationByName starts a sign-in by username: name is the one spelling
// of it, as Hooks.CanonicalName describes, and userID whom the application found
// under it, "" for nobody. Where that is nobody, or he has no passkey, the options
// list decoys, always the same for one name, so that the answer does not tell who
// has an account.
//
// It returns [ErrConfiguration] for an id of more than 64 bytes and
// [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) BeginAuthenticationByName(ctx context.Context, name, userID string) (*Ceremony, error) {
	return p.beginAuthentication(ctx, "name:"+name, userID)
}

// beginAuthentication starts a sign-in. What decoys are made from is one name for
// who is asked for by name and another for who is by id; "" is usernameless.
func (p *Passkeys) beginAuthentication(ctx context.Context, name, userID string) (*Ceremony, error) {
	ceremony, err := p.requestOptions(ctx, name, userID)
	if err != nil {
		p.outcome(ctx, AuthenticationFailed, userID, nil, err)
		return nil, err
	}
	p.audit(ctx, AuditEvent{Type: AuthenticationBegan, UserID: userID})
	return ceremony, nil
}

func (p *Passkeys) requestOptions(ctx context.Context, name, userID string) (*Ceremony, error) {
	if len(userID) > maxUserID {
		return nil, ErrConfiguration.explained(fmt.Sprintf("the user's id: %d bytes; must be at most %d", len(userID), maxUserID)).because(ReasonUserInvalid)
	}
	var allowed []Credential
	if name != "" {
		var err error
		if allowed, userID, err = p.allowed(ctx, name, userID); err != nil {
			return nil, err
		}
	}
	challenge, state, err := p.issue(ctx, forAuthentication, userID)
	if err != nil {
		return nil, err
	}
	return &Ceremony{State: state, PublicKey: &RequestOptions{
		Challenge:        challenge,
		Timeout:          p.cfg.Timeout.Milliseconds(),
		RPID:             p.cfg.RPID,
		AllowCredentials: descriptors(allowed),
		UserVerification: p.cfg.UserVerification,
	}}, nil
}

// FinishAuthentication verifies the browser's response (WebAuthn L3 §7.2),
// records the sign-in with the credential and says who has signed in. Whatever
// it returns, the challenge is spent, except after ErrInvalidRequest and
// ErrPayloadTooLarge, which are decided before.
//
// It returns [ErrInvalidRequest], [ErrPayloadTooLarge], [ErrChallengeNotFound],
// [ErrChallengeExpired], [ErrCredentialNotFound], [ErrAssertionVerification],
// [ErrCloneDetected] or [ErrStorageUnavailable].
func (p *Passkeys) FinishAuthentication(ctx context.Context, r AuthenticationResponse) (*AuthenticationResult, error) {
	response, err := decode[engine.AssertionResponse](r.Credential)
	if err != nil {
		p.outcome(ctx, AuthenticationFailed, "", nil, err)
		return nil, err
	}
	return p.finishAuthentication(ctx, r.State, response)
}

// finishAuthentication is FinishAuthentication on a response that is decoded.
func (p *Passkeys) finishAuthentication(ctx context.Context, state string, response *engine.AssertionResponse) (*AuthenticationResult, error) {
	userID, result, err := p.verifyAuthentication(ctx, state, response)
	if err != nil {
		p.outcome(ctx, AuthenticationFailed, userID, response.RawID, err)
		return nil, err
	}
	p.audit(ctx, AuditEvent{Type: AuthenticationSucceeded, UserID: userID, CredentialID: EncodeID(result.Credential.ID)})
	return result, nil
}

func (p *Passkeys) verifyAuthentication(ctx context.Context, state string, response *engine.AssertionResponse) (userID string, _ *AuthenticationResult, _ error) {
	if response.Check() != nil {
		return "", nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	c, err := p.redeem(ctx, forAuthentication, state)
	if err != nil {
		return c.userID, nil, err
	}
	credential, err := p.cfg.Credentials.Get(ctx, response.RawID)
	decoy := false
	switch {
	case errors.Is(err, ErrCredentialNotFound) && p.decoys.made(response.RawID):
		decoy, credential = true, Credential{PublicKey: p.decoys.key}
	case errors.Is(err, ErrCredentialNotFound):
		return c.userID, nil, ErrCredentialNotFound.because(ReasonCredentialUnknown)
	case err != nil:
		return c.userID, nil, storeError(err)
	}
	userID = credential.UserID

	// The signature comes before everything that depends on what is stored: who
	// cannot sign learns nothing of it, nor by the time it takes whether the
	// credential is one.
	v, err := p.rp.VerifyAssertion(response, c.challenge, credential.PublicKey)
	if err != nil {
		err = p.refused(ctx, ErrAssertionVerification, err)
	}
	if decoy {
		return "", nil, ErrAssertionVerification.because(ReasonCredentialDecoy)
	}
	if err != nil {
		return userID, nil, err
	}
	// Whoever began must be whose credential this is. A stored credential is
	// never "not found": on that word browsers drop the passkey.
	handle := string(response.Response.UserHandle)
	switch {
	case c.userID != "" && c.userID != userID:
		return userID, nil, ErrAssertionVerification.because(ReasonUserMismatch)
	case c.userID == "" && handle == "":
		return userID, nil, ErrAssertionVerification.because(ReasonUserHandleMissing)
	case handle != "" && handle != userID:
		return userID, nil, ErrAssertionVerification.because(ReasonUserHandleMismatch)
	case credential.Quarantined():
		return userID, nil, ErrCloneDetected.because(ReasonCredentialQuarantined)
	}
	eligibilityChanged := v.BackupEligible != credential.BackupEligible && !credential.BackupUnknown
	if eligibilityChanged && !p.cfg.BackupEligibility.allows(v.BackupEligible) {
		return userID, nil, ErrAssertionVerification.because(ReasonBackupEligibilityChanged)
	}
	if err := p.recordUsage(ctx, &credential, v); err != nil {
		return userID, nil, err
	}
	if eligibilityChanged {
		p.audit(ctx, AuditEvent{Type: BackupEligibilityChanged, UserID: userID, CredentialID: EncodeID(credential.ID), Reason: ReasonBackupEligibilityChanged})
	}
	return userID, &AuthenticationResult{
		UserID:                   userID,
		Credential:               credential,
		UserVerified:             v.UserVerified,
		UserVerificationReliable: v.UserVerified && credential.UVInitialized,
	}, nil
}

// recordUsage stores what the sign-in says about its credential, and lets the
// counter decide whether it stands.
func (p *Passkeys) recordUsage(ctx context.Context, c *Credential, v engine.AuthenticatorData) error {
	u := Usage{
		SeenSignCount:   c.SignCount,
		SignCount:       v.SignCount,
		AllowRegression: p.cfg.SignCountPolicy == Allow,
		BackupEligible:  v.BackupEligible,
		BackupState:     v.BackupState,
		UVInitialized:   c.UVInitialized,
		At:              p.timestamp(),
	}
	outcome, err := p.cfg.Credentials.UpdateUsage(ctx, c.ID, u)
	switch {
	case err != nil:
		return storeError(err)
	case outcome == Regressed:
		if p.cfg.SignCountPolicy == FlagDisable {
			ctx, cancel := regardless(ctx) // the client must not avert it by going away
			defer cancel()
			err := p.cfg.Credentials.Quarantine(ctx, c.ID, u.At, ReasonSignCountRegressed)
			if err != nil && !errors.Is(err, ErrCredentialNotFound) {
				return storeError(err)
			}
		}
		return ErrCloneDetected.because(ReasonSignCountRegressed)
	case outcome != Advanced:
		return ErrAssertionVerification.because(ReasonSignCountRaced)
	}
	if u.SignCount <= u.SeenSignCount && u.SeenSignCount != 0 { // only under Allow
		p.audit(ctx, AuditEvent{Type: CloneSuspected, UserID: c.UserID, CredentialID: EncodeID(c.ID), Reason: ReasonSignCountRegressed})
	}
	c.SignCount, c.LastUsedAt = u.NextSignCount(), u.At
	c.BackupEligible, c.BackupState, c.BackupUnknown = u.BackupEligible, u.BackupState, false
	return nil
}

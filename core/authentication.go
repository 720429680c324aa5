package passkeys

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// AuthenticationRequest is what a sign-in is begun for. The zero value is
// usernameless: the browser offers the passkeys that it has for this site.
type AuthenticationRequest struct {
	// UserID is whose passkeys the options list, at most 64 bytes; only one of
	// those can finish. For an id that is no user's, or whose user has no passkey,
	// they list decoys.
	UserID string
	// Username, where the sign-in is by name, is the one spelling of it, as
	// Hooks.CanonicalName describes, and UserID is whom the application found
	// under it: "" for nobody. Where that is nobody, or they have no passkey, the
	// options list decoys, always the same for one name, so that the answer does
	// not tell who has an account.
	Username string
	// Mode is how the browser is asked. Default: what the two above say.
	// [ModeUsername] has to be given where the Username may be "" itself;
	// [ModeConditional] and [ModeImmediate] go with neither of them.
	Mode Mode
}

// mode is Mode or its default.
func (r AuthenticationRequest) mode() Mode {
	switch {
	case r.Mode != "":
		return r.Mode
	case r.Username != "":
		return ModeUsername
	case r.UserID != "":
		return ModeUser
	}
	return ModeUsernameless
}

// AuthenticationResponse is what the browser sends after
// navigator.credentials.get().
type AuthenticationResponse struct {
	State string `json:"state"`
	// Credential is PublicKeyCredential.toJSON(), at most 64 KiB.
	Credential json.RawMessage `json:"credential"`
}

// BeginAuthentication starts a sign-in.
//
// It returns [ErrInvalidRequest] for a UserID of more than 64 bytes or a Mode
// that does not go with it, and [ErrStorageUnavailable] if a store fails. Under
// a Username the id is the application's word, and one that long is
// [ErrConfiguration].
func (p *Passkeys) BeginAuthentication(ctx context.Context, r AuthenticationRequest) (*Ceremony[RequestOptions], error) {
	ctx, a := p.start(ctx, Step{CeremonyAuthentication, StepBegin})
	defer a.abandon(ctx)
	ceremony, err := a.beginAuthentication(ctx, r)
	return ceremony, a.end(ctx, err)
}

func (a *attempt) beginAuthentication(ctx context.Context, r AuthenticationRequest) (*Ceremony[RequestOptions], error) {
	p, mode := a.p, r.mode()
	if !mode.of(forAuthentication, mode == ModeUsername || r.UserID != "") || mode != ModeUsername && r.Username != "" {
		return nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	a.mode = mode
	switch {
	case len(r.UserID) <= maxUserID:
	case mode == ModeUsername:
		return nil, ErrConfiguration.explained(fmt.Sprintf("the user's id: %d bytes; must be at most %d", len(r.UserID), maxUserID)).because(ReasonUserInvalid)
	default:
		return nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	userID, allowed, err := r.UserID, []Credential(nil), error(nil)
	// What decoys are made from is one name for whom is asked for by name, and
	// another for whom is by id.
	switch mode {
	case ModeUsername:
		a.userID = r.UserID
		userID, allowed, err = p.allowed(ctx, "name:"+r.Username, userID)
	case ModeUser:
		userID, allowed, err = p.allowed(ctx, "id:"+r.UserID, userID)
		if somebody(userID) {
			a.userID = userID // and not what the caller typed, which need not be a user's
		}
	default: // nobody in particular
	}
	if err != nil {
		return nil, err
	}
	ttl, timeout := p.cfg.ChallengeTTL, p.cfg.Timeout
	if mode == ModeConditional { // of which browsers ignore the timeout, and clients go by it
		ttl, timeout = p.cfg.ConditionalTTL, p.cfg.ConditionalTTL
	}
	c, err := p.draw(ctx, forAuthentication, mode, userID, ttl)
	if err != nil {
		return nil, err
	}
	return a.ask(ctx, c, allowed, timeout)
}

// FinishAuthentication verifies the browser's response (WebAuthn L3 §7.2),
// records the sign-in with the credential and says who has signed in. With that
// the state is spent for this credential.
//
// It returns [ErrInvalidRequest], [ErrPayloadTooLarge], [ErrPRFResultsPresent],
// [ErrChallengeNotFound], [ErrChallengeExpired], [ErrCredentialNotFound],
// [ErrAssertionVerification], [ErrCloneDetected] or [ErrStorageUnavailable].
func (p *Passkeys) FinishAuthentication(ctx context.Context, r AuthenticationResponse) (*AuthenticationResult, error) {
	ctx, a := p.start(ctx, Step{CeremonyAuthentication, StepFinish})
	defer a.abandon(ctx)
	var response engine.AssertionResponse
	if err := parse(r.Credential, &response); err != nil {
		return nil, a.end(ctx, err)
	}
	return a.finishAuthentication(ctx, r.State, &response)
}

// finishAuthentication is FinishAuthentication on a response that is read.
func (a *attempt) finishAuthentication(ctx context.Context, state string, response *engine.AssertionResponse) (*AuthenticationResult, error) {
	a.id = response.RawID
	if err := withoutSecrets(&response.Response); err != nil {
		return nil, a.end(ctx, err)
	}
	c, err := a.redeem(ctx, forAuthentication, state)
	if err != nil {
		return nil, a.end(ctx, err)
	}
	result, err := a.verifyAssertion(ctx, c, response)
	return result, a.end(ctx, err)
}

// verifyAssertion verifies the response to a challenge that holds, and records its
// use with the credential. A confirmation is held to all that a sign-in is.
func (a *attempt) verifyAssertion(ctx context.Context, c payload, response *engine.AssertionResponse) (*AuthenticationResult, error) {
	p := a.p
	credential, err := p.cfg.Credentials.Get(ctx, response.RawID)
	decoy, used := false, useOf(c)
	switch {
	case err == nil:
		a.userID = credential.UserID
		// Before the signature, for a replay is not worth the work: but of this very
		// challenge only, which took the credential's signature to be remembered.
		// The watermark would tell whoever kept an old state that this is no decoy.
		if s, _ := decodeSpent(credential.Spent); s.remembers(used) {
			err = ErrChallengeNotFound.because(ReasonChallengeSpent)
		}
	case !errors.Is(err, ErrCredentialNotFound):
		err = storeError(err)
	case p.decoys.made(response.RawID):
		decoy, credential, err = true, Credential{PublicKey: p.decoys.key}, nil
	default:
		err = ErrCredentialNotFound.because(ReasonCredentialUnknown)
	}
	if err != nil {
		return nil, err
	}

	// The signature comes before everything else that depends on what is stored:
	// who cannot sign learns nothing of it, nor by the time it takes whether the
	// credential is one.
	v, err := p.rp.VerifyAssertion(response, p.signed(c), credential.PublicKey, p.verifyUser(c.purpose))
	if err != nil {
		err = p.refused(ctx, ErrAssertionVerification, err)
	}
	if decoy {
		return nil, ErrAssertionVerification.because(ReasonCredentialDecoy)
	}
	if err != nil {
		return nil, err
	}
	a.verified = &credential.AAGUID
	s := assertion{p: p, challenge: c, use: used, key: credential.PublicKey, seen: credential.SignCount, handle: response.UserHandle, data: v}
	err = p.change(ctx, &credential, s.record)
	a.userID = cmp.Or(credential.UserID, a.userID) // it may have been revoked meanwhile, and registered as another's
	if err != nil {
		if s.cloned && p.cfg.SignCountPolicy == FlagDisable {
			if failed := p.quarantine(ctx, credential); failed != nil {
				return nil, failed
			}
		}
		return nil, err
	}
	if s.eligibilityChanged {
		a.audit(ctx, AuditEvent{Type: BackupEligibilityChanged, Reason: ReasonBackupEligibilityChanged})
	}
	if s.cloned { // only where the policy lets it pass
		a.audit(ctx, AuditEvent{Type: CloneSuspected, Reason: ReasonSignCountRegressed})
	}
	return &AuthenticationResult{
		UserID:                   credential.UserID,
		Credential:               credential,
		UserVerified:             v.UserVerified,
		UserVerificationReliable: v.UserVerified && (credential.UVInitialized || credential.BackupEligible),
	}, nil
}

// assertion is a response whose signature is verified, on its way to be recorded
// with its credential.
type assertion struct {
	p         *Passkeys
	challenge payload
	use       use
	key       []byte // that the signature was verified with
	seen      uint32 // the counter when the credential was read first
	handle    []byte
	data      engine.AuthenticatorData

	cloned, eligibilityChanged bool
}

// record decides whether it stands, given the credential as it is stored
// now, and if so records it there. It is asked again for a credential that has
// changed meanwhile.
func (s *assertion) record(c *Credential) error {
	s.cloned, s.eligibilityChanged = false, false
	policy := s.p.cfg.SignCountPolicy
	// Whoever began must be whose credential this is. A stored credential is
	// never "not found": on that word browsers drop the passkey.
	switch {
	case s.challenge.userID != "" && s.challenge.userID != c.UserID:
		return ErrAssertionVerification.because(ReasonUserMismatch)
	case s.challenge.userID == "" && len(s.handle) == 0:
		return ErrAssertionVerification.because(ReasonUserHandleMissing)
	case len(s.handle) > 0 && !c.HandleUnknown && !bytes.Equal(s.handle, c.handle()), len(s.handle) > maxUserID:
		return ErrAssertionVerification.because(ReasonUserHandleMismatch)
	case !bytes.Equal(s.key, c.PublicKey): // revoked meanwhile, and its id registered again
		return ErrAssertionVerification.because(ReasonSignatureInvalid)
	case s.p.verification(s.challenge.purpose) == UserVerificationAsRegistered && c.UVInitialized && !s.data.UserVerified:
		return ErrAssertionVerification.because(ReasonUserVerificationMissing)
	case c.Quarantined():
		return ErrCloneDetected.because(ReasonCredentialQuarantined)
	}
	memory, err := c.unspent(s.use)
	if err != nil {
		return err
	}
	s.eligibilityChanged = s.data.BackupEligible != c.BackupEligible && !c.BackupUnknown
	if s.eligibilityChanged && !s.p.cfg.BackupEligibility.allows(s.data.BackupEligible) {
		return ErrAssertionVerification.because(ReasonBackupEligibilityChanged)
	}
	// The counter did not advance although one of the two counts (WebAuthn L3
	// §7.2, step 22). One that had advanced when the credential was read, or when
	// its challenge was issued, need not be a clone's: another sign-in came in
	// between, and had a later counter. Where the challenge is later than that
	// sign-in, no authenticator counts back.
	if s.data.SignCount <= c.SignCount && c.SignCount != 0 {
		switch {
		case policy.allows(c.BackupEligible || c.BackupUnknown && s.data.BackupEligible):
			s.cloned = true
		case s.data.SignCount > s.seen || s.seen == 0 || s.challenge.issuedAt.Before(c.LastUsedAt):
			return ErrAssertionVerification.because(ReasonSignCountRaced)
		default:
			s.cloned = true
			return ErrCloneDetected.because(ReasonSignCountRegressed)
		}
	}
	now := s.p.timestamp()
	c.SignCount, c.LastUsedAt = max(c.SignCount, s.data.SignCount), now
	c.BackupEligible, c.BackupState, c.BackupUnknown = s.data.BackupEligible, s.data.BackupState, false
	if c.HandleUnknown && len(s.handle) > 0 {
		c.HandleUnknown = false
		if string(s.handle) != c.UserID {
			c.UserHandle = s.handle
		}
	}
	memory.add(s.use, now)
	c.Spent = memory.encode()
	return nil
}

// quarantine disables a credential that a clone is suspected of, though the
// client may be gone: it must not be able to avert it. One that is disabled
// already keeps its first time and reason.
func (p *Passkeys) quarantine(ctx context.Context, c Credential) error {
	ctx, cancel := regardless(ctx)
	defer cancel()
	key := c.PublicKey
	err := p.change(ctx, &c, func(c *Credential) error {
		if c.Quarantined() || !bytes.Equal(c.PublicKey, key) { // or it is another's by now
			return errUnchanged
		}
		c.QuarantinedAt, c.QuarantineReason = p.timestamp(), ReasonSignCountRegressed
		return nil
	})
	switch {
	case err == nil:
		p.changed(ctx, ChangeQuarantined)
	case errors.Is(err, errUnchanged), errors.Is(err, ErrCredentialNotFound):
		return nil
	}
	return err
}

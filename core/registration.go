package passkeys

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// RegistrationResponse is what the browser sends after
// navigator.credentials.create().
type RegistrationResponse struct {
	State string `json:"state"`
	// Credential is PublicKeyCredential.toJSON(), at most 64 KiB.
	Credential json.RawMessage `json:"credential"`
	// DeviceName is the user's name for the passkey: see [Passkeys.Rename].
	DeviceName string `json:"deviceName"`
	// UserID, if set, is who is finishing: it must be who began, or the result
	// is [ErrForbidden]. It never comes from the client's JSON.
	UserID string `json:"-"`
}

// BeginRegistration starts the registration of a passkey for user. The options
// exclude the passkeys he has, so that an authenticator is not registered twice.
//
// It returns [ErrConfiguration] for a User that breaks its own rules,
// [ErrTooManyCredentials], and [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) BeginRegistration(ctx context.Context, user User) (*Ceremony, error) {
	ceremony, err := p.beginRegistration(ctx, user)
	if err != nil {
		p.outcome(ctx, RegistrationFailed, user.ID, nil, err)
		return nil, err
	}
	p.audit(ctx, AuditEvent{Type: RegistrationBegan, UserID: user.ID})
	return ceremony, nil
}

func (p *Passkeys) beginRegistration(ctx context.Context, user User) (*Ceremony, error) {
	if err := user.validate(); err != nil {
		return nil, asError(err).because(ReasonUserInvalid)
	}
	setDefault(&user.Name, user.ID)
	setDefault(&user.DisplayName, user.Name)
	existing, err := p.cfg.Credentials.ListByUser(ctx, user.ID)
	if err != nil {
		return nil, storeError(err)
	}
	if p.full(existing) {
		return nil, ErrTooManyCredentials.because(ReasonCredentialLimit)
	}
	challenge, state, err := p.issue(ctx, forRegistration, user.ID)
	if err != nil {
		return nil, err
	}
	params := make([]CredentialParameter, len(p.cfg.Algorithms))
	for i, a := range p.cfg.Algorithms {
		params[i] = CredentialParameter{Type: publicKeyType, Alg: a}
	}
	return &Ceremony{State: state, PublicKey: &CreationOptions{
		RP:                 RPEntity{ID: p.cfg.RPID, Name: p.cfg.RPName},
		User:               UserEntity{ID: EncodeID([]byte(user.ID)), Name: user.Name, DisplayName: user.DisplayName},
		Challenge:          challenge,
		PubKeyCredParams:   params,
		Timeout:            p.cfg.Timeout.Milliseconds(),
		ExcludeCredentials: descriptors(existing),
		AuthenticatorSelection: AuthenticatorSelection{
			AuthenticatorAttachment: p.cfg.AuthenticatorAttachment,
			ResidentKey:             p.cfg.ResidentKey,
			RequireResidentKey:      p.cfg.ResidentKey == ResidentKeyRequired,
			UserVerification:        p.cfg.UserVerification,
		},
		Attestation: p.cfg.Attestation,
		Extensions:  CreationExtensions{CredProps: true},
	}}, nil
}

// FinishRegistration verifies the browser's response (WebAuthn L3 §7.1) and
// stores the credential. Whatever it returns, the challenge is spent, except
// after ErrInvalidRequest and ErrPayloadTooLarge, which are decided before.
//
// It returns [ErrInvalidRequest], [ErrPayloadTooLarge], [ErrChallengeNotFound],
// [ErrChallengeExpired], [ErrForbidden], [ErrAttestationVerification],
// [ErrCredentialExists], [ErrTooManyCredentials] or [ErrStorageUnavailable].
func (p *Passkeys) FinishRegistration(ctx context.Context, r RegistrationResponse) (*Credential, error) {
	response, err := decode[engine.AttestationResponse](r.Credential)
	if err != nil {
		p.outcome(ctx, RegistrationFailed, r.UserID, nil, err)
		return nil, err
	}
	return p.finishRegistration(ctx, r, response, nil)
}

// finishRegistration is FinishRegistration on a response that is decoded. What
// accept refuses is taken back.
func (p *Passkeys) finishRegistration(ctx context.Context, r RegistrationResponse, response *engine.AttestationResponse, accept func(Credential) error) (*Credential, error) {
	userID, credential, err := p.verifyRegistration(ctx, r, response)
	if err == nil {
		err = p.store(ctx, *credential, accept)
	}
	if err != nil {
		p.outcome(ctx, RegistrationFailed, userID, response.RawID, err)
		return nil, err
	}
	p.audit(ctx, AuditEvent{Type: RegistrationSucceeded, UserID: userID, CredentialID: EncodeID(credential.ID)})
	return credential, nil
}

func (p *Passkeys) verifyRegistration(ctx context.Context, r RegistrationResponse, response *engine.AttestationResponse) (userID string, _ *Credential, _ error) {
	name, err := cleanDeviceName(r.DeviceName)
	if err != nil || response.Check() != nil {
		return r.UserID, nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	c, err := p.redeem(ctx, forRegistration, r.State)
	if err != nil {
		return r.UserID, nil, err
	}
	if r.UserID != "" && r.UserID != c.userID {
		return r.UserID, nil, ErrForbidden.because(ReasonUserChanged)
	}
	v, err := p.rp.VerifyAttestation(response, c.challenge)
	if err != nil {
		return c.userID, nil, p.refused(ctx, ErrAttestationVerification, err)
	}
	if !p.cfg.admits(v.AAGUID) {
		return c.userID, nil, ErrAttestationVerification.because(ReasonAAGUIDNotAllowed)
	}
	return c.userID, &Credential{
		ID:                v.CredentialID,
		UserID:            c.userID,
		PublicKey:         v.PublicKey,
		Algorithm:         Algorithm(v.Algorithm),
		SignCount:         v.SignCount,
		BackupEligible:    v.BackupEligible,
		BackupState:       v.BackupState,
		UVInitialized:     v.UserVerified,
		Transports:        response.Transports(),
		Discoverable:      response.Discoverable(),
		AAGUID:            v.AAGUID,
		AttestationFormat: v.AttestationFormat,
		DeviceName:        name,
		CreatedAt:         p.timestamp(),
	}, nil
}

// full reports whether a user with these credentials may add no more.
func (p *Passkeys) full(existing []Credential) bool {
	return p.cfg.MaxCredentials > 0 && len(existing) >= p.cfg.MaxCredentials
}

// store adds the credential, and takes it back if accept fails or panics: then
// the application knows of no account that it could belong to.
func (p *Passkeys) store(ctx context.Context, c Credential, accept func(Credential) error) error {
	existing, err := p.cfg.Credentials.ListByUser(ctx, c.UserID)
	if err != nil {
		return storeError(err)
	}
	if p.full(existing) { // begun while there was room
		return ErrTooManyCredentials.because(ReasonCredentialLimit)
	}
	// An authenticator chooses its credential ids. One that chose a decoy's must
	// not succeed where one that chose a user's fails, nor take another way: so
	// each is looked for first, and neither gets as far as Add.
	switch _, err := p.cfg.Credentials.Get(ctx, c.ID); {
	case err == nil:
		return ErrCredentialExists.because(ReasonCredentialExists)
	case errors.Is(err, ErrCredentialNotFound) && p.decoys.made(c.ID):
		return ErrCredentialExists.because(ReasonCredentialDecoy)
	case !errors.Is(err, ErrCredentialNotFound):
		return storeError(err)
	}
	if err := p.cfg.Credentials.Add(ctx, c); err != nil {
		if errors.Is(err, ErrCredentialExists) {
			return ErrCredentialExists.because(ReasonCredentialExists)
		}
		return storeError(err)
	}
	if accept == nil {
		return nil
	}
	accepted, returned := false, false
	defer func() {
		if accepted {
			return
		}
		if !returned { // a panic passes by, and nobody else will tell
			p.outcome(ctx, RegistrationFailed, c.UserID, c.ID, errInternal.because(ReasonHookFailed))
		}
		ctx, cancel := regardless(ctx) // what the client did not get must not stay
		defer cancel()
		if err := p.cfg.Credentials.Delete(ctx, c.UserID, c.ID); err != nil {
			p.logFailure(ctx, "could not take back a credential", storeError(err))
		}
	}()
	err = accept(c.Clone())
	if returned = true; err != nil {
		return asError(err).because(ReasonHookFailed)
	}
	accepted = true
	return nil
}

package passkeys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// RegistrationRequest is what a registration is begun for.
type RegistrationRequest struct {
	User User
	// Grant, if set, is that of [Passkeys.GrantUpgrade], and the registration is the
	// upgrade that it allows.
	Grant string
}

// RegistrationResponse is what the browser sends after
// navigator.credentials.create().
type RegistrationResponse struct {
	State string `json:"state"`
	// Credential is PublicKeyCredential.toJSON(), at most 64 KiB.
	Credential json.RawMessage `json:"credential"`
	// DeviceName is the user's name for the passkey: see [Passkeys.Rename]. Default:
	// that of [Passkeys.Provider], with a number from 2 where they have one of that
	// name; none where the provider is not known.
	DeviceName string `json:"deviceName"`
	// UserID, if set, is who is finishing: it must be who began, or the result
	// is [ErrChallengeNotFound]. It never comes from the client's JSON.
	UserID string `json:"-"`
}

// RegistrationResult is a registration that succeeded.
type RegistrationResult struct {
	// Credential is the new passkey, as it is stored; its UserID is who began.
	Credential Credential
	// UserVerified says that the authenticator verified its user by PIN or
	// biometrics.
	UserVerified bool
}

// BeginRegistration starts the registration of a passkey. The options exclude
// those that the user has, so that an authenticator is not registered twice.
//
// It returns [ErrConfiguration] for a User that breaks its own rules,
// [ErrTooManyCredentials], and [ErrStorageUnavailable] if a store fails; with a
// Grant also [ErrChallengeNotFound] and [ErrChallengeExpired].
func (p *Passkeys) BeginRegistration(ctx context.Context, r RegistrationRequest) (*Ceremony[CreationOptions], error) {
	ctx, a := p.start(ctx, Step{CeremonyRegistration, StepBegin})
	defer a.abandon(ctx)
	ceremony, err := a.beginRegistration(ctx, r)
	return ceremony, a.end(ctx, err)
}

func (a *attempt) beginRegistration(ctx context.Context, r RegistrationRequest) (*Ceremony[CreationOptions], error) {
	p, user := a.p, r.User
	a.mode, a.userID = ModeRegistration, user.ID
	if r.Grant != "" {
		a.mode = ModeUpgrade
	}
	if err := user.validate(); err != nil {
		return nil, asError(err).because(ReasonUserInvalid)
	}
	c, err := a.challengeFor(ctx, r)
	if err != nil {
		return nil, err
	}
	existing, err := p.cfg.Credentials.ListByUser(ctx, user.ID)
	if err != nil {
		return nil, storeError(err)
	}
	if p.full(existing) {
		return nil, ErrTooManyCredentials.because(ReasonCredentialLimit)
	}
	if c.mode == ModeUpgrade { // whose challenge is as old as its grant
		if err := unspent(existing, useOf(c)); err != nil {
			return nil, err
		}
	}
	extensions, err := p.creationExtensions(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	state, err := p.issue(ctx, c)
	if err != nil {
		return nil, err
	}
	a.challenge = c.challenge
	verification, mediation := p.cfg.UserVerification.asked(), ""
	if c.mode == ModeUpgrade {
		mediation = mediationConditional
		if p.verifyUser(forRegistration) { // browsers do nothing unasked where it is required
			verification = UserVerificationPreferred
			if extensions.CredentialProtectionPolicy == CredentialProtectionRequired && !extensions.EnforceCredentialProtectionPolicy {
				extensions.CredentialProtectionPolicy = "" // which wants it required
			}
		}
	}
	user = user.named()
	params := make([]CredentialParameter, len(p.cfg.Algorithms))
	for i, alg := range p.cfg.Algorithms {
		params[i] = CredentialParameter{Type: publicKeyType, Alg: alg}
	}
	return &Ceremony[CreationOptions]{State: state, Mediation: mediation, PublicKey: &CreationOptions{
		RP:                 RPEntity{ID: p.cfg.RPID, Name: p.cfg.RPName},
		User:               UserEntity{ID: EncodeID([]byte(user.ID)), Name: user.Name, DisplayName: user.DisplayName},
		Challenge:          EncodeID(c.challenge),
		PubKeyCredParams:   params,
		Timeout:            p.cfg.Timeout.Milliseconds(),
		ExcludeCredentials: descriptors(existing),
		AuthenticatorSelection: AuthenticatorSelection{
			AuthenticatorAttachment: p.cfg.AuthenticatorAttachment,
			ResidentKey:             p.cfg.ResidentKey,
			RequireResidentKey:      p.cfg.ResidentKey == ResidentKeyRequired,
			UserVerification:        verification,
		},
		Hints:              slices.Clone(p.cfg.Hints),
		Attestation:        p.cfg.Attestation,
		AttestationFormats: slices.Clone(p.cfg.AttestationFormats),
		Extensions:         extensions,
		Extra:              cloneExtra(p.cfg.CreationExtra),
	}}, nil
}

// challengeFor returns what a registration is begun with: a challenge that is
// drawn for it, or that of its grant.
func (a *attempt) challengeFor(ctx context.Context, r RegistrationRequest) (payload, error) {
	if r.Grant == "" {
		return a.p.draw(ctx, forRegistration, ModeRegistration, r.User.ID, a.p.cfg.ChallengeTTL)
	}
	c, err := a.redeem(ctx, forUpgrade, r.Grant)
	if err != nil {
		return payload{}, err
	}
	if c.userID != r.User.ID {
		return payload{}, ErrChallengeNotFound.because(ReasonUserChanged)
	}
	// Whatever is begun with one grant is one use, of one issue time and one expiry:
	// were one of them issued later than another, or alive for longer, a credential
	// could have forgotten the other by then.
	c.purpose, c.expiresAt = forRegistration, c.expiresAt.Add(a.p.cfg.ChallengeTTL)
	return c, nil
}

// FinishRegistration verifies the browser's response (WebAuthn L3 §7.1) and
// stores the credential. The new credential remembers the challenge: no other is
// registered with the same state.
//
// It returns [ErrInvalidRequest], [ErrPayloadTooLarge], [ErrPRFResultsPresent],
// [ErrChallengeNotFound], [ErrChallengeExpired], [ErrAttestationVerification],
// [ErrCredentialExists], [ErrTooManyCredentials] or [ErrStorageUnavailable].
func (p *Passkeys) FinishRegistration(ctx context.Context, r RegistrationResponse) (*RegistrationResult, error) {
	ctx, a := p.start(ctx, Step{CeremonyRegistration, StepFinish})
	defer a.abandon(ctx)
	a.userID = r.UserID
	var response engine.AttestationResponse
	if err := parse(r.Credential, &response); err != nil {
		return nil, a.end(ctx, err)
	}
	return a.finishRegistration(ctx, r, &response, nil)
}

// finishRegistration is FinishRegistration on a response that is read. What
// accept refuses is taken back.
func (a *attempt) finishRegistration(ctx context.Context, r RegistrationResponse, response *engine.AttestationResponse, accept func(RegistrationResult) error) (*RegistrationResult, error) {
	a.id = response.RawID
	result, use, err := a.verifyRegistration(ctx, r, response)
	if err == nil {
		err = a.store(ctx, result, use, accept)
	}
	if err != nil {
		return nil, a.end(ctx, err)
	}
	return result, a.end(ctx, nil)
}

func (a *attempt) verifyRegistration(ctx context.Context, r RegistrationResponse, response *engine.AttestationResponse) (*RegistrationResult, use, error) {
	p := a.p
	if err := withoutSecrets(&response.Response); err != nil {
		return nil, use{}, err
	}
	name, err := cleanDeviceName(r.DeviceName)
	if err != nil {
		return nil, use{}, err
	}
	c, err := a.redeem(ctx, forRegistration, r.State)
	if err != nil {
		return nil, use{}, err
	}
	if r.UserID != "" && r.UserID != c.userID {
		return nil, use{}, ErrChallengeNotFound.because(ReasonUserChanged)
	}
	rp := p.rp
	rp.Metadata = p.metadata()
	v, err := rp.VerifyAttestation(response, c.challenge, engine.Requirements{VerifyUser: p.verifyUser(forRegistration), Conditional: c.mode == ModeUpgrade, Protection: p.cfg.Extensions.protection()})
	if err != nil {
		return nil, use{}, p.refused(ctx, ErrAttestationVerification, err)
	}
	a.verified = (*AAGUID)(&v.AAGUID)
	if !p.cfg.admits(v.AAGUID) {
		return nil, use{}, ErrAttestationVerification.because(ReasonAAGUIDNotAllowed)
	}
	discoverable := DiscoverableUnknown
	switch rk, said := response.Discoverable(); {
	case rk:
		discoverable = Discoverable
	case said:
		discoverable = NotDiscoverable
	}
	now := p.timestamp()
	credential := Credential{
		ID:                v.CredentialID,
		UserID:            c.userID,
		RPID:              p.cfg.RPID,
		PublicKey:         v.PublicKey,
		Algorithm:         Algorithm(v.Algorithm),
		SignCount:         v.SignCount,
		BackupEligible:    v.BackupEligible,
		BackupState:       v.BackupState,
		UVInitialized:     v.UserVerified,
		Transports:        response.Transports(),
		Discoverable:      discoverable,
		PRFEnabled:        p.cfg.Extensions.PRF && response.PRFEnabled(),
		AAGUID:            v.AAGUID,
		AttestationFormat: v.AttestationFormat,
		DeviceName:        name,
		CreatedAt:         now,
		// Not from 0: whoever registers the id of a credential that was deleted
		// meanwhile would be taken for it by an Update that read it before.
		Version: now.UnixMicro(),
	}
	var s spent
	used := useOf(c)
	s.add(used, now)
	credential.Spent = s.encode()
	return &RegistrationResult{credential, v.UserVerified}, used, nil
}

// unspent refuses a challenge that any of the user's credentials was used with.
func unspent(existing []Credential, u use) error {
	for i := range existing {
		if _, err := existing[i].unspent(u); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether a user with these credentials may add no more.
func (p *Passkeys) full(existing []Credential) bool {
	return p.cfg.MaxCredentials > 0 && len(existing) >= p.cfg.MaxCredentials
}

// room refuses one more passkey for a user with these credentials, where there are
// enough, or one was registered with this challenge.
func (p *Passkeys) room(existing []Credential, u use) error {
	if err := unspent(existing, u); err != nil {
		return err
	}
	if p.full(existing) { // begun while there was room
		return ErrTooManyCredentials.because(ReasonCredentialLimit)
	}
	return nil
}

// store adds the credential, and takes it back if there proves to be no room, or
// if accept fails or panics: then the application knows of no account that it
// could belong to.
func (a *attempt) store(ctx context.Context, r *RegistrationResult, u use, accept func(RegistrationResult) error) error {
	p := a.p
	existing, err := p.cfg.Credentials.ListByUser(ctx, r.Credential.UserID)
	if err != nil {
		return storeError(err)
	}
	if err := p.room(existing, u); err != nil {
		return err
	}
	if r.Credential.DeviceName == "" {
		r.Credential.DeviceName = p.defaultName(r.Credential.AAGUID, existing)
	}
	c := r.Credential
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
	stays := false
	defer func() {
		if stays {
			return
		}
		ctx, cancel := regardless(ctx) // what the client did not get must not stay
		defer cancel()
		if err := p.cfg.Credentials.Delete(ctx, c.UserID, c.ID); err != nil {
			p.logFailure(ctx, "could not take back a credential", storeError(err))
		}
	}()
	// Others may have been added meanwhile, by finishes that saw no more than this
	// one did. Whoever now sees too many takes theirs back: the last of those that
	// stay has seen them all.
	existing, err = p.cfg.Credentials.ListByUser(ctx, c.UserID)
	if err != nil {
		return storeError(err)
	}
	existing = slices.DeleteFunc(existing, func(o Credential) bool { return bytes.Equal(o.ID, c.ID) })
	if err := p.room(existing, u); err != nil {
		return err
	}
	if accept != nil {
		if err := accept(RegistrationResult{c.Clone(), r.UserVerified}); err != nil {
			return asError(err).because(ReasonHookFailed)
		}
	}
	stays = true
	p.changed(ctx, ChangeAdded)
	return nil
}

package passkeys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Proof says that a user has confirmed an operation with a passkey. Clients carry
// it sealed; only this server, and those that share its secret, can make and read
// one.
type Proof struct {
	UserID       string
	CredentialID []byte
	// At is when it was confirmed, by the server's clock, in UTC.
	At time.Time
	// UserVerified says that the authenticator verified its user by PIN or
	// biometrics, and Reliable that this may count as a factor of its own: see
	// [AuthenticationResult].
	UserVerified, Reliable bool
	// Operation is its name, "" for a proof that the user is still there;
	// PayloadHash is the SHA-256 of its payload.
	Operation   string
	PayloadHash [sha256.Size]byte
	// CeremonyID is that of the audit events of this confirmation. Each passkey of the
	// user's can finish it once.
	CeremonyID string
}

const (
	defaultMaxAge = 5 * time.Minute
	// maxProofAge is how long any proof lasts. One of an operation lasts for as long
	// as it was asked for, since a credential has to remember its use until then.
	maxProofAge = 24 * time.Hour
)

func checkMaxAge(d time.Duration) error {
	if d < time.Second || d > maxProofAge || d%time.Second != 0 {
		return ErrConfiguration.explained(fmt.Sprintf("MaxAge: %v must be whole seconds, from 1s to %v", d, maxProofAge))
	}
	return nil
}

// prove returns what a confirmation proves that was just verified.
func (p *Passkeys) prove(c payload, r *AuthenticationResult) ConfirmationResult {
	life := maxProofAge
	if c.operation != "" {
		life = c.maxAge
	}
	c.purpose, c.issuedAt = forProof, p.issuedAt(p.cfg.Now())
	c.expiresAt = c.issuedAt.Add(life)
	c.credentialID, c.key = string(r.Credential.ID), keyTag(r.Credential.PublicKey)
	c.verified, c.reliable = r.UserVerified, r.UserVerificationReliable
	return ConfirmationResult{Proof: c.proof(), Sealed: p.proofs.Seal(c.encode()), ExpiresAt: c.expiresAt.UTC()}
}

// proof is a payload that is one.
func (c payload) proof() Proof {
	proof := Proof{
		UserID: c.userID, CredentialID: []byte(c.credentialID), At: c.issuedAt.UTC(),
		UserVerified: c.verified, Reliable: c.reliable,
		Operation: c.operation, CeremonyID: ceremonyID(c.challenge),
	}
	copy(proof.PayloadHash[:], c.hash)
	return proof
}

// keyTag tells a passkey from another that was registered under its id.
func keyTag(publicKey []byte) string {
	sum := sha256.Sum256(publicKey)
	return string(sum[:tagSize])
}

// useOfProof is told apart from the use of the state that the proof came from.
func useOfProof(c payload) use {
	sum := sha256.Sum256(append([]byte("proof "), c.challenge...))
	return use{c.issuedAt.UnixMicro(), c.expiresAt.UnixMicro(), [tagSize]byte(sum[:])}
}

// unseal opens what this server has sealed for one purpose, who asks and the
// session of ctx.
func (a *attempt) unseal(ctx context.Context, purpose purpose, text string) (payload, error) {
	raw, ok := a.p.proofs.Open(text)
	c, err := payload{}, error(ErrChallengeNotFound.because(ReasonChallengeNotFound))
	if ok {
		c, err = a.held(ctx, purpose, raw)
	}
	if err == nil && c.userID != a.userID {
		err = ErrChallengeNotFound.because(ReasonUserChanged)
	}
	return c, err
}

// VerifyProof is what guards ask: whether the sealed proof, "" for none, says that
// this user, in the session of ctx ([WithSessionID]), has confirmed this operation
// no longer ago than MaxAge. One that names an operation is used up by that, unless
// it is Reusable: of any number of calls with it, on any number of servers, at most
// one succeeds. None does where its passkey has been used so often meanwhile, some
// eight operations, that it cannot tell any more; then the user confirms once more. A
// passkey that is revoked, and registered again with the same id and key, has forgotten.
//
// A proof of no operation costs no statement of the store, nor does a Reusable one;
// they are good even where their passkey was revoked since. Any other costs two, and
// its passkey must still be the user's and work.
//
// If it does not say so, the error is [ErrConfirmationRequired], which [WriteError]
// answers with a request for the confirmation that is missing. It returns
// [ErrConfiguration] for a check that breaks its own rules, and
// [ErrStorageUnavailable] if a store fails.
func (p *Passkeys) VerifyProof(ctx context.Context, sealed string, check ProofCheck) (*Proof, error) {
	setDefault(&check.MaxAge, defaultMaxAge)
	if err := checkMaxAge(check.MaxAge); err != nil {
		return nil, err
	}
	if err := (User{ID: check.UserID}).validate(); err != nil {
		return nil, asError(err).because(ReasonUserInvalid)
	}
	s, err := check.Operation.of(check.MaxAge)
	if err != nil {
		return nil, err
	}
	if sealed != "" {
		proof, err := p.use(ctx, sealed, check, s)
		if err == nil || errors.Is(err, ErrStorageUnavailable) {
			return proof, err
		}
	}
	request, err := p.request(ctx, check.UserID, s)
	if err != nil {
		return nil, err
	}
	required := *ErrConfirmationRequired
	required.confirm = &confirm{Request: request, Operation: s.operation, MaxAge: int64(s.maxAge / time.Second)}
	return nil, &required
}

// ProofCheck is what [Passkeys.VerifyProof] holds a proof to.
type ProofCheck struct {
	UserID string // who is signed in
	// Operation is what they are about to do. Zero asks only that it is still they, and
	// one without a Payload for no more than its Name.
	Operation Operation
	MaxAge    time.Duration // whole seconds, at most 24 hours; default: 5 minutes
	Reusable  bool          // a proof of an Operation is not used up
}

// use is one step of the audit: a proof was given, and is what is asked for or not.
func (p *Passkeys) use(ctx context.Context, sealed string, check ProofCheck, s subject) (*Proof, error) {
	ctx, a := p.start(ctx, Step{CeremonyConfirmation, StepUse})
	defer a.abandon(ctx)
	a.userID = check.UserID
	c, err := a.unseal(ctx, forProof, sealed)
	a.mode, a.id, a.operation = ModeConfirmation, []byte(c.credentialID), s.operation
	if err == nil {
		err = p.accept(ctx, c, check, s)
	}
	switch proof := c.proof(); {
	case err == nil:
		return &proof, a.end(ctx, nil)
	case errors.Is(err, ErrStorageUnavailable):
		return nil, a.end(ctx, err)
	default: // whatever is wrong with it, what is missing is a confirmation
		return nil, a.end(ctx, ErrConfirmationRequired.because(asError(err).reason))
	}
}

// accept decides whether a proof is what is asked for, and uses it up.
func (p *Passkeys) accept(ctx context.Context, c payload, check ProofCheck, s subject) error {
	switch {
	case c.operation != s.operation:
		return ErrChallengeNotFound.because(ReasonOperationMismatch)
	case c.hash != s.hash:
		return ErrChallengeNotFound.because(ReasonPayloadMismatch)
	case !p.fresh(c.issuedAt, check.MaxAge):
		return ErrChallengeExpired.because(ReasonChallengeExpired)
	case s.operation == "" || check.Reusable:
		return nil
	}
	credential, err := p.cfg.Credentials.Get(ctx, []byte(c.credentialID))
	switch {
	case errors.Is(err, ErrCredentialNotFound):
		return ErrCredentialNotFound.because(ReasonCredentialUnknown)
	case err != nil:
		return storeError(err)
	}
	use := useOfProof(c)
	return p.change(ctx, &credential, func(held *Credential) error {
		switch {
		case held.UserID != c.userID, keyTag(held.PublicKey) != c.key: // revoked meanwhile, and its id registered again
			return ErrCredentialNotFound.because(ReasonCredentialUnknown)
		case held.Quarantined():
			return ErrCloneDetected.because(ReasonCredentialQuarantined)
		}
		memory, err := held.unspent(use)
		if err != nil {
			return err
		}
		memory.add(use, p.timestamp())
		held.Spent = memory.encode()
		return nil
	})
}

// fresh reports whether something happened no longer ago than maxAge. What another
// server's clock has put into the future has just happened.
func (p *Passkeys) fresh(at time.Time, maxAge time.Duration) bool {
	age := p.cfg.Now().Sub(at)
	return age <= maxAge && age > -clockSkew
}

// WithProof returns a context that [ProofFrom] finds the proof in, or none where it is
// nil: for a guard that was written by hand, and for tests of what is behind one.
func WithProof(ctx context.Context, proof *Proof) context.Context {
	return context.WithValue(ctx, proofKey, proof)
}

// ProofFrom returns the proof that a guard let the request pass with. There is none
// where there is no guard, and where it was a sign-in that was fresh enough.
func ProofFrom(ctx context.Context) (proof Proof, ok bool) {
	p, _ := ctx.Value(proofKey).(*Proof)
	if p == nil {
		return Proof{}, false
	}
	return *p, true
}

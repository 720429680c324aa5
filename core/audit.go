package passkeys

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// AuditEventType names an outcome. The set is closed.
type AuditEventType string

// The outcomes. Each ceremony that gets as far as its credential emits exactly
// one of began, succeeded, failed, challenge expired or clone suspected; only
// where a policy lets a sign-in pass in spite of its counter or its backup
// eligibility does it emit that and then succeeded.
const (
	RegistrationBegan       AuditEventType = "registration_began"
	RegistrationSucceeded   AuditEventType = "registration_succeeded"
	RegistrationFailed      AuditEventType = "registration_failed"
	AuthenticationBegan     AuditEventType = "authentication_began"
	AuthenticationSucceeded AuditEventType = "authentication_succeeded"
	AuthenticationFailed    AuditEventType = "authentication_failed"
	ConfirmationBegan       AuditEventType = "confirmation_began"
	ConfirmationSucceeded   AuditEventType = "confirmation_succeeded"
	// ConfirmationFailed: a response did not verify, or a guard was given a proof
	// that does not prove what it asks for.
	ConfirmationFailed AuditEventType = "confirmation_failed"
	// ConfirmationUsed: a guard let a request pass with a proof.
	ConfirmationUsed   AuditEventType = "confirmation_used"
	ChallengeExpired   AuditEventType = "challenge_expired"
	CloneSuspected     AuditEventType = "clone_suspected"
	CredentialRevoked  AuditEventType = "credential_revoked"
	CredentialRenamed  AuditEventType = "credential_renamed"
	CredentialRestored AuditEventType = "credential_restored"
	// CredentialsRead, CredentialsCounted and CredentialsExported: an [Admin] is about
	// to read a user's passkeys, or all of them. They are emitted whether it succeeds
	// or not; by the route for exports, for each page.
	CredentialsRead     AuditEventType = "credentials_read"
	CredentialsCounted  AuditEventType = "credentials_counted"
	CredentialsExported AuditEventType = "credentials_exported"
	// RevocationFailed and RestorationFailed: what an [Admin] meant to change was not
	// there, or the store failed; it may have done it then.
	RevocationFailed  AuditEventType = "revocation_failed"
	RestorationFailed AuditEventType = "restoration_failed"
	// BackupEligibilityChanged: a sign-in was let in with another backup
	// eligibility than its credential had, as Config.BackupEligibility allows.
	BackupEligibilityChanged AuditEventType = "backup_eligibility_changed"
	// ConfigurationWarning comes from [New], for what works but should be set.
	ConfigurationWarning AuditEventType = "configuration_warning"
)

// Reason is the precise cause of an outcome, from the closed set below, so that
// it can label a metric. It is for the operator: a client never sees it, but for
// that of a quarantine, which [AdminRoutes] show to staff.
type Reason string

// The reasons.
const (
	ReasonRequestMalformed           Reason = "request_malformed"
	ReasonPRFResultsPresent          Reason = "prf_results_present"
	ReasonChallengeNotFound          Reason = "challenge_not_found"
	ReasonChallengeExpired           Reason = "challenge_expired"
	ReasonChallengePurpose           Reason = "challenge_purpose_mismatch"
	ReasonChallengeSpent             Reason = "challenge_spent"
	ReasonSessionMismatch            Reason = "session_mismatch"
	ReasonUserInvalid                Reason = "user_invalid"
	ReasonUserChanged                Reason = "user_changed"
	ReasonClientDataMalformed        Reason = engine.ClientDataMalformed
	ReasonCeremonyTypeMismatch       Reason = engine.CeremonyTypeMismatch
	ReasonChallengeMismatch          Reason = engine.ChallengeMismatch
	ReasonOriginMismatch             Reason = engine.OriginMismatch
	ReasonCrossOrigin                Reason = engine.CrossOrigin
	ReasonTopOriginMismatch          Reason = engine.TopOriginMismatch
	ReasonAuthenticatorDataMalformed Reason = engine.AuthenticatorDataMalformed
	ReasonRPIDMismatch               Reason = engine.RPIDMismatch
	ReasonUserPresenceMissing        Reason = engine.UserPresenceMissing
	ReasonUserVerificationMissing    Reason = engine.UserVerificationMissing
	ReasonBackupFlagsInvalid         Reason = engine.BackupFlagsInvalid
	ReasonAttestationMalformed       Reason = engine.AttestationMalformed
	ReasonAttestationInvalid         Reason = engine.AttestationInvalid
	ReasonAttestationMissing         Reason = engine.AttestationMissing
	ReasonAttestationUntrusted       Reason = engine.AttestationUntrusted
	ReasonAAGUIDNotAllowed           Reason = "aaguid_not_allowed"
	ReasonProtectionMissing          Reason = engine.ProtectionMissing
	ReasonAlgorithmNotAllowed        Reason = engine.AlgorithmNotAllowed
	ReasonPublicKeyInvalid           Reason = engine.PublicKeyInvalid
	ReasonCredentialIDInvalid        Reason = engine.CredentialIDInvalid
	ReasonSignatureInvalid           Reason = engine.SignatureInvalid
	ReasonCredentialExists           Reason = "credential_exists"
	ReasonCredentialUnknown          Reason = "credential_unknown"
	ReasonCredentialDecoy            Reason = "credential_decoy"
	ReasonCredentialLimit            Reason = "credential_limit"
	ReasonCredentialQuarantined      Reason = "credential_quarantined"
	ReasonUserMismatch               Reason = "user_mismatch"
	ReasonUserHandleMismatch         Reason = "user_handle_mismatch"
	ReasonUserHandleMissing          Reason = "user_handle_missing"
	ReasonBackupEligibilityChanged   Reason = "backup_eligibility_changed"
	ReasonSignCountRegressed         Reason = "sign_count_regressed"
	ReasonSignCountRaced             Reason = "sign_count_raced"
	ReasonOperationMismatch          Reason = "operation_mismatch"
	ReasonPayloadMismatch            Reason = "payload_mismatch"
	ReasonOperationInvalid           Reason = "operation_invalid"
	ReasonRateLimited                Reason = "rate_limited"
	ReasonHookFailed                 Reason = "hook_failed"
	ReasonStorageFailed              Reason = "storage_failed"
	ReasonRandomFailed               Reason = "random_failed"
	ReasonMetadataOutdated           Reason = "metadata_outdated"
	ReasonMetadataIncomplete         Reason = "metadata_incomplete"
	ReasonSecretMissing              Reason = "secret_missing"
	ReasonVariableUnknown            Reason = "variable_unknown"
)

// AuditEvent is one outcome. It never holds a key, a challenge or a token.
type AuditEvent struct {
	Type AuditEventType
	Time time.Time // by Config.Now, UTC
	// UserID is whom it concerns, as far as that is known: for a failed sign-in
	// the owner of the credential that was named, who need not be the caller.
	UserID string
	// Actor is who acts on the user's passkeys by an [Admin], "" where that is the
	// user, or nobody in particular.
	Actor string
	// CredentialID is base64url without padding, "" where there is none.
	CredentialID string
	// Reason is "" for what went well.
	Reason Reason
	// Mode is how the ceremony was begun, "" where that is not known.
	Mode Mode
	// Operation is the [Operation].Name of a confirmation.
	Operation string
	// CeremonyID is the same for all events of one ceremony, from begin to finish,
	// and for all upgrades that are begun with one grant:
	// 16 characters of base64url. It is "" where no ceremony is known, such as
	// for a state that was altered.
	CeremonyID string
	// RequestID is the one that the client's error carries: see [WithRequestID].
	RequestID string
}

// AuditSink receives the events, one call each, on the goroutine that serves
// the request: a sink that blocks delays the answer, and a sink that fails has
// nobody to tell. It must be safe for concurrent use.
type AuditSink interface {
	Emit(ctx context.Context, event AuditEvent)
}

// AuditFunc is a function that is an [AuditSink].
type AuditFunc func(ctx context.Context, event AuditEvent)

// Emit calls f.
func (f AuditFunc) Emit(ctx context.Context, event AuditEvent) { f(ctx, event) }

// NewSlogAudit returns a sink that writes each event as one record of log, at the
// event's time and without what is empty: at level Info what went well, at Warn what did
// not. nil means slog.Default(), asked anew for each event.
func NewSlogAudit(log *slog.Logger) AuditSink {
	return AuditFunc(func(ctx context.Context, e AuditEvent) {
		l, level := log, slog.LevelInfo
		if l == nil {
			l = slog.Default()
		}
		if e.Reason != "" {
			level = slog.LevelWarn
		}
		if !l.Enabled(ctx, level) {
			return
		}
		// Its time is the event's.
		record := slog.NewRecord(e.Time, level, "passkeys: "+string(e.Type), 0)
		for _, a := range []slog.Attr{
			slog.String("user_id", idText(e.UserID)),
			slog.String("actor", e.Actor),
			slog.String("credential_id", e.CredentialID),
			slog.String("reason", string(e.Reason)),
			slog.String("mode", string(e.Mode)),
			slog.String("operation", e.Operation),
			slog.String("ceremony_id", e.CeremonyID),
			slog.String("request_id", e.RequestID),
		} {
			if a.Value.String() != "" {
				record.AddAttrs(a)
			}
		}
		_ = l.Handler().Handle(ctx, record) // as slog.Logger does
	})
}

// audit emits an event, stamped with the time.
func (p *Passkeys) audit(ctx context.Context, e AuditEvent) {
	if p.cfg.Audit == nil {
		return
	}
	e.Time, e.RequestID = p.cfg.Now().UTC(), requestID(ctx)
	e.Actor, _ = ctx.Value(actorKey).(string)
	p.cfg.Audit.Emit(ctx, e)
}

// ceremonyID names a ceremony without giving its challenge away.
func ceremonyID(challenge []byte) string {
	sum := sha256.Sum256(append([]byte("ceremony "), challenge...))
	return EncodeID(sum[:12])
}

// EncodeID returns a credential id as it stands on the wire and in audit
// events: base64url without padding.
func EncodeID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// DecodeID is the reverse of [EncodeID]. An id has 1 to 1,023 bytes and one
// spelling; for any other text, padded or with a line break, the error is
// [ErrInvalidRequest].
func DecodeID(text string) ([]byte, error) {
	id, _ := strictjson.DecodeBase64URL(text) // nothing, where it is none
	if len(id) == 0 || len(id) > maxCredentialID {
		return nil, ErrInvalidRequest.because(ReasonRequestMalformed)
	}
	return id, nil
}

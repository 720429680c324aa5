package passkeys

// UserVerification says how much the authenticator must verify that it is its
// user who acts, by PIN or biometrics (WebAuthn L3 §5.8.6).
type UserVerification string

// The requirements. The zero value means preferred: browsers have users verified
// where that can be done, and nothing is enforced. So a passkey that was registered
// with a PIN signs in without one: whoever finds a security key needs nothing else.
const (
	UserVerificationRequired    UserVerification = "required" // enforced at both ceremonies
	UserVerificationPreferred   UserVerification = "preferred"
	UserVerificationDiscouraged UserVerification = "discouraged"
	// UserVerificationAsRegistered is preferred, and enforced for a passkey that was
	// registered with it ([Credential].UVInitialized): what was there then is asked
	// again. A laptop whose lid is closed over its fingerprint reader cannot give it.
	UserVerificationAsRegistered UserVerification = "as-registered"
)

// AttestationPreference says what statement about its make the authenticator is
// asked for (WebAuthn L3 §5.4.7).
type AttestationPreference string

// The preferences. The zero value means none.
const (
	AttestationNone       AttestationPreference = "none"
	AttestationIndirect   AttestationPreference = "indirect"
	AttestationDirect     AttestationPreference = "direct"
	AttestationEnterprise AttestationPreference = "enterprise"
)

// AuthenticatorAttachment restricts which kind of authenticator may register
// (WebAuthn L3 §5.4.5). It is a hint that the browser follows.
type AuthenticatorAttachment string

// The attachments. The zero value means any.
const (
	AttachmentPlatform      AuthenticatorAttachment = "platform"
	AttachmentCrossPlatform AuthenticatorAttachment = "cross-platform"
)

// ResidentKeyRequirement says whether a credential must be discoverable, that
// is usable without a username (WebAuthn L3 §5.4.6).
type ResidentKeyRequirement string

// The requirements. The zero value means preferred.
const (
	ResidentKeyRequired    ResidentKeyRequirement = "required"
	ResidentKeyPreferred   ResidentKeyRequirement = "preferred"
	ResidentKeyDiscouraged ResidentKeyRequirement = "discouraged"
)

// SignCountPolicy says what to do with a signature counter that did not advance
// (WebAuthn L3 §6.1.1). Counters that stay 0, as those of synced passkeys do,
// are fine under every policy.
type SignCountPolicy string

// The policies. The zero value means strict reject.
const (
	// StrictReject refuses the sign-in and leaves the credential as it is.
	StrictReject SignCountPolicy = "strict-reject"
	// DeviceBound is StrictReject for passkeys that are not backup eligible, and
	// Allow for those that are: one that moves to another provider keeps its key
	// and not its counter, and StrictReject would lock it out for ever.
	DeviceBound SignCountPolicy = "device-bound"
	// FlagDisable refuses the sign-in and quarantines the credential: it stays,
	// with when and why, cannot sign in, and can be restored or revoked.
	FlagDisable SignCountPolicy = "flag-disable"
	// Allow lets the sign-in pass, and audits it. The stored counter stays at
	// the highest value seen.
	Allow SignCountPolicy = "allow"
)

// allows reports whether the counter of such a passkey may go back.
func (p SignCountPolicy) allows(backupEligible bool) bool {
	return p == Allow || p == DeviceBound && backupEligible
}

// BackupEligibilityPolicy says what to do with a passkey whose backup eligibility
// is not what it was at registration. It never changes on an honest authenticator
// (WebAuthn L3 §6.1.3), but password managers have changed it in an update.
type BackupEligibilityPolicy string

// The policies. The zero value means strict. What is let in is audited.
const (
	// BackupEligibilityStrict refuses the sign-in.
	BackupEligibilityStrict BackupEligibilityPolicy = "strict"
	// BackupEligibilityUpgrade lets a passkey become eligible, once: it cannot
	// go back.
	BackupEligibilityUpgrade BackupEligibilityPolicy = "upgrade"
	// BackupEligibilityAllow follows whatever the passkey says.
	BackupEligibilityAllow BackupEligibilityPolicy = "allow"
)

// allows reports whether eligibility may change to now.
func (p BackupEligibilityPolicy) allows(now bool) bool {
	return p == BackupEligibilityAllow || p == BackupEligibilityUpgrade && now
}

// Hint is a kind of authenticator that the user is expected to use, which may
// change what the browser shows (WebAuthn L3 §5.8.8).
type Hint string

// The hints.
const (
	HintSecurityKey  Hint = "security-key"
	HintClientDevice Hint = "client-device"
	HintHybrid       Hint = "hybrid"
)

// Algorithm is a COSE algorithm identifier (WebAuthn L3 §5.8.5).
type Algorithm int32

// The algorithms that can be configured.
const (
	ES256 Algorithm = -7   // ECDSA on P-256 with SHA-256
	EdDSA Algorithm = -8   // Ed25519
	ES384 Algorithm = -35  // ECDSA on P-384 with SHA-384
	ES512 Algorithm = -36  // ECDSA on P-521 with SHA-512
	RS256 Algorithm = -257 // RSASSA-PKCS1-v1_5 with SHA-256, 2,048 to 4,096 bits
)

// algorithms are the ones there are, in the default order of preference: what
// every authenticator does and every processor verifies fast comes first, RSA,
// which some Windows machines need, last.
func algorithms() []Algorithm { return []Algorithm{ES256, EdDSA, ES384, ES512, RS256} }

// String returns the algorithm's registered name.
func (a Algorithm) String() string {
	switch a {
	case ES256:
		return "ES256"
	case EdDSA:
		return "EdDSA"
	case ES384:
		return "ES384"
	case ES512:
		return "ES512"
	case RS256:
		return "RS256"
	}
	return "unknown"
}

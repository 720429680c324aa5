package passkeys

import (
	"bytes"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// User is whom a passkey is registered for, as the application knows him.
type User struct {
	// ID never changes and is nobody else's: 1 to 64 bytes. It becomes the
	// WebAuthn user handle, which authenticators store and give back at sign-in
	// (WebAuthn L3 §14.6.1), so it should be opaque: no e-mail address. And it
	// should be random: whoever can guess ids can have begin list the passkeys of
	// each, and recognize those that it lists for a name.
	ID string
	// Name is what the browser shows to tell accounts apart, such as an e-mail
	// address. Default: ID.
	Name string
	// DisplayName is how the person is called. Default: Name.
	DisplayName string
}

func (u User) validate() error {
	switch {
	case u.ID == "" || len(u.ID) > maxUserID:
		return ErrConfiguration.explained(fmt.Sprintf("User.ID: %d bytes; must be 1 to %d", len(u.ID), maxUserID))
	case !utf8.ValidString(u.Name) || !utf8.ValidString(u.DisplayName):
		return ErrConfiguration.explained("User.Name and User.DisplayName must be valid UTF-8")
	}
	return nil
}

// The largest sizes, from WebAuthn L3: §5.4.3 for the user handle, §5.8.3 for
// the credential id.
const (
	maxUserID       = 64
	maxCredentialID = 1023
	maxPublicKey    = 4096
	maxDeviceName   = 64 // runes
	maxTransports   = 8
)

// Credential is a registered passkey (the credential record of WebAuthn L3 §4).
type Credential struct {
	ID        []byte // 1 to 1,023 bytes, unique among all users
	UserID    string // the owner's User.ID
	PublicKey []byte // a COSE_Key in CTAP2 canonical CBOR, at most 4,096 bytes
	Algorithm Algorithm
	// SignCount is the highest signature counter seen; 0 for authenticators
	// that do not count.
	SignCount uint32
	// BackupEligible says that the passkey may be synced to other devices,
	// BackupState that it is at present (WebAuthn L3 §6.1.3).
	BackupEligible, BackupState bool
	// BackupUnknown marks a credential imported without the two flags above: the
	// next sign-in sets them and clears this.
	BackupUnknown bool
	// UVInitialized says that the user was verified when the credential was
	// registered (WebAuthn L3 §4, uvInitialized).
	UVInitialized bool
	// Transports are hints for the browser: some of usb, nfc, ble, smart-card,
	// hybrid, internal.
	Transports []string
	// Discoverable says whether the browser reported a discoverable credential;
	// false also where it did not say.
	Discoverable bool
	AAGUID       AAGUID // the authenticator's model; zero where it does not say
	// AttestationFormat is the attestation statement's format, such as "none" or
	// "packed": at most 32 printable ASCII characters (WebAuthn L3 §8.1). Like
	// AAGUID it is unverified unless attestation was asked for.
	AttestationFormat string
	// DeviceName is the user's own name for it: valid UTF-8 without NUL, at most
	// 64 runes, may be empty.
	DeviceName string
	CreatedAt  time.Time // UTC, whole microseconds
	LastUsedAt time.Time // UTC, whole microseconds; zero: never
	// QuarantinedAt, if not zero, is when the credential was disabled, and
	// QuarantineReason why.
	QuarantinedAt    time.Time
	QuarantineReason Reason
}

// Quarantined reports whether the credential is disabled.
func (c Credential) Quarantined() bool { return !c.QuarantinedAt.IsZero() }

// Clone returns a copy that shares no memory with c.
func (c Credential) Clone() Credential {
	c.ID, c.PublicKey, c.Transports = bytes.Clone(c.ID), bytes.Clone(c.PublicKey), slices.Clone(c.Transports)
	return c
}

// Validate reports whether a store can keep c whole. The error wraps
// [ErrInvalidCredential] and names the field. Every store calls it in Add, so
// that what one store refuses, all do.
func (c Credential) Validate() error {
	switch {
	case len(c.ID) == 0 || len(c.ID) > maxCredentialID:
		return fmt.Errorf("%w: ID: %d bytes; must be 1 to %d", ErrInvalidCredential, len(c.ID), maxCredentialID)
	case c.UserID == "" || len(c.UserID) > maxUserID:
		return fmt.Errorf("%w: UserID: %d bytes; must be 1 to %d", ErrInvalidCredential, len(c.UserID), maxUserID)
	case len(c.PublicKey) == 0 || len(c.PublicKey) > maxPublicKey:
		return fmt.Errorf("%w: PublicKey: %d bytes; must be 1 to %d", ErrInvalidCredential, len(c.PublicKey), maxPublicKey)
	case len(c.Transports) > maxTransports:
		return fmt.Errorf("%w: Transports: %d; must be at most %d", ErrInvalidCredential, len(c.Transports), maxTransports)
	case !engine.ValidFormat(c.AttestationFormat):
		return fmt.Errorf("%w: AttestationFormat: must be at most 32 printable ASCII characters", ErrInvalidCredential)
	}
	for _, t := range c.Transports {
		if !engine.KnownTransport(t) {
			return fmt.Errorf("%w: Transports: unknown value", ErrInvalidCredential)
		}
	}
	return ValidateDeviceName(c.DeviceName)
}

// ValidateDeviceName reports whether a store can keep the name whole: valid
// UTF-8 without NUL, at most 64 runes. The error wraps [ErrInvalidCredential].
func ValidateDeviceName(name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxDeviceName || bytes.IndexByte([]byte(name), 0) >= 0 {
		return fmt.Errorf("%w: DeviceName: must be valid UTF-8 without NUL of at most %d runes", ErrInvalidCredential, maxDeviceName)
	}
	return nil
}

// AuthenticationResult is a sign-in that succeeded.
type AuthenticationResult struct {
	// UserID is the User.ID of the credential's owner: who has signed in.
	UserID string
	// Credential as it is stored now, this sign-in included.
	Credential Credential
	// UserVerified says that the authenticator verified its user by PIN or
	// biometrics at this sign-in. Where it is false, only presence is proved.
	UserVerified bool
	// UserVerificationReliable says that UserVerified may count as a factor of
	// its own: it is true if the user was verified now and when the passkey was
	// registered. Whoever finds a security key without a PIN can set one, and is
	// verified from then on (WebAuthn L3 §7.2, on uvInitialized).
	UserVerificationReliable bool
}

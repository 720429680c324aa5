package passkeys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// User is whom a passkey is registered for, as the application knows them.
type User struct {
	// ID never changes and is nobody else's: 1 to 64 bytes. Let them be UTF-8: where
	// they are not, JSON and logs have them as [EncodeID] does, and the routes that are
	// given a user's id, those of staff and begin's "userId", find nobody by it. They
	// become the WebAuthn user handle, which authenticators store and give back at sign-in
	// (WebAuthn L3 §14.6.1), so it should be opaque: no e-mail address. And it
	// should be random: whoever can guess ids can have begin list the passkeys of
	// each, and recognize those that it lists for a name.
	ID string
	// Name is what the browser shows to tell accounts apart, such as an e-mail
	// address. Default: ID, as text.
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

// idText is a user's id where only text can be.
func idText(id string) string {
	if utf8.ValidString(id) {
		return id
	}
	return EncodeID([]byte(id))
}

// named is u with its defaults, as browsers and authenticators get to know them.
func (u User) named() User {
	setDefault(&u.Name, idText(u.ID))
	setDefault(&u.DisplayName, u.Name)
	return u
}

// The largest sizes, from WebAuthn L3: §5.4.3 for the user handle, §5.8.3 for
// the credential id.
const (
	maxUserID       = 64
	maxCredentialID = 1023
	maxPublicKey    = 4096
	maxRPID         = 253
	maxDeviceName   = 64 // runes
	maxTransports   = 8
	maxReason       = 255
	maxSpent        = 1024
	maxVersion      = 1<<62 - 1
)

// Credential is a registered passkey (the credential record of WebAuthn L3 §4).
//
// ID, UserID, PublicKey, RPID and CreatedAt never change, nor does UserHandle
// once it is known. Everything else is changed by
// [CredentialRepository.Update], whole. [Credential.MarshalJSON] is the record
// for stores that keep it as one document.
type Credential struct {
	ID     []byte // 1 to 1,023 bytes, unique among all users
	UserID string // the owner's User.ID
	// UserHandle is what the authenticator gives back at sign-in to say whose the
	// passkey is, at most 64 bytes. Empty: the bytes of UserID, as for all that
	// are registered here; other systems chose other handles.
	UserHandle []byte
	// HandleUnknown marks a credential imported without its handle. Its id and
	// its signature say whose it is, and the next sign-in records the handle that
	// it sees and clears this.
	HandleUnknown bool
	// RPID is the relying party id that the passkey is bound to, at most 253
	// bytes. Empty where that was not recorded: Config.RPID, then.
	RPID      string
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
	// Discoverable says whether the credential is usable without a username, as
	// far as the browser told.
	Discoverable Discoverability
	// PRFEnabled says that it derives keys (WebAuthn L3 §10.1.4), as far as the
	// browser told where Config.Extensions.PRF asked.
	PRFEnabled bool
	AAGUID     AAGUID // the authenticator's model; zero where it does not say
	// AttestationFormat is the attestation statement's format, such as "none" or
	// "packed": at most 32 printable ASCII characters (WebAuthn L3 §8.1). Like
	// AAGUID it is unverified unless attestation was asked for.
	AttestationFormat string
	// DeviceName is the user's own name for it, or that of its provider: valid UTF-8
	// without NUL, at most 64 runes, may be empty.
	DeviceName string
	// CreatedAt, LastUsedAt and QuarantinedAt are in UTC, in whole microseconds, of
	// the years 1970 to 9999; or zero: never.
	CreatedAt  time.Time
	LastUsedAt time.Time
	// QuarantinedAt, if not zero, is when the credential was disabled, and
	// QuarantineReason why: at most 255 bytes of UTF-8 without NUL.
	QuarantinedAt    time.Time
	QuarantineReason Reason
	// Spent is what the credential remembers of the challenges that it was used
	// with, so that none is used twice. It is this package's to read and to
	// write: to a store it is at most 1,024 bytes.
	Spent []byte
	// Version is the number of the state that the credential is in: from 0 to
	// 2⁶²-1. Add stores it as it comes, and each Update raises it by one. Whoever
	// adds a credential under an id that another had before starts at a Version
	// that the other did not come to.
	Version int64

	later map[string]json.RawMessage // members of its record that a later version added
}

// Discoverability says whether a credential is discoverable: usable without
// naming it, and so without a username (WebAuthn L3 §6.2, §10.1.3).
type Discoverability string

// The values. The zero value is what browsers without credProps, such as
// Safari, leave us with.
const (
	DiscoverableUnknown Discoverability = ""
	Discoverable        Discoverability = "yes"
	NotDiscoverable     Discoverability = "no"
)

// Quarantined reports whether the credential is disabled.
func (c Credential) Quarantined() bool { return !c.QuarantinedAt.IsZero() }

// Clone returns a copy that shares no memory with c.
func (c Credential) Clone() Credential {
	c.ID, c.UserHandle, c.PublicKey = bytes.Clone(c.ID), bytes.Clone(c.UserHandle), bytes.Clone(c.PublicKey)
	c.Transports, c.Spent = slices.Clone(c.Transports), bytes.Clone(c.Spent)
	return c // nobody writes to what is in later
}

// boundTo reports whether a passkey may be of this relying party.
func (c *Credential) boundTo(rpID string) bool { return c.RPID == "" || c.RPID == rpID }

// handle is the user handle that a sign-in must bring.
func (c *Credential) handle() []byte {
	if len(c.UserHandle) > 0 {
		return c.UserHandle
	}
	return []byte(c.UserID)
}

// Validate reports whether a store can keep c whole. The error wraps
// [ErrInvalidCredential] and names the field. Every store calls it in Add and
// in Update, so that what one store refuses, all do.
func (c Credential) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrInvalidCredential}, args...)...)
	}
	switch {
	case len(c.ID) == 0 || len(c.ID) > maxCredentialID:
		return bad("ID: %d bytes; must be 1 to %d", len(c.ID), maxCredentialID)
	case c.UserID == "" || len(c.UserID) > maxUserID:
		return bad("UserID: %d bytes; must be 1 to %d", len(c.UserID), maxUserID)
	case len(c.UserHandle) > maxUserID:
		return bad("UserHandle: %d bytes; must be at most %d", len(c.UserHandle), maxUserID)
	case c.HandleUnknown && len(c.UserHandle) != 0:
		return bad("HandleUnknown: must be false where there is a UserHandle")
	case len(c.RPID) > maxRPID || strings.ContainsFunc(c.RPID, func(r rune) bool { return r < '!' || r > '~' }):
		return bad("RPID: must be at most %d printable ASCII characters", maxRPID)
	case len(c.PublicKey) == 0 || len(c.PublicKey) > maxPublicKey:
		return bad("PublicKey: %d bytes; must be 1 to %d", len(c.PublicKey), maxPublicKey)
	case len(c.Transports) > maxTransports:
		return bad("Transports: %d; must be at most %d", len(c.Transports), maxTransports)
	case c.Discoverable != DiscoverableUnknown && c.Discoverable != Discoverable && c.Discoverable != NotDiscoverable:
		return bad("Discoverable: unknown value")
	case !engine.ValidFormat(c.AttestationFormat):
		return bad("AttestationFormat: must be at most 32 printable ASCII characters")
	case len(c.QuarantineReason) > maxReason || !validText(string(c.QuarantineReason)):
		return bad("QuarantineReason: must be valid UTF-8 without NUL of at most %d bytes", maxReason)
	case len(c.Spent) > maxSpent:
		return bad("Spent: %d bytes; must be at most %d", len(c.Spent), maxSpent)
	case c.Version < 0 || c.Version > maxVersion:
		return bad("Version: %d; must be from 0 to %d", c.Version, int64(maxVersion))
	case !validTime(c.CreatedAt):
		return bad("CreatedAt: must be of the years 1970 to 9999")
	case !validTime(c.LastUsedAt):
		return bad("LastUsedAt: must be of the years 1970 to 9999")
	case !validTime(c.QuarantinedAt):
		return bad("QuarantinedAt: must be of the years 1970 to 9999")
	case !validDeviceName(c.DeviceName):
		return bad("DeviceName: must be valid UTF-8 without NUL of at most %d runes", maxDeviceName)
	}
	for _, t := range c.Transports {
		if !engine.KnownTransport(t) {
			return bad("Transports: unknown value")
		}
	}
	return nil
}

// validTime reports whether every store, and every record, can keep t.
func validTime(t time.Time) bool {
	year := t.UTC().Year()
	return t.IsZero() || year >= 1970 && year <= 9999
}

// validText reports whether every database can keep s as text.
func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func validDeviceName(name string) bool {
	return validText(name) && utf8.RuneCountInString(name) <= maxDeviceName
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
	// its own: the user was verified now, and either when the passkey was
	// registered as well or by a synced passkey. Whoever finds a security key
	// without a PIN can set one, and is verified from then on (WebAuthn L3 §7.2,
	// on uvInitialized); a synced passkey is behind the lock of its owner's
	// account, though one that the browser made unasked was registered without
	// verification (L3 §5.1.3).
	UserVerificationReliable bool
}

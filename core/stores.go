package passkeys

import (
	"context"
	"time"
)

// CredentialRepository keeps the credentials. [MemoryCredentials] is one; the
// module gormstore has another, and the suite conformance.TestCredentials
// holds any to what is written here.
//
// For every method:
//   - It is safe for concurrent use.
//   - An error that is not named here means that the store failed, and that the
//     call had no effect or an unknown one; it reaches the client as
//     [ErrStorageUnavailable]. A cancelled or expired context gives an error for
//     which [errors.Is] finds ctx.Err().
//   - The caller keeps what it passes in, and may change it afterwards; what it
//     gets back is its own to change.
//   - Ids and user ids are compared byte by byte: case, accents and trailing
//     spaces count.
//   - Times are kept in UTC to the microsecond; the zero time stays the zero time.
type CredentialRepository interface {
	// Add stores a new credential. If one with this ID is stored, whoever owns
	// it, it returns ErrCredentialExists and changes nothing: of N concurrent
	// calls with one ID exactly one succeeds. A credential for which
	// Credential.Validate fails is refused with that error. What was
	// acknowledged is not lost.
	Add(ctx context.Context, c Credential) error

	// Get returns the credential with this ID, quarantined or not, or
	// ErrCredentialNotFound; for an empty or oversize id too.
	Get(ctx context.Context, id []byte) (Credential, error)

	// ListByUser returns the user's credentials, quarantined ones among them,
	// oldest first by CreatedAt and then by ID. Nobody's is an empty list and
	// no error.
	ListByUser(ctx context.Context, userID string) ([]Credential, error)

	// UpdateUsage records a sign-in as one atomic compare-and-set.
	//
	// If u.Regressed(), it returns Regressed and changes nothing. Else, if the
	// stored SignCount is u.SeenSignCount and the credential is not quarantined,
	// it sets SignCount to u.NextSignCount(), LastUsedAt to u.At, BackupEligible,
	// BackupState and UVInitialized to u's, clears BackupUnknown, and returns
	// Advanced. Else, the credential being gone included, it returns Raced and
	// changes nothing.
	UpdateUsage(ctx context.Context, id []byte, u Usage) (UsageOutcome, error)

	// Rename sets the DeviceName of this user's credential. If there is none
	// with this ID, or it is another user's, it returns ErrCredentialNotFound
	// and changes nothing. A name that ValidateDeviceName refuses is refused
	// with that error.
	Rename(ctx context.Context, userID string, id []byte, deviceName string) error

	// Delete removes this user's credential. If there is none with this ID, or
	// it is another user's, it returns ErrCredentialNotFound and changes nothing.
	Delete(ctx context.Context, userID string, id []byte) error

	// Quarantine disables the credential: it stays, is listed, and cannot be
	// used. One that is quarantined already keeps its first time and reason. If
	// there is none, it returns ErrCredentialNotFound.
	Quarantine(ctx context.Context, id []byte, at time.Time, reason Reason) error

	// Restore ends the quarantine of this user's credential; for one that is not
	// quarantined it does nothing. If there is none with this ID, or it is
	// another user's, it returns ErrCredentialNotFound and changes nothing.
	Restore(ctx context.Context, userID string, id []byte) error
}

// Usage is what a verified sign-in says about its credential.
type Usage struct {
	// SeenSignCount is the counter that was read before verification, SignCount
	// the one the authenticator sent.
	SeenSignCount, SignCount uint32
	// AllowRegression is set under the policy Allow: a counter that went back is
	// no regression, and the stored one stays.
	AllowRegression bool

	BackupEligible, BackupState, UVInitialized bool

	At time.Time
}

// Regressed reports whether the counter did not advance although one of the two
// counts (WebAuthn L3 §7.2, step 22).
func (u Usage) Regressed() bool {
	return !u.AllowRegression && u.SignCount <= u.SeenSignCount && u.SeenSignCount != 0
}

// NextSignCount is what UpdateUsage stores: the higher of the two.
func (u Usage) NextSignCount() uint32 { return max(u.SeenSignCount, u.SignCount) }

// UsageOutcome is what [CredentialRepository.UpdateUsage] found.
type UsageOutcome int

// The outcomes.
const (
	// Advanced: the sign-in is recorded.
	Advanced UsageOutcome = iota + 1
	// Raced: another sign-in, a quarantine or a deletion came between the read
	// and the write. This sign-in is refused; the credential is not to blame.
	Raced
	// Regressed: the counter did not advance. A clone is suspected.
	Regressed
)

// ChallengeStore keeps a challenge between begin and finish. [MemoryChallenges]
// and [StatelessChallenges] are two; the modules gormstore and redisstore have
// others, and the suite conformance.TestChallenges holds any to what is
// written here.
//
// Both methods are safe for concurrent use. An error that is not named here
// means that the store failed, and reaches the client as
// [ErrStorageUnavailable]; a cancelled or expired context gives an error for
// which [errors.Is] finds ctx.Err(). Payloads are opaque bytes, 0 to 64 KiB;
// the caller keeps what it passes in and owns what it gets back.
type ChallengeStore interface {
	// Put keeps payload until expiresAt and returns a handle that is not empty,
	// cannot be guessed (128 bits at least), and is fit for a JSON string and a
	// URL: letters, digits, '-', '_' and '.', at most 1,024 of them for a
	// payload of up to 512 bytes. An expiresAt that has passed is an error.
	Put(ctx context.Context, payload []byte, expiresAt time.Time) (handle string, err error)

	// Consume returns the payload of a handle and ends it: of N concurrent calls
	// exactly one succeeds. A handle that is unknown, consumed, empty, altered
	// or of any length that Put never made is ErrChallengeNotFound. One that has
	// expired is ErrChallengeExpired where the store can still tell, else
	// ErrChallengeNotFound; its payload is never returned.
	Consume(ctx context.Context, handle string) (payload []byte, err error)
}

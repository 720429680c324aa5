package passkeys

import (
	"context"
	"fmt"
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

	// Update replaces the credential with c.ID by c, with a Version of
	// c.Version+1, in one atomic compare-and-set: if the stored Version is
	// c.Version, else it returns ErrConflict and changes nothing. Of N concurrent
	// calls with one Version exactly one succeeds. If there is none with this ID,
	// it returns ErrCredentialNotFound. Before all that, a credential for which
	// Credential.Validate fails is refused with that error. What was acknowledged
	// is not lost.
	//
	// The caller leaves alone what never changes, as [Credential] lists it: a
	// store may write it again or not.
	Update(ctx context.Context, c Credential) error

	// Delete removes this user's credential. If there is none with this ID, or
	// it is another user's, it returns ErrCredentialNotFound and changes nothing.
	Delete(ctx context.Context, userID string, id []byte) error
}

// CredentialScanner is what a [CredentialRepository] is too, where all its
// credentials can be read one after the other: [Admin] counts and exports by it. A
// repository that wraps another has to pass it on. What holds for the methods of a
// repository holds here.
type CredentialScanner interface {
	// Scan returns credentials of all users, quarantined ones among them: the first
	// limit of those that come after the one with the ID after, nil for the first of
	// all. Fewer are returned only where there are no more; none is no error. limit is
	// at least 1.
	//
	// The order is the store's own. It is one of the IDs alone, whatever else there is:
	// whoever goes on after the last ID of each page gets every credential that was
	// there all the time exactly once, though others are added, changed and removed
	// meanwhile, and the one with the ID after, too.
	Scan(ctx context.Context, after []byte, limit int) ([]Credential, error)
}

// ChallengeStore keeps a challenge between begin and finish, for those who want
// it spent by the first attempt: without one, the state is sealed and nothing is
// kept. [MemoryChallenges] is one; the modules gormstore and redisstore have
// others, and the suite conformance.TestChallenges holds any to what is written
// here.
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
	// payload of up to 512 bytes. What ValidateChallenge refuses is refused with
	// that error.
	Put(ctx context.Context, payload []byte, expiresAt time.Time) (handle string, err error)

	// Consume returns the payload of a handle and ends it: of N concurrent calls
	// exactly one succeeds. A handle that is unknown, consumed, empty, altered
	// or of any length that Put never made is ErrChallengeNotFound. One that has
	// expired is ErrChallengeExpired where the store can still tell, else
	// ErrChallengeNotFound; its payload is never returned.
	Consume(ctx context.Context, handle string) (payload []byte, err error)
}

const maxPayload = 64 << 10

// ValidateChallenge reports whether a store may keep a challenge: a payload of
// at most 64 KiB that has not expired by now, which is the store's clock. The
// error wraps [ErrInvalidChallenge]. Every store calls it in Put.
func ValidateChallenge(payload []byte, expiresAt, now time.Time) error {
	switch {
	case len(payload) > maxPayload:
		return fmt.Errorf("%w: a payload of %d bytes; must be at most %d", ErrInvalidChallenge, len(payload), maxPayload)
	case !now.Before(expiresAt):
		return fmt.Errorf("%w: it has expired before it was stored", ErrInvalidChallenge)
	}
	return nil
}

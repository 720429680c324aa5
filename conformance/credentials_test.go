package conformance

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestMemoryCredentials(t *testing.T) {
	TestCredentials(t, func(testing.TB) passkeys.CredentialRepository { return passkeys.NewMemoryCredentials() })
}

// Whoever adds a field to Credential is told to compare it, and to give it a
// value in the sample.
func TestEveryFieldIsCompared(t *testing.T) {
	whole := quarantined(sample("alice", 1))
	for i := range reflect.TypeFor[passkeys.Credential]().NumField() {
		name := reflect.TypeFor[passkeys.Credential]().Field(i).Name
		other := whole.Clone()
		field := reflect.ValueOf(&other).Elem().Field(i)
		if field.IsZero() {
			t.Errorf("%s has no value in the sample", name)
		}
		field.SetZero()
		c := &check{}
		if c.same("credential", other, whole); len(c.errs) != 1 || !strings.Contains(c.errs[0].Error(), " "+name+" is ") {
			t.Errorf("without %s: %v", name, c.errs)
		}
	}
}

// repo is a repository that differs from the sound one in the methods that are
// set.
type repo struct {
	passkeys.CredentialRepository

	add         func(context.Context, passkeys.Credential) error
	get         func(context.Context, []byte) (passkeys.Credential, error)
	list        func(context.Context, string) ([]passkeys.Credential, error)
	updateUsage func(context.Context, []byte, passkeys.Usage) (passkeys.UsageOutcome, error)
	rename      func(context.Context, string, []byte, string) error
	remove      func(context.Context, string, []byte) error
	quarantine  func(context.Context, []byte, time.Time, passkeys.Reason) error
	restore     func(context.Context, string, []byte) error
}

func (r *repo) Add(ctx context.Context, c passkeys.Credential) error {
	if r.add != nil {
		return r.add(ctx, c)
	}
	return r.CredentialRepository.Add(ctx, c)
}

func (r *repo) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	if r.get != nil {
		return r.get(ctx, id)
	}
	return r.CredentialRepository.Get(ctx, id)
}

func (r *repo) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	if r.list != nil {
		return r.list(ctx, userID)
	}
	return r.CredentialRepository.ListByUser(ctx, userID)
}

func (r *repo) UpdateUsage(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
	if r.updateUsage != nil {
		return r.updateUsage(ctx, id, u)
	}
	return r.CredentialRepository.UpdateUsage(ctx, id, u)
}

func (r *repo) Rename(ctx context.Context, userID string, id []byte, name string) error {
	if r.rename != nil {
		return r.rename(ctx, userID, id, name)
	}
	return r.CredentialRepository.Rename(ctx, userID, id, name)
}

func (r *repo) Delete(ctx context.Context, userID string, id []byte) error {
	if r.remove != nil {
		return r.remove(ctx, userID, id)
	}
	return r.CredentialRepository.Delete(ctx, userID, id)
}

func (r *repo) Quarantine(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
	if r.quarantine != nil {
		return r.quarantine(ctx, id, at, reason)
	}
	return r.CredentialRepository.Quarantine(ctx, id, at, reason)
}

func (r *repo) Restore(ctx context.Context, userID string, id []byte) error {
	if r.restore != nil {
		return r.restore(ctx, userID, id)
	}
	return r.CredentialRepository.Restore(ctx, userID, id)
}

// replace stores c where there is another with its id, whoever owns that.
func replace(ctx context.Context, r passkeys.CredentialRepository, c passkeys.Credential) error {
	if old, err := r.Get(ctx, c.ID); err == nil {
		if err := r.Delete(ctx, old.UserID, old.ID); err != nil {
			return err
		}
	}
	return r.Add(ctx, c)
}

// affected is a change in a database that counts the rows it had to write: one
// that was so already looks like one that is not there.
func affected(ctx context.Context, r passkeys.CredentialRepository, id []byte, change func() error) error {
	before, _ := r.Get(ctx, id)
	if err := change(); err != nil {
		return err
	}
	if after, _ := r.Get(ctx, id); reflect.DeepEqual(before, after) {
		return passkeys.ErrCredentialNotFound
	}
	return nil
}

const pause = time.Millisecond

func TestCredentialFaults(t *testing.T) {
	type store = passkeys.CredentialRepository
	ignore := context.WithoutCancel
	testRows(t, credentialRows())
	// In a bubble, time passes when everyone waits: a fault sleeps where another
	// caller should come in between, and always finds one there.
	testFaults(t, synctest.Test, credentialRows(), func(testing.TB) store { return passkeys.NewMemoryCredentials() }, []fault[store]{
		{"keys are cut at 2,048 bytes", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				c.PublicKey = c.PublicKey[:min(len(c.PublicKey), 2048)]
				return s.Add(ctx, c)
			}}
		}, "round-trip add-refused"},
		{"two flags share a column", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				c.BackupEligible = c.BackupEligible || c.BackupState
				return s.Add(ctx, c)
			}}
		}, "round-trip"},
		{"a list without attestation formats", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				for i := range list {
					list[i].AttestationFormat = list[i].AttestationFormat[:min(len(list[i].AttestationFormat), 16)]
				}
				return list, err
			}}
		}, "round-trip"},
		{"time ends in 2038", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				if c.CreatedAt.Unix() > math.MaxInt32 {
					c.CreatedAt = time.Unix(math.MaxInt32, 0)
				}
				return s.Add(ctx, c)
			}}
		}, "times"},
		{"never is 1970", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
				c, err := s.Get(ctx, id)
				if c.LastUsedAt.Equal(time.Unix(0, 0)) {
					c.LastUsedAt = time.Time{}
				}
				return c, err
			}}
		}, "times"},
		{"usage in local time", func(s store) store {
			var used sync.Map
			return &repo{CredentialRepository: s,
				updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
					used.Store(string(id), u.At.Location() != time.UTC)
					return s.UpdateUsage(ctx, id, u)
				},
				get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
					c, err := s.Get(ctx, id)
					if local, _ := used.Load(string(id)); local == true {
						c.LastUsedAt = c.LastUsedAt.In(time.FixedZone("", 3600))
					}
					return c, err
				}}
		}, "times"},
		{"credential ids without case", func(s store) store {
			var taken sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					if by, _ := taken.LoadOrStore(strings.ToLower(string(c.ID)), string(c.ID)); by != string(c.ID) {
						return passkeys.ErrCredentialExists
					}
					return s.Add(ctx, c)
				}}
		}, "credential-ids list-order list-many"},
		{"credential ids end at their first 255 bytes", func(s store) store {
			var taken sync.Map
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				if by, _ := taken.LoadOrStore(string(c.ID[:min(len(c.ID), 255)]), string(c.ID)); by != string(c.ID) {
					return passkeys.ErrCredentialExists
				}
				return s.Add(ctx, c)
			}}
		}, "credential-ids"},
		{"user ids without case", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if c, err := s.Get(ctx, id); err == nil && strings.EqualFold(c.UserID, userID) {
					userID = c.UserID
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "user-ids"},
		{"user ids with padding", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				padded, _ := s.ListByUser(ctx, userID+" ")
				return append(list, padded...), err
			}}
		}, "user-ids"},
		{"names of three-byte runes", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				if strings.ContainsFunc(name, func(r rune) bool { return r > 0xffff }) && passkeys.ValidateDeviceName(name) == nil {
					return errors.New("incorrect string value")
				}
				return s.Rename(ctx, userID, id, name)
			}}
		}, "device-names"},
		{"names are trimmed", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				c.DeviceName = strings.TrimSpace(c.DeviceName)
				return s.Add(ctx, c)
			}}
		}, "device-names"},
		{"names are cut", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				runes := []rune(name)
				return s.Rename(ctx, userID, id, string(runes[:min(len(runes), 64)]))
			}}
		}, "device-names-refused"},
		{"unknown transports are dropped", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				c.Transports = slices.DeleteFunc(slices.Clone(c.Transports), func(t string) bool { return t == "pigeon" })
				return s.Add(ctx, c)
			}}
		}, "add-refused"},
		{"Add replaces the user's own", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				if old, err := s.Get(ctx, c.ID); err == nil && old.UserID == c.UserID {
					return replace(ctx, s, c)
				}
				return s.Add(ctx, c)
			}}
		}, "add-duplicate"},
		{"Add gives the driver's error", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				err := s.Add(ctx, c)
				if errors.Is(err, passkeys.ErrCredentialExists) {
					return errors.New("UNIQUE constraint failed")
				}
				return err
			}}
		}, "add-duplicate add-concurrent"},
		{"Add looks, then writes", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				if _, err := s.Get(ctx, c.ID); err == nil {
					return passkeys.ErrCredentialExists
				}
				time.Sleep(pause)
				if err := errors.Join(ctx.Err(), c.Validate()); err != nil {
					return err
				}
				return replace(ctx, s, c)
			}}
		}, "add-concurrent"},
		{"Delete of nothing succeeds", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if _, err := s.Get(ctx, id); errors.Is(err, passkeys.ErrCredentialNotFound) {
					return nil
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "missing delete"},
		{"Quarantine of nothing succeeds", func(s store) store {
			return &repo{CredentialRepository: s, quarantine: func(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
				if err := s.Quarantine(ctx, id, at, reason); !errors.Is(err, passkeys.ErrCredentialNotFound) {
					return err
				}
				return nil
			}}
		}, "missing"},
		{"UpdateUsage of nothing is an error", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if _, err := s.Get(ctx, id); err != nil && !u.Regressed() {
					return 0, err
				}
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "missing"},
		{"UpdateUsage of nothing is Advanced", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if _, err := s.Get(ctx, id); errors.Is(err, passkeys.ErrCredentialNotFound) && !u.Regressed() {
					return passkeys.Advanced, nil
				}
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "missing"},
		{"a long id is an error", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
				if len(id) > 1023 {
					return passkeys.Credential{}, errors.New("value too long")
				}
				return s.Get(ctx, id)
			}}
		}, "missing add-refused"},
		{"Rename for anybody", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				c, _ := s.Get(ctx, id)
				return s.Rename(ctx, c.UserID, id, name)
			}}
		}, "ownership"},
		{"Restore for anybody", func(s store) store {
			return &repo{CredentialRepository: s, restore: func(ctx context.Context, userID string, id []byte) error {
				c, _ := s.Get(ctx, id)
				return s.Restore(ctx, c.UserID, id)
			}}
		}, "ownership"},
		{"Delete for nobody in particular", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if userID == "" {
					c, _ := s.Get(ctx, id)
					userID = c.UserID
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "ownership"},
		{"lists by age alone", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				slices.Reverse(list)
				slices.SortStableFunc(list, func(a, b passkeys.Credential) int { return a.CreatedAt.Compare(b.CreatedAt) })
				return list, err
			}}
		}, "round-trip list-order list-many quarantine context"},
		{"lists by id alone", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				slices.SortFunc(list, func(a, b passkeys.Credential) int { return bytes.Compare(a.ID, b.ID) })
				return list, err
			}}
		}, "list-order"},
		{"lists without the quarantined", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				return slices.DeleteFunc(list, passkeys.Credential.Quarantined), err
			}}
		}, "round-trip list-order ownership quarantine context"},
		{"an empty list is an error", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				if err == nil && len(list) == 0 && userID != "" {
					err = passkeys.ErrCredentialNotFound
				}
				return list, err
			}}
		}, "list-nobody add-refused add-duplicate"},
		{"nobody's list is everybody's", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				if userID == "" {
					userID = "alice"
				}
				return s.ListByUser(ctx, userID)
			}}
		}, "list-nobody"},
		{"lists of 100", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				return list[:min(len(list), 100)], err
			}}
		}, "list-many"},
		{"flags go on and never off", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				c, _ := s.Get(ctx, id)
				u.BackupState = u.BackupState || c.BackupState
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "usage-advanced usage-largest usage-allowed usage-concurrent"},
		{"no row affected is Raced", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				before, _ := s.Get(ctx, id)
				o, err := s.UpdateUsage(ctx, id, u)
				if after, _ := s.Get(ctx, id); o == passkeys.Advanced && reflect.DeepEqual(before, after) {
					o = passkeys.Raced
				}
				return o, err
			}}
		}, "usage-zero"},
		{"0 to 0 is Regressed", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if o, err := s.UpdateUsage(ctx, id, u); o != passkeys.Advanced || u.SignCount != 0 || u.AllowRegression {
					return o, err
				}
				return passkeys.Regressed, nil
			}}
		}, "usage-zero"},
		{"counters of 31 bits", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if u.SignCount > math.MaxInt32 {
					return 0, errors.New("integer out of range")
				}
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "usage-largest"},
		{"any lower counter advances", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if c, err := s.Get(ctx, id); err == nil && !u.Regressed() && c.SignCount < u.SeenSignCount {
					u.SeenSignCount = c.SignCount
				}
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "usage-raced"},
		{"a counter from the future changes the time", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				o, err := s.UpdateUsage(ctx, id, u)
				if c, getErr := s.Get(ctx, id); getErr == nil && o == passkeys.Raced && c.SignCount < u.SeenSignCount {
					c.LastUsedAt = u.At
					return o, replace(ctx, s, c)
				}
				return o, err
			}}
		}, "usage-raced"},
		{"Regressed only of what is there", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				if _, err := s.Get(ctx, id); errors.Is(err, passkeys.ErrCredentialNotFound) {
					return passkeys.Raced, nil
				}
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "usage-regressed-first"},
		{"an equal counter is no regression", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				u.AllowRegression = u.AllowRegression || u.SignCount == u.SeenSignCount
				return s.UpdateUsage(ctx, id, u)
			}}
		}, "usage-regressed"},
		{"Allow lowers the counter", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				o, err := s.UpdateUsage(ctx, id, u)
				if c, _ := s.Get(ctx, id); o == passkeys.Advanced && u.AllowRegression {
					c.SignCount = u.SignCount
					return o, replace(ctx, s, c)
				}
				return o, err
			}}
		}, "usage-allowed"},
		{"the quarantined sign in", func(s store) store {
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				c, _ := s.Get(ctx, id)
				if !c.Quarantined() {
					return s.UpdateUsage(ctx, id, u)
				}
				_ = s.Restore(ctx, c.UserID, id)
				o, err := s.UpdateUsage(ctx, id, u)
				_ = s.Quarantine(ctx, id, c.QuarantinedAt, c.QuarantineReason)
				return o, err
			}}
		}, "usage-quarantined"},
		{"UpdateUsage looks, then writes", func(s store) store {
			var one sync.Mutex
			return &repo{CredentialRepository: s, updateUsage: func(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
				c, err := s.Get(ctx, id)
				if err != nil || u.Regressed() || c.Quarantined() || c.SignCount != u.SeenSignCount {
					return s.UpdateUsage(ctx, id, u)
				}
				time.Sleep(pause)
				one.Lock()
				defer one.Unlock()
				c, err = s.Get(ctx, id)
				u.SeenSignCount = c.SignCount
				u.AllowRegression = true
				o, _ := s.UpdateUsage(ctx, id, u)
				return o, err
			}}
		}, "usage-concurrent usage-climb"},
		{"Rename writes the whole row", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				c, err := s.Get(ctx, id)
				if err != nil || c.UserID != userID || passkeys.ValidateDeviceName(name) != nil {
					return s.Rename(ctx, userID, id, name)
				}
				time.Sleep(pause)
				c.DeviceName = name
				return replace(ctx, s, c)
			}}
		}, "usage-climb"},
		{"Rename ends a quarantine", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				err := s.Rename(ctx, userID, id, name)
				if err == nil {
					err = s.Restore(ctx, userID, id)
				}
				return err
			}}
		}, "rename"},
		{"Rename to the same name affects no row", func(s store) store {
			return &repo{CredentialRepository: s, rename: func(ctx context.Context, userID string, id []byte, name string) error {
				return affected(ctx, s, id, func() error { return s.Rename(ctx, userID, id, name) })
			}}
		}, "rename"},
		{"Delete keeps the id taken", func(s store) store {
			var gone sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					if _, ok := gone.Load(string(c.ID)); ok {
						return passkeys.ErrCredentialExists
					}
					return s.Add(ctx, c)
				},
				remove: func(ctx context.Context, userID string, id []byte) error {
					err := s.Delete(ctx, userID, id)
					if err == nil {
						gone.Store(string(id), true)
					}
					return err
				}}
		}, "delete"},
		{"Delete spares the quarantined", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if c, _ := s.Get(ctx, id); c.Quarantined() {
					return passkeys.ErrCredentialNotFound
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "delete"},
		{"the last reason wins", func(s store) store {
			return &repo{CredentialRepository: s, quarantine: func(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
				if c, err := s.Get(ctx, id); err == nil && c.Quarantined() {
					_ = s.Restore(ctx, c.UserID, id)
				}
				return s.Quarantine(ctx, id, at, reason)
			}}
		}, "quarantine"},
		{"Quarantine again affects no row", func(s store) store {
			return &repo{CredentialRepository: s, quarantine: func(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
				return affected(ctx, s, id, func() error { return s.Quarantine(ctx, id, at, reason) })
			}}
		}, "quarantine"},
		{"Restore again affects no row", func(s store) store {
			return &repo{CredentialRepository: s, restore: func(ctx context.Context, userID string, id []byte) error {
				return affected(ctx, s, id, func() error { return s.Restore(ctx, userID, id) })
			}}
		}, "restore"},
		{"Restore resets the counter", func(s store) store {
			return &repo{CredentialRepository: s, restore: func(ctx context.Context, userID string, id []byte) error {
				err := s.Restore(ctx, userID, id)
				if c, _ := s.Get(ctx, id); err == nil {
					c.SignCount = 0
					return replace(ctx, s, c)
				}
				return err
			}}
		}, "restore"},
		{"Add keeps the caller's key", func(s store) store {
			var keys sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					err := s.Add(ctx, c)
					if err == nil {
						keys.Store(string(c.ID), c.PublicKey)
					}
					return err
				},
				get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
					c, err := s.Get(ctx, id)
					if key, ok := keys.Load(string(id)); ok && err == nil {
						c.PublicKey = key.([]byte)
					}
					return c, err
				}}
		}, "own-memory"},
		{"Get gives away its memory", func(s store) store {
			var cache sync.Map
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
				c, err := s.Get(ctx, id)
				if err == nil {
					transports, _ := cache.LoadOrStore(c.UserID+string(id), c.Transports)
					c.Transports = transports.([]string)
				}
				return c, err
			}}
		}, "own-memory"},
		{"the context is not looked at", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) { return s.Get(ignore(ctx), id) }}
		}, "context"},
		{"what was cancelled is done all the same", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				return errors.Join(s.Delete(ignore(ctx), userID, id), ctx.Err())
			}}
		}, "context"},
		{"a cancellation is another error", func(s store) store {
			return &repo{CredentialRepository: s, quarantine: func(ctx context.Context, id []byte, at time.Time, reason passkeys.Reason) error {
				if ctx.Err() != nil {
					return errors.New("connection closed")
				}
				return s.Quarantine(ctx, id, at, reason)
			}}
		}, "context"},
	})
}

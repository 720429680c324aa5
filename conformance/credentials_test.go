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

// Whoever adds a field to Credential is told to compare it, to give it a value in
// the sample, and unless it never changes, to have it changed.
func TestEveryFieldIsCompared(t *testing.T) {
	fixed := []string{"ID", "UserID", "RPID", "PublicKey", "CreatedAt", "Version"}
	for field := range reflect.TypeFor[passkeys.Credential]().Fields() {
		if !field.IsExported() {
			continue
		}
		whole := quarantined(sample("alice", 1))
		if field.Name == "HandleUnknown" {
			whole = unknownHandle(whole)
		}
		differs := func(other passkeys.Credential) bool {
			c := &check{}
			c.same("credential", other, whole)
			return len(c.errs) != 0 && strings.Contains(errors.Join(c.errs...).Error(), " "+field.Name+" is ")
		}
		other := whole.Clone()
		value := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index)
		if value.IsZero() {
			t.Errorf("%s has no value in the sample", field.Name)
		}
		if value.SetZero(); !differs(other) {
			t.Errorf("%s is not compared", field.Name)
		}
		whole = unknownHandle(whole)
		other = whole.Clone()
		for _, change := range changes() {
			if change.field == field.Name {
				change.set(&other)
			}
		}
		if differs(other) == slices.Contains(fixed, field.Name) {
			t.Errorf("%s: changed is %t", field.Name, differs(other))
		}
		if value := reflect.ValueOf(bare(1)).FieldByIndex(field.Index); !value.IsZero() && !slices.Contains(fixed, field.Name) {
			t.Errorf("%s has a value where it need not", field.Name)
		}
	}
}

// repo is a repository that differs from the sound one in the methods that are
// set.
type repo struct {
	passkeys.CredentialRepository

	add    func(context.Context, passkeys.Credential) error
	get    func(context.Context, []byte) (passkeys.Credential, error)
	list   func(context.Context, string) ([]passkeys.Credential, error)
	update func(context.Context, passkeys.Credential) error
	remove func(context.Context, string, []byte) error
	scan   func(context.Context, []byte, int) ([]passkeys.Credential, error)
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

func (r *repo) Update(ctx context.Context, c passkeys.Credential) error {
	if r.update != nil {
		return r.update(ctx, c)
	}
	return r.CredentialRepository.Update(ctx, c)
}

func (r *repo) Delete(ctx context.Context, userID string, id []byte) error {
	if r.remove != nil {
		return r.remove(ctx, userID, id)
	}
	return r.CredentialRepository.Delete(ctx, userID, id)
}

func (r *repo) Scan(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
	if r.scan != nil {
		return r.scan(ctx, after, limit)
	}
	return scanOf(r.CredentialRepository)(ctx, after, limit)
}

// scanOf is the Scan of a repository that has one.
func scanOf(r passkeys.CredentialRepository) func(context.Context, []byte, int) ([]passkeys.Credential, error) {
	return r.(passkeys.CredentialScanner).Scan
}

// scanning is a repository whose Scan makes something else of all credentials, which
// are in the order of their ids.
func scanning(page func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error)) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, scan: func(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
			all, err := scanOf(s)(ctx, nil, math.MaxInt)
			if err != nil {
				return nil, err
			}
			return page(all, after, limit)
		}}
	}
}

// following is what comes after an id, up to a limit.
func following(all []passkeys.Credential, after []byte, limit int) []passkeys.Credential {
	all = slices.DeleteFunc(all, func(c passkeys.Credential) bool { return bytes.Compare(c.ID, after) <= 0 })
	return all[:min(len(all), limit)]
}

// beyond is what comes after the credential with an id, and all where there is none.
func beyond(all []passkeys.Credential, after []byte, limit int) []passkeys.Credential {
	all = all[1+slices.IndexFunc(all, func(c passkeys.Credential) bool { return bytes.Equal(c.ID, after) }):]
	return all[:min(len(all), limit)]
}

// adding is a repository whose Add stores something else than it was given,
// updating one whose Update does.
func adding(change func(*passkeys.Credential)) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
			c = c.Clone()
			change(&c)
			return s.Add(ctx, c)
		}}
	}
}

func updating(change func(*passkeys.Credential)) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
			c = c.Clone()
			change(&c)
			return s.Update(ctx, c)
		}}
	}
}

// keeping is a repository whose Add and Update do.
func keeping(change func(*passkeys.Credential)) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return adding(change)(updating(change)(s))
	}
}

// forgetting is a repository whose Update leaves what it stores otherwise than
// change makes it of what was stored before and what it was given.
func forgetting(change func(stored, given *passkeys.Credential)) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
			if stored, err := s.Get(ctx, c.ID); err == nil {
				c = c.Clone()
				change(&stored, &c)
			}
			return s.Update(ctx, c)
		}}
	}
}

// updated is a repository that does something after each Update that succeeded.
func updated(then func(ctx context.Context, s passkeys.CredentialRepository, c passkeys.Credential) error) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
			if err := s.Update(ctx, c); err != nil {
				return err
			}
			return then(ctx, s, c)
		}}
	}
}

// refusing is a repository whose Update has another error for one.
func refusing(instead func(error) error) func(passkeys.CredentialRepository) passkeys.CredentialRepository {
	return func(s passkeys.CredentialRepository) passkeys.CredentialRepository {
		return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error { return instead(s.Update(ctx, c)) }}
	}
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

const pause = time.Millisecond

func TestCredentialFaults(t *testing.T) {
	type store = passkeys.CredentialRepository
	ignore := context.WithoutCancel
	testRows(t, credentialRows())
	// In a bubble, time passes when everyone waits: a fault sleeps where another
	// caller should come in between, and always finds one there.
	testFaults(t, synctest.Test, credentialRows(), func(testing.TB) store { return passkeys.NewMemoryCredentials() }, []fault[store]{
		{"keys are cut at 2,048 bytes", adding(func(c *passkeys.Credential) { c.PublicKey = c.PublicKey[:min(len(c.PublicKey), 2048)] }), "round-trip add-refused"},
		{"two flags share a column", adding(func(c *passkeys.Credential) { c.BackupEligible = c.BackupEligible || c.BackupState }), "round-trip"},
		{"not discoverable is unknown", adding(func(c *passkeys.Credential) {
			if c.Discoverable == passkeys.NotDiscoverable {
				c.Discoverable = passkeys.DiscoverableUnknown
			}
		}), "round-trip"},
		{"prf is not kept", keeping(func(c *passkeys.Credential) { c.PRFEnabled = false }), "round-trip …"},
		{"prf is kept as it was first", forgetting(func(stored, given *passkeys.Credential) { given.PRFEnabled = stored.PRFEnabled }), "update …"},
		{"a relying party's id ends at 100", adding(func(c *passkeys.Credential) { c.RPID = c.RPID[:min(len(c.RPID), 100)] }), "round-trip add-refused"},
		{"an unknown handle is none", adding(func(c *passkeys.Credential) { c.HandleUnknown = false }), "round-trip add-refused user-handles"},
		{"a list without attestation formats", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				for i := range list {
					list[i].AttestationFormat = list[i].AttestationFormat[:min(len(list[i].AttestationFormat), 16)]
				}
				return list, err
			}}
		}, "round-trip"},
		{"time ends in 2038", keeping(func(c *passkeys.Credential) {
			for _, at := range []*time.Time{&c.CreatedAt, &c.LastUsedAt, &c.QuarantinedAt} {
				if at.Unix() > math.MaxInt32 {
					*at = time.Unix(math.MaxInt32, 0)
				}
			}
		}), "times round-trip update-range"},
		{"never is 1970", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
				c, err := s.Get(ctx, id)
				if c.LastUsedAt.Equal(time.Unix(0, 0)) {
					c.LastUsedAt = time.Time{}
				}
				return c, err
			}}
		}, "times"},
		{"Update keeps the caller's zone", func(s store) store {
			var zones sync.Map
			return &repo{CredentialRepository: s,
				update: func(ctx context.Context, c passkeys.Credential) error {
					zones.Store(string(c.ID), c.LastUsedAt.Location())
					return s.Update(ctx, c)
				},
				get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
					c, err := s.Get(ctx, id)
					if zone, ok := zones.Load(string(id)); ok {
						c.LastUsedAt = c.LastUsedAt.In(zone.(*time.Location))
					}
					return c, err
				}}
		}, "times"},
		{"Update has no time for never", updating(func(c *passkeys.Credential) {
			if c.QuarantinedAt.IsZero() {
				c.QuarantinedAt = time.Unix(0, 0)
			}
		}), "times …"},
		{"credential ids without case", func(s store) store {
			var taken sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					if by, _ := taken.LoadOrStore(strings.ToLower(string(c.ID)), string(c.ID)); by != string(c.ID) {
						return passkeys.ErrCredentialExists
					}
					return s.Add(ctx, c)
				}}
		}, "credential-ids list-order list-many scan"},
		{"credential ids end at their first 255 bytes", func(s store) store {
			var taken sync.Map
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				if by, _ := taken.LoadOrStore(string(c.ID[:min(len(c.ID), 255)]), string(c.ID)); by != string(c.ID) {
					return passkeys.ErrCredentialExists
				}
				return s.Add(ctx, c)
			}}
		}, "credential-ids scan"},
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
		{"user handles without case", keeping(func(c *passkeys.Credential) {
			for i, b := range c.UserHandle {
				if b >= 'A' && b <= 'Z' {
					c.UserHandle[i] = b + 'a' - 'A'
				}
			}
		}), "user-handles credential-ids list-order list-many scan"},
		{"user handles are text", keeping(func(c *passkeys.Credential) { c.UserHandle = bytes.TrimRight(c.UserHandle, "\x00") }), "user-handles …"},
		{"a user handle is never learned", forgetting(func(stored, given *passkeys.Credential) {
			given.UserHandle, given.HandleUnknown = stored.UserHandle, stored.HandleUnknown
		}), "user-handles update update-refused"},
		{"names of three-byte runes", updating(func(c *passkeys.Credential) {
			c.DeviceName = strings.Map(func(r rune) rune { return min(r, 0xffff) }, c.DeviceName)
		}), "device-names update-range …"},
		{"names are trimmed", adding(func(c *passkeys.Credential) { c.DeviceName = strings.TrimSpace(c.DeviceName) }), "device-names"},
		{"names are cut", updating(func(c *passkeys.Credential) {
			runes := []rune(c.DeviceName)
			c.DeviceName = string(runes[:min(len(runes), 64)])
		}), "update-refused"},
		{"reasons end at their first 191 bytes", updating(func(c *passkeys.Credential) {
			c.QuarantineReason = c.QuarantineReason[:min(len(c.QuarantineReason), 191)]
		}), "reasons …"},
		{"reasons are trimmed", adding(func(c *passkeys.Credential) {
			c.QuarantineReason = passkeys.Reason(strings.TrimSpace(string(c.QuarantineReason)))
		}), "reasons"},
		{"what is spent ends at its first 255 bytes", keeping(func(c *passkeys.Credential) { c.Spent = c.Spent[:min(len(c.Spent), 255)] }), "spent round-trip update-range add-refused update-refused"},
		{"what is spent ends at its last that is not zero", updating(func(c *passkeys.Credential) { c.Spent = bytes.TrimRight(c.Spent, "\x00") }), "spent …"},
		{"what is spent is text", adding(func(c *passkeys.Credential) { c.Spent = bytes.ToValidUTF8(c.Spent, []byte("?")) }), "spent …"},
		{"what is spent only grows", forgetting(func(stored, given *passkeys.Credential) {
			if len(given.Spent) < len(stored.Spent) {
				given.Spent = stored.Spent
			}
		}), "spent update-range own-memory update-concurrent"},
		{"all begin at Version 1", adding(func(c *passkeys.Credential) { c.Version = 1 }), "add-version …"},
		{"a Version has 53 bits", adding(func(c *passkeys.Credential) { c.Version = int64(float64(c.Version) * (1 - 1e-16)) }), "add-version …"},
		{"unknown transports are dropped", keeping(func(c *passkeys.Credential) {
			c.Transports = slices.DeleteFunc(c.Transports, func(t string) bool { return t == "pigeon" })
		}), "add-refused update-refused"},
		{"Add again raises Version", func(s store) store {
			return &repo{CredentialRepository: s, add: func(ctx context.Context, c passkeys.Credential) error {
				err := s.Add(ctx, c)
				if errors.Is(err, passkeys.ErrCredentialExists) { // ON DUPLICATE KEY UPDATE
					if old, gone := s.Get(ctx, c.ID); gone == nil {
						_ = s.Update(ctx, old)
					}
				}
				return err
			}}
		}, "add-duplicate add-concurrent"},
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
		{"a long id is an error", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
				if len(id) > 1023 {
					return passkeys.Credential{}, errors.New("value too long")
				}
				return s.Get(ctx, id)
			}}
		}, "missing add-refused"},
		{"Delete for nobody in particular", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if userID == "" {
					c, _ := s.Get(ctx, id)
					userID = c.UserID
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "delete-ownership"},
		{"lists by age alone", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				slices.Reverse(list)
				slices.SortStableFunc(list, func(a, b passkeys.Credential) int { return a.CreatedAt.Compare(b.CreatedAt) })
				return list, err
			}}
		}, "round-trip list-order list-many update"},
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
		}, "round-trip list-order delete-ownership update"},
		{"an empty list is an error", func(s store) store {
			return &repo{CredentialRepository: s, list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
				list, err := s.ListByUser(ctx, userID)
				if err == nil && len(list) == 0 && userID != "" {
					err = passkeys.ErrCredentialNotFound
				}
				return list, err
			}}
		}, "list-nobody add-refused add-duplicate delete-concurrent"},
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
		{"Update forgets a column", forgetting(func(stored, given *passkeys.Credential) { given.UVInitialized = stored.UVInitialized }), "update update-range"},
		{"Update writes what a sign-in changes", forgetting(func(stored, given *passkeys.Credential) {
			name, at, reason := stored.DeviceName, stored.QuarantinedAt, stored.QuarantineReason
			given.DeviceName, given.QuarantinedAt, given.QuarantineReason = name, at, reason
		}), "update …"},
		{"Update is everyone's", updated(func(ctx context.Context, s store, c passkeys.Credential) error {
			list, err := s.ListByUser(ctx, c.UserID)
			for _, other := range list {
				if other.ID[0] != c.ID[0] {
					other.LastUsedAt = c.LastUsedAt
					err = errors.Join(err, replace(ctx, s, other))
				}
			}
			return err
		}), "update …"},
		{"what is zero is not written", forgetting(func(stored, given *passkeys.Credential) {
			if given.DeviceName == "" {
				given.DeviceName = stored.DeviceName
			}
			if given.QuarantinedAt.IsZero() {
				given.QuarantinedAt = stored.QuarantinedAt
			}
		}), "update-range device-names"},
		{"counters of 31 bits", updating(func(c *passkeys.Credential) { c.SignCount = min(c.SignCount, math.MaxInt32) }), "update-range"},
		{"Version stays", updated(replace), "update-version update-unchanged …"},
		{"Version is raised by two", updated(func(ctx context.Context, s store, c passkeys.Credential) error {
			c.Version++
			return s.Update(ctx, c)
		}), "update-version …"},
		{"lists are of the Version that was added", func(s store) store {
			var added sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					err := s.Add(ctx, c)
					if err == nil {
						added.Store(string(c.ID), c.Version)
					}
					return err
				},
				list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
					list, err := s.ListByUser(ctx, userID)
					for i := range list {
						version, _ := added.Load(string(list[i].ID))
						list[i].Version = version.(int64)
					}
					return list, err
				}}
		}, "update-version …"},
		{"no change is no Update", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				if stored, err := s.Get(ctx, c.ID); err == nil && reflect.DeepEqual(stored, c) {
					return nil
				}
				return s.Update(ctx, c)
			}}
		}, "update-unchanged …"},
		{"an Update that changes nothing affects no row", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				stored, err := s.Get(ctx, c.ID)
				same := err == nil && reflect.DeepEqual(stored, c)
				if err = s.Update(ctx, c); err == nil && same {
					return passkeys.ErrConflict
				}
				return err
			}}
		}, "update-unchanged …"},
		{"the last Update wins", forgetting(func(stored, given *passkeys.Credential) { given.Version = stored.Version }), "update-conflict update-re-added …"},
		{"a Version from the future wins", forgetting(func(stored, given *passkeys.Credential) {
			if given.Version > stored.Version {
				given.Version = stored.Version
			}
		}), "update-conflict update-re-added"},
		{"a conflict is no error", refusing(func(err error) error {
			if errors.Is(err, passkeys.ErrConflict) {
				return nil
			}
			return err
		}), "update-conflict …"},
		{"a conflict is not found", refusing(func(err error) error {
			if errors.Is(err, passkeys.ErrConflict) {
				return passkeys.ErrCredentialNotFound
			}
			return err
		}), "update-conflict update-concurrent update-re-added …"},
		{"what is not found is a conflict", refusing(func(err error) error {
			if errors.Is(err, passkeys.ErrCredentialNotFound) {
				return passkeys.ErrConflict
			}
			return err
		}), "update-missing"},
		{"Update adds what is not there", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				err := s.Update(ctx, c)
				if errors.Is(err, passkeys.ErrCredentialNotFound) {
					return s.Add(ctx, c)
				}
				return err
			}}
		}, "update-missing …"},
		{"a refused Update is done all the same", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				stored, err := s.Get(ctx, c.ID)
				if invalid := c.Validate(); err == nil && invalid != nil {
					stored.SignCount = c.SignCount
					return errors.Join(invalid, s.Update(ctx, stored))
				}
				return s.Update(ctx, c)
			}}
		}, "update-refused"},
		{"Update looks, then writes", func(s store) store {
			var one sync.Mutex
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				stored, err := s.Get(ctx, c.ID)
				if err != nil || stored.Version != c.Version || c.Validate() != nil {
					return s.Update(ctx, c)
				}
				time.Sleep(pause)
				one.Lock()
				defer one.Unlock()
				if _, err := s.Get(ctx, c.ID); err != nil {
					return err
				}
				c.Version++
				return replace(ctx, s, c)
			}}
		}, "update-concurrent update-climb"},
		{"Version is compared and then the rest is written", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				stored, err := s.Get(ctx, c.ID)
				if err != nil || stored.Version != c.Version || c.Validate() != nil {
					return s.Update(ctx, c)
				}
				if err := s.Update(ctx, stored); err != nil {
					return err
				}
				time.Sleep(pause)
				c.Version++
				if _, err := s.Get(ctx, c.ID); err != nil {
					return err
				}
				return replace(ctx, s, c)
			}}
		}, "update-climb"},
		{"an Update saves what it found", func(s store) store {
			return &repo{CredentialRepository: s,
				update: func(ctx context.Context, c passkeys.Credential) error {
					if _, err := s.Get(ctx, c.ID); err != nil {
						return s.Update(ctx, c)
					}
					time.Sleep(pause)
					err := s.Update(ctx, c)
					if errors.Is(err, passkeys.ErrCredentialNotFound) {
						return s.Add(ctx, c)
					}
					return err
				},
				remove: func(ctx context.Context, userID string, id []byte) error {
					time.Sleep(pause / 2)
					return s.Delete(ctx, userID, id)
				}}
		}, "delete-concurrent"},
		{"Versions outlive their credentials", func(s store) store {
			var gone sync.Map
			return &repo{CredentialRepository: s,
				add: func(ctx context.Context, c passkeys.Credential) error {
					if version, ok := gone.LoadAndDelete(string(c.ID)); ok {
						c.Version = version.(int64)
					}
					return s.Add(ctx, c)
				},
				remove: func(ctx context.Context, userID string, id []byte) error {
					c, err := s.Get(ctx, id)
					if err == nil && c.UserID == userID {
						gone.Store(string(id), c.Version)
					}
					return s.Delete(ctx, userID, id)
				}}
		}, "update-re-added"},
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
		}, "delete update-re-added"},
		{"Delete spares the quarantined", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				if c, _ := s.Get(ctx, id); c.Quarantined() {
					return passkeys.ErrCredentialNotFound
				}
				return s.Delete(ctx, userID, id)
			}}
		}, "delete"},
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
		{"Update keeps the caller's memory", func(s store) store {
			var spent sync.Map
			return &repo{CredentialRepository: s,
				update: func(ctx context.Context, c passkeys.Credential) error {
					err := s.Update(ctx, c)
					if err == nil {
						spent.Store(string(c.ID), c.Spent)
					}
					return err
				},
				get: func(ctx context.Context, id []byte) (passkeys.Credential, error) {
					c, err := s.Get(ctx, id)
					if kept, ok := spent.Load(string(id)); ok && err == nil {
						c.Spent = kept.([]byte)
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
		}, "own-memory update-range"},
		{"Scan leaves the quarantined out", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			return following(slices.DeleteFunc(all, passkeys.Credential.Quarantined), after, limit), nil
		}), "scan"},
		{"Scan leaves the quarantined of a page out", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			return slices.DeleteFunc(following(all, after, limit), passkeys.Credential.Quarantined), nil
		}), "scan …"},
		{"Scan has no limit", scanning(func(all []passkeys.Credential, after []byte, _ int) ([]passkeys.Credential, error) {
			return following(all, after, math.MaxInt), nil
		}), "scan …"},
		{"Scan begins with the one that it goes on after", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			all = slices.DeleteFunc(all, func(c passkeys.Credential) bool { return bytes.Compare(c.ID, after) < 0 })
			return all[:min(len(all), limit)], nil
		}), "scan …"},
		{"Scan of none is an error", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			if page := following(all, after, limit); len(page) != 0 {
				return page, nil
			}
			return nil, passkeys.ErrCredentialNotFound
		}), "scan …"},
		{"Scan compares 255 bytes", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			short := func(id []byte) []byte { return id[:min(len(id), 255)] }
			all = slices.DeleteFunc(all, func(c passkeys.Credential) bool { return bytes.Compare(short(c.ID), short(after)) <= 0 })
			return all[:min(len(all), limit)], nil
		}), "scan"},
		{"Scan leaves a column out", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			for i := range all {
				all[i].UserHandle = nil
			}
			return following(all, after, limit), nil
		}), "scan"},
		{"Scan is for alice", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			return following(slices.DeleteFunc(all, func(c passkeys.Credential) bool { return c.UserID != "alice" }), after, limit), nil
		}), "scan"},
		{"Scan counts from the beginning", func(s store) store {
			at := 0
			return scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
				if after == nil {
					at = 0
				}
				page := all[min(at, len(all)):]
				page = page[:min(limit, len(page))]
				at += len(page)
				return page, nil
			})(s)
		}, "scan-changes"},
		{"Scan begins anew after one that is gone", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			return beyond(all, after, limit), nil
		}), "scan-changes"},
		{"Scan shows those first that were used last", scanning(func(all []passkeys.Credential, after []byte, limit int) ([]passkeys.Credential, error) {
			slices.SortStableFunc(all, func(a, b passkeys.Credential) int { return b.LastUsedAt.Compare(a.LastUsedAt) })
			return beyond(all, after, limit), nil
		}), "scan-changes"},
		{"Scan gives away its memory", func(s store) store {
			var cache sync.Map
			return &repo{CredentialRepository: s,
				scan: func(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
					page, err := scanOf(s)(ctx, after, limit)
					for _, c := range page {
						cache.Store(string(c.ID), c.PublicKey)
					}
					return page, err
				},
				list: func(ctx context.Context, userID string) ([]passkeys.Credential, error) {
					list, err := s.ListByUser(ctx, userID)
					for i, c := range list {
						if key, ok := cache.Load(string(c.ID)); ok {
							list[i].PublicKey = key.([]byte)
						}
					}
					return list, err
				}}
		}, "own-memory …"},
		{"Scan does not look at the context", func(s store) store {
			return &repo{CredentialRepository: s, scan: func(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
				return scanOf(s)(ignore(ctx), after, limit)
			}}
		}, "context"},
		{"the context is not looked at", func(s store) store {
			return &repo{CredentialRepository: s, get: func(ctx context.Context, id []byte) (passkeys.Credential, error) { return s.Get(ignore(ctx), id) }}
		}, "context"},
		{"what was cancelled is done all the same", func(s store) store {
			return &repo{CredentialRepository: s, remove: func(ctx context.Context, userID string, id []byte) error {
				return errors.Join(s.Delete(ignore(ctx), userID, id), ctx.Err())
			}}
		}, "context"},
		{"a cancellation is another error", func(s store) store {
			return &repo{CredentialRepository: s, update: func(ctx context.Context, c passkeys.Credential) error {
				if ctx.Err() != nil {
					return errors.New("connection closed")
				}
				return s.Update(ctx, c)
			}}
		}, "context"},
	})
}

package conformance

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// TestCredentials holds a repository to the contract of
// [passkeys.CredentialRepository]. newRepo is called once for each row and
// returns an empty repository; what it opens, it closes with t.Cleanup.
func TestCredentials(t *testing.T, newRepo func(testing.TB) passkeys.CredentialRepository) {
	t.Helper()
	test(t, credentialRows(), newRepo)
}

type credentialRow = row[passkeys.CredentialRepository]

func credentialRows() []credentialRow {
	return []credentialRow{
		{"round-trip", "Get and ListByUser return every field as Add got it, up to its largest value.", roundTrip},
		{"times", "Times are kept in UTC to the microsecond, the first of 1970 and those after 2038 too; zero stays zero.", times},
		{"credential-ids", "Ids are compared byte by byte, from 1 to 1,023 of them.", credentialIDs},
		{"user-ids", "User ids are any bytes, compared byte by byte: case, accents and trailing spaces count.", userIDs},
		{"device-names", "Add and Rename keep a device name to the byte.", deviceNames},
		{"device-names-refused", "Add and Rename refuse what ValidateDeviceName refuses, and change nothing.", deviceNamesRefused},
		{"add-refused", "Add refuses what Credential.Validate refuses, and stores nothing.", addRefused},
		{"add-duplicate", "Add of an id that is stored, whoever owns it, is ErrCredentialExists and changes nothing.", addDuplicate},
		{"add-concurrent", "Of N concurrent Adds with one id exactly one succeeds; the others are ErrCredentialExists.", addConcurrent},
		{"missing", "An id that is not stored, empty or oversize, is ErrCredentialNotFound to all but UpdateUsage, to which it is Raced.", missing},
		{"ownership", "Rename, Delete and Restore of another user's credential are ErrCredentialNotFound and change nothing.", ownership},
		{"list-order", "ListByUser lists the oldest first by CreatedAt and then by ID, quarantined ones among them.", listOrder},
		{"list-nobody", "ListByUser of somebody without credentials is an empty list and no error.", listNobody},
		{"list-many", "ListByUser lists all, be there 1,000.", listMany},
		{"usage-advanced", "UpdateUsage from the stored counter sets what Usage says and nothing else, and is Advanced.",
			usages(passkeys.Advanced,
				passkeys.Usage{SeenSignCount: 7, SignCount: 8, At: noon.Add(24 * time.Hour)},
				passkeys.Usage{SeenSignCount: 8, SignCount: 1000, At: noon.Add(25 * time.Hour), BackupEligible: true},
				passkeys.Usage{SeenSignCount: 1000, SignCount: 1001, At: noon.Add(26 * time.Hour), BackupState: true},
				passkeys.Usage{SeenSignCount: 1001, SignCount: 1002, At: noon.Add(27 * time.Hour), UVInitialized: true})},
		{"usage-zero", "UpdateUsage from 0 to 0 is Advanced for ever, though it may change nothing.", usageZero},
		{"usage-largest", "Counters go up to 4,294,967,295.",
			usages(passkeys.Advanced,
				passkeys.Usage{SeenSignCount: 7, SignCount: math.MaxInt32},
				passkeys.Usage{SeenSignCount: math.MaxInt32, SignCount: math.MaxInt32 + 1},
				passkeys.Usage{SeenSignCount: math.MaxInt32 + 1, SignCount: math.MaxUint32})},
		{"usage-raced", "UpdateUsage from a counter that is not the stored one is Raced and changes nothing.",
			usages(passkeys.Raced,
				passkeys.Usage{SeenSignCount: 6, SignCount: 7}, passkeys.Usage{SeenSignCount: 6, SignCount: 9},
				passkeys.Usage{SeenSignCount: 0, SignCount: 0}, passkeys.Usage{SeenSignCount: 0, SignCount: 8},
				passkeys.Usage{SeenSignCount: 8, SignCount: 9}, passkeys.Usage{SeenSignCount: 8, SignCount: 7, AllowRegression: true})},
		{"usage-regressed", "A Usage that Regressed is Regressed and changes nothing.",
			usages(passkeys.Regressed,
				passkeys.Usage{SeenSignCount: 7, SignCount: 7}, passkeys.Usage{SeenSignCount: 7, SignCount: 6},
				passkeys.Usage{SeenSignCount: 7, SignCount: 0}, passkeys.Usage{SeenSignCount: 6, SignCount: 6})},
		{"usage-regressed-first", "Regressed comes before Raced: for a credential that is quarantined, or gone, too.", usageRegressedFirst},
		{"usage-allowed", "With AllowRegression a counter that went back is Advanced, and the stored one stays.",
			usages(passkeys.Advanced,
				passkeys.Usage{SeenSignCount: 7, SignCount: 7, AllowRegression: true, BackupEligible: true},
				passkeys.Usage{SeenSignCount: 7, SignCount: 6, AllowRegression: true},
				passkeys.Usage{SeenSignCount: 7, SignCount: 0, AllowRegression: true, UVInitialized: true})},
		{"usage-quarantined", "UpdateUsage of a quarantined credential is Raced and changes nothing.", usageQuarantined},
		{"usage-concurrent", "Of N concurrent UpdateUsages from one counter exactly one is Advanced, the others Raced.", usageConcurrent},
		{"usage-climb", "The counter never goes back, though the credential is renamed meanwhile, and no name is lost.", usageClimb},
		{"rename", "Rename sets the DeviceName and nothing else; to the name it has, too.", rename},
		{"delete", "Delete removes the credential and no other; its id is free again.", remove},
		{"quarantine", "Quarantine sets when and why and nothing else; the first time and reason stay.", quarantine},
		{"restore", "Restore ends the quarantine and changes nothing else; without one it does nothing.", restore},
		{"own-memory", "The caller may change what it passed in and what it got back.", ownMemory},
		{"context", "A cancelled or expired context is an error for which errors.Is finds ctx.Err(), and changes nothing.", endedContext},
	}
}

// sample returns a credential of this user in which no field is zero but those
// of the quarantine.
func sample(userID string, id ...byte) passkeys.Credential {
	return passkeys.Credential{
		ID:                id,
		UserID:            userID,
		PublicKey:         append([]byte{0xa5, 0, 0xff}, id...),
		Algorithm:         passkeys.ES256,
		SignCount:         7,
		BackupEligible:    true,
		BackupState:       true,
		BackupUnknown:     true,
		UVInitialized:     true,
		Transports:        []string{"usb", "internal", "hybrid"},
		Discoverable:      true,
		AAGUID:            [16]byte{0, 1, 2, 0xfd, 0xfe, 0xff},
		AttestationFormat: "packed",
		DeviceName:        "Phone",
		CreatedAt:         noon,
		LastUsedAt:        noon.Add(time.Hour + time.Microsecond),
	}
}

var noon = time.Date(2030, time.June, 15, 12, 0, 0, 123456000, time.UTC)

func quarantined(c passkeys.Credential) passkeys.Credential {
	c.QuarantinedAt, c.QuarantineReason = noon.Add(2*time.Hour), passkeys.ReasonSignCountRegressed
	return c
}

func credential(id []byte) string { return fmt.Sprintf("credential %.16x (%d bytes)", id, len(id)) }

// stored adds credentials that there is no reason to refuse.
func (c *check) stored(r passkeys.CredentialRepository, credentials ...passkeys.Credential) {
	for _, cr := range credentials {
		c.is(r.Add(c.ctx, cr), nil, "Add of %s of user %q", credential(cr.ID), cr.UserID)
	}
}

// holds reports credentials that are not stored as they are here.
func (c *check) holds(r passkeys.CredentialRepository, want ...passkeys.Credential) {
	for _, w := range want {
		got, err := r.Get(c.ctx, w.ID)
		if c.is(err, nil, "Get of %s", credential(w.ID)) {
			c.same("Get of "+credential(w.ID), got, w)
		}
	}
}

// lists reports a list of the user that is not exactly this.
func (c *check) lists(r passkeys.CredentialRepository, userID string, want ...passkeys.Credential) {
	got, err := r.ListByUser(c.ctx, userID)
	if !c.is(err, nil, "ListByUser of %q", userID) {
		return
	}
	if len(got) != len(want) {
		c.errorf("ListByUser of %q: %d credentials, want %d", userID, len(got), len(want))
		return
	}
	for i := range want {
		if c.same(fmt.Sprintf("ListByUser of %q: credential %d", userID, i), got[i], want[i]); c.failed() {
			return
		}
	}
}

// lacks reports a credential that is stored.
func (c *check) lacks(r passkeys.CredentialRepository, id []byte) {
	_, err := r.Get(c.ctx, id)
	c.is(err, passkeys.ErrCredentialNotFound, "Get of %s", credential(id))
}

// uses reports an UpdateUsage with another outcome than this.
func (c *check) uses(r passkeys.CredentialRepository, id []byte, u passkeys.Usage, want passkeys.UsageOutcome) {
	got, err := r.UpdateUsage(c.ctx, id, u)
	what := fmt.Sprintf("UpdateUsage of %s from %d to %d", credential(id), u.SeenSignCount, u.SignCount)
	if c.is(err, nil, "%s", what) && got != want {
		c.errorf("%s: %s, want %s", what, outcome(got), outcome(want))
	}
}

func outcome(o passkeys.UsageOutcome) string {
	switch o {
	case passkeys.Advanced:
		return "Advanced"
	case passkeys.Raced:
		return "Raced"
	case passkeys.Regressed:
		return "Regressed"
	}
	return fmt.Sprintf("UsageOutcome(%d)", int(o))
}

// same reports the fields in which two credentials differ. Nil and empty are
// the same; a time that is not in UTC is not.
func (c *check) same(what string, got, want passkeys.Credential) {
	for _, f := range []struct {
		field     string
		same      bool
		got, want any
	}{
		{"ID", bytes.Equal(got.ID, want.ID), credential(got.ID), credential(want.ID)},
		{"UserID", got.UserID == want.UserID, got.UserID, want.UserID},
		{"PublicKey", bytes.Equal(got.PublicKey, want.PublicKey), len(got.PublicKey), len(want.PublicKey)},
		{"Algorithm", got.Algorithm == want.Algorithm, int(got.Algorithm), int(want.Algorithm)},
		{"SignCount", got.SignCount == want.SignCount, got.SignCount, want.SignCount},
		{"BackupEligible", got.BackupEligible == want.BackupEligible, got.BackupEligible, want.BackupEligible},
		{"BackupState", got.BackupState == want.BackupState, got.BackupState, want.BackupState},
		{"BackupUnknown", got.BackupUnknown == want.BackupUnknown, got.BackupUnknown, want.BackupUnknown},
		{"UVInitialized", got.UVInitialized == want.UVInitialized, got.UVInitialized, want.UVInitialized},
		{"Transports", slices.Equal(got.Transports, want.Transports), got.Transports, want.Transports},
		{"Discoverable", got.Discoverable == want.Discoverable, got.Discoverable, want.Discoverable},
		{"AAGUID", got.AAGUID == want.AAGUID, got.AAGUID, want.AAGUID},
		{"AttestationFormat", got.AttestationFormat == want.AttestationFormat, got.AttestationFormat, want.AttestationFormat},
		{"DeviceName", got.DeviceName == want.DeviceName, got.DeviceName, want.DeviceName},
		{"CreatedAt", sameTime(got.CreatedAt, want.CreatedAt), got.CreatedAt, want.CreatedAt},
		{"LastUsedAt", sameTime(got.LastUsedAt, want.LastUsedAt), got.LastUsedAt, want.LastUsedAt},
		{"QuarantinedAt", sameTime(got.QuarantinedAt, want.QuarantinedAt), got.QuarantinedAt, want.QuarantinedAt},
		{"QuarantineReason", got.QuarantineReason == want.QuarantineReason, got.QuarantineReason, want.QuarantineReason},
	} {
		if !f.same {
			c.errorf("%s: %s is %q, want %q", what, f.field, fmt.Sprint(f.got), fmt.Sprint(f.want))
		}
	}
}

// sameTime allows a store to cut or to round what is finer than a microsecond.
func sameTime(got, want time.Time) bool {
	if want.IsZero() {
		return got.IsZero()
	}
	d := got.Sub(want)
	return d > -time.Microsecond && d < time.Microsecond && got.Nanosecond()%1000 == 0 && got.Location() == time.UTC
}

func roundTrip(c *check, r passkeys.CredentialRepository) {
	largest := sample("alice", 2)
	largest.PublicKey = bytes.Repeat([]byte{0xff}, 4096)
	largest.Algorithm = passkeys.RS256
	largest.SignCount = math.MaxUint32
	largest.Transports = []string{"smart-card", "nfc", "ble", "usb", "internal", "hybrid", "usb", "nfc"}
	largest.AttestationFormat = strings.Repeat("f", 32)
	bare := func(id byte) passkeys.Credential {
		return passkeys.Credential{ID: []byte{id}, UserID: "alice", PublicKey: []byte{1}, CreatedAt: noon}
	}
	eligible, state, unknown, verified, discoverable := bare(4), bare(5), bare(6), bare(7), bare(8)
	eligible.BackupEligible, state.BackupState, unknown.BackupUnknown = true, true, true
	verified.UVInitialized, discoverable.Discoverable = true, true
	all := []passkeys.Credential{sample("alice", 1), largest, bare(3),
		eligible, state, unknown, verified, discoverable, quarantined(sample("alice", 9))}
	c.stored(r, all...)
	c.holds(r, all...)
	c.lists(r, "alice", all...)
}

func times(c *check, r passkeys.CredentialRepository) {
	for i, at := range []time.Time{
		noon.In(time.FixedZone("", 5*3600+1800)),
		noon.Add(789).In(time.FixedZone("", -12*3600)),
		time.Unix(0, 0).In(time.FixedZone("", 3600)),
		time.Date(2100, time.February, 28, 23, 59, 59, 999999000, time.UTC),
		{},
	} {
		used, quarantined := sample("alice", 1, byte(i)), sample("alice", 2, byte(i))
		used.CreatedAt, used.LastUsedAt = at, time.Time{}
		quarantined.LastUsedAt, quarantined.QuarantinedAt = at, at
		c.stored(r, used, quarantined)
		c.holds(r, used, quarantined)
		if at.IsZero() {
			continue // nothing is used or quarantined at no time
		}
		c.uses(r, used.ID, passkeys.Usage{SeenSignCount: 7, SignCount: 8, At: at}, passkeys.Advanced)
		c.is(r.Quarantine(c.ctx, used.ID, at, passkeys.ReasonSignCountRegressed), nil, "Quarantine")
		got, err := r.Get(c.ctx, used.ID)
		if c.is(err, nil, "Get") && (!sameTime(got.LastUsedAt, at) || !sameTime(got.QuarantinedAt, at)) {
			c.errorf("UpdateUsage and Quarantine at %v: stored as %v and %v", at, got.LastUsedAt, got.QuarantinedAt)
		}
	}
}

func credentialIDs(c *check, r passkeys.CredentialRepository) {
	longest := bytes.Repeat([]byte{'x'}, 1023)
	other := bytes.Clone(longest)
	other[1022]++
	var all []passkeys.Credential
	for _, id := range [][]byte{{0}, {0, 0}, {'a', 0}, []byte("a"), []byte("A"), []byte("a "), []byte("a\n"), {0xff}, {0xff, 0xfe},
		[]byte("é"), []byte("e\u0301"), []byte(`'"\%_`), longest, other, longest[:1022], longest[:255]} {
		all = append(all, sample("alice", id...))
	}
	c.stored(r, all...)
	c.holds(r, all...)
	for i, cr := range all {
		c.is(r.Delete(c.ctx, "alice", cr.ID), nil, "Delete of %s", credential(cr.ID))
		c.lacks(r, cr.ID)
		c.holds(r, all[i+1:]...)
	}
}

func userIDs(c *check, r passkeys.CredentialRepository) {
	users := []string{"alice", "Alice", "alice ", " alice", "alice\x00", "alicé", "alice\u0301", "a", "ａ", "%", "_", `'; --`, `"`, `\`, "\n",
		"\x00", "\xff\xfe", "\xc3", "👩🏽‍🚀", "مريم", strings.Repeat("u", 64), strings.Repeat("u", 63), strings.Repeat("\xf0", 64)}
	owned := func(i int) passkeys.Credential { return sample(users[i], byte(i)) }
	for i := range users {
		c.stored(r, owned(i))
	}
	for i, u := range users {
		c.lists(r, u, owned(i))
		next := owned((i + 1) % len(users))
		c.is(r.Delete(c.ctx, u, next.ID), passkeys.ErrCredentialNotFound, "Delete by %q of a credential of %q", u, next.UserID)
		c.holds(r, next)
	}
	for i, u := range users {
		c.is(r.Delete(c.ctx, u, owned(i).ID), nil, "Delete by its owner %q", u)
	}
}

func deviceNames(c *check, r passkeys.CredentialRepository) {
	renamed := sample("alice", 0xff)
	c.stored(r, renamed)
	for i, name := range []string{"", " ", "Alice's \"phone\"", `back\slash %s _`, "'; DROP TABLE credentials; --", "tab\tand\nline", "<b>&amp;",
		"a ", "a", "A", "é", "e\u0301", "👩🏽‍🚀", "هاتف مريم", "\u202eright to left", "\ufeff\u200b", strings.Repeat("😀", 64), strings.Repeat("n", 64)} {
		added := sample("alice", byte(i))
		added.DeviceName, renamed.DeviceName = name, name
		c.stored(r, added)
		c.is(r.Rename(c.ctx, "alice", renamed.ID, name), nil, "Rename to %q", name)
		c.holds(r, added, renamed)
	}
}

func deviceNamesRefused(c *check, r passkeys.CredentialRepository) {
	kept := sample("alice", 1)
	c.stored(r, kept)
	for _, name := range []string{strings.Repeat("n", 65), strings.Repeat("😀", 65), "nul\x00", "\xff", "cut\xf0\x9f"} {
		c.is(r.Rename(c.ctx, "alice", kept.ID, name), passkeys.ErrInvalidCredential, "Rename to %q", name)
		refused := sample("alice", 2)
		refused.DeviceName = name
		c.is(r.Add(c.ctx, refused), passkeys.ErrInvalidCredential, "Add with the name %q", name)
	}
	c.lists(r, "alice", kept)
}

func addRefused(c *check, r passkeys.CredentialRepository) {
	for _, broken := range []struct {
		field string
		set   func(*passkeys.Credential)
	}{
		{"no ID", func(cr *passkeys.Credential) { cr.ID = nil }},
		{"an ID of 1,024 bytes", func(cr *passkeys.Credential) { cr.ID = make([]byte, 1024) }},
		{"no UserID", func(cr *passkeys.Credential) { cr.UserID = "" }},
		{"a UserID of 65 bytes", func(cr *passkeys.Credential) { cr.UserID = strings.Repeat("u", 65) }},
		{"no PublicKey", func(cr *passkeys.Credential) { cr.PublicKey = nil }},
		{"a PublicKey of 4,097 bytes", func(cr *passkeys.Credential) { cr.PublicKey = make([]byte, 4097) }},
		{"9 Transports", func(cr *passkeys.Credential) { cr.Transports = slices.Repeat([]string{"usb"}, 9) }},
		{"an unknown transport", func(cr *passkeys.Credential) { cr.Transports = []string{"usb", "pigeon"} }},
		{"an AttestationFormat of 33 bytes", func(cr *passkeys.Credential) { cr.AttestationFormat = strings.Repeat("f", 33) }},
	} {
		cr := sample("alice", 1)
		broken.set(&cr)
		c.is(r.Add(c.ctx, cr), passkeys.ErrInvalidCredential, "Add of a credential with %s", broken.field)
		c.lacks(r, cr.ID)
		c.lists(r, cr.UserID)
	}
}

func addDuplicate(c *check, r passkeys.CredentialRepository) {
	first := sample("alice", 1)
	c.stored(r, first)
	for _, user := range []string{"alice", "bob"} {
		again := sample(user, 1)
		again.PublicKey, again.SignCount, again.DeviceName = []byte{9}, 9, "Another"
		c.is(r.Add(c.ctx, again), passkeys.ErrCredentialExists, "Add again by %q", user)
	}
	c.lists(r, "alice", first)
	c.lists(r, "bob")
	c.holds(r, first)
}

func addConcurrent(c *check, r passkeys.CredentialRepository) {
	const n = 16
	for round := range byte(4) {
		candidate := func(i int) passkeys.Credential {
			cr := sample(fmt.Sprintf("user %d", i), 1, round)
			cr.SignCount, cr.PublicKey, cr.DeviceName = uint32(i), []byte{byte(i)}, fmt.Sprintf("Phone %d", i)
			return cr
		}
		var errs [n]error
		together(n, func(i int) { errs[i] = r.Add(c.ctx, candidate(i)) })
		winner := slices.Index(errs[:], nil)
		if winner < 0 {
			c.errorf("none of %d Adds succeeded; one returned %v", n, errs[0])
			return
		}
		for i, err := range errs {
			if i != winner {
				c.is(err, passkeys.ErrCredentialExists, "Add %d of %d, of which %d succeeded", i, n, winner)
			}
		}
		c.holds(r, candidate(winner))
		if c.failed() {
			return
		}
	}
}

func missing(c *check, r passkeys.CredentialRepository) {
	there := sample("alice", bytes.Repeat([]byte{1}, 1023)...)
	c.stored(r, there)
	for _, id := range [][]byte{nil, {}, {1}, {2}, there.ID[:1022], append(bytes.Clone(there.ID), 1), make([]byte, 64<<10)} {
		c.lacks(r, id)
		for method, err := range map[string]error{
			"Rename":     r.Rename(c.ctx, "alice", id, "New"),
			"Delete":     r.Delete(c.ctx, "alice", id),
			"Quarantine": r.Quarantine(c.ctx, id, noon, passkeys.ReasonSignCountRegressed),
			"Restore":    r.Restore(c.ctx, "alice", id),
		} {
			c.is(err, passkeys.ErrCredentialNotFound, "%s of %s", method, credential(id))
		}
		c.uses(r, id, passkeys.Usage{SeenSignCount: 7, SignCount: 8, At: noon}, passkeys.Raced)
		c.uses(r, id, passkeys.Usage{At: noon}, passkeys.Raced)
	}
	c.lists(r, "alice", there)
}

func ownership(c *check, r passkeys.CredentialRepository) {
	hers, his := quarantined(sample("alice", 1)), sample("bob", 2)
	c.stored(r, hers, his)
	for _, user := range []string{"bob", "nobody", ""} {
		c.is(r.Rename(c.ctx, user, hers.ID, "Mine"), passkeys.ErrCredentialNotFound, "Rename of alice's by %q", user)
		c.is(r.Restore(c.ctx, user, hers.ID), passkeys.ErrCredentialNotFound, "Restore of alice's by %q", user)
		c.is(r.Delete(c.ctx, user, hers.ID), passkeys.ErrCredentialNotFound, "Delete of alice's by %q", user)
	}
	c.lists(r, "alice", hers)
	c.lists(r, "bob", his)
}

func listOrder(c *check, r passkeys.CredentialRepository) {
	var ordered []passkeys.Credential
	for i, age := range []time.Duration{3 * time.Second, 2 * time.Second, 1999999 * time.Microsecond, 0} {
		for _, id := range []string{"\x00", "\x01", "A", "a", "a\x00", "aa", "b", "\x80", "\xff"} {
			cr := sample("alice", append([]byte{byte(9 - i)}, id...)...)
			cr.CreatedAt = noon.Add(-age)
			ordered = append(ordered, cr)
		}
	}
	ordered[4] = quarantined(ordered[4])
	for i := range ordered { // 7 and their number have no common divisor
		c.stored(r, ordered[i*7%len(ordered)], sample("bob", byte(i), 0, 0))
	}
	c.lists(r, "alice", ordered...)
}

func listNobody(c *check, r passkeys.CredentialRepository) {
	c.lists(r, "alice")
	c.stored(r, sample("alice", 1))
	c.lists(r, "bob")
	c.lists(r, "")
	c.lists(r, strings.Repeat("u", 65))
}

func listMany(c *check, r passkeys.CredentialRepository) {
	all := make([]passkeys.Credential, 1000)
	for i := range all {
		all[i] = sample("alice", byte(i>>8), byte(i))
		if c.stored(r, all[i]); c.failed() {
			return
		}
	}
	c.lists(r, "alice", all...)
}

// usages is a row of UpdateUsages, one after the other, of one outcome.
func usages(want passkeys.UsageOutcome, list ...passkeys.Usage) func(*check, passkeys.CredentialRepository) {
	return func(c *check, r passkeys.CredentialRepository) {
		cr, other := sample("alice", 1), sample("alice", 2)
		c.stored(r, cr, other)
		for _, u := range list {
			u.At = cmp.Or(u.At, noon.Add(24*time.Hour))
			c.uses(r, cr.ID, u, want)
			if want == passkeys.Advanced {
				cr = used(cr, u)
			}
			c.holds(r, cr, other)
		}
	}
}

// used is a credential after a sign-in that is Advanced.
func used(cr passkeys.Credential, u passkeys.Usage) passkeys.Credential {
	cr.SignCount, cr.LastUsedAt = max(u.SeenSignCount, u.SignCount), u.At
	cr.BackupEligible, cr.BackupState, cr.BackupUnknown, cr.UVInitialized = u.BackupEligible, u.BackupState, false, u.UVInitialized
	return cr
}

func usageZero(c *check, r passkeys.CredentialRepository) {
	cr := sample("alice", 1)
	cr.SignCount, cr.BackupUnknown = 0, false
	c.stored(r, cr)
	u := passkeys.Usage{BackupEligible: true, BackupState: true, UVInitialized: true, At: noon.Add(24 * time.Hour)}
	for range 3 {
		c.uses(r, cr.ID, u, passkeys.Advanced)
		c.holds(r, used(cr, u))
	}
	c.uses(r, cr.ID, passkeys.Usage{SignCount: 1, At: noon}, passkeys.Advanced)
}

func usageRegressedFirst(c *check, r passkeys.CredentialRepository) {
	cr := quarantined(sample("alice", 1))
	c.stored(r, cr)
	u := passkeys.Usage{SeenSignCount: 7, SignCount: 6, At: noon}
	c.uses(r, cr.ID, u, passkeys.Regressed)
	c.uses(r, []byte{2}, u, passkeys.Regressed)
	c.holds(r, cr)
	c.lacks(r, []byte{2})
}

func usageQuarantined(c *check, r passkeys.CredentialRepository) {
	added, later := quarantined(sample("alice", 1)), sample("alice", 2)
	c.stored(r, added, later)
	later = quarantined(later)
	c.is(r.Quarantine(c.ctx, later.ID, later.QuarantinedAt, later.QuarantineReason), nil, "Quarantine")
	for _, cr := range []passkeys.Credential{added, later} {
		c.uses(r, cr.ID, passkeys.Usage{SeenSignCount: 7, SignCount: 8, At: noon}, passkeys.Raced)
		c.uses(r, cr.ID, passkeys.Usage{SeenSignCount: 7, SignCount: 6, AllowRegression: true, At: noon}, passkeys.Raced)
		c.holds(r, cr)
	}
}

func usageConcurrent(c *check, r passkeys.CredentialRepository) {
	const n = 16
	for round := range byte(4) {
		cr := sample("alice", round)
		c.stored(r, cr)
		usage := func(i int) passkeys.Usage {
			return passkeys.Usage{SeenSignCount: 7, SignCount: uint32(8 + i), At: noon.Add(time.Duration(i) * time.Minute)}
		}
		var outcomes [n]passkeys.UsageOutcome
		together(n, func(i int) {
			var err error
			outcomes[i], err = r.UpdateUsage(c.ctx, cr.ID, usage(i))
			c.is(err, nil, "UpdateUsage")
		})
		winner := slices.Index(outcomes[:], passkeys.Advanced)
		if winner < 0 {
			c.errorf("none of %d concurrent UpdateUsages is Advanced", n)
			return
		}
		for i, o := range outcomes {
			if i != winner && o != passkeys.Raced {
				c.errorf("concurrent UpdateUsage %d is %s though %d is Advanced, want Raced", i, outcome(o), winner)
			}
		}
		if c.holds(r, used(cr, usage(winner))); c.failed() {
			return
		}
	}
}

func usageClimb(c *check, r passkeys.CredentialRepository) {
	const n = 8
	cr := sample("alice", 1)
	cr.SignCount = 0
	c.stored(r, cr)
	var advanced atomic.Uint32
	for round := range 20 {
		before := advanced.Load()
		together(n, func(i int) {
			got, err := r.Get(c.ctx, cr.ID)
			if !c.is(err, nil, "Get") {
				return
			}
			if got.SignCount < before {
				c.errorf("the counter is %d after %d Advanced steps of 1", got.SignCount, before)
			}
			if i == round%n {
				c.is(r.Rename(c.ctx, "alice", cr.ID, fmt.Sprintf("Phone %d", round)), nil, "Rename")
				return
			}
			o, err := r.UpdateUsage(c.ctx, cr.ID, passkeys.Usage{SeenSignCount: got.SignCount, SignCount: got.SignCount + 1, At: noon})
			if c.is(err, nil, "UpdateUsage") && o == passkeys.Advanced {
				advanced.Add(1)
			}
		})
		got, err := r.Get(c.ctx, cr.ID)
		if c.is(err, nil, "Get") && (got.SignCount != advanced.Load() || got.DeviceName != fmt.Sprintf("Phone %d", round)) {
			c.errorf("the counter of %q is %d after %d Advanced steps of 1", got.DeviceName, got.SignCount, advanced.Load())
		}
		if c.failed() {
			return
		}
	}
}

func rename(c *check, r passkeys.CredentialRepository) {
	cr, other := quarantined(sample("alice", 1)), sample("alice", 2)
	c.stored(r, cr, other)
	cr.DeviceName = "Laptop"
	for range 2 {
		c.is(r.Rename(c.ctx, "alice", cr.ID, "Laptop"), nil, "Rename")
		c.holds(r, cr, other)
	}
}

func remove(c *check, r passkeys.CredentialRepository) {
	cr, disabled, other := sample("alice", 1), quarantined(sample("alice", 2)), sample("alice", 3)
	c.stored(r, cr, disabled, other)
	for _, gone := range []passkeys.Credential{cr, disabled} {
		c.is(r.Delete(c.ctx, "alice", gone.ID), nil, "Delete")
		c.lacks(r, gone.ID)
		c.is(r.Delete(c.ctx, "alice", gone.ID), passkeys.ErrCredentialNotFound, "Delete again")
	}
	c.lists(r, "alice", other)
	again := sample("bob", 1)
	again.SignCount = 0
	c.stored(r, again)
	c.lists(r, "bob", again)
}

func quarantine(c *check, r passkeys.CredentialRepository) {
	cr, other := sample("alice", 1), sample("alice", 2)
	c.stored(r, cr, other)
	cr = quarantined(cr)
	for range 2 {
		c.is(r.Quarantine(c.ctx, cr.ID, cr.QuarantinedAt, cr.QuarantineReason), nil, "Quarantine")
		c.lists(r, "alice", cr, other)
	}
	c.is(r.Quarantine(c.ctx, cr.ID, noon.Add(24*time.Hour), passkeys.ReasonUserMismatch), nil, "Quarantine later")
	c.is(r.Quarantine(c.ctx, cr.ID, noon.Add(-24*time.Hour), passkeys.ReasonUserMismatch), nil, "Quarantine earlier")
	c.holds(r, cr)
}

func restore(c *check, r passkeys.CredentialRepository) {
	cr, other := sample("alice", 1), quarantined(sample("alice", 2))
	c.stored(r, quarantined(cr), other)
	for range 2 {
		c.is(r.Restore(c.ctx, "alice", cr.ID), nil, "Restore")
		c.holds(r, cr, other)
	}
	cr.QuarantinedAt, cr.QuarantineReason = noon.Add(24*time.Hour), passkeys.ReasonUserMismatch
	c.is(r.Quarantine(c.ctx, cr.ID, cr.QuarantinedAt, cr.QuarantineReason), nil, "Quarantine after Restore")
	c.holds(r, cr)
}

func ownMemory(c *check, r passkeys.CredentialRepository) {
	scribble := func(cr passkeys.Credential) {
		clear(cr.ID)
		clear(cr.PublicKey)
		clear(cr.Transports)
	}
	want := sample("alice", 1)
	passed := want.Clone()
	c.stored(r, passed)
	scribble(passed)
	c.holds(r, want)
	if got, err := r.Get(c.ctx, want.ID); c.is(err, nil, "Get") {
		scribble(got)
	}
	c.holds(r, want)
	if list, err := r.ListByUser(c.ctx, "alice"); c.is(err, nil, "ListByUser") && len(list) == 1 {
		scribble(list[0])
		list[0] = passkeys.Credential{}
	}
	c.lists(r, "alice", want)
}

func endedContext(c *check, r passkeys.CredentialRepository) {
	there, other := sample("alice", 1), quarantined(sample("alice", 2))
	c.stored(r, there, other)
	for _, ctx := range c.ended() {
		for method, call := range map[string]func(context.Context) error{
			"Add":        func(ctx context.Context) error { return r.Add(ctx, sample("alice", 3)) },
			"Get":        func(ctx context.Context) error { _, err := r.Get(ctx, there.ID); return err },
			"ListByUser": func(ctx context.Context) error { _, err := r.ListByUser(ctx, "alice"); return err },
			"UpdateUsage": func(ctx context.Context) error {
				_, err := r.UpdateUsage(ctx, there.ID, passkeys.Usage{SeenSignCount: 7, SignCount: 8, At: noon})
				return err
			},
			"Rename":     func(ctx context.Context) error { return r.Rename(ctx, "alice", there.ID, "New") },
			"Delete":     func(ctx context.Context) error { return r.Delete(ctx, "alice", there.ID) },
			"Quarantine": func(ctx context.Context) error { return r.Quarantine(ctx, there.ID, noon, passkeys.ReasonUserMismatch) },
			"Restore":    func(ctx context.Context) error { return r.Restore(ctx, "alice", other.ID) },
		} {
			c.is(call(ctx), ctx.Err(), "%s", method)
		}
	}
	c.lists(r, "alice", there, other)
}

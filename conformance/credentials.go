package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// TestCredentials holds a repository to the contract of
// [passkeys.CredentialRepository], and one that is a [passkeys.CredentialScanner] to
// that. newRepo is called once for each row and returns an empty repository; what it
// opens, it closes with t.Cleanup.
func TestCredentials(t *testing.T, newRepo func(testing.TB) passkeys.CredentialRepository) {
	t.Helper()
	test(t, credentialRows(), newRepo)
}

type credentialRow = row[passkeys.CredentialRepository]

func credentialRows() []credentialRow {
	return []credentialRow{
		{"round-trip", "Get and ListByUser return every field as Add got it, up to its largest value.", roundTrip},
		{"times", "Add and Update keep times in UTC to the microsecond, the first of 1970 and those after 2038 too; zero stays zero.", times},
		{"credential-ids", "Ids are compared byte by byte, from 1 to 1,023 of them.", credentialIDs},
		{"user-ids", "User ids are any bytes, compared byte by byte: case, accents and trailing spaces count.", userIDs},
		{"user-handles", "A user handle is kept to the byte, up to 64 of them; none, and one that is unknown, stay so until Update has it.", userHandles},
		{"device-names", "Add and Update keep a device name to the byte.", deviceNames},
		{"reasons", "Add and Update keep a quarantine's reason to the byte, up to 255 of them.", reasons},
		{"spent", "Add and Update keep Spent to the byte, up to 1,024 of them.", spent},
		{"add-version", "Add stores Version as it comes.", addVersion},
		{"add-refused", "Add refuses what Credential.Validate refuses, and stores nothing.", addRefused},
		{"add-duplicate", "Add of an id that is stored, whoever owns it, is ErrCredentialExists and changes nothing, Version included.", addDuplicate},
		{"add-concurrent", "Of N concurrent Adds with one id exactly one succeeds; the others are ErrCredentialExists.", addConcurrent},
		{"missing", "An id that is not stored, empty or oversize, is ErrCredentialNotFound to Get and to Delete.", missing},
		{"list-order", "ListByUser lists the oldest first by CreatedAt and then by ID, quarantined ones among them.", listOrder},
		{"list-nobody", "ListByUser of somebody without credentials is an empty list and no error.", listNobody},
		{"list-many", "ListByUser lists all, be there 1,000.", listMany},
		{"update", "Update replaces every field that may change, and no other credential.", update},
		{"update-range", "Update takes every field to its largest value, and to zero.", updateRange},
		{"update-version", "Update stores Version+1, and Get and ListByUser show it.", updateVersion},
		{"update-unchanged", "Update succeeds, again and again, though it changes nothing but Version.", updateUnchanged},
		{"update-conflict", "Update with a Version that is not the stored one, lower or higher, is ErrConflict and changes nothing.", updateConflict},
		{"update-missing", "Update of a credential that is not stored, or not any more, is ErrCredentialNotFound and stores nothing.", updateMissing},
		{"update-refused", "Update refuses what Credential.Validate refuses, and changes nothing.", updateRefused},
		{"update-concurrent", "Of N concurrent Updates with one Version exactly one succeeds, whole; the others are ErrConflict.", updateConcurrent},
		{"update-climb", "Where all read, change and Update until there is no conflict, no change is lost, and Version never goes back.", updateClimb},
		{"update-re-added", "Update of a credential that was deleted and added again is by the Version that was added.", updateReAdded},
		{"delete", "Delete removes the credential and no other; its id is free again.", remove},
		{"delete-ownership", "Delete of another user's credential is ErrCredentialNotFound and changes nothing.", deleteOwnership},
		{"delete-concurrent", "A Delete that succeeds among concurrent Updates is not undone by any.", deleteConcurrent},
		{"scan", "Scan, where there is one, returns all credentials of all users once, as Get does, in one order, and fewer than the limit only where there are no more.", scan},
		{"scan-changes", "Scan goes on where it was, whatever is added, changed and removed between two pages, be it the one it goes on after.", scanChanges},
		{"own-memory", "The caller may change what it passed in and what it got back.", ownMemory},
		{"context", "A cancelled or expired context is an error for which errors.Is finds ctx.Err(), and changes nothing.", endedContext},
	}
}

// sample returns a credential of this user in which no field is zero but those
// of the quarantine, and HandleUnknown, which a UserHandle excludes.
func sample(userID string, id ...byte) passkeys.Credential {
	return passkeys.Credential{
		ID:                id,
		UserID:            userID,
		UserHandle:        append([]byte{0xff, 0}, id[:min(len(id), 62)]...),
		RPID:              "example.org",
		PublicKey:         append([]byte{0xa5, 0, 0xff}, id...),
		Algorithm:         passkeys.ES256,
		SignCount:         7,
		BackupEligible:    true,
		BackupState:       true,
		BackupUnknown:     true,
		UVInitialized:     true,
		Transports:        []string{"usb", "internal", "hybrid"},
		Discoverable:      passkeys.Discoverable,
		PRFEnabled:        true,
		AAGUID:            [16]byte{0, 1, 2, 0xfd, 0xfe, 0xff},
		AttestationFormat: "packed",
		DeviceName:        "Phone",
		CreatedAt:         noon,
		LastUsedAt:        noon.Add(time.Hour + time.Microsecond),
		Spent:             []byte{1, 0, 0xff, 0},
		Version:           1234567890123456, // as of registrations: microseconds since 1970
	}
}

// bare returns a credential in which every field is zero that may be.
func bare(id ...byte) passkeys.Credential {
	return passkeys.Credential{ID: id, UserID: "alice", PublicKey: []byte{1}}
}

// unknownHandle is a credential that was imported without its handle.
func unknownHandle(c passkeys.Credential) passkeys.Credential {
	c.UserHandle, c.HandleUnknown = nil, true
	return c
}

// largest is a credential with every field that may change at its largest value.
func largest(c passkeys.Credential) passkeys.Credential {
	c.Algorithm = -65535 // RS1, the lowest that is registered
	c.SignCount = math.MaxUint32
	c.BackupEligible, c.BackupState, c.BackupUnknown, c.UVInitialized, c.PRFEnabled = true, true, true, true, true
	c.Transports = []string{"smart-card", "nfc", "ble", "usb", "internal", "hybrid", "usb", "nfc"}
	c.Discoverable = passkeys.NotDiscoverable
	c.AAGUID = passkeys.AAGUID(bytes.Repeat([]byte{0xff}, 16))
	c.AttestationFormat = strings.Repeat("f", 32)
	c.DeviceName = strings.Repeat("😀", 64)
	c.LastUsedAt, c.QuarantinedAt = noon.AddDate(70, 0, 0), noon.AddDate(71, 0, 0)
	c.QuarantineReason = passkeys.Reason(strings.Repeat("r", 255))
	c.Spent = bytes.Repeat([]byte{0xff}, 1024)
	return c
}

var noon = time.Date(2030, time.June, 15, 12, 0, 0, 123456000, time.UTC)

func quarantined(c passkeys.Credential) passkeys.Credential {
	c.QuarantinedAt, c.QuarantineReason = noon.Add(2*time.Hour), passkeys.ReasonSignCountRegressed
	return c
}

func handle(c passkeys.Credential) string {
	return fmt.Sprintf("%x (%d bytes)", c.UserHandle, len(c.UserHandle))
}

func memory(c passkeys.Credential) string {
	return fmt.Sprintf("%.32x… (%d bytes)", c.Spent, len(c.Spent))
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

// updates reports an Update that does not succeed, and returns the credential as
// it should be stored now.
func (c *check) updates(r passkeys.CredentialRepository, cr passkeys.Credential) passkeys.Credential {
	c.is(r.Update(c.ctx, cr), nil, "Update of %s with Version %d", credential(cr.ID), cr.Version)
	cr.Version++
	return cr
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
		{"UserHandle", bytes.Equal(got.UserHandle, want.UserHandle), handle(got), handle(want)},
		{"HandleUnknown", got.HandleUnknown == want.HandleUnknown, got.HandleUnknown, want.HandleUnknown},
		{"RPID", got.RPID == want.RPID, got.RPID, want.RPID},
		{"PublicKey", bytes.Equal(got.PublicKey, want.PublicKey), len(got.PublicKey), len(want.PublicKey)},
		{"Algorithm", got.Algorithm == want.Algorithm, int(got.Algorithm), int(want.Algorithm)},
		{"SignCount", got.SignCount == want.SignCount, got.SignCount, want.SignCount},
		{"BackupEligible", got.BackupEligible == want.BackupEligible, got.BackupEligible, want.BackupEligible},
		{"BackupState", got.BackupState == want.BackupState, got.BackupState, want.BackupState},
		{"BackupUnknown", got.BackupUnknown == want.BackupUnknown, got.BackupUnknown, want.BackupUnknown},
		{"UVInitialized", got.UVInitialized == want.UVInitialized, got.UVInitialized, want.UVInitialized},
		{"Transports", slices.Equal(got.Transports, want.Transports), got.Transports, want.Transports},
		{"Discoverable", got.Discoverable == want.Discoverable, got.Discoverable, want.Discoverable},
		{"PRFEnabled", got.PRFEnabled == want.PRFEnabled, got.PRFEnabled, want.PRFEnabled},
		{"AAGUID", got.AAGUID == want.AAGUID, got.AAGUID, want.AAGUID},
		{"AttestationFormat", got.AttestationFormat == want.AttestationFormat, got.AttestationFormat, want.AttestationFormat},
		{"DeviceName", got.DeviceName == want.DeviceName, got.DeviceName, want.DeviceName},
		{"CreatedAt", sameTime(got.CreatedAt, want.CreatedAt), got.CreatedAt, want.CreatedAt},
		{"LastUsedAt", sameTime(got.LastUsedAt, want.LastUsedAt), got.LastUsedAt, want.LastUsedAt},
		{"QuarantinedAt", sameTime(got.QuarantinedAt, want.QuarantinedAt), got.QuarantinedAt, want.QuarantinedAt},
		{"QuarantineReason", got.QuarantineReason == want.QuarantineReason, got.QuarantineReason, want.QuarantineReason},
		{"Spent", bytes.Equal(got.Spent, want.Spent), memory(got), memory(want)},
		{"Version", got.Version == want.Version, got.Version, want.Version},
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
	most := largest(sample("alice", 2))
	most.PublicKey = bytes.Repeat([]byte{0xff}, 4096)
	most.RPID = strings.Repeat("r", 253)
	most.Version = 1<<62 - 1
	all := []passkeys.Credential{sample("alice", 1), most, bare(3), quarantined(sample("alice", 4)), unknownHandle(sample("alice", 5))}
	for i, set := range []func(*passkeys.Credential){
		func(cr *passkeys.Credential) { cr.BackupEligible = true },
		func(cr *passkeys.Credential) { cr.BackupState = true },
		func(cr *passkeys.Credential) { cr.BackupUnknown = true },
		func(cr *passkeys.Credential) { cr.UVInitialized = true },
		func(cr *passkeys.Credential) { cr.HandleUnknown = true },
		func(cr *passkeys.Credential) { cr.PRFEnabled = true },
		func(cr *passkeys.Credential) { cr.Discoverable = passkeys.Discoverable },
		func(cr *passkeys.Credential) { cr.Discoverable = passkeys.NotDiscoverable },
		func(cr *passkeys.Credential) { cr.Discoverable = passkeys.DiscoverableUnknown },
	} {
		cr := bare(byte(10 + i))
		set(&cr)
		all = append(all, cr)
	}
	for i := range all {
		all[i].CreatedAt = noon
	}
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
		added, updated := sample("alice", 1, byte(i)), sample("alice", 2, byte(i))
		added.CreatedAt, added.LastUsedAt, added.QuarantinedAt = at, at, at
		c.stored(r, added, updated)
		updated.LastUsedAt, updated.QuarantinedAt = at, at
		c.holds(r, added, c.updates(r, updated))
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

func userHandles(c *check, r passkeys.CredentialRepository) {
	var all []passkeys.Credential
	for i, h := range []string{"", "\x00", "\x00\x00", "alice", "Alice", "alice ", " alice", "alice\x00", "é", "e\u0301", "\xff\xfe", "\n", "%00", "null",
		strings.Repeat("\x00", 64), strings.Repeat("\xff", 64), strings.Repeat("H", 64)} {
		added, learned := sample("alice", 1, byte(i)), unknownHandle(sample("alice", 2, byte(i)))
		added.UserHandle = []byte(h)
		c.stored(r, added, learned)
		c.holds(r, learned)
		learned.UserHandle, learned.HandleUnknown = []byte(h), false
		all = append(all, added, c.updates(r, c.updates(r, learned)))
	}
	c.holds(r, all...)
}

func deviceNames(c *check, r passkeys.CredentialRepository) {
	renamed := sample("alice", 0xff)
	c.stored(r, renamed)
	for i, name := range []string{"", " ", "Alice's \"phone\"", `back\slash %s _`, "'; DROP TABLE credentials; --", "tab\tand\nline", "<b>&amp;",
		"a ", "a", "A", "é", "e\u0301", "👩🏽‍🚀", "هاتف مريم", "\u202eright to left", "\ufeff\u200b", strings.Repeat("😀", 64), strings.Repeat("n", 64)} {
		added := sample("alice", byte(i))
		added.DeviceName, renamed.DeviceName = name, name
		c.stored(r, added)
		renamed = c.updates(r, renamed)
		c.holds(r, added, renamed)
	}
}

func reasons(c *check, r passkeys.CredentialRepository) {
	disabled := sample("alice", 0xff)
	c.stored(r, disabled)
	for i, reason := range []passkeys.Reason{"", " ", "r ", "R", "é", "e\u0301", "😀 \"'%\\", "line\n", passkeys.Reason(strings.Repeat("é", 127)),
		passkeys.Reason(strings.Repeat("😀", 63)), passkeys.Reason(strings.Repeat("r", 255))} {
		added := quarantined(sample("alice", byte(i)))
		disabled = quarantined(disabled)
		added.QuarantineReason, disabled.QuarantineReason = reason, reason
		c.stored(r, added)
		disabled = c.updates(r, disabled)
		c.holds(r, added, disabled)
	}
}

func spent(c *check, r passkeys.CredentialRepository) {
	updated := sample("alice", 0xff)
	c.stored(r, updated)
	for i, size := range []int{0, 1, 41, 649, 255, 256, 257, 1024, 1023, 2} {
		for _, last := range []byte{0, ' ', 0xff} { // what stores cut off
			added := sample("alice", byte(i), last)
			added.Spent = []byte(strings.Repeat(everyByte(), 4))[:size]
			if size > 0 {
				added.Spent[size-1] = last
			}
			updated.Spent = added.Spent
			c.stored(r, added)
			updated = c.updates(r, updated)
			c.holds(r, added, updated)
		}
	}
}

func addVersion(c *check, r passkeys.CredentialRepository) {
	for i, version := range []int64{0, 1, 2, math.MaxInt32, math.MaxInt32 + 1, noon.UnixMicro(), 1<<62 - 1} {
		cr := sample("alice", byte(i))
		cr.Version = version
		c.stored(r, cr)
		c.holds(r, cr)
	}
}

// invalid are ways to make a credential one that Credential.Validate refuses.
func invalid() map[string]func(*passkeys.Credential) {
	return map[string]func(*passkeys.Credential){
		"no ID":                            func(cr *passkeys.Credential) { cr.ID = nil },
		"an ID of 1,024 bytes":             func(cr *passkeys.Credential) { cr.ID = make([]byte, 1024) },
		"no UserID":                        func(cr *passkeys.Credential) { cr.UserID = "" },
		"a UserID of 65 bytes":             func(cr *passkeys.Credential) { cr.UserID = strings.Repeat("u", 65) },
		"a UserHandle of 65 bytes":         func(cr *passkeys.Credential) { cr.UserHandle = make([]byte, 65) },
		"a UserHandle that is unknown":     func(cr *passkeys.Credential) { cr.HandleUnknown = true },
		"an RPID of 254 bytes":             func(cr *passkeys.Credential) { cr.RPID = strings.Repeat("r", 254) },
		"an RPID that is not ASCII":        func(cr *passkeys.Credential) { cr.RPID = "exämple.org" },
		"no PublicKey":                     func(cr *passkeys.Credential) { cr.PublicKey = nil },
		"a PublicKey of 4,097 bytes":       func(cr *passkeys.Credential) { cr.PublicKey = make([]byte, 4097) },
		"9 Transports":                     func(cr *passkeys.Credential) { cr.Transports = slices.Repeat([]string{"usb"}, 9) },
		"an unknown transport":             func(cr *passkeys.Credential) { cr.Transports = []string{"usb", "pigeon"} },
		"an unknown discoverability":       func(cr *passkeys.Credential) { cr.Discoverable = "maybe" },
		"an AttestationFormat of 33 bytes": func(cr *passkeys.Credential) { cr.AttestationFormat = strings.Repeat("f", 33) },
		"a DeviceName of 65 runes":         func(cr *passkeys.Credential) { cr.DeviceName = strings.Repeat("😀", 65) },
		"a DeviceName with NUL":            func(cr *passkeys.Credential) { cr.DeviceName = "nul\x00" },
		"a DeviceName that is not UTF-8":   func(cr *passkeys.Credential) { cr.DeviceName = "cut\xf0\x9f" },
		"a QuarantineReason of 256 bytes":  func(cr *passkeys.Credential) { cr.QuarantineReason = passkeys.Reason(strings.Repeat("r", 256)) },
		"a QuarantineReason with NUL":      func(cr *passkeys.Credential) { cr.QuarantineReason = "nul\x00" },
		"Spent of 1,025 bytes":             func(cr *passkeys.Credential) { cr.Spent = make([]byte, 1025) },
		"a Version that is negative":       func(cr *passkeys.Credential) { cr.Version = -1 },
	}
}

func addRefused(c *check, r passkeys.CredentialRepository) {
	for what, set := range invalid() {
		cr := sample("alice", 1)
		set(&cr)
		c.is(r.Add(c.ctx, cr), passkeys.ErrInvalidCredential, "Add of a credential with %s", what)
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
		for _, again.Version = range []int64{0, first.Version, first.Version + 1} {
			c.is(r.Add(c.ctx, again), passkeys.ErrCredentialExists, "Add again by %q", user)
		}
	}
	c.lists(r, "alice", first)
	c.lists(r, "bob")
	c.holds(r, c.updates(r, first))
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
				c.is(err, passkeys.ErrCredentialExists, "concurrent Add %d of %d, where number %d succeeded", i, n, winner)
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
		c.is(r.Delete(c.ctx, "alice", id), passkeys.ErrCredentialNotFound, "Delete of %s", credential(id))
	}
	c.lists(r, "alice", there)
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

// change is one to a field that may change.
type change struct {
	field string
	set   func(*passkeys.Credential)
}

// changes has one for each field, to what an unknownHandle of a sample does not
// have there.
func changes() []change {
	return []change{
		{"UserHandle", func(cr *passkeys.Credential) { cr.UserHandle, cr.HandleUnknown = []byte{9, 0, 0xff}, false }},
		{"HandleUnknown", func(cr *passkeys.Credential) { cr.HandleUnknown = false }},
		{"Algorithm", func(cr *passkeys.Credential) { cr.Algorithm = passkeys.RS256 }},
		{"SignCount", func(cr *passkeys.Credential) { cr.SignCount = 8 }},
		{"BackupEligible", func(cr *passkeys.Credential) { cr.BackupEligible = false }},
		{"BackupState", func(cr *passkeys.Credential) { cr.BackupState = false }},
		{"BackupUnknown", func(cr *passkeys.Credential) { cr.BackupUnknown = false }},
		{"UVInitialized", func(cr *passkeys.Credential) { cr.UVInitialized = false }},
		{"Transports", func(cr *passkeys.Credential) { cr.Transports = []string{"internal", "usb"} }},
		{"Discoverable", func(cr *passkeys.Credential) { cr.Discoverable = passkeys.NotDiscoverable }},
		{"PRFEnabled", func(cr *passkeys.Credential) { cr.PRFEnabled = false }},
		{"AAGUID", func(cr *passkeys.Credential) { cr.AAGUID = passkeys.AAGUID{9} }},
		{"AttestationFormat", func(cr *passkeys.Credential) { cr.AttestationFormat = "tpm" }},
		{"DeviceName", func(cr *passkeys.Credential) { cr.DeviceName = "Laptop" }},
		{"LastUsedAt", func(cr *passkeys.Credential) { cr.LastUsedAt = noon.Add(24 * time.Hour) }},
		{"QuarantinedAt", func(cr *passkeys.Credential) { cr.QuarantinedAt = noon.Add(25 * time.Hour) }},
		{"QuarantineReason", func(cr *passkeys.Credential) { cr.QuarantineReason = passkeys.ReasonUserMismatch }},
		{"Spent", func(cr *passkeys.Credential) { cr.Spent = []byte{9, 8, 7, 0, 0} }},
	}
}

func update(c *check, r passkeys.CredentialRepository) {
	var all []passkeys.Credential
	for i := range changes() {
		all = append(all, unknownHandle(sample("alice", byte(i))))
	}
	c.stored(r, all...)
	other := sample("bob", 0xff)
	c.stored(r, other)
	for i, change := range changes() {
		change.set(&all[i])
		all[i] = c.updates(r, all[i])
	}
	c.lists(r, "alice", all...)
	c.holds(r, all...)
	c.lists(r, "bob", other)
}

func updateRange(c *check, r passkeys.CredentialRepository) {
	cr := sample("alice", 1)
	c.stored(r, cr)
	least := bare(1)
	least.UserHandle, least.RPID, least.PublicKey, least.CreatedAt = cr.UserHandle, cr.RPID, cr.PublicKey, cr.CreatedAt // which never change
	for range 2 {
		for _, next := range []passkeys.Credential{largest(cr), least} {
			next.Version = cr.Version
			cr = c.updates(r, next)
			c.holds(r, cr)
		}
	}
}

func updateVersion(c *check, r passkeys.CredentialRepository) {
	for i, version := range []int64{0, 1, math.MaxInt32 - 1, math.MaxUint32 - 1, noon.UnixMicro(), 1<<62 - 5} {
		user := fmt.Sprint("user ", i)
		cr := sample(user, byte(i))
		cr.Version = version
		c.stored(r, cr)
		for range 3 {
			cr.SignCount++
			cr = c.updates(r, cr)
			c.holds(r, cr)
			c.lists(r, user, cr)
		}
	}
}

func updateUnchanged(c *check, r passkeys.CredentialRepository) {
	cr := sample("alice", 1)
	c.stored(r, cr)
	for range 4 {
		cr = c.updates(r, cr)
		c.holds(r, cr)
	}
}

func updateConflict(c *check, r passkeys.CredentialRepository) {
	first, kept := sample("alice", 1), sample("alice", 1)
	c.stored(r, kept)
	kept.SignCount = 8
	kept = c.updates(r, kept)
	for _, version := range []int64{0, 1, first.Version - 1, first.Version, kept.Version + 1, kept.Version + 2, kept.Version + 1<<32, 1<<62 - 2} {
		for _, stale := range []passkeys.Credential{first, kept, largest(kept)} { // with what was there, what is, and neither
			stale.Version = version
			c.is(r.Update(c.ctx, stale), passkeys.ErrConflict, "Update with Version %d of one with Version %d", version, kept.Version)
			c.lists(r, "alice", kept)
		}
	}
	c.holds(r, c.updates(r, kept))
}

func updateMissing(c *check, r passkeys.CredentialRepository) {
	deleted, other := sample("alice", 1), sample("alice", 1, 0)
	c.stored(r, deleted, other)
	updated := c.updates(r, deleted)
	c.is(r.Delete(c.ctx, "alice", deleted.ID), nil, "Delete")
	never := sample("alice", bytes.Repeat([]byte{1}, 1023)...)
	for _, gone := range []passkeys.Credential{deleted, updated, never} {
		for _, version := range []int64{0, gone.Version, gone.Version + 1} {
			gone.Version = version
			c.is(r.Update(c.ctx, gone), passkeys.ErrCredentialNotFound, "Update of %s", credential(gone.ID))
			c.lacks(r, gone.ID)
		}
	}
	c.lists(r, "alice", other)
}

func updateRefused(c *check, r passkeys.CredentialRepository) {
	kept := sample("alice", 1)
	c.stored(r, kept)
	for what, set := range invalid() {
		refused := kept.Clone()
		refused.SignCount = 8
		set(&refused)
		c.is(r.Update(c.ctx, refused), passkeys.ErrInvalidCredential, "Update to a credential with %s", what)
	}
	c.lists(r, "alice", kept)
	c.holds(r, c.updates(r, kept))
}

func updateConcurrent(c *check, r passkeys.CredentialRepository) {
	const n = 16
	for round := range byte(4) {
		read := sample("alice", round)
		c.stored(r, read)
		candidate := func(i int) passkeys.Credential {
			cr := read.Clone()
			cr.SignCount, cr.DeviceName, cr.Spent = uint32(8+i), fmt.Sprintf("Phone %d", i), []byte{byte(i)}
			cr.LastUsedAt = noon.Add(time.Duration(i) * time.Minute)
			return cr
		}
		var errs [n]error
		together(n, func(i int) { errs[i] = r.Update(c.ctx, candidate(i)) })
		winner := slices.Index(errs[:], nil)
		if winner < 0 {
			c.errorf("none of %d concurrent Updates succeeded; one returned %v", n, errs[0])
			return
		}
		for i, err := range errs {
			if i != winner {
				c.is(err, passkeys.ErrConflict, "concurrent Update %d of %d, where number %d succeeded", i, n, winner)
			}
		}
		stored := candidate(winner)
		stored.Version++
		if c.holds(r, stored); c.failed() {
			return
		}
	}
}

func updateClimb(c *check, r passkeys.CredentialRepository) {
	const workers, each = 8, 8
	cr := sample("alice", 1)
	cr.SignCount, cr.DeviceName = 0, ""
	c.stored(r, cr)
	// until does one change. Every conflict is another's success, so that none
	// meets more of them than there are changes.
	until := func(seen *int64, change func(*passkeys.Credential)) {
		for range workers*each + 1 {
			got, err := r.Get(c.ctx, cr.ID)
			if !c.is(err, nil, "Get") {
				return
			}
			if got.Version < *seen {
				c.errorf("Version is %d after it was %d", got.Version, *seen)
				return
			}
			*seen = got.Version
			change(&got)
			if err = r.Update(c.ctx, got); !errors.Is(err, passkeys.ErrConflict) {
				c.is(err, nil, "Update")
				return
			}
		}
		c.errorf("Update: more conflicts than there are changes")
	}
	together(workers, func(i int) {
		seen := cr.Version
		for range each {
			if c.failed() {
				return
			}
			until(&seen, func(cr *passkeys.Credential) {
				if i%2 == 0 {
					cr.SignCount++
				} else {
					cr.DeviceName += string(rune('a' + i))
				}
			})
		}
	})
	got, err := r.Get(c.ctx, cr.ID)
	if !c.is(err, nil, "Get") {
		return
	}
	for i := 1; i < workers; i += 2 {
		if n := strings.Count(got.DeviceName, string(rune('a'+i))); n != each {
			c.errorf("%d of %d changes of a name are in %q", n, each, got.DeviceName)
		}
	}
	if want := uint32(workers / 2 * each); got.SignCount != want {
		c.errorf("the counter is %d after %d steps of 1", got.SignCount, want)
	}
	if want := cr.Version + workers*each; got.Version != want {
		c.errorf("Version is %d after %d Updates from %d, want %d", got.Version, workers*each, cr.Version, want)
	}
}

func updateReAdded(c *check, r passkeys.CredentialRepository) {
	read := sample("alice", 1)
	c.stored(r, read)
	read = c.updates(r, read)
	for i, version := range []int64{0, read.Version - 1, read.Version + 1} {
		c.is(r.Delete(c.ctx, "alice", read.ID), nil, "Delete")
		again := sample("alice", 1)
		again.PublicKey, again.CreatedAt, again.Version = []byte{9}, noon.Add(time.Duration(i)*time.Hour), version
		c.stored(r, again)
		c.is(r.Update(c.ctx, read), passkeys.ErrConflict, "Update of what was deleted, with Version %d, where %d was added", read.Version, version)
		c.lists(r, "alice", again)
		c.holds(r, c.updates(r, again))
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

func deleteOwnership(c *check, r passkeys.CredentialRepository) {
	ofAlice, ofBob := quarantined(sample("alice", 1)), sample("bob", 2)
	c.stored(r, ofAlice, ofBob)
	for _, user := range []string{"bob", "nobody", ""} {
		c.is(r.Delete(c.ctx, user, ofAlice.ID), passkeys.ErrCredentialNotFound, "Delete of alice's by %q", user)
	}
	c.lists(r, "alice", ofAlice)
	c.lists(r, "bob", ofBob)
}

func deleteConcurrent(c *check, r passkeys.CredentialRepository) {
	const n = 4
	for round := range byte(8) {
		cr := sample("alice", round)
		c.stored(r, cr)
		together(n, func(i int) {
			if i == 0 {
				c.is(r.Delete(c.ctx, "alice", cr.ID), nil, "Delete")
				return
			}
			err := r.Update(c.ctx, cr)
			if !errors.Is(err, passkeys.ErrConflict) && !errors.Is(err, passkeys.ErrCredentialNotFound) {
				c.is(err, nil, "a concurrent Update")
			}
		})
		c.lacks(r, cr.ID)
		if c.lists(r, "alice"); c.failed() {
			return
		}
	}
}

// walks calls Scan until there are no more, and does something after each page. It
// returns what it got.
func (c *check) walks(s passkeys.CredentialScanner, limit int, then func(page []passkeys.Credential)) (all []passkeys.Credential) {
	for after := []byte(nil); ; {
		page, err := s.Scan(c.ctx, after, limit)
		if !c.is(err, nil, "Scan after %s, up to %d", credential(after), limit) {
			return all
		}
		if len(page) > limit || len(all) > 1000 {
			c.errorf("Scan up to %d: %d credentials after %d", limit, len(page), len(all))
			return all
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		after = bytes.Clone(page[limit-1].ID)
		then(page)
	}
}

func ids(credentials []passkeys.Credential) (ids []string) {
	for _, cr := range credentials {
		ids = append(ids, string(cr.ID))
	}
	return ids
}

func scan(c *check, r passkeys.CredentialRepository) {
	s, ok := r.(passkeys.CredentialScanner)
	if !ok {
		return
	}
	long := bytes.Repeat([]byte{'x'}, 1023)
	want := map[string]passkeys.Credential{}
	for i, id := range [][]byte{{0}, {0, 0}, []byte("a"), []byte("A"), []byte("a "), []byte("á"), {0xff}, {0xff, 0xff}, []byte("%"), long, append(bytes.Clone(long[:1022]), 'y'), long[:255], long[:256]} {
		cr := sample([]string{"alice", "bob", "Alice"}[i%3], id...)
		if i%4 == 1 {
			cr = quarantined(cr)
		}
		cr.CreatedAt = noon.Add(time.Duration(i*i%5) * time.Hour)
		want[string(id)] = cr
	}
	if none := c.walks(s, 1, func([]passkeys.Credential) {}); len(none) != 0 {
		c.errorf("Scan of none: %d credentials", len(none))
	}
	for _, cr := range want {
		c.stored(r, cr)
	}
	var order []string
	for _, limit := range []int{1, 2, 5, len(want) - 1, len(want), len(want) + 1, 500} {
		got := c.walks(s, limit, func([]passkeys.Credential) {})
		if order == nil {
			order = ids(got)
		}
		if len(got) != len(want) || !slices.Equal(ids(got), order) {
			c.errorf("Scan up to %d: %d credentials of %d, %.4q, want %.4q", limit, len(got), len(want), ids(got), order)
			return
		}
		for _, cr := range got {
			c.same("Scan of "+credential(cr.ID), cr, want[string(cr.ID)])
		}
	}
	if slices.Sort(order); len(slices.Compact(order)) != len(want) {
		c.errorf("Scan: some credentials twice")
	}
}

func scanChanges(c *check, r passkeys.CredentialRepository) {
	s, ok := r.(passkeys.CredentialScanner)
	if !ok {
		return
	}
	var originals []passkeys.Credential
	left := map[string]passkeys.Credential{}
	for i := range byte(24) {
		cr := sample("alice", i*5, 1)
		cr.CreatedAt = noon.Add(time.Duration(i*7%24) * time.Hour)
		originals, left[string(cr.ID)] = append(originals, cr), cr
	}
	c.stored(r, originals...)
	seen, round := map[string]int{}, byte(0)
	for _, cr := range c.walks(s, 3, func(page []passkeys.Credential) {
		last := page[2]
		c.is(r.Delete(c.ctx, last.UserID, last.ID), nil, "Delete")
		delete(left, string(last.ID))
		round++
		for id, cr := range left {
			cr.LastUsedAt, cr.SignCount = noon.Add(time.Duration(int(id[0])*int(round)%24)*time.Minute), cr.SignCount+1
			left[id] = c.updates(r, cr)
		}
		if round == 2 || round == 4 {
			c.stored(r, sample("bob", 0, 2, round), sample("bob", 0xff, 2, round)) // before most, and after
		}
	}) {
		seen[string(cr.ID)]++
	}
	for id, times := range seen {
		if times > 1 {
			c.errorf("Scan: %s came %d times", credential([]byte(id)), times)
		}
	}
	for _, cr := range originals {
		if seen[string(cr.ID)] == 0 {
			c.errorf("Scan: %s was there all the time and did not come", credential(cr.ID))
		}
	}
}

func ownMemory(c *check, r passkeys.CredentialRepository) {
	scribble := func(cr passkeys.Credential) {
		clear(cr.ID)
		clear(cr.UserHandle)
		clear(cr.PublicKey)
		clear(cr.Transports)
		clear(cr.Spent)
	}
	want := sample("alice", 1)
	passed := want.Clone()
	c.stored(r, passed)
	scribble(passed)
	c.holds(r, want)
	want.Transports, want.Spent = []string{"nfc", "ble"}, []byte{5, 6, 7}
	passed = want.Clone()
	c.updates(r, passed)
	want.Version++
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
	if s, ok := r.(passkeys.CredentialScanner); ok {
		if page, err := s.Scan(c.ctx, nil, 1); c.is(err, nil, "Scan") && len(page) == 1 {
			scribble(page[0])
		}
	}
	c.lists(r, "alice", want)
}

func endedContext(c *check, r passkeys.CredentialRepository) {
	there := sample("alice", 1)
	c.stored(r, there)
	for _, ctx := range c.ended() {
		for method, err := range map[string]error{
			"Add":        r.Add(ctx, sample("alice", 2)),
			"Get":        second(r.Get(ctx, there.ID)),
			"ListByUser": second(r.ListByUser(ctx, "alice")),
			"Update":     r.Update(ctx, largest(there)),
			"Delete":     r.Delete(ctx, "alice", there.ID),
		} {
			c.is(err, ctx.Err(), "%s", method)
		}
		if s, ok := r.(passkeys.CredentialScanner); ok {
			c.is(second(s.Scan(ctx, nil, 1)), ctx.Err(), "Scan")
		}
	}
	c.lists(r, "alice", there)
}

func second[T any](_ T, err error) error { return err }

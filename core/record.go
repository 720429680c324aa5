package passkeys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// recordVersion is raised only by a change that a reader of the version before
// would misread; a member more is not one.
const recordVersion = 1

// MarshalJSON returns the credential's record, for a store that keeps it as one
// document: what is added to Credential later needs no migration there. The error
// is that of [Credential.Validate].
//
//	v                        1
//	id, publicKey            base64url without padding, as all bytes
//	userId                   text; userIdBytes instead where it is not UTF-8
//	userHandle, rpId, aaguid, attestationFormat, deviceName, transports
//	algorithm, signCount     numbers
//	backupEligible, backupState, backupUnknown, uvInitialized, handleUnknown,
//	prfEnabled               true
//	discoverable             "yes" or "no"
//	createdAt, lastUsedAt, quarantinedAt
//	                         RFC 3339 in UTC, with microseconds
//	quarantineReason
//	spent                    base64url
//	version                  a number
//
// What is empty, false or zero is left out, but for the id, the user, the key,
// the algorithm and the two counters. Members that this version does not know,
// of a record that a later one wrote, come out again as they went in; a store
// that keeps columns instead drops them.
func (c Credential) MarshalJSON() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"v":%d`, recordVersion)
	for _, f := range newRecord(&c).fields() {
		if f.empty {
			continue
		}
		raw, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%q:%s", f.name, raw)
	}
	for _, name := range slices.Sorted(maps.Keys(c.later)) {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%s:%s", key, c.later[name])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads a record of [Credential.MarshalJSON]. A record of a later
// version than this package knows, or whose credential is not valid, is an error
// that wraps [ErrInvalidCredential].
func (c *Credential) UnmarshalJSON(b []byte) error {
	bad := func(what string) error { return fmt.Errorf("%w: record: %s", ErrInvalidCredential, what) }
	var members map[string]json.RawMessage
	_ = json.Unmarshal(b, &members)
	version := 0 // of what is no object, or has none
	_ = json.Unmarshal(members["v"], &version)
	if version < 1 || version > recordVersion {
		return bad("no JSON object of a version that can be read here")
	}
	delete(members, "v")
	var read Credential
	r := newRecord(&read)
	for _, f := range r.fields() {
		if raw, ok := members[f.name]; ok && json.Unmarshal(raw, f.value) != nil {
			return bad(f.name)
		}
		delete(members, f.name)
	}
	if r.userID != "" && r.userIDBytes != nil {
		return bad("two users")
	}
	if r.finish(); len(members) > 0 {
		read.later = members
	}
	if err := read.Validate(); err != nil {
		return err
	}
	*c = read
	return nil
}

// record is a credential with its fields in the types of its record.
type record struct {
	c                                 *Credential
	userID                            string
	userIDBytes                       base64url
	createdAt, lastUsedAt, quarantine timestamp
}

func newRecord(c *Credential) *record {
	r := &record{c: c, createdAt: timestamp{c.CreatedAt}, lastUsedAt: timestamp{c.LastUsedAt}, quarantine: timestamp{c.QuarantinedAt}}
	if utf8.ValidString(c.UserID) {
		r.userID = c.UserID
	} else {
		r.userIDBytes = base64url(c.UserID)
	}
	return r
}

// finish puts what was read in the record's types into the credential.
func (r *record) finish() {
	r.c.UserID = r.userID + string(r.userIDBytes)
	r.c.CreatedAt, r.c.LastUsedAt, r.c.QuarantinedAt = r.createdAt.at, r.lastUsedAt.at, r.quarantine.at
}

type recordField struct {
	name  string
	value any // a pointer
	empty bool
}

func (r *record) fields() []recordField {
	c := r.c
	return []recordField{
		{"id", (*base64url)(&c.ID), false},
		{"userId", &r.userID, r.userID == ""},
		{"userIdBytes", &r.userIDBytes, len(r.userIDBytes) == 0},
		{"userHandle", (*base64url)(&c.UserHandle), len(c.UserHandle) == 0},
		{"handleUnknown", &c.HandleUnknown, !c.HandleUnknown},
		{"rpId", &c.RPID, c.RPID == ""},
		{"publicKey", (*base64url)(&c.PublicKey), false},
		{"algorithm", &c.Algorithm, false},
		{"signCount", &c.SignCount, false},
		{"backupEligible", &c.BackupEligible, !c.BackupEligible},
		{"backupState", &c.BackupState, !c.BackupState},
		{"backupUnknown", &c.BackupUnknown, !c.BackupUnknown},
		{"uvInitialized", &c.UVInitialized, !c.UVInitialized},
		{"transports", &c.Transports, len(c.Transports) == 0},
		{"discoverable", &c.Discoverable, c.Discoverable == DiscoverableUnknown},
		{"prfEnabled", &c.PRFEnabled, !c.PRFEnabled},
		{"aaguid", &c.AAGUID, c.AAGUID == AAGUID{}},
		{"attestationFormat", &c.AttestationFormat, c.AttestationFormat == ""},
		{"deviceName", &c.DeviceName, c.DeviceName == ""},
		{"createdAt", &r.createdAt, r.createdAt.at.IsZero()},
		{"lastUsedAt", &r.lastUsedAt, r.lastUsedAt.at.IsZero()},
		{"quarantinedAt", &r.quarantine, r.quarantine.at.IsZero()},
		{"quarantineReason", &c.QuarantineReason, c.QuarantineReason == ""},
		{"spent", (*base64url)(&c.Spent), len(c.Spent) == 0},
		{"version", &c.Version, false},
	}
}

// base64url is bytes in a record.
type base64url []byte

func (b base64url) MarshalText() ([]byte, error) { return []byte(EncodeID(b)), nil }

func (b *base64url) UnmarshalText(text []byte) (err error) {
	*b, err = strictjson.DecodeBase64URL(text)
	return err
}

// timestamp is a time in a record.
type timestamp struct{ at time.Time }

func (t timestamp) MarshalText() ([]byte, error) {
	return t.at.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000Z07:00"), nil
}

func (t *timestamp) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	t.at = stored(at)
	return err
}

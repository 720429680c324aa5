// Package importer brings the passkeys of other systems into a
// [passkeys.CredentialRepository], so that nobody has to enrol again.
//
// # What it needs
//
// A passkey is bound to its relying party id, and to nothing else of the system
// that it was registered with: where the id stays, it goes on working. A row of
// the other system's table has all that is needed, each in its own encoding:
//
//	report, err := importer.Import(ctx,
//		importer.Source{System: importer.BetterAuth, Reader: file},
//		store,
//		importer.Options{RPID: "example.org", DryRun: true})
//
// A [System] knows the columns of one other system and how they are encoded. Rows
// are read from a file, as the databases' own tools write it, or from a *sql.DB
// with a driver of the application's.
//
// # What it decides
//
// Each row is imported, skipped or refused, and has a [Line] in the [Report] that
// says which, and why. Nothing that is stored is ever changed: a row whose passkey
// is there already is skipped, so that a second run imports nothing, and one whose
// id is another user's is refused. What could never sign in is refused too: keys
// that verify nothing, passkeys of another relying party. What is merely odd, as a
// name that is too long, is made to fit, and the line has a [Warning].
//
// A run that ends with an error may be repeated: what it has imported is skipped.
//
// A passkey that was revoked here after it was imported comes in again if its row
// is still in the source. Import before the other system is switched off, but not
// after users have begun to revoke.
//
// # Memory
//
// The source is read twice: the first time for ids that more than one user has.
// Of each passkey about 100 bytes are kept for that, hashes of its id and its user.
// Besides these there is one row in memory at a time, and the report's lines unless
// [Options].Progress takes them. A Reader that cannot seek is copied to a temporary
// file.
package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// What ends a run.
var (
	// ErrOptions: the source or the options are not what they must be. The text
	// names the field. Nothing was read.
	ErrOptions = errors.New("importer: invalid options")
	// ErrSource: the source cannot be read, or lacks a column. Where that shows in
	// the first reading, nothing was imported. It wraps the reader's or the
	// driver's own error, if there is one.
	ErrSource = errors.New("importer: the source cannot be read")
	// ErrStore: the repository failed. It wraps the repository's error. The row at
	// which it did is not in the report; run again.
	ErrStore = errors.New("importer: the store failed")
	// ErrMapUser: Options.MapUser failed. It wraps its error.
	ErrMapUser = errors.New("importer: the user could not be mapped")
)

// Source is where rows are read from. One of Reader and DB must be set.
type Source struct {
	System System
	// Reader has a file of rows, in UTF-8: CSV with a header, as psql's \copy and
	// sqlite3 write it; what the mysql client writes with --batch, between tabs and
	// with a header too; or JSON, objects and arrays of them, one after the other.
	// Which it is shows at its beginning. An empty file has no rows.
	Reader io.Reader
	// DB is the system's own database. It is only read.
	DB *sql.DB
	// Query is what DB is asked, and must give the same rows each time. Default:
	// System.Query().
	Query string
	// Columns says what the columns are called, by the names that the system's own
	// are listed under in docs/import.md, where they are called otherwise. It is
	// for those whose table is the application's.
	Columns map[string]string
}

// Options say what to do with the rows.
type Options struct {
	// RPID is the relying party id for which the passkeys are to work: Config.RPID.
	// Required. It becomes that of the credentials, and what says another is
	// refused.
	RPID string
	// DryRun changes nothing, and gives the same report.
	DryRun bool
	// MapUser returns the User.ID of the one to whom a row's passkey belongs: 1 to
	// 64 bytes. "" refuses the row with ReasonUserUnknown; an error ends the run.
	// Default: the source's own id of the user.
	MapUser func(ctx context.Context, r Row) (userID string, err error)
	// Location is where times without a zone are read. Default: UTC.
	Location *time.Location
	// After is the number of the last row that is not looked at, of a run that
	// ended early: its Report.Rows. Those rows have no lines.
	After int
	// Progress is called with each row's line, in the order of the rows. Where it
	// is set, Report.Lines stays empty.
	Progress func(Line)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Row is a row of the source, for MapUser.
type Row struct {
	Number       int    // from 1
	UserID       string // whose it is there
	UserName     string // what they are called there, if the row says so
	UserHandle   []byte // what the authenticator has been told; nil if unknown
	CredentialID []byte

	cells cells
}

// Text returns a column that the importer does not read itself, such as a
// tenant's, as text. It is "" for a column that is not there, is null, or is
// neither text nor a number nor a truth value.
func (r Row) Text(column string) string { return r.cells[named(column)].string() }

// Outcome is what became of a row.
type Outcome string

// The outcomes.
const (
	Imported Outcome = "imported" // or would be, in a dry run
	Skipped  Outcome = "skipped"
	Refused  Outcome = "refused"
)

// Line is what the report says of a row. It holds no key.
type Line struct {
	Row          int       `json:"row"`                    // from 1
	CredentialID string    `json:"credentialId,omitempty"` // base64url; empty where it cannot be read
	SourceUser   string    `json:"sourceUser,omitempty"`   // whose it is in the source
	UserID       string    `json:"userId,omitempty"`       // whose it is here
	Outcome      Outcome   `json:"outcome"`
	Reason       Reason    `json:"reason,omitempty"`   // empty for what is imported
	Column       string    `json:"column,omitempty"`   // in which it was found, if it was in one
	Warnings     []Warning `json:"warnings,omitempty"` // what was made to fit
}

// Report is what became of the rows.
type Report struct {
	// Rows is the number of the last row that was decided: Options.After of a run
	// that goes on from here.
	Rows int
	// Imported, Skipped and Refused are how many of them were.
	Imported, Skipped, Refused int
	Reasons                    map[Reason]int  // how many were skipped or refused for it
	Warnings                   map[Warning]int // how many lines have it
	Lines                      []Line          // one of each row, unless Options.Progress has taken them
}

// Reason is why a row was skipped or refused.
type Reason string

// The reasons. The first is the only one to be skipped for.
const (
	// ReasonExists: the user has this passkey already, with this key.
	ReasonExists Reason = "already_there"

	// ReasonRowMalformed: the row is no JSON object, or has another number of
	// columns than the header.
	ReasonRowMalformed Reason = "row_malformed"
	// ReasonValueMalformed: a column that a passkey cannot do without, or that says
	// how safe it is, is not what it should be.
	ReasonValueMalformed Reason = "value_malformed"
	// ReasonIDInvalid: the credential id is missing, or not 1 to 1,023 bytes in the
	// column's encoding.
	ReasonIDInvalid Reason = "id_invalid"
	// ReasonKeyInvalid: the public key is missing, or could never verify a
	// signature: it is no COSE_Key, off its curve, or of an algorithm that is not
	// one of package passkeys'.
	ReasonKeyInvalid Reason = "key_invalid"
	// ReasonUserUnknown: the row names no user, or one that MapUser does not know.
	ReasonUserUnknown Reason = "user_unknown"
	// ReasonUserInvalid: the user's id here has more than 64 bytes.
	ReasonUserInvalid Reason = "user_invalid"
	// ReasonHandleInvalid: the user handle has more than 64 bytes or cannot be read.
	ReasonHandleInvalid Reason = "handle_invalid"
	// ReasonRPID: it is the passkey of another relying party, where it would never
	// be offered.
	ReasonRPID Reason = "rp_id_differs"
	// ReasonFlagsInvalid: it is backed up though it cannot be (WebAuthn L3 §6.1.3).
	ReasonFlagsInvalid Reason = "flags_invalid"
	// ReasonSecondFactor: it was a second factor only, and must not become one that
	// signs in alone.
	ReasonSecondFactor Reason = "second_factor"
	// ReasonNotPasskey: the row is of another kind of credential.
	ReasonNotPasskey Reason = "not_a_passkey"
	// ReasonDuplicate: the source has the id under more than one user. All of its
	// rows are refused.
	ReasonDuplicate Reason = "duplicate"
	// ReasonOtherUser: the id is another user's here.
	ReasonOtherUser Reason = "other_user"
	// ReasonOtherKey: the user has a passkey of this id here, with another key.
	ReasonOtherKey Reason = "other_key"
)

// Warning is what was made to fit, of a row that may have been imported all the same.
type Warning string

// The warnings.
const (
	// WarningTransport: a transport that is not known was left out.
	WarningTransport Warning = "transport_unknown"
	// WarningName: the name was cut to 64 runes, or characters that cannot be kept
	// were left out.
	WarningName Warning = "name_trimmed"
	// WarningTime: a time could not be read, and was left out.
	WarningTime Warning = "time_unknown"
	// WarningModel: the AAGUID could not be read, and was left out.
	WarningModel Warning = "aaguid_unknown"
	// WarningClone: the other system suspected a clone. The passkey is not
	// quarantined for it.
	WarningClone Warning = "clone_suspected"
)

// Import reads the rows of a source and adds each passkey that can be used here to
// the repository. The report is of all rows that were decided, also beside an error,
// for which [errors.Is] finds one of ErrOptions, ErrSource, ErrStore and ErrMapUser.
func Import(ctx context.Context, source Source, repository passkeys.CredentialRepository, options Options) (Report, error) {
	r := &run{
		options:    options,
		repository: repository,
		seen:       map[hash]sighting{},
		report:     Report{Rows: options.After, Reasons: map[Reason]int{}, Warnings: map[Warning]int{}},
	}
	err := r.prepare(source)
	if err != nil {
		return r.report, err
	}
	t, err := open(source)
	if err != nil {
		return r.report, fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer t.close()
	for _, pass := range []func(context.Context, int) error{r.notice, r.decide} {
		n := 0
		for row, err := range t.rows(ctx, r.reader.required()) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return r.report, fmt.Errorf("%w: after row %d: %w", ErrSource, n, err)
			}
			n++
			if r.refused = r.reader.read(row); r.reader.user == "" && r.refused == nil {
				r.refused = refuse(ReasonUserUnknown, r.reader.layout.user)
			}
			if err := pass(ctx, n); err != nil {
				return r.report, err
			}
		}
	}
	return r.report, nil
}

// run is an import on its way.
type run struct {
	reader     reader
	options    Options
	repository passkeys.CredentialRepository
	now        time.Time
	seen       map[hash]sighting // by credential id
	refused    error             // of the row that reader has read
	report     Report
}

// hash is enough of SHA-256 to tell a table's ids apart.
type hash [16]byte

func hashed(b []byte) hash {
	sum := sha256.Sum256(b)
	return hash(sum[:])
}

// sighting is what is known of an id that occurs.
type sighting struct {
	user     hash // whose it is in the source
	several  bool // or there is more than one
	imported hash // the key that it was imported with, by this run
}

func (r *run) prepare(source Source) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrOptions, what) }
	l, ok := source.System.layout()
	o := &r.options
	switch {
	case !ok:
		return bad("Source.System: not one of Systems")
	case (source.Reader == nil) == (source.DB == nil):
		return bad("Source: must have a Reader or a DB, and not both")
	case source.DB != nil && source.Query == "" && l.query == "":
		return bad("Source.Query: the system has no table of its own")
	case o.RPID == "" || len(o.RPID) > 253 || strings.Trim(o.RPID, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "":
		return bad("Options.RPID: must be a domain in lower case, as in Config.RPID")
	case o.After < 0:
		return bad("Options.After: must not be negative")
	case r.repository == nil:
		return bad("the repository: must not be nil")
	}
	for name := range source.Columns {
		if !slices.Contains(l.columns(), name) {
			return bad("Source.Columns: the system has no column " + name)
		}
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.MapUser == nil {
		o.MapUser = func(_ context.Context, r Row) (string, error) { return r.UserID, nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r.now = o.Now().UTC().Truncate(time.Microsecond)
	r.reader = reader{layout: l, columns: source.Columns, rpID: o.RPID, location: o.Location}
	return nil
}

// notice is the first reading of a row: whose is the id?
func (r *run) notice(ctx context.Context, number int) error {
	id, user := hashed(r.reader.credential.ID), hashed([]byte(r.reader.user))
	s, ok := r.seen[id]
	if !ok {
		s.user = user
	}
	s.several = s.several || s.user != user
	r.seen[id] = s
	return nil
}

// decide is the second reading of a row: what becomes of it?
func (r *run) decide(ctx context.Context, number int) error {
	if number <= r.options.After {
		return nil
	}
	l := Line{Row: number, SourceUser: r.reader.user, Outcome: Refused}
	if id := r.reader.credential.ID; len(id) > 0 {
		l.CredentialID = passkeys.EncodeID(id)
	}
	if err := r.outcome(ctx, &l); err != nil {
		return err
	}
	l.Warnings = r.reader.warnings
	r.report.add(l)
	if r.options.Progress != nil {
		r.options.Progress(l)
	} else {
		r.report.Lines = append(r.report.Lines, l)
	}
	return nil
}

func (r *Report) add(l Line) {
	r.Rows = l.Row
	switch l.Outcome {
	case Imported:
		r.Imported++
	case Skipped:
		r.Skipped++
	case Refused:
		r.Refused++
	}
	if l.Reason != "" {
		r.Reasons[l.Reason]++
	}
	for _, w := range l.Warnings {
		r.Warnings[w]++
	}
}

// outcome sets what the line says became of the row. An error ends the run.
func (r *run) outcome(ctx context.Context, l *Line) error {
	if refused, ok := errors.AsType[*refusal](r.refused); ok {
		l.Reason, l.Column = refused.reason, refused.column
		return nil
	}
	c := r.reader.credential
	id := hashed(c.ID)
	if r.seen[id].several {
		l.Reason = ReasonDuplicate
		return nil
	}
	userID, err := r.options.MapUser(ctx, Row{
		Number: l.Row, UserID: r.reader.user, UserName: r.reader.userName,
		UserHandle: bytes.Clone(c.UserHandle), CredentialID: bytes.Clone(c.ID), cells: r.reader.row,
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: row %d: %w", ErrMapUser, l.Row, err)
	case userID == "":
		l.Reason = ReasonUserUnknown
		return nil
	}
	l.UserID, c.UserID = userID, userID
	if string(c.UserHandle) == userID {
		c.UserHandle = nil // what it means
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = r.now
	}
	// As for a registration: whoever had the id before did not come so far.
	c.Version = r.now.UnixMicro()
	switch invalid := c.Validate() != nil; {
	case len(userID) > 64:
		l.Reason = ReasonUserInvalid
	case invalid:
		l.Reason = ReasonValueMalformed
	default:
		return r.store(ctx, c, l)
	}
	return nil
}

// store adds the credential, unless it is there.
func (r *run) store(ctx context.Context, c passkeys.Credential, l *Line) error {
	id, key := hashed(c.ID), hashed(c.PublicKey)
	failed := func(err error) error { return fmt.Errorf("%w: row %d: %w", ErrStore, l.Row, err) }
	var exists bool
	if r.options.DryRun {
		s := r.seen[id]
		if s.imported != (hash{}) { // it would be there by now
			l.Outcome, l.Reason = Skipped, ReasonExists
			if s.imported != key {
				l.Outcome, l.Reason = Refused, ReasonOtherKey
			}
			return nil
		}
		_, err := r.repository.Get(ctx, c.ID)
		if exists = err == nil; err != nil && !errors.Is(err, passkeys.ErrCredentialNotFound) {
			return failed(err)
		}
	} else {
		err := r.repository.Add(ctx, c)
		if exists = errors.Is(err, passkeys.ErrCredentialExists); err != nil && !exists {
			return failed(err)
		}
	}
	if !exists {
		l.Outcome = Imported
		s := r.seen[id]
		s.imported = key
		r.seen[id] = s
		return nil
	}
	kept, err := r.repository.Get(ctx, c.ID)
	switch {
	case err != nil: // also if it was revoked in this very moment
		return failed(err)
	case kept.UserID != c.UserID:
		l.Reason = ReasonOtherUser
	case !bytes.Equal(kept.PublicKey, c.PublicKey):
		l.Reason = ReasonOtherKey
	default:
		l.Outcome, l.Reason = Skipped, ReasonExists
	}
	return nil
}

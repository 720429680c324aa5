package importer

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// refusal is why a row cannot be read.
type refusal struct {
	reason Reason
	column string
}

func (r *refusal) Error() string { return string(r.reason) + " in " + r.column }

func refuse(reason Reason, column string) error { return &refusal{reason, first(column)} }

// first is the first of a column's names.
func first(column string) string {
	name, _, _ := strings.Cut(column, "|")
	return name
}

// reader reads the rows of one source, one after the other.
type reader struct {
	layout   layout
	columns  map[string]string
	rpID     string
	location *time.Location

	row, object cells // of which the second may be a part of the first
	// What it says.
	credential     passkeys.Credential
	user, userName string
	warnings       []Warning
}

// required are the columns that a table must have, each by one of its names.
func (r *reader) required() [][]string {
	l := r.layout
	columns := [][]string{r.names(l.id), r.names(l.key)}
	switch {
	case l.record != "":
		columns = [][]string{r.names(l.record)}
	case l.object != "":
		columns = [][]string{append(r.names(l.object), r.names(l.id)...)}
	}
	if !l.userInHandle {
		columns = append(columns, r.names(l.user))
	}
	return columns
}

// names are those that a column may have in this source.
func (r *reader) names(column string) []string {
	if name, ok := r.columns[first(column)]; ok {
		return []string{name}
	}
	return strings.Split(column, "|")
}

// cell returns a column of the row, or of the object in it.
func (r *reader) cell(column string) cell {
	if column == "" {
		return cell{}
	}
	for _, name := range r.names(column) {
		for _, in := range []cells{r.object, r.row} {
			if c := in.at(name); !c.empty() {
				return c
			}
		}
	}
	return cell{}
}

// at returns a column, or a member of the object that is in one.
func (c cells) at(path string) cell {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		return c[named(name)]
	}
	inner, _ := members(c[named(name)].json)
	return inner.at(rest)
}

func (r *reader) warn(w Warning) {
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// read reads a row into r.credential, but for its owner here. The error is a
// *refusal.
func (r *reader) read(row cells) error {
	r.row, r.object = row, nil
	r.credential, r.user, r.userName, r.warnings = passkeys.Credential{RPID: r.rpID}, "", "", nil
	if row == nil {
		return &refusal{reason: ReasonRowMalformed}
	}
	steps := []func() error{r.readObject, r.readUser, r.readID, r.readHandle, r.readKey, r.readKind, r.readFlags, r.readCounter, r.readAttestation, r.readHints}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readObject finds the object in the row, if it has one.
func (r *reader) readObject() error {
	c := r.cell(r.layout.object)
	if c.empty() {
		return nil
	}
	object, err := members(c.objectIn())
	if err != nil {
		return refuse(ReasonRowMalformed, r.layout.object)
	}
	r.object = object
	return nil
}

func (r *reader) readUser() error {
	for _, name := range r.names(r.layout.user) {
		if r.user = r.row.at(name).string(); r.user != "" {
			break
		}
	}
	r.userName = r.cell(r.layout.userName).string()
	return nil
}

func (r *reader) readID() error {
	l, c := r.layout, &r.credential
	if l.record != "" {
		return r.readRecord()
	}
	var err error
	if c.ID, err = r.decode(l.id, l.binaryID); err != nil || len(c.ID) == 0 || len(c.ID) > 1023 {
		c.ID = nil
		return refuse(ReasonIDInvalid, l.id)
	}
	return nil
}

func (r *reader) decode(column string, binary bool) ([]byte, error) {
	if binary {
		return r.cell(column).binary()
	}
	return r.cell(column).base64()
}

func (r *reader) readKey() error {
	l := r.layout
	if l.record != "" { // which has the key, too
		return nil
	}
	key, err := r.decode(l.key, l.binaryKey)
	if err != nil {
		return refuse(ReasonKeyInvalid, l.key)
	}
	return r.setKey(key, l.key)
}

func (r *reader) setKey(key []byte, column string) error {
	canonical, algorithm, err := engine.ReadPublicKey(key)
	r.credential.PublicKey, r.credential.Algorithm = canonical, passkeys.Algorithm(algorithm)
	if err != nil || r.credential.Algorithm.String() == "unknown" {
		return refuse(ReasonKeyInvalid, column)
	}
	return nil
}

// readKind refuses what is no passkey, or none that signs in by itself.
func (r *reader) readKind() error {
	l := r.layout
	if kind := r.cell(l.kind); !kind.empty() && !slices.Contains(l.kinds, kind.string()) {
		return refuse(ReasonNotPasskey, l.kind)
	}
	if c := r.cell(l.incomplete); !c.empty() {
		if complete, err := c.truth(); err != nil || !complete {
			return refuse(ReasonNotPasskey, l.incomplete)
		}
	}
	if c := r.cell(l.secondFactor); !c.empty() {
		if second, err := c.truth(); err != nil || second {
			return refuse(ReasonSecondFactor, l.secondFactor)
		}
	}
	if c := r.cell(l.primaries); !c.empty() {
		if uses, err := c.list(); err != nil || !slices.Contains(uses, "primary") {
			return refuse(ReasonSecondFactor, l.primaries)
		}
	}
	if id := r.cell(l.rpID); !id.empty() && id.string() != r.rpID {
		return refuse(ReasonRPID, l.rpID)
	}
	return nil
}

func (r *reader) readHandle() error {
	handle, known, err := r.layout.handle(r)
	switch {
	case err != nil:
		return err
	case len(handle) > 64:
		return refuse(ReasonHandleInvalid, r.layout.handleColumn)
	case !known:
		r.credential.HandleUnknown = true
		return nil
	}
	r.credential.UserHandle = handle
	if r.user == "" && r.layout.userInHandle && utf8.Valid(handle) {
		r.user = string(handle)
	}
	return nil
}

func (r *reader) readHandleIn(decode func(cell) ([]byte, error)) ([]byte, bool, error) {
	c := r.cell(r.layout.handleColumn)
	if c.empty() {
		return nil, false, nil
	}
	handle, err := decode(c)
	if err != nil || len(handle) == 0 {
		return nil, false, refuse(ReasonHandleInvalid, r.layout.handleColumn)
	}
	return handle, true, nil
}

// truth reads a column that may be null.
func (r *reader) truth(column string) (value, known bool, err error) {
	c := r.cell(column)
	if c.empty() {
		return false, false, nil
	}
	if value, err = c.truth(); err != nil {
		return false, false, refuse(ReasonValueMalformed, column)
	}
	return value, true, nil
}

// readFlags reads what is known of backups and of user verification.
func (r *reader) readFlags() error {
	l, c := r.layout, &r.credential
	if l.record != "" {
		return nil
	}
	eligible, known, err := r.truth(l.eligible)
	if err != nil {
		return err
	}
	if t := r.cell(l.deviceType); !known && !t.empty() {
		if eligible, known = multiDevice(t.string()); !known {
			return refuse(ReasonValueMalformed, l.deviceType)
		}
	}
	state, _, err := r.truth(l.state)
	if err != nil {
		return err
	}
	if c.UVInitialized, _, err = r.truth(l.verified); err != nil {
		return err
	}
	if known && l.unsetFlags && !eligible && !state && !c.UVInitialized {
		present, _, err := r.truth("flags.userPresent")
		if err != nil {
			return err
		}
		known = present
	}
	switch {
	case !known:
		c.BackupUnknown = true
	case state && !eligible:
		return refuse(ReasonFlagsInvalid, l.state)
	default:
		c.BackupEligible, c.BackupState = eligible, state
	}
	return nil
}

// multiDevice reads what JavaScript calls multiDevice and Python multi_device, or,
// if it is asked for an enumeration's text, CredentialDeviceType.MULTI_DEVICE.
func multiDevice(s string) (multi, known bool) {
	switch named(s[strings.LastIndexByte(s, '.')+1:]) {
	case "multidevice":
		return true, true
	case "singledevice":
		return false, true
	}
	return false, false
}

// readCounter reads the counter, where it says anything: a synced passkey has one
// for each of its devices, or none.
func (r *reader) readCounter() error {
	c := r.cell(r.layout.counter)
	if r.credential.BackupEligible || r.layout.staleCounter || c.empty() {
		return nil
	}
	var err error
	if r.credential.SignCount, err = c.counter(); err != nil {
		return refuse(ReasonValueMalformed, r.layout.counter)
	}
	return nil
}

// readAttestation reads what only the attestation object says, and sees that it is
// one of this relying party.
func (r *reader) readAttestation() error {
	column := r.cell(r.layout.attestation)
	if column.empty() {
		return nil
	}
	object, err := column.binary()
	if err == nil {
		var a *engine.Registration
		if a, err = engine.ReadAttestationObject(r.rpID, object); err == nil && bytes.Equal(a.CredentialID, r.credential.ID) {
			r.credential.AAGUID, r.credential.AttestationFormat = a.AAGUID, a.AttestationFormat
			return nil
		}
	}
	if failure, ok := errors.AsType[*engine.Failure](err); ok && failure.Reason == engine.RPIDMismatch {
		return refuse(ReasonRPID, r.layout.attestation)
	}
	if r.layout.aaguid == "" {
		r.warn(WarningModel)
	}
	return nil
}

// readHints reads what a passkey can do without.
func (r *reader) readHints() error {
	l, c := r.layout, &r.credential
	if t := r.cell(l.transports); !t.empty() {
		sent, err := t.list()
		if err != nil {
			r.warn(WarningTransport)
		}
		r.setTransports(sent)
	}
	if a := r.cell(l.aaguid); !a.empty() {
		var err error
		if c.AAGUID, err = a.aaguid(); err != nil {
			r.warn(WarningModel)
		}
	}
	if format := r.cell(l.format).string(); knownFormat(format) {
		c.AttestationFormat = format
	}
	if yes, known, _ := r.truth(l.discoverable); known {
		c.Discoverable = passkeys.NotDiscoverable
		if yes {
			c.Discoverable = passkeys.Discoverable
		}
	}
	c.PRFEnabled, _, _ = r.truth(l.prf)
	if clone, _, _ := r.truth(l.clone); clone {
		r.warn(WarningClone)
	}
	name, changed := r.cell(l.name).name()
	if changed {
		r.warn(WarningName)
	}
	c.DeviceName = name
	c.CreatedAt, c.LastUsedAt = r.time(l.created), r.time(l.used)
	return nil
}

func (r *reader) time(column string) time.Time {
	c := r.cell(column)
	if c.empty() {
		return time.Time{}
	}
	at, err := c.time(r.location)
	if err != nil {
		r.warn(WarningTime)
	}
	return at
}

func (r *reader) setTransports(sent []string) {
	for _, t := range sent {
		t = strings.ToLower(t)
		if t == "cable" { // what hybrid was called once
			t = "hybrid"
		}
		switch {
		case !engine.KnownTransport(t):
			r.warn(WarningTransport)
		case !slices.Contains(r.credential.Transports, t):
			r.credential.Transports = append(r.credential.Transports, t)
		}
	}
}

// knownFormat reports whether s is a format of WebAuthn L3 §8, and not the type of an
// attestation, which some keep in the same column.
func knownFormat(s string) bool {
	switch s {
	case "packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple", "compound", "none":
		return true
	}
	return false
}

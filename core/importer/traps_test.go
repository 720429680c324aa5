package importer_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

// says is a line of a report in short: what became of the row and why, in which
// column it was seen, and the warnings.
func says(l importer.Line) string {
	words := []string{string(l.Outcome), string(l.Reason), l.Column}
	for _, w := range l.Warnings {
		words = append(words, "!"+string(w))
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// A row of each system that the traps below vary, by Go's replacement of a part.
const (
	simple    = `{"id":"{id}","publicKey":"{key}","user":"alice-id","webauthnUserID":"{handle}","counter":5,"deviceType":"singleDevice","backedUp":false,"transports":["usb"],"name":"Key"}`
	python    = `{"credential_id":"{idx}","credential_public_key":"{keyx}","user_id":"alice-id","webauthn_user_id":"{handlex}","sign_count":5}`
	better    = `{"credentialID":"{id}","publicKey":"{key64}","userId":"alice-id","counter":5,"deviceType":"singleDevice","backedUp":false}`
	hanko     = `{"id":"{id}","user_id":"` + uuid + `","public_key":"{key}","sign_count":5,"backup_eligible":false,"backup_state":false,"mfa_only":false}`
	hankoPass = `{"id":"{id}","user_id":"alice-id","public_key":"{key}","sign_count":5,"backup_eligible":false,"backup_state":false,"is_mfa":false}`
	auth0     = `{"type":"passkey","key_id":"{id}","public_key":"{key64}","user_handle":"{handle}","identity_user_id":"alice-id","credential_device_type":"single_device","credential_backed_up":false}`
	gowa      = `{"user_id":"alice-id","id":"{id64}","publicKey":"{key64}","flags":{"userPresent":true,"userVerified":false,"backupEligible":false,"backupState":false},"authenticator":{"signCount":5,"cloneWarning":false}}`
	spring    = `{"credential_id":"{id}","user_entity_user_id":"{handle}","public_key":"{keyx}","signature_count":5,"backup_eligible":false,"backup_state":false,"attestation_object":"{objectx}","username":"alice-id"}`
	webauth   = `{"publicKeyCredentialId":"{id}","type":"public-key","credentialPublicKey":"{key}","userHandle":"{handle}","counter":5,"user_id":"alice-id"}`
)

var traps = []struct {
	name, says string
	system     importer.System
	row        string
	old, new   string // what is other than in row
	want       string
	kept       string // a part of the record, if it was imported
}{
	// Encodings: each column is read as what it is, in any of the four base64.
	{"base64: standard", "A column of base64 takes the other alphabet too.", importer.BetterAuth, better, `"{id}"`, `"{id64}"`, "imported", ""},
	{"base64: without padding", "Padding may be missing.", importer.BetterAuth, better, `{key64}`, `{keystd}`, "imported", ""},
	{"base64: url, padded", "And be there where it need not.", importer.BetterAuth, better, `{key64}`, `{keyurl=}`, "imported", ""},
	{"base64: mixed", "A text in both alphabets is neither.", importer.BetterAuth, better, `{id}`, `AB+-{id}`, "refused id_invalid credentialID", ""},
	{"base64: line breaks", "As text with line breaks is none.", importer.BetterAuth, better, `"{id}"`, `"\n{id}"`, "refused id_invalid credentialID", ""},
	{"base64: bits left over", "One value has one text.", importer.BetterAuth, better, `{id}`, `AB`, "refused id_invalid credentialID", ""},
	{"base64: too much padding", "Padding is to four.", importer.BetterAuth, better, `{id}`, `AA=`, "refused id_invalid credentialID", ""},
	{"base64: and what is none", "Damage at the end is damage.", importer.BetterAuth, better, `{id}`, `{id}*`, "refused id_invalid credentialID", ""},
	{"base64: an array", "JavaScript writes bytes as numbers there too.", importer.BetterAuth, better, `"{key64}"`, `[{keyoctets}]`, "imported", ""},
	{"base64 is not hexadecimal", "The column says which it is: hexadecimal is good base64 of another key.", importer.BetterAuth, better, `{key64}`, `{keyx}`, "refused key_invalid publicKey", ""},
	{"bytes: psql", `Where a column is bytes, \x means hexadecimal.`, importer.PyWebAuthn, python, `"{idx}"`, `"\\x{idx}"`, "imported", ""},
	{"bytes: mysql", "So does 0x.", importer.PyWebAuthn, python, `{idx}`, `0x{idx}`, "imported", ""},
	{"bytes: sqlite3's quote", "And X'…'.", importer.PyWebAuthn, python, `{idx}`, `X'{idx}'`, "imported", ""},
	{"bytes: SQL's quote", "In either case.", importer.PyWebAuthn, python, `{idx}`, `x'{idx}'`, "imported", ""},
	{"bytes: base64", "And what is no hexadecimal is base64.", importer.PyWebAuthn, python, `{keyx}`, `{key64}`, "imported", ""},
	{"bytes: half a byte", "Half a byte is damage.", importer.PyWebAuthn, python, `{idx}`, `\\x1{idx}`, "refused id_invalid credential_id", ""},
	{"bytes: an array", "JavaScript writes bytes as numbers.", importer.SimpleWebAuthn, simple, `"{key}"`, `[{keyoctets}]`, "imported", ""},
	{"bytes: an array of other numbers", "Which must be those of bytes.", importer.SimpleWebAuthn, simple, `"{key}"`, `[256]`, "refused key_invalid cred_public_key", ""},
	{"bytes: an array of numbers that are too large", "Not to what is left of others.", importer.SimpleWebAuthn, simple, `"{key}"`, `[{keyover}]`, "refused key_invalid cred_public_key", ""},
	{"bytes: an array of text", "Nor to letters.", importer.SimpleWebAuthn, simple, `"{key}"`, `["a"]`, "refused key_invalid cred_public_key", ""},
	{"bytes: an object", "A Buffer is the only object.", importer.SimpleWebAuthn, simple, `"{key}"`, `{"type":"Blob","data":[{keyoctets}]}`, "refused key_invalid cred_public_key", ""},
	{"bytes: an array of bytes and text", "Text among them is no byte.", importer.SimpleWebAuthn, simple, `"{id}"`, `[1,2,"a"]`, "refused id_invalid cred_id", ""},

	// Ids and keys.
	{"no id", "A passkey without an id is none.", importer.SimpleWebAuthn, simple, `"{id}"`, `null`, "refused id_invalid cred_id", ""},
	{"a long id", "An id has at most 1,023 bytes.", importer.SimpleWebAuthn, simple, `{id}`, `{id1024}`, "refused id_invalid cred_id", ""},
	{"the longest id", "Spring's column is too short for it, ours is not.", importer.SimpleWebAuthn, simple, `{id}`, `{id1023}`, "imported", ""},
	{"no key", "Nor is one without a key.", importer.SimpleWebAuthn, simple, `"{key}"`, `""`, "refused key_invalid cred_public_key", ""},
	{"a key off its curve", "It could never verify a signature.", importer.SimpleWebAuthn, simple, `{key}`, `{keyoff}`, "refused key_invalid cred_public_key", ""},
	{"a key and a byte", "What follows a key is no part of it.", importer.PyWebAuthn, python, `{keyx}`, `{keyx}00`, "refused key_invalid credential_public_key", ""},
	{"a key with a member twice", "Nor is it two keys.", importer.PyWebAuthn, python, `{keyx}`, `{keytwice}`, "refused key_invalid credential_public_key", ""},
	{"a key in another order", "A key is kept in canonical CBOR, whatever it came in.", importer.PyWebAuthn, python, `{keyx}`, `{keyorder}`, "imported", `"publicKey":"{key}"`},
	{"a key of another algorithm", "ES256K is none of ours.", importer.PyWebAuthn, python, `{keyx}`, `{keyk1}`, "refused key_invalid credential_public_key", ""},
	{"a key as PEM", "A key is COSE.", importer.SimpleWebAuthn, simple, `"{key}"`, `"-----BEGIN PUBLIC KEY-----"`, "refused key_invalid cred_public_key", ""},

	// Users and handles.
	{"no user", "A passkey is somebody's.", importer.SimpleWebAuthn, simple, `"alice-id"`, `null`, "refused user_unknown internal_user_id", ""},
	{"an unknown user", "Of whom the application knows.", importer.SimpleWebAuthn, simple, `alice-id`, `nobody`, "refused user_unknown", ""},
	{"a long user", "With an id that fits.", importer.SimpleWebAuthn, simple, `alice-id`, strings.Repeat("x", 65), "refused user_invalid", ""},
	{"a number for a user", "A number is its digits.", importer.SimpleWebAuthn, simple, `"alice-id"`, `12345678901234567890`, "imported", `"userId":"12345678901234567890"`},
	{"no handle", "What is not known is learnt.", importer.SimpleWebAuthn, simple, `"webauthnUserID":"{handle}",`, ``, "imported", `"handleUnknown":true`},
	{"a handle that cannot be read", "What is there must be right: a wrong handle locks out.", importer.SimpleWebAuthn, simple, `{handle}`, `a!`, "refused handle_invalid webauthn_user_id", ""},
	{"a long handle", "And fit.", importer.PyWebAuthn, python, `{handlex}`, strings.Repeat("00", 65), "refused handle_invalid webauthn_user_id", ""},
	{"a handle that is no UUID", "Hanko's are UUIDs.", importer.Hanko, hanko, uuid, `alice-id`, "refused handle_invalid user_id", ""},
	{"the handle of web-auth's source", "It is not the user where the row names one.", importer.WebAuth, webauth, `x`, `x`, "imported", `"userId":"alice-id","userHandle":"{handle}"`},
	{"a user in the object", "Whose a row is does not stand in what a browser had a part in.", importer.GoWebAuthn, `{"user_id":"alice-id","credential":` + gowa + `}`, `"credential":{"user_id":"alice-id"`, `"credential":{"user_id":"mallory"`, "imported", `"userId":"alice-id"`},

	// Counters.
	{"a counter", "A device-bound key counts on.", importer.SimpleWebAuthn, simple, `x`, `x`, "imported", `"signCount":5`},
	{"a synced counter", "A synced passkey does not: it comes in as 0.", importer.SimpleWebAuthn, simple, `"singleDevice"`, `"multiDevice"`, "imported", `"signCount":0`},
	{"a counter that is never updated", "That of the registration is no evidence.", importer.HankoPasskeys, hankoPass, `x`, `x`, "imported", `"signCount":0`},
	{"a device-bound counter of Spring's", "It is too low, which does no harm.", importer.SpringSecurity, spring, `x`, `x`, "imported", `"signCount":5`},
	{"a negative counter", "A counter that is none is damage.", importer.SimpleWebAuthn, simple, `5`, `-1`, "refused value_malformed counter", ""},
	{"a large counter", "A counter has 32 bits.", importer.SimpleWebAuthn, simple, `5`, `4294967296`, "refused value_malformed counter", ""},
	{"the largest counter", "All of them.", importer.SimpleWebAuthn, simple, `5`, `4294967295`, "imported", `"signCount":4294967295`},
	{"no counter", "None is 0.", importer.SimpleWebAuthn, simple, `5`, `null`, "imported", `"signCount":0`},

	// Flags.
	{"multiDevice", "JavaScript's word.", importer.SimpleWebAuthn, simple, `singleDevice`, `multiDevice`, "imported", `"backupEligible":true`},
	{"multi_device", "Python's word.", importer.SimpleWebAuthn, simple, `singleDevice`, `multi_device`, "imported", `"backupEligible":true`},
	{"an enumeration's text", "Python's word, if it is asked for it in another way.", importer.SimpleWebAuthn, simple, `singleDevice`, `CredentialDeviceType.MULTI_DEVICE`, "imported", `"backupEligible":true`},
	{"another word", "What is unknown is not guessed.", importer.SimpleWebAuthn, simple, `singleDevice`, `platform`, "refused value_malformed device_type", ""},
	{"no flags", "The next sign-in sets them.", importer.SimpleWebAuthn, simple, `"singleDevice"`, `null`, "imported", `"backupUnknown":true`},
	{"not a truth value", "Nor are flags.", importer.Hanko, hanko, `"backup_eligible":false`, `"backup_eligible":"maybe"`, "refused value_malformed backup_eligible", ""},
	{"nor for the state", "Whichever flag it is.", importer.Hanko, hanko, `"backup_state":false`, `"backup_state":"maybe"`, "refused value_malformed backup_state", ""},
	{"nor for user verification", "It says how safe a sign-in is.", importer.WebAuth, webauth, `"counter"`, `"uvInitialized":"maybe","counter"`, "refused value_malformed uvInitialized", ""},
	{"nor for user presence", "Or whether there are flags.", importer.GoWebAuthn, gowa, `"userPresent":true`, `"userPresent":"maybe"`, "refused value_malformed flags.userPresent", ""},
	{"a flag as a number", "Databases have no truth values.", importer.Hanko, hanko, `"backup_eligible":false`, `"backup_eligible":1`, "imported", `"backupEligible":true`},
	{"a flag as a bit", "MySQL's bits are bytes,", importer.Hanko, hanko, `"backup_eligible":false`, `"backup_eligible":"\u0001"`, "imported", `"backupEligible":true`},
	{"a flag as a bit in hexadecimal", "or as --binary-as-hex has them.", importer.Hanko, hanko, `"backup_eligible":false,"backup_state":false`, `"backup_eligible":"0x01","backup_state":"0x00"`, "imported", `"backupEligible":true,"created`},
	{"backed up, and not eligible", "No authenticator says that.", importer.SimpleWebAuthn, simple, `"backedUp":false`, `"backedUp":true`, "refused flags_invalid backed_up", ""},
	{"go-webauthn's flags", "An authenticator that was touched had flags.", importer.GoWebAuthn, gowa, `x`, `x`, "imported", `"signCount":5,"created`},
	{"go-webauthn before there were flags", "Without flags they are unknown.", importer.GoWebAuthn, gowa, `"flags":{"userPresent":true,"userVerified":false,"backupEligible":false,"backupState":false},`, ``, "imported", `"backupUnknown":true`},
	{"go-webauthn's unset flags", "They were stored anew by a version that knew of them.", importer.GoWebAuthn, gowa, `"userPresent":true`, `"userPresent":false`, "imported", `"backupUnknown":true`},

	// What is no passkey of this site, or none that signs in by itself.
	{"another relying party", "It would never be offered here.", importer.Auth0, auth0, `"type"`, `"relying_party_id":"example.com","type"`, "refused rp_id_differs relying_party_id", ""},
	{"the same relying party", "Auth0 has two names for it.", importer.Auth0, auth0, `"type"`, `"relying_party_identifier":"example.org","type"`, "imported", ""},
	{"an attestation for another", "Some say it in the attestation object alone.", importer.SpringSecurity, spring, `{objectx}`, `{objectother}`, "refused rp_id_differs attestation_object", ""},
	{"an attestation of another key", "One of another credential says nothing.", importer.SpringSecurity, spring, `"credential_id":"{id}"`, `"credential_id":"AAAA"`, "imported !aaguid_unknown", ""},
	{"an attestation that cannot be read", "And one that is damaged nothing, but for the model.", importer.SpringSecurity, spring, `{objectx}`, `ff`, "imported !aaguid_unknown", ""},
	{"an attestation of no format", "Nor one whose format is none.", importer.SpringSecurity, spring, `{objectx}`, `{objectformat}`, "imported !aaguid_unknown", ""},
	{"an attestation with a member twice", "Nor one that says two things.", importer.SpringSecurity, spring, `{objectx}`, `{objecttwice}`, "imported !aaguid_unknown", ""},
	{"Auth0's other methods", "The list has them all.", importer.Auth0, auth0, `"type":"passkey"`, `"type":"webauthn-roaming"`, "refused not_a_passkey type", ""},
	{"not confirmed", "A registration that was not finished is none.", importer.Auth0, auth0, `"type"`, `"confirmed":false,"type"`, "refused not_a_passkey confirmed", ""},
	{"secondary", "A second factor does not become a first.", importer.Auth0, auth0, `"type"`, `"usage":["secondary"],"type"`, "refused second_factor usage", ""},
	{"primary, and no word", "A list that is damaged says nothing.", importer.Auth0, auth0, `"type"`, `"usage":["primary",7],"type"`, "refused second_factor usage", ""},
	{"mfa_only", "Nor Hanko's.", importer.Hanko, hanko, `"mfa_only":false`, `"mfa_only":true`, "refused second_factor mfa_only", ""},
	{"is_mfa", "Nor those of its passkeys server.", importer.HankoPasskeys, hankoPass, `"is_mfa":false`, `"is_mfa":true`, "refused second_factor is_mfa", ""},
	{"another type", "A source is of public keys.", importer.WebAuth, webauth, `public-key`, `password`, "refused not_a_passkey type", ""},

	// Hints.
	{"cable", "It is what hybrid was called once.", importer.SimpleWebAuthn, simple, `["usb"]`, `["cable","hybrid","USB"]`, "imported", `"transports":["hybrid","usb"]`},
	{"an unknown transport", "It is left out.", importer.SimpleWebAuthn, simple, `["usb"]`, `["usb","telepathy"]`, "imported !transport_unknown", `"transports":["usb"]`},
	{"an empty transport in a list", "[\"\"] is not \"\".", importer.SimpleWebAuthn, simple, `["usb"]`, `[""]`, "imported !transport_unknown", `"signCount":5,"deviceName"`},
	{"no transports", "\"\" is none, and not one that is empty.", importer.SimpleWebAuthn, simple, `["usb"]`, `""`, "imported", `"signCount":5,"deviceName"`},
	{"transports as text", "A list may be JSON in text.", importer.SimpleWebAuthn, simple, `["usb"]`, `"[\"usb\",\"nfc\"]"`, "imported", `"transports":["usb","nfc"]`},
	{"PostgreSQL's list", "Or PostgreSQL's.", importer.SimpleWebAuthn, simple, `["usb"]`, `"{usb,\"smart-card\"}"`, "imported", `"transports":["usb","smart-card"]`},
	{"an empty list of PostgreSQL's", "{} is none.", importer.SimpleWebAuthn, simple, `["usb"]`, `"{}"`, "imported", `"signCount":5,"deviceName"`},
	{"a list of something else", "What is no list of words is left out.", importer.SimpleWebAuthn, simple, `["usb"]`, `[1]`, "imported !transport_unknown", `"signCount":5,"deviceName"`},
	{"a list of words and something else", "Also where it is one in part.", importer.SimpleWebAuthn, simple, `["usb"]`, `["usb",1]`, "imported !transport_unknown", `"signCount":5,"deviceName"`},
	{"an AAGUID as a UUID", "A model is a UUID,", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"EA9B8D66-4D01-1D21-3CE4-B6B48CB575D4","name"`, "imported", `"aaguid":"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"`},
	{"an AAGUID as 16 bytes", "or 16 bytes,", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"\\xea9b8d664d011d213ce4b6b48cb575d4","name"`, "imported", `"aaguid":"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"`},
	{"an AAGUID as base64", "or those in base64.", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"6puNZk0BHSE85La0jLV11A==","name"`, "imported", `"aaguid":"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"`},
	{"the zero AAGUID", "The zero one says nothing.", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"00000000-0000-0000-0000-000000000000","name"`, "imported", `"signCount":5,"transports":["usb"],"deviceName"`},
	{"a broken AAGUID", "Nor does one that cannot be read.", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"YubiKey","name"`, "imported !aaguid_unknown", `"signCount":5,"transports":["usb"],"deviceName"`},
	{"an AAGUID of 17 bytes", "Nor one that is longer.", importer.SimpleWebAuthn, simple, `"name"`, `"aaguid":"\\xea9b8d664d011d213ce4b6b48cb575d400","name"`, "imported !aaguid_unknown", `"signCount":5,"transports":["usb"],"deviceName"`},
	{"a long name", "A name is cut to what fits.", importer.SimpleWebAuthn, simple, `"Key"`, `"` + strings.Repeat("é", 65) + `"`, "imported !name_trimmed", `"deviceName":"` + strings.Repeat("é", 64) + `"`},
	{"a name in control", "What controls a terminal is left out.", importer.SimpleWebAuthn, simple, `"Key"`, `" K\u0000e\u001by\u0085 "`, "imported !name_trimmed", `"deviceName":"Key"`},
	{"the prf extension", "What derives keys goes on doing so.", importer.GoWebAuthn, gowa, `"flags"`, `"extensions":{"prfEnabled":true},"flags"`, "imported", `"prfEnabled":true`},
	{"no prf extension", "What does not, does not.", importer.GoWebAuthn, gowa, `"flags"`, `"extensions":{"prfEnabled":false},"flags"`, "imported", `"signCount":5,"created`},
	{"a cloneWarning", "It is reported, and nothing is quarantined for it.", importer.GoWebAuthn, gowa, `"cloneWarning":false`, `"cloneWarning":true`, "imported !clone_suspected", `"signCount":5,"created`},

	// Times.
	{"a time without a zone", "It is UTC, if nothing else is said.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"2026-01-02 03:04:05","name"`, "imported", `"createdAt":"2026-01-02T03:04:05.000000Z"`},
	{"a time with a zone", "A zone is a zone.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"2026-01-02T03:04:05.5-05:30","name"`, "imported", `"createdAt":"2026-01-02T08:34:05.500000Z"`},
	{"PostgreSQL's zone", "Also without minutes.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"2026-01-02 03:04:05.123456+02","name"`, "imported", `"createdAt":"2026-01-02T01:04:05.123456Z"`},
	{"SQL Server's time", "It has a digit more than we keep.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"2026-01-02 03:04:05.1234567 +01:00","name"`, "imported", `"createdAt":"2026-01-02T02:04:05.123456Z"`},
	{"seconds", "SQLite has numbers for times: seconds,", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":1767323045,"name"`, "imported", `"createdAt":"2026-01-02T03:04:05.000000Z"`},
	{"milliseconds", "milliseconds,", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":1767323045123,"name"`, "imported", `"createdAt":"2026-01-02T03:04:05.123000Z"`},
	{"microseconds", "or microseconds.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":1767323045123456,"name"`, "imported", `"createdAt":"2026-01-02T03:04:05.123456Z"`},
	{"a letter zone", "Which zone is CET? It has two.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"2026-01-02 03:04:05 CET","name"`, "imported !time_unknown", `"createdAt":"2030-01-01T00:00:00.000000Z"`},
	{"no time", "A passkey without one was made when it came.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":null,"name"`, "imported", `"createdAt":"2030-01-01T00:00:00.000000Z"`},
	{"MySQL's zero", "As one was that nobody knows of.", importer.SimpleWebAuthn, simple, `"name"`, `"created_at":"0000-00-00 00:00:00","name"`, "imported !time_unknown", `"createdAt":"2030-01-01T00:00:00.000000Z"`},
	{"Go's zero", "Or from before there were computers.", importer.SimpleWebAuthn, simple, `"name"`, `"last_used":"0001-01-01T00:00:00Z","name"`, "imported !time_unknown", `"createdAt":"2030-01-01T00:00:00.000000Z","version"`},

	// Rows.
	{"a column without a name", "It is not the one that a system does not have.", importer.SimpleWebAuthn, simple, `"name"`, `"":"7","name"`, "imported", ""},
	{"null", "A row that is null is none.", importer.SimpleWebAuthn, `[null]`, `x`, `x`, "refused row_malformed", ""},
	{"no object", "A row is an object.", importer.SimpleWebAuthn, `[7]`, `x`, `x`, "refused row_malformed", ""},
	{"a column twice", "Which is the counter?", importer.SimpleWebAuthn, simple, `"counter"`, `"COUNTER":0,"counter"`, "refused row_malformed", ""},
	{"no JSON in the column", "Half a document is none.", importer.Laravel, `{"user_id":"alice-id","credential_id":"{id}","credential":"{"}`, `x`, `x`, "refused row_malformed credential", ""},

	// Records.
	{"another version", "A record says its version.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `$webauthn$v=2$AAAA`, "refused value_malformed record", ""},
	{"no record", "It is more than nothing.", importer.PasskeyRecord, `{"user_id":"u","record":null}`, `x`, `x`, "refused value_malformed record", ""},
	{"authenticator data alone", "And more than a part of one.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordbase64}`, "refused value_malformed record", ""},
	{"no credential", "It is of a registration.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordsignin}`, "refused value_malformed record", ""},
	{"cut off", "And whole.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}"`, `{recordcut}"`, "refused value_malformed record", ""},
	{"and what is none", "And ends where it ends.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordand}*`, "refused value_malformed record", ""},
	{"on two lines", "A record is one line.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{record}\n`, "refused value_malformed record", ""},
	{"a record without an id", "A passkey without an id is none.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordnobody}`, "refused id_invalid record", ""},
	{"an unknown parameter", "What is not known is skipped.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordparameters}`, "imported", `"transports":["hybrid","internal"]`},
	{"the record of another relying party", "A record has the hash of its relying party's id.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordother}`, "refused rp_id_differs record", ""},
	{"a key off its curve in a record", "A record's key is held to the same.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordoff}`, "refused key_invalid record", ""},
	{"backed up, and not eligible, in a record", "And its flags.", importer.PasskeyRecord, `{"user_id":"u","record":"{record}"}`, `{record}`, `{recordflags}`, "refused flags_invalid record", ""},
	{"a record with its handle", "It stands beside it.", importer.PasskeyRecord, `{"user_id":"u","user_handle":"{handle}","record":"{record}"}`, `x`, `x`, "imported", `"userId":"u","userHandle":"{handle}"`},
}

// special are the parts of rows that only a trap has.
func (d device) special() *strings.Replacer {
	key := d.PublicKey
	off := bytes.Clone(key)
	off[len(off)-1] ^= 1
	reordered := append([]byte{0xa5}, key[1+4:]...)
	reordered = append(reordered, key[1:1+4]...) // kty and alg after the curve and the point
	// The generator of secp256k1, which is a key.
	const k1 = "a5010203382e200821582079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798225820483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
	data := func(change func([]byte) []byte) string {
		prefix := "$webauthn$v=1$transports=internal$"
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(d.record(), prefix))
		if err != nil {
			panic(err)
		}
		return prefix + base64.RawStdEncoding.EncodeToString(change(raw))
	}
	at := func(i int, to byte) func([]byte) []byte {
		return func(b []byte) []byte { b[(i+len(b))%len(b)] ^= to; return b }
	}
	other := bytes.Clone(d.object)
	other[bytes.Index(other, []byte("authData"))+len("authData")+2] ^= 1
	return strings.NewReplacer(
		"{keystd}", base64.RawStdEncoding.EncodeToString(key), "{keyurl=}", base64.URLEncoding.EncodeToString(key),
		"{keyoff}", passkeys.EncodeID(off), "{keyorder}", fmt.Sprintf("%x", reordered), "{keyk1}", k1,
		"{objectformat}", fmt.Sprintf("%x", bytes.Replace(d.object, []byte("none"), []byte("n ne"), 1)),
		"{objecttwice}", fmt.Sprintf("a4%x63666d74646e6f6e65", d.object[1:]),
		"{keytwice}", fmt.Sprintf("a6%x%x", key[1:], key[len(key)-35:]),
		"{id1023}", passkeys.EncodeID(make([]byte, 1023)), "{id1024}", passkeys.EncodeID(make([]byte, 1024)),
		"{objectother}", fmt.Sprintf("%x", other),
		"{recordother}", data(at(0, 1)), "{recordoff}", data(at(-1, 1)), "{recordflags}", data(at(32, 0x10)),
		"{keyover}", strings.Replace(d.octets(), "165", "421", 1),
		"{recordbase64}", strings.TrimPrefix(d.record(), "$webauthn$v=1$transports=internal$"),
		"{recordsignin}", data(func(b []byte) []byte { b[32] = 1; return b[:37] }),
		"{recordnobody}", data(func(b []byte) []byte {
			b[53], b[54] = 0, 0
			return slices.Delete(b, 55, 55+len(d.ID))
		}),
		"{recordand}", data(func(b []byte) []byte { // so that it would be whole without what follows
			for len(b)%3 != 0 {
				b[54]++
				b = slices.Insert(b, 55, 0)
			}
			return b
		}),
		"{recordcut}", data(func(b []byte) []byte { return b[:len(b)-1] }),
		"{recordparameters}", strings.Replace(d.record(), "transports=internal", "x=1,transports=hybrid+internal,y=", 1),
	)
}

func TestTraps(t *testing.T) {
	d := register(t, "\x01\x02\xff", key)
	special := d.special()
	o := options
	o.MapUser = func(_ context.Context, r importer.Row) (string, error) {
		if r.UserID == "nobody" {
			return "", nil
		}
		return r.UserID, nil
	}
	for _, row := range traps {
		t.Run(row.name, func(t *testing.T) {
			file := strings.Replace(row.row, row.old, row.new, 1)
			if file == row.row && row.old != row.new {
				t.Fatal("the row changes nothing")
			}
			store := passkeys.NewMemoryCredentials()
			report := run(t, row.system, d.file(special.Replace(file)), store, o)
			if len(report.Lines) != 1 || says(report.Lines[0]) != row.want {
				t.Fatalf("%s\ngot  %q\nwant %q", row.says, says(report.Lines[0]), row.want)
			}
			if row.kept == "" {
				return
			}
			id, _ := passkeys.DecodeID(report.Lines[0].CredentialID)
			c, err := store.Get(t.Context(), id)
			if got, part := jsonOf(t, c), d.fill(row.kept); err != nil || !strings.Contains(got, part) {
				t.Errorf("%s\ngot  %s\nwant %s, %v", row.says, got, part, err)
			}
		})
	}
}

func TestTimesInALocation(t *testing.T) {
	d := register(t, "h", key)
	o := options
	o.Location = time.FixedZone("", -3*3600)
	store := passkeys.NewMemoryCredentials()
	run(t, importer.SimpleWebAuthn, d.file(strings.Replace(simple, `"name"`, `"created_at":"2026-01-02T03:04:05","last_used":"2026-01-02T03:04:05Z","name"`, 1)), store, o)
	c, err := store.Get(t.Context(), d.ID)
	if err != nil || c.CreatedAt.Hour() != 6 || c.LastUsedAt.Hour() != 3 {
		t.Errorf("%v and %v, %v", c.CreatedAt, c.LastUsedAt, err)
	}
}

// lines are a report's, in short.
func lines(r importer.Report) (said []string) {
	for _, l := range r.Lines {
		said = append(said, says(l))
	}
	return said
}

func TestWhatIsThereStays(t *testing.T) {
	alice, bob := register(t, "a", key), register(t, "b", key)
	row := func(d device, user string) string {
		return strings.Replace(d.file(simple), "alice-id", user, 1) + "\n"
	}
	other := bob.file(strings.Replace(simple, "{id}", passkeys.EncodeID(alice.ID), 1)) + "\n"
	for _, test := range []struct {
		name, says string
		before     string // a file that was imported before
		file       string
		want       string
	}{
		{"again", "What was imported is skipped.", row(alice, "alice-id"), row(alice, "alice-id") + row(bob, "bob-id"), "[skipped already_there imported]"},
		{"another's", "An id is one user's.", row(alice, "bob-id"), row(alice, "alice-id"), "[refused other_user]"},
		{"another key", "And has one key.", other, row(alice, "alice-id"), "[refused other_key]"},
		{"twice in the source", "What is there twice comes in once.", "", row(alice, "alice-id") + row(alice, "alice-id"), "[imported skipped already_there]"},
		{"twice, with two keys", "Of two keys neither is better, and the first is there.", "", row(alice, "alice-id") + other, "[imported refused other_key]"},
		{"two users", "An id of two users is nobody's, however far apart they stand.", "",
			row(alice, "alice-id") + row(bob, "bob-id") + row(alice, "mallory"), "[refused duplicate imported refused duplicate]"},
		{"two users, one with a handle that cannot be read", "Wherever that shows.", "",
			row(alice, "alice-id") + strings.Replace(row(alice, "mallory"), `"webauthnUserID":"`, `"webauthnUserID":"!`, 1), "[refused duplicate refused handle_invalid webauthn_user_id]"},
		{"two users, one without a key", "Also if one of them could not come in.", "",
			row(alice, "alice-id") + strings.Replace(row(alice, "mallory"), passkeys.EncodeID(alice.PublicKey), "AA", 1), "[refused duplicate refused key_invalid cred_public_key]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := passkeys.NewMemoryCredentials()
			run(t, importer.SimpleWebAuthn, test.before, store, options)
			before, _ := store.Get(t.Context(), alice.ID)
			dry := options
			dry.DryRun = true
			would := run(t, importer.SimpleWebAuthn, test.file, store, dry)
			report := run(t, importer.SimpleWebAuthn, test.file, store, options)
			if got := fmt.Sprint(lines(report)); got != test.want {
				t.Errorf("%s\ngot  %s\nwant %s", test.says, got, test.want)
			}
			if a, b := jsonOf(t, would), jsonOf(t, report); a != b {
				t.Errorf("a dry run says %s\nand a run    %s", a, b)
			}
			if after, err := store.Get(t.Context(), alice.ID); err == nil && test.before != "" && jsonOf(t, after) != jsonOf(t, before) {
				t.Errorf("%s changed to %s", jsonOf(t, before), jsonOf(t, after))
			}
		})
	}
}

// unreadable is a store that cannot be asked.
type unreadable struct{ *passkeys.MemoryCredentials }

var errUnreadable = errors.New("no connection")

func (u unreadable) Get(context.Context, []byte) (passkeys.Credential, error) {
	return passkeys.Credential{}, errUnreadable
}

func TestAStoreThatCannotBeAsked(t *testing.T) {
	file := register(t, "h", key).file(simple)
	store := passkeys.NewMemoryCredentials()
	run(t, importer.SimpleWebAuthn, file, store, options)
	for _, dry := range []bool{true, false} {
		o := options
		o.DryRun = dry
		source := importer.Source{System: importer.SimpleWebAuthn, Reader: strings.NewReader(file)}
		report, err := importer.Import(t.Context(), source, unreadable{store}, o)
		if !errors.Is(err, importer.ErrStore) || !errors.Is(err, errUnreadable) || report.Rows != 0 {
			t.Errorf("dry %v: %+v, %v", dry, report, err)
		}
	}
}

// broken is a store that fails at the nth Add.
type broken struct {
	*passkeys.MemoryCredentials
	adds int
	err  error
}

func (b *broken) Add(ctx context.Context, c passkeys.Credential) error {
	if b.adds--; b.adds < 0 && b.err != nil {
		return b.err
	}
	return b.MemoryCredentials.Add(ctx, c)
}

func TestARunGoesOnWhereItEnded(t *testing.T) {
	var file strings.Builder
	for i := range 5 {
		file.WriteString(strings.Replace(register(t, "h", key).file(simple), "alice-id", fmt.Sprint("user-", i), 1))
	}
	failure := errors.New("the disk is full")
	store := &broken{passkeys.NewMemoryCredentials(), 3, failure}
	source := func() importer.Source {
		return importer.Source{System: importer.SimpleWebAuthn, Reader: strings.NewReader(file.String())}
	}
	report, err := importer.Import(t.Context(), source(), store, options)
	if !errors.Is(err, importer.ErrStore) || !errors.Is(err, failure) || report.Rows != 3 || report.Imported != 3 || len(report.Lines) != 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	store.err = nil
	from := options
	from.After = report.Rows
	if report, err = importer.Import(t.Context(), source(), store, from); err != nil || report.Imported != 2 || report.Rows != 5 || report.Lines[0].Row != 4 {
		t.Errorf("from where it ended: %+v, %v", report, err)
	}
	if report, err = importer.Import(t.Context(), source(), store, options); err != nil || report.Imported != 0 || report.Skipped != 5 {
		t.Errorf("from the beginning: %+v, %v", report, err)
	}
}

// Wherever rows come from, none is read after the one at which a run ends.
func TestARunEndsAtOnce(t *testing.T) {
	one, two := register(t, "h", key), register(t, "h", key)
	cells := func(d device) string { return d.file("{id},{key},alice-id\n") }
	table := "cred_id,cred_public_key,user_id\n" + cells(one) + cells(two)
	row := func(d device) []driver.Value { return []driver.Value{passkeys.EncodeID(d.ID), d.PublicKey, "alice-id"} }
	for name, source := range map[string]importer.Source{
		"objects":    {Reader: strings.NewReader(one.file(simple) + two.file(simple))},
		"an array":   {Reader: strings.NewReader("[" + one.file(simple) + "," + two.file(simple) + "]")},
		"CSV":        {Reader: strings.NewReader(table)},
		"tabs":       {Reader: strings.NewReader(strings.ReplaceAll(table, ",", "\t"))},
		"a database": {Query: "q", DB: sql.OpenDB(&answers{columns: []string{"cred_id", "cred_public_key", "user_id"}, types: []string{"text", "bytea", "text"}, values: [][]driver.Value{row(one), row(two)}})},
	} {
		source.System = importer.SimpleWebAuthn
		failure := errors.New("the disk is full")
		report, err := importer.Import(t.Context(), source, &broken{passkeys.NewMemoryCredentials(), 0, failure}, options)
		if !errors.Is(err, failure) || report.Rows != 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}

func TestProgressTakesTheLines(t *testing.T) {
	d := register(t, "h", key)
	o := options
	var got []importer.Line
	o.Progress = func(l importer.Line) { got = append(got, l) }
	report := run(t, importer.SimpleWebAuthn, d.file(simple)+"7"+d.file(simple), passkeys.NewMemoryCredentials(), o)
	if report.Lines != nil || len(got) != 3 || got[2].Row != 3 || report.Imported != 1 || report.Skipped != 1 || report.Refused != 1 || report.Rows != 3 {
		t.Errorf("%+v, %+v", report, got)
	}
}

func TestMapUser(t *testing.T) {
	d := register(t, "h", key)
	o := options
	var seen importer.Row
	o.MapUser = func(_ context.Context, r importer.Row) (string, error) {
		seen = r
		return "our-" + r.UserID, nil
	}
	file := d.file(strings.Replace(strings.Replace(spring, `"signature_count":5`, `"signature_count":0`, 1), "{", `{"Tenant_ID":7,"old":null,`, 1))
	store := passkeys.NewMemoryCredentials()
	report := run(t, importer.SpringSecurity, file, store, o)
	if l := report.Lines[0]; l.SourceUser != "alice-id" || l.UserID != "our-alice-id" || l.CredentialID != passkeys.EncodeID(d.ID) {
		t.Errorf("%+v", l)
	}
	if seen.Number != 1 || seen.UserID != "alice-id" || seen.UserName != "alice-id" || string(seen.UserHandle) != "h" || !bytes.Equal(seen.CredentialID, d.ID) ||
		seen.Text("tenantid") != "7" || seen.Text("old") != "" || seen.Text("none") != "" {
		t.Errorf("%+v", seen)
	}
	if _, err := d.signIn(t, store); err != nil {
		t.Error(err)
	}
	failure := errors.New("no directory")
	o.MapUser = func(context.Context, importer.Row) (string, error) { return "", failure }
	report, err := importer.Import(t.Context(), importer.Source{System: importer.SpringSecurity, Reader: strings.NewReader(file)}, store, o)
	if !errors.Is(err, importer.ErrMapUser) || !errors.Is(err, failure) || report.Rows != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestColumnsOfOnesOwn(t *testing.T) {
	d := register(t, "h", key)
	file := d.file("kid,pk,owner,id\n{id},{key},alice-id,7\n")
	source := importer.Source{System: importer.SimpleWebAuthn, Reader: strings.NewReader(file), Columns: map[string]string{
		"cred_id": "kid", "cred_public_key": "pk", "internal_user_id": "owner",
	}}
	report, err := importer.Import(t.Context(), source, passkeys.NewMemoryCredentials(), options)
	if err != nil || report.Imported != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestWhatEndsARun(t *testing.T) {
	d := register(t, "h", key)
	good := d.file(simple)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name, says string
		ctx        context.Context
		file       string
		set        func(*importer.Source, *importer.Options)
		want       error
	}{
		{"no system", "A system is one of those there are.", nil, good, func(s *importer.Source, _ *importer.Options) { s.System = "" }, importer.ErrOptions},
		{"no reader", "There is something to read.", nil, good, func(s *importer.Source, _ *importer.Options) { s.Reader = nil }, importer.ErrOptions},
		{"two sources", "And one thing to read.", nil, good, func(s *importer.Source, _ *importer.Options) { s.DB, s.Query = sql.OpenDB(&answers{}), "q" }, importer.ErrOptions},
		{"no RP ID", "A passkey is for one relying party.", nil, good, func(_ *importer.Source, o *importer.Options) { o.RPID = "" }, importer.ErrOptions},
		{"a URL for an RP ID", "That is a domain, as in the configuration.", nil, good, func(_ *importer.Source, o *importer.Options) { o.RPID = "https://example.org" }, importer.ErrOptions},
		{"a negative row", "Rows are counted from 1.", nil, good, func(_ *importer.Source, o *importer.Options) { o.After = -1 }, importer.ErrOptions},
		{"an unknown column", "A column that is not read is a mistake.", nil, good, func(s *importer.Source, _ *importer.Options) { s.Columns = map[string]string{"cred": "x"} }, importer.ErrOptions},
		{"cut off", "Half a file imports nothing.", nil, good + good[:40], nil, importer.ErrSource},
		{"an array that is cut off", "Nor half an array.", nil, "[" + good, nil, importer.ErrSource},
		{"an array with a comma too many", "JSON is JSON.", nil, "[" + good + ",]", nil, importer.ErrSource},
		{"an array that is cut off, after another", "Nor half of a second one.", nil, "[" + good + "][" + good, nil, importer.ErrSource},
		{"a quote that does not end", "CSV is CSV.", nil, "cred_id,cred_public_key,user_id\n\"", nil, importer.ErrSource},
		{"no key column", "A table has the columns that every passkey needs.", nil, "cred_id,user_id\na,b\n", nil, importer.ErrSource},
		{"no user column", "Among them the user.", nil, "cred_id,cred_public_key\na,b\n", nil, importer.ErrSource},
		{"two columns of one name", "And each once.", nil, "cred_id,cred_public_key,user_id,UserID\n", nil, importer.ErrSource},
		{"a reader that fails", "A reader that fails is not at its end.", nil, "", func(s *importer.Source, _ *importer.Options) {
			s.Reader = io.MultiReader(strings.NewReader(good), iotest.ErrReader(io.ErrClosedPipe))
		}, io.ErrClosedPipe},
		{"a file that fails between tabs", "Half a line is none.", nil, "", func(s *importer.Source, _ *importer.Options) {
			s.Reader = damaged{io.MultiReader(strings.NewReader("cred_id\tcred_public_key\tuser_id\na\tb\tc"), iotest.ErrReader(io.ErrClosedPipe))}
		}, io.ErrClosedPipe},
		{"cancelled", "Who has gone wants nothing more, not even to know what is wrong.", cancelled, "{}", nil, context.Canceled},
	} {
		t.Run(row.name, func(t *testing.T) {
			source, o := importer.Source{System: importer.SimpleWebAuthn, Reader: strings.NewReader(row.file)}, options
			if row.set != nil {
				row.set(&source, &o)
			}
			ctx := row.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			store := passkeys.NewMemoryCredentials()
			report, err := importer.Import(ctx, source, store, o)
			if !errors.Is(err, row.want) {
				t.Errorf("%s %v", row.says, err)
			}
			if _, err := store.Get(t.Context(), d.ID); err == nil || report.Imported > 0 || report.Rows > 0 {
				t.Errorf("%s Imported: %+v", row.says, report)
			}
		})
	}
	if _, err := importer.Import(t.Context(), importer.Source{System: importer.BetterAuth, Reader: strings.NewReader("")}, nil, options); !errors.Is(err, importer.ErrOptions) {
		t.Errorf("no store: %v", err)
	}
}

// damaged is a file that cannot be read to its end.
type damaged struct{ io.Reader }

func (damaged) Seek(int64, int) (int64, error) { return 0, nil }

func TestAPipeNeedsATemporaryFile(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	source := importer.Source{System: importer.SimpleWebAuthn, Reader: io.MultiReader(strings.NewReader("[]"))}
	if _, err := importer.Import(t.Context(), source, passkeys.NewMemoryCredentials(), options); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v; want that there is no such folder", err)
	}
}

func TestFiles(t *testing.T) {
	d := register(t, "h", key)
	good := d.file(simple)
	table := d.file("cred_id,cred_public_key,user_id\n{id},{key},alice-id\n")
	for _, row := range []struct {
		name, says string
		reader     io.Reader
		want       string
	}{
		{"empty", "No rows are none.", strings.NewReader(""), "[]"},
		{"white space", "Nor is white space one.", strings.NewReader(" \r\n\t"), "[]"},
		{"an empty array", "Nor an empty array.", strings.NewReader("[]"), "[]"},
		{"a byte order mark", "Windows marks its files.", strings.NewReader("\ufeff" + table), "[imported]"},
		{"\\r\\n", "And ends its lines in two.", strings.NewReader(strings.ReplaceAll(table, "\n", "\r\n")), "[imported]"},
		{"arrays, one after the other", "An interface with pages gives an array of each.", strings.NewReader("[" + good + "]\n[]\n[" + good + "," + good + "]"), "[imported skipped already_there skipped already_there]"},
		{"objects, and an array", "Or of each user.", strings.NewReader(good + "[" + good + "]"), "[imported skipped already_there]"},
		{"\\N for null", "As PostgreSQL's COPY writes it.", strings.NewReader(strings.NewReplacer("user_id", "user_id,transports", "alice-id", `alice-id,\N`).Replace(table)), "[imported]"},
		{"a header alone", "A header is no row.", strings.NewReader("cred_id,cred_public_key,user_id\n"), "[]"},
		{"a row that is short", "One row is broken, and the next is not.", strings.NewReader(strings.Replace(table, "\n", "\na,b\n", 1)), "[refused row_malformed imported]"},
		{"tabs, and a row that is short", "Also between tabs.", strings.NewReader(strings.Replace(strings.ReplaceAll(table, ",", "\t"), "\n", "\na\tb\n", 1)), "[refused row_malformed imported]"},
		{"tabs, and no line's end", "The last line may lack its end.", strings.NewReader(strings.TrimSpace(strings.ReplaceAll(table, ",", "\t"))), "[imported]"},
		{"what cannot seek", "A pipe is copied.", io.MultiReader(strings.NewReader(good)), "[imported]"},
		{"byte by byte", "In whatever pieces it comes.", iotest.OneByteReader(strings.NewReader(table)), "[imported]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			report, err := importer.Import(t.Context(), importer.Source{System: importer.SimpleWebAuthn, Reader: row.reader}, passkeys.NewMemoryCredentials(), options)
			if got := fmt.Sprint(lines(report)); err != nil || got != row.want {
				t.Errorf("%s\ngot  %s, %v\nwant %s", row.says, got, err, row.want)
			}
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	// From where the reader stands.
	r := strings.NewReader("a log's line\n" + table)
	_, _ = r.Seek(int64(len("a log's line\n")), io.SeekStart)
	if report, err := importer.Import(t.Context(), importer.Source{System: importer.SimpleWebAuthn, Reader: r}, passkeys.NewMemoryCredentials(), options); err != nil || report.Imported != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A record is read by this package as it was written, and goes out as another
// implementation has it.
func TestFormatRecord(t *testing.T) {
	d := register(t, "alice-id", synced)
	store := passkeys.NewMemoryCredentials()
	run(t, importer.PasskeyRecord, d.file("user_id,record\nalice-id,{record}\n"), store, options)
	c, err := store.Get(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if record, err := importer.FormatRecord(c); err != nil || record != d.record() {
		t.Errorf("got  %s, %v\nwant %s", record, err, d.record())
	}
	c.SignCount, c.Transports = 7, []string{"usb", "nfc"}
	if record, err := importer.FormatRecord(c); err != nil || record != strings.Replace(d.record(), "internal", "nfc+usb", 1) {
		t.Errorf("got %s, %v", record, err)
	}
	c.Transports = nil
	if record, err := importer.FormatRecord(c); err != nil || record != strings.Replace(d.record(), "transports=internal$", "", 1) {
		t.Errorf("got %s, %v", record, err)
	}
	for name, set := range map[string]func(*passkeys.Credential){
		"no RP ID":      func(c *passkeys.Credential) { c.RPID = "" },
		"unknown flags": func(c *passkeys.Credential) { c.BackupUnknown = true },
		"no id":         func(c *passkeys.Credential) { c.ID = nil },
	} {
		bad := c.Clone()
		set(&bad)
		if record, err := importer.FormatRecord(bad); record != "" || !errors.Is(err, passkeys.ErrInvalidCredential) {
			t.Errorf("%s: %q, %v", name, record, err)
		}
	}
}

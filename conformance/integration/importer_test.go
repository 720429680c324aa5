package integration

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
)

const importedRPID = "example.org"

// enrolled is a passkey that another system has registered, and what its code was
// told.
type enrolled struct {
	*passkeytest.Authenticator
	id, key []byte // of which the key is a COSE_Key
	handle  []byte
	counter uint32 // that the system has stored
	answer  passkeytest.Response
	name    string          // what they sign in with there
	user    string          // whose it is
	refused importer.Reason // why it must not come over
}

// device is what they have: alice a phone whose passkeys are synced, bob a security
// key, carol a laptop with another algorithm.
func device(name, rpID string) *passkeytest.Authenticator {
	a := passkeytest.New("https://" + rpID)
	switch name {
	case "alice":
		a.BackupEligible, a.BackupState, a.Counter = true, true, passkeytest.CounterZero
		a.Transports = []string{"hybrid", "internal"}
		a.AAGUID = [16]byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
	case "bob":
		a.Transports, a.Attachment, a.Attestation = []string{"nfc", "usb"}, "cross-platform", "packed"
	case "carol":
		a.Algorithm = passkeytest.RS256
	}
	return a
}

// enroll answers the options of another system, which are for the user name.
func enroll(t *testing.T, name string, a *passkeytest.Authenticator, options []byte) (enrolled, json.RawMessage) {
	t.Helper()
	answer, err := a.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	made := a.Credentials()
	c := made[len(made)-1]
	e := enrolled{Authenticator: a, name: name, id: c.ID, key: c.PublicKey, handle: c.UserHandle}
	if err := json.Unmarshal(answer, &e.answer); err != nil {
		t.Fatal(err)
	}
	return e, answer
}

// registrationOptions are what another system tells a page.
func registrationOptions(rpID string, handle []byte) []byte {
	return []byte(asText(map[string]any{
		"rp": map[string]any{"id": rpID}, "user": map[string]any{"id": url64(handle)}, "challenge": "AAAA", "pubKeyCredParams": []any{},
	}))
}

// fresh returns the DSN of a database of PostgreSQL with nothing in it.
func fresh(t *testing.T, name string) string {
	t.Helper()
	server := opened(t, postgres.Open(postgresServer(t)), &gorm.Config{})
	name = "from_" + strings.ReplaceAll(name, "-", "_")
	if err := server.Exec("CREATE DATABASE " + name).Error; err != nil {
		t.Fatal(err)
	}
	return strings.Replace(postgresServer(t), "dbname=postgres", "dbname="+name, 1)
}

// importerOptions have a clock that stands still: what has no time gets this one.
var importerOptions = importer.Options{
	RPID: importedRPID,
	Now:  func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) },
}

// moves imports everybody's passkeys into a store of ours, and holds what comes of
// it to what must: nothing is lost, nobody enrols again, and nothing is done twice.
// The sources have the same rows, each read in another way.
func moves(t *testing.T, dsn string, everybody []enrolled, sources ...func() importer.Source) {
	t.Helper()
	db := opened(t, postgres.Open(dsn), &gorm.Config{})
	if err := gormstore.Migrate(db); err != nil {
		t.Fatal(err)
	}
	store := gormstore.NewCredentials(db)
	p, err := passkeys.New(passkeys.Config{
		RPID: importedRPID, RPName: "Example", Origins: []string{"https://" + importedRPID}, Credentials: store,
		Secret: bytes.Repeat([]byte{1}, 32), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(source importer.Source, store passkeys.CredentialRepository) importer.Report {
		t.Helper()
		report, err := importer.Import(t.Context(), source, store, importerOptions)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}

	good := 0
	reasons := map[importer.Reason]int{}
	for _, e := range everybody {
		if e.refused == "" {
			good++
		} else {
			reasons[e.refused]++
		}
	}
	first := run(sources[0](), store)
	if first.Rows != len(everybody) || first.Imported != good || !maps.Equal(first.Reasons, reasons) || len(first.Warnings) > 0 {
		t.Fatalf("imported %d of %d; %+v", first.Imported, good, first)
	}
	for _, e := range everybody {
		if c, err := store.Get(t.Context(), e.id); e.refused == "" && (err != nil || c.SignCount != e.counter) {
			t.Errorf("%s's passkey comes in as %s, %v; its counter was %d", e.name, asText(c), err, e.counter)
		}
	}
	for i, source := range sources[1:] {
		other := passkeys.NewMemoryCredentials()
		if report := run(source(), other); asText(report) != asText(first) {
			t.Errorf("source %d: got %s\nwant %s", i+1, asText(report), asText(first))
		}
		for _, e := range everybody {
			want, _ := store.Get(t.Context(), e.id)
			if got, _ := other.Get(t.Context(), e.id); asText(got) != asText(want) {
				t.Errorf("source %d: got %s\nwant %s", i+1, asText(got), asText(want))
			}
		}
	}
	signIn := func() {
		t.Helper()
		for _, e := range everybody {
			result, err := signsIn(t, p, e.Authenticator)
			if e.refused != "" {
				if !errors.Is(err, passkeys.ErrCredentialNotFound) && !errors.Is(err, passkeytest.ErrNoCredential) {
					t.Errorf("%s, refused for %s, signs in: %+v, %v", e.name, e.refused, result, err)
				}
				continue
			}
			if err != nil || result.UserID != e.user {
				t.Errorf("%s does not sign in: %+v, %v", e.name, result, err)
				continue
			}
			c, err := store.Get(t.Context(), e.id)
			handle := c.UserHandle
			if len(handle) == 0 {
				handle = []byte(c.UserID)
			}
			if err != nil || c.HandleUnknown || c.BackupUnknown || !bytes.Equal(handle, e.handle) || c.BackupState != e.BackupState {
				t.Errorf("%s's passkey after the sign-in: %s, %v", e.name, asText(c), err)
			}
		}
	}
	signIn()
	again := run(sources[0](), store)
	reasons[importer.ReasonExists] = good
	if again.Imported != 0 || again.Skipped != good || !maps.Equal(again.Reasons, reasons) {
		t.Errorf("the second import: %+v", again)
	}
	signIn()
}

// signsIn signs in with a page's button: nobody has said who they are.
func signsIn(t *testing.T, p *passkeys.Passkeys, a *passkeytest.Authenticator) (*passkeys.AuthenticationResult, error) {
	t.Helper()
	begun, err := p.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Get([]byte(asText(begun)))
	if err != nil {
		return nil, err
	}
	return p.FinishAuthentication(t.Context(), passkeys.AuthenticationResponse{State: begun.State, Credential: answer})
}

// usedThere signs in to the system that registered the device, and returns the counter.
func usedThere(t *testing.T, a *passkeytest.Authenticator) uint32 {
	t.Helper()
	if _, err := a.Get([]byte(`{"challenge":"AAAA","rpId":"` + importedRPID + `"}`)); err != nil {
		t.Fatal(err)
	}
	return a.Credentials()[0].SignCount
}

// entry is a row of a table of another system.
type entry struct {
	table  string
	values map[string]any
}

// What the systems below have in common: three encodings, and a time.
func url64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
func std64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
func ofUUID(text string) []byte {
	a, _ := passkeys.ParseAAGUID(text)
	return a[:]
}

func (e enrolled) uuidOfModel() string { return passkeys.AAGUID(e.AAGUID).String() }
func (e enrolled) transports() string  { return strings.Join(e.answer.Transports, ",") }
func (e enrolled) deviceType(in [2]string) string {
	if e.BackupEligible {
		return in[1]
	}
	return in[0]
}

const enrolledAt = "2026-01-02 03:04:05"

// handmade is a system whose rows the test makes.
type handmade struct {
	system   importer.System
	database string // that has the tables; without one, the rows are objects in a file
	schema   string
	query    string                   // where the system has none of its own
	handle   func(user string) []byte // what the system tells an authenticator
	rows     func(e enrolled) []entry
	counts   bool // it keeps the counter up to date
	foreign  bool // it can be seen of which relying party a passkey is
}

// handmadeSystems are the systems that do not run here. Their tables and their JSON
// are as their documentation and their migrations have them, and a software
// authenticator's passkey is put into these in the encodings of each; the code that
// does so there is not run.
var handmadeSystems = []handmade{
	{
		system: importer.Supabase, database: "postgres", counts: true,
		schema: `CREATE SCHEMA auth; CREATE TABLE auth.webauthn_credentials (
			id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, credential_id bytea NOT NULL UNIQUE, public_key bytea NOT NULL,
			attestation_type text NOT NULL DEFAULT '', aaguid uuid, sign_count bigint NOT NULL DEFAULT 0, transports jsonb NOT NULL DEFAULT '[]',
			backup_eligible boolean NOT NULL DEFAULT false, backed_up boolean NOT NULL DEFAULT false, friendly_name text NOT NULL DEFAULT '',
			created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), last_used_at timestamptz)`,
		handle: func(user string) []byte { return []byte(user) },
		rows: func(e enrolled) []entry {
			return []entry{{"auth.webauthn_credentials", map[string]any{
				"user_id": e.user, "credential_id": e.id, "public_key": e.key, "aaguid": e.uuidOfModel(), "sign_count": e.counter, "transports": asText(e.answer.Transports),
				"backup_eligible": e.BackupEligible, "backed_up": e.BackupState, "friendly_name": e.name + "'s", "created_at": enrolledAt + "+00", "last_used_at": enrolledAt + ".25+00",
			}}}
		},
	},
	{
		system: importer.Hanko, database: "postgres", counts: true,
		schema: `CREATE TABLE webauthn_credentials (
			id varchar(255) PRIMARY KEY, user_id uuid NOT NULL, public_key text NOT NULL, attestation_type varchar(255) NOT NULL, aaguid uuid NOT NULL,
			sign_count integer NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL, name varchar(255), backup_eligible boolean NOT NULL DEFAULT false,
			backup_state boolean NOT NULL DEFAULT false, last_used_at timestamp, mfa_only boolean NOT NULL DEFAULT false, user_handle_id uuid);
			CREATE TABLE webauthn_credential_transports (id varchar(255) PRIMARY KEY, name varchar(255) NOT NULL, webauthn_credential_id varchar(255) NOT NULL)`,
		handle: ofUUID,
		rows: func(e enrolled) []entry {
			return append(e.transportRows(), entry{"webauthn_credentials", map[string]any{
				"id": url64(e.id), "user_id": e.user, "public_key": url64(e.key), "attestation_type": e.format(), "aaguid": e.uuidOfModel(), "sign_count": e.counter,
				"created_at": enrolledAt, "updated_at": enrolledAt, "backup_eligible": e.BackupEligible, "backup_state": e.BackupState,
			}})
		},
	},
	{
		system: importer.HankoPasskeys, database: "postgres",
		schema: `CREATE TABLE webauthn_users (id uuid PRIMARY KEY, user_id varchar(255) NOT NULL, name varchar(255) NOT NULL, tenant_id uuid NOT NULL);
			CREATE TABLE webauthn_credentials (
			id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, name varchar(255), public_key text NOT NULL, attestation_type varchar(255) NOT NULL,
			aaguid uuid NOT NULL, sign_count integer NOT NULL, last_used_at timestamp, created_at timestamp NOT NULL, updated_at timestamp NOT NULL,
			backup_eligible boolean NOT NULL, backup_state boolean NOT NULL, webauthn_user_id uuid NOT NULL, is_mfa boolean NOT NULL DEFAULT false);
			CREATE TABLE webauthn_credential_transports (id varchar(255) PRIMARY KEY, name varchar(255) NOT NULL, webauthn_credential_id varchar(255) NOT NULL)`,
		handle: func(user string) []byte { return []byte(user) },
		rows: func(e enrolled) []entry {
			return append(e.transportRows(),
				entry{"webauthn_users", map[string]any{"id": e.user, "user_id": e.user, "name": e.name, "tenant_id": e.user}},
				entry{"webauthn_credentials", map[string]any{
					"id": url64(e.id), "user_id": e.user, "public_key": url64(e.key), "attestation_type": e.format(), "aaguid": e.uuidOfModel(), "sign_count": e.counter,
					"created_at": enrolledAt, "updated_at": enrolledAt, "backup_eligible": e.BackupEligible, "backup_state": e.BackupState, "webauthn_user_id": e.user,
				}})
		},
	},
	{
		system: importer.SpringSecurity, database: "postgres", foreign: true,
		schema: `CREATE TABLE user_entities (id varchar(1000) PRIMARY KEY, name varchar(100) NOT NULL, display_name varchar(200));
			CREATE TABLE user_credentials (
			credential_id varchar(1000) PRIMARY KEY, user_entity_user_id varchar(1000) NOT NULL, public_key bytea NOT NULL, signature_count bigint, uv_initialized boolean,
			backup_eligible boolean NOT NULL, authenticator_transports varchar(1000), public_key_credential_type varchar(100), backup_state boolean NOT NULL,
			attestation_object bytea, attestation_client_data_json bytea, created timestamp, last_used timestamp, label varchar(1000) NOT NULL)`,
		handle: ofUUID,
		rows: func(e enrolled) []entry {
			return []entry{
				{"user_entities", map[string]any{"id": url64(e.handle), "name": e.user, "display_name": e.name}},
				{"user_credentials", map[string]any{
					"credential_id": url64(e.id), "user_entity_user_id": url64(e.handle), "public_key": e.key, "signature_count": e.counter, "uv_initialized": !e.UserNotVerified,
					"backup_eligible": e.BackupEligible, "authenticator_transports": e.transports(), "public_key_credential_type": "public-key", "backup_state": e.BackupState,
					"attestation_object": []byte(e.answer.AttestationObject), "attestation_client_data_json": []byte(e.answer.ClientDataJSON), "created": enrolledAt, "label": e.name + "'s",
				}},
			}
		},
	},
	{
		system: importer.ASPNETIdentity, database: "postgres", counts: true, foreign: true,
		schema: `CREATE TABLE "AspNetUserPasskeys" ("CredentialId" bytea PRIMARY KEY, "UserId" text NOT NULL, "Data" jsonb NOT NULL)`,
		handle: func(user string) []byte { return []byte(user) },
		rows: func(e enrolled) []entry {
			data := asText(map[string]any{
				"AttestationObject": std64(e.answer.AttestationObject), "ClientDataJson": std64(e.answer.ClientDataJSON), "CreatedAt": "2026-01-02T03:04:05.1234567+00:00",
				"IsBackedUp": e.BackupState, "IsBackupEligible": e.BackupEligible, "IsUserVerified": !e.UserNotVerified, "Name": nil, "PublicKey": std64(e.key),
				"SignCount": e.counter, "Transports": e.answer.Transports,
			})
			return []entry{{"AspNetUserPasskeys", map[string]any{"CredentialId": e.id, "UserId": e.user, "Data": data}}}
		},
	},
	{
		system: importer.Laravel, database: "mariadb", counts: true,
		schema: "CREATE TABLE passkeys (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, user_id char(36) NOT NULL, name varchar(255) NOT NULL," +
			" credential_id varchar(1400) NOT NULL, credential json NOT NULL, last_used_at timestamp NULL, created_at timestamp NULL, updated_at timestamp NULL)",
		handle: func(user string) []byte { return bytes.Repeat(ofUUID(user), 2) }, // 32 bytes that nothing can be seen of
		rows: func(e enrolled) []entry {
			return []entry{{"passkeys", map[string]any{
				"user_id": e.user, "name": e.name + "'s", "credential_id": url64(e.id), "credential": asText(e.source()), "created_at": enrolledAt, "updated_at": enrolledAt,
			}}}
		},
	},
	{
		system: importer.WebAuth, counts: true,
		handle: func(user string) []byte { return []byte(user) },
		rows:   func(e enrolled) []entry { return []entry{{values: e.source()}} },
	},
	{
		system: importer.Auth0, foreign: true,
		handle: func(user string) []byte { return bytes.Repeat(ofUUID(user), 4) },
		rows: func(e enrolled) []entry {
			return []entry{{values: map[string]any{
				"id": "passkey|dev_" + e.name, "type": "passkey", "confirmed": true, "key_id": url64(e.id), "public_key": std64(e.key),
				"credential_device_type": e.deviceType([2]string{"single_device", "multi_device"}), "credential_backed_up": e.BackupState,
				"identity_user_id": e.user, "user_handle": url64(e.handle), "transports": e.answer.Transports, "user_agent": "Chrome",
				"created_at": "2026-01-02T03:04:05.580Z", "relying_party_id": e.rpID(), "usage": []string{"primary"},
			}}}
		},
	},
	{
		system: importer.FastAPIPasskeys, database: "sqlite", counts: true,
		schema: `CREATE TABLE passkey_credentials (
			credential_id BLOB NOT NULL PRIMARY KEY, public_key BLOB NOT NULL, user_id VARCHAR(64) NOT NULL, sign_count INTEGER NOT NULL, backup_eligible BOOLEAN NOT NULL,
			backup_state BOOLEAN NOT NULL, transports JSON NOT NULL, aaguid BLOB, device_name VARCHAR, is_discoverable BOOLEAN, attestation_fmt VARCHAR,
			created_at DATETIME NOT NULL, last_used_at DATETIME)`,
		handle: func(user string) []byte { return []byte(user) },
		rows: func(e enrolled) []entry {
			return []entry{{"passkey_credentials", map[string]any{
				"credential_id": e.id, "public_key": e.key, "user_id": e.user, "sign_count": e.counter, "backup_eligible": e.BackupEligible, "backup_state": e.BackupState,
				"transports": asText(e.answer.Transports), "aaguid": e.AAGUID[:], "is_discoverable": true, "attestation_fmt": e.format(), "created_at": enrolledAt + ".000000",
			}}}
		},
	},
	{
		system: importer.PyWebAuthn, database: "sqlite", counts: true,
		schema: `CREATE TABLE passkeys (credential_id BLOB PRIMARY KEY, credential_public_key BLOB, user_id TEXT, webauthn_user_id BLOB, sign_count INTEGER,
			credential_device_type TEXT, credential_backed_up INTEGER, transports TEXT, aaguid TEXT, fmt TEXT, user_verified INTEGER)`,
		query:  `SELECT * FROM passkeys ORDER BY credential_id`,
		handle: ofUUID,
		rows: func(e enrolled) []entry {
			return []entry{{"passkeys", map[string]any{
				"credential_id": e.id, "credential_public_key": e.key, "user_id": e.user, "webauthn_user_id": e.handle, "sign_count": e.counter,
				"credential_device_type": e.deviceType([2]string{"single_device", "multi_device"}), "credential_backed_up": e.BackupState,
				"transports": asText(e.answer.Transports), "aaguid": e.uuidOfModel(), "fmt": e.format(), "user_verified": !e.UserNotVerified,
			}}}
		},
	},
	{
		system: importer.PasskeyRecord, foreign: true,
		handle: ofUUID,
		rows: func(e enrolled) []entry {
			data := bytes.Clone(e.answer.AuthenticatorData)
			copy(data[len(data)-len(e.key):], e.key) // they end with it
			return []entry{{values: map[string]any{
				"user_id": e.user, "user_handle": url64(e.handle),
				"record": "$webauthn$v=1$transports=" + strings.Join(e.answer.Transports, "+") + "$" + base64.RawStdEncoding.EncodeToString(data),
			}}}
		},
	},
}

func asText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (e enrolled) rpID() string { return strings.TrimPrefix(e.Origin, "https://") }

func (e enrolled) format() string { return cmp.Or(e.Attestation, "none") }

// transportRows are Hanko's, in a table of their own.
func (e enrolled) transportRows() (rows []entry) {
	for _, transport := range e.answer.Transports {
		rows = append(rows, entry{"webauthn_credential_transports", map[string]any{
			"id": url64(e.id) + transport, "name": transport, "webauthn_credential_id": url64(e.id),
		}})
	}
	return rows
}

// source is a PublicKeyCredentialSource of web-auth.
func (e enrolled) source() map[string]any {
	return map[string]any{
		"publicKeyCredentialId": url64(e.id), "type": "public-key", "transports": e.answer.Transports, "attestationType": "none", "trustPath": map[string]any{},
		"aaguid": e.uuidOfModel(), "credentialPublicKey": url64(e.key), "userHandle": url64(e.handle), "counter": e.counter,
		"backupEligible": e.BackupEligible, "backupStatus": e.BackupState, "uvInitialized": !e.UserNotVerified,
	}
}

func TestImportByHand(t *testing.T) {
	for _, other := range handmadeSystems {
		t.Run(string(other.system), func(t *testing.T) {
			t.Log("Rows by hand: the system does not run here.")
			var everybody []enrolled
			var rows []entry
			for _, name := range []string{"alice", "bob", "carol", "mallory", "frank"} {
				rpID := importedRPID
				if name == "frank" {
					if !other.foreign {
						continue
					}
					rpID = "example.com"
				}
				hash := sha256.Sum256([]byte(name))
				user := passkeys.AAGUID(hash[:16]).String()
				e, _ := enroll(t, name, device(name, rpID), registrationOptions(rpID, other.handle(user)))
				e.user = user
				if other.counts && name == "bob" {
					e.counter = usedThere(t, e.Authenticator)
				}
				switch name {
				case "mallory":
					e.key[len(e.key)-1] ^= 1 // off its curve
					e.refused = importer.ReasonKeyInvalid
				case "frank":
					e.refused = importer.ReasonRPID
				}
				everybody, rows = append(everybody, e), append(rows, other.rows(e)...)
			}
			ours := fresh(t, string(other.system))
			moves(t, ours, everybody, other.stored(t, ours, rows)...)
		})
	}
}

// stored puts the rows where the system has them, and returns the ways in which they
// can be read: over a driver, and from what the database's own tool writes.
func (s handmade) stored(t *testing.T, dsn string, rows []entry) []func() importer.Source {
	t.Helper()
	var db *gorm.DB
	var export []string
	query := cmp.Or(s.system.Query(), s.query)
	switch s.database {
	case "":
		var file strings.Builder
		for _, row := range rows {
			file.WriteString(asText(row.values) + "\n")
		}
		return []func() importer.Source{func() importer.Source {
			return importer.Source{System: s.system, Reader: strings.NewReader(file.String())}
		}}
	case "postgres":
		db = opened(t, postgres.Open(dsn), &gorm.Config{})
		export = fromPsql(dsn, query)
	case "mariadb":
		server := running(t, startMariaDB)
		db = opened(t, mysql.Open(server.address), &gorm.Config{})
		export = []string{"mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=" + strconv.Itoa(server.port), "--user=root",
			"--batch", "--binary-as-hex", "test", "--execute=" + query}
	case "sqlite":
		db = opened(t, sqlite.Open(filepath.Join(t.TempDir(), "other.db")), &gorm.Config{})
	}
	for statement := range strings.SplitSeq(s.schema, ";") {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rows {
		if err := db.Table(row.table).Create(row.values).Error; err != nil {
			t.Fatal(err)
		}
	}
	return waysOf(t, s.system, db, query, export)
}

// fromPsql is the command of PostgreSQL that writes a query's rows.
func fromPsql(dsn, query string) []string {
	return []string{"psql", "--no-psqlrc", "--quiet", "--dbname=" + dsn, `--command=\copy (` + query + `) TO STDOUT CSV HEADER`}
}

// waysOf returns the ways to read a query's rows: over the driver, and, if there is a
// command, from what it writes.
func waysOf(t *testing.T, system importer.System, db *gorm.DB, query string, export []string) []func() importer.Source {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	ways := []func() importer.Source{func() importer.Source { return importer.Source{System: system, DB: pool, Query: query} }}
	if export != nil {
		ways = append(ways, func() importer.Source {
			out, err := exec.Command(export[0], export[1:]...).Output()
			if err != nil {
				t.Fatalf("%v: %v", export, err)
			}
			return importer.Source{System: system, Reader: bytes.NewReader(out)}
		})
	}
	return ways
}

package importer_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

// answers is a database that has one answer to every query, of the types that
// drivers return.
type answers struct {
	columns, types []string
	values         [][]driver.Value
	end            error // instead of the last row's end

	asked []string
	next  int
}

func (a *answers) Connect(context.Context) (driver.Conn, error) { return a, nil }
func (a *answers) Driver() driver.Driver                        { return nil }
func (a *answers) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not prepared") }
func (a *answers) Begin() (driver.Tx, error)                    { return nil, errors.New("no transaction") }
func (a *answers) Close() error                                 { return nil }
func (a *answers) Columns() []string                            { return a.columns }
func (a *answers) ColumnTypeDatabaseTypeName(i int) string      { return a.types[i] }

func (a *answers) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	a.asked, a.next = append(a.asked, query), 0
	if query == "fails" {
		return nil, errors.New("no such table")
	}
	return a, nil
}

func (a *answers) Next(to []driver.Value) error {
	if a.next == len(a.values) {
		if a.end != nil {
			return a.end
		}
		return io.EOF
	}
	copy(to, a.values[a.next])
	a.next++
	return nil
}

func TestDatabases(t *testing.T) {
	d := register(t, uuid, key)
	id, pub, at := []byte(passkeys.EncodeID(d.ID)), d.PublicKey, time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	columns := []string{"user_id", "credential_id", "public_key", "sign_count", "backup_eligible", "backed_up", "transports", "friendly_name", "created_at", "last_used_at"}
	want := `"rpId":"example.org","publicKey":"{key}","algorithm":-7,"signCount":0,"transports":["usb"],"deviceName":"Key","createdAt":"2026-01-02T03:04:05.000006Z"`
	for _, row := range []struct {
		name, says string
		system     importer.System
		columns    []string
		types      []string
		values     []driver.Value
	}{
		{"PostgreSQL", "A driver that knows the types.", importer.Supabase, columns,
			[]string{"UUID", "BYTEA", "BYTEA", "INT8", "BOOL", "BOOL", "JSONB", "TEXT", "TIMESTAMPTZ", "TIMESTAMPTZ"},
			[]driver.Value{uuid, d.ID, pub, int64(0), false, false, []byte(`["usb"]`), "Key", at.In(time.FixedZone("", 3600)), nil}},
		{"MySQL", "A driver that returns text as bytes, and says that it is text.", importer.SimpleWebAuthn,
			[]string{"internal_user_id", "cred_id", "cred_public_key", "counter", "backup_eligible", "backup_status", "transports", "name", "created_at", "webauthn_user_id"},
			[]string{"CHAR", "VARCHAR", "BLOB", "INT", "BIT", "BIT", "JSON", "VARCHAR", "DATETIME", "VARCHAR"},
			[]driver.Value{[]byte(uuid), id, pub, []byte("0"), []byte{0}, []byte{0}, []byte(`["usb"]`), []byte("Key"), []byte("2026-01-02 03:04:05.000006"), []byte(passkeys.EncodeID([]byte(uuid)))}},
		{"MySQL, and all of it text", "Bytes that a text column has are text.", importer.SimpleWebAuthn,
			[]string{"internal_user_id", "cred_id", "cred_public_key", "counter", "backup_eligible", "backup_status", "transports", "name", "created_at", "webauthn_user_id"},
			[]string{"CHAR", "VARCHAR", "VARCHAR", "INT", "BIT", "BIT", "JSON", "VARCHAR", "DATETIME", "VARCHAR"},
			[]driver.Value{[]byte(uuid), id, fmt.Appendf(nil, "%x", pub), []byte("0"), []byte{0}, []byte{0}, []byte(`["usb"]`), []byte("Key"), []byte("2026-01-02 03:04:05.000006"), []byte(passkeys.EncodeID([]byte(uuid)))}},
		{"SQLite", "A driver that knows no types of what was computed.", importer.FastAPIPasskeys,
			[]string{"user_id", "credential_id", "public_key", "sign_count", "backup_eligible", "backup_state", "transports", "device_name", "created_at", "aaguid"},
			[]string{"", "", "", "", "", "", "", "", "", ""},
			[]driver.Value{[]byte(uuid), d.ID, pub, 0.0, int64(0), int64(0), `["usb"]`, []byte("Key"), "2026-01-02 03:04:05.000006", make([]byte, 16)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := &answers{columns: row.columns, types: row.types, values: [][]driver.Value{row.values}}
			db := sql.OpenDB(a)
			defer db.Close()
			store := passkeys.NewMemoryCredentials()
			report, err := importer.Import(t.Context(), importer.Source{System: row.system, DB: db, Query: "SELECT it"}, store, options)
			if err != nil || report.Imported != 1 || fmt.Sprint(a.asked) != "[SELECT it SELECT it]" {
				t.Fatalf("%+v, %v, asked %v", report, err, a.asked)
			}
			c, err := store.Get(t.Context(), d.ID)
			version := `,"version":1893456000000000}`
			if got := jsonOf(t, c); err != nil || got != d.fill(`{"v":1,"id":"{id}","userId":"`+uuid+`",`+want+version) {
				t.Errorf("%s Got %s, %v", row.says, got, err)
			}
			if _, err := d.signIn(t, store); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDatabasesThatFail(t *testing.T) {
	d := register(t, uuid, key)
	lost := errors.New("connection lost")
	good := []driver.Value{"u", d.ID, d.PublicKey}
	for _, row := range []struct {
		name, says string
		system     importer.System
		query      string
		a          answers
		want       error
		asked      string
	}{
		{"the system's query", "A system with a table of its own has a query.", importer.Supabase, "", answers{columns: []string{"user_id", "credential_id", "public_key"}, values: [][]driver.Value{good}}, nil, importer.Supabase.Query()},
		{"no query", "Others have none.", importer.SimpleWebAuthn, "", answers{}, importer.ErrOptions, ""},
		{"no table", "A query that fails is the source's.", importer.Supabase, "fails", answers{}, importer.ErrSource, "fails"},
		{"no key", "A table without the key is none.", importer.Supabase, "q", answers{columns: []string{"user_id", "credential_id"}}, importer.ErrSource, "q"},
		{"lost on the way", "Half an answer imports nothing.", importer.Supabase, "q", answers{columns: []string{"user_id", "credential_id", "public_key"}, values: [][]driver.Value{good}, end: lost}, lost, "q"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.a.types = make([]string, len(row.a.columns))
			db := sql.OpenDB(&row.a)
			defer db.Close()
			store := passkeys.NewMemoryCredentials()
			report, err := importer.Import(t.Context(), importer.Source{System: row.system, DB: db, Query: row.query}, store, options)
			if !errors.Is(err, row.want) || (row.want == nil) != (report.Imported == 1) {
				t.Errorf("%s %+v, %v", row.says, report, err)
			}
			if len(row.a.asked) > 0 != (row.asked != "") || row.asked != "" && row.a.asked[0] != row.asked {
				t.Errorf("%s Asked %q", row.says, row.a.asked)
			}
			if _, err := store.Get(t.Context(), d.ID); (err == nil) != (row.want == nil) {
				t.Errorf("%s %v", row.says, err)
			}
		})
	}
}

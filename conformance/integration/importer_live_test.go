package integration

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/passkeys-go/passkeys/core/importer"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// TestImportLive imports from systems that run here, on Node: what is in their tables
// was written by their own code, which has registered software authenticators and
// signed each in once. See tools/web/enrol.mjs.
func TestImportLive(t *testing.T) {
	const web = "../../tools/web"
	for _, file := range []string{"enrol.mjs", "node_modules/.package-lock.json"} { // go test must know what this hangs on
		if _, err := os.Stat(filepath.Join(web, file)); err != nil {
			t.Fatalf("%v: .ci/deps installs it", err)
		}
	}
	for _, system := range []importer.System{importer.BetterAuth, importer.SimpleWebAuthn} {
		t.Run(string(system), func(t *testing.T) {
			dsn := fresh(t, string(system))
			other := exec.Command("node", "enrol.mjs", string(system))
			other.Dir, other.Env = web, append(os.Environ(), "DATABASE_URL="+asURL(dsn))
			var everybody []enrolled
			ask := speak(t, other)
			for _, name := range []string{"alice", "bob", "carol"} {
				e, row := enrolAndSignIn(t, ask, name, device(name, importedRPID))
				if err := json.Unmarshal(row, &e.user); err != nil {
					t.Fatal(err)
				}
				everybody = append(everybody, e)
			}
			query := system.Query()
			if query == "" {
				query = "SELECT * FROM passkeys ORDER BY cred_id"
			}
			moves(t, dsn, everybody, waysOf(t, system, opened(t, postgres.Open(dsn), &gorm.Config{}), query, fromPsql(dsn, query))...)
		})
	}
}

// asURL is a DSN as other languages want it.
func asURL(dsn string) string {
	named := map[string]string{}
	for _, field := range strings.Fields(dsn) {
		name, value, _ := strings.Cut(field, "=")
		named[name] = value
	}
	return "postgres://" + named["user"] + "@" + named["host"] + ":" + named["port"] + "/" + named["dbname"]
}

// speak starts a program that answers each line with one, until the test ends. Its
// complaints are the test's.
func speak(t *testing.T, program *exec.Cmd) func(line any) []byte {
	t.Helper()
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	program.Stderr = t.Output()
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := program.Wait(); err != nil {
			t.Errorf("%v: %v", program, err)
		}
	})
	lines := bufio.NewReader(out)
	return func(line any) []byte {
		t.Helper()
		if _, err := io.WriteString(in, asText(line)+"\n"); err != nil {
			t.Fatal(err)
		}
		said, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("%v: %v", program, err)
		}
		return said
	}
}

// enrolAndSignIn has another system's code register a device and sign it in, and
// returns what that code says in the end.
func enrolAndSignIn(t *testing.T, ask func(any) []byte, name string, a *passkeytest.Authenticator) (e enrolled, end []byte) {
	t.Helper()
	e, registration := enroll(t, name, a, ask(name))
	assertion, err := e.Get(ask(registration))
	if err != nil {
		t.Fatal(err)
	}
	e.counter = a.Credentials()[0].SignCount
	return e, ask(assertion)
}

// recording is what a system's own code wrote. It is run only to record that anew, with
// recordAnew in the environment: the rows do not change.
type recording struct {
	source   importer.Source
	folder   string // of testdata, with the program, and with what it wrote
	versions string
	unproved bool // it verifies no signature here, so there is no attestation and no sign-in
	program  func(t *testing.T, version string) *exec.Cmd
}

const recordAnew = "PASSKEYS_RECORD_ROWS"

var recordings = []recording{
	{ // of each era the last release that is to be had
		source: importer.Source{System: importer.GoWebAuthn}, folder: "testdata/go-webauthn",
		versions: "v0.8.6 v0.9.4 v0.10.2 v0.11.2 v0.12.3 v0.13.4 v0.14.0 v0.15.0 v0.16.5 v0.17.0 v0.17.4 v0.18.2",
		program:  enrolInGo,
	},
	{ // Debian's package ruby-webauthn, in a table as the library's documentation has it
		source: importer.Source{System: importer.PyWebAuthn, Columns: map[string]string{
			"credential_id": "external_id", "credential_public_key": "public_key", "webauthn_user_id": "webauthn_id",
		}},
		folder: "testdata/ruby-webauthn", versions: "2.5.2", unproved: true,
		program: func(_ *testing.T, version string) *exec.Cmd {
			return exec.Command("ruby", "-e", "gem 'webauthn', '"+version+"'; load 'testdata/ruby-webauthn/enrol.rb'")
		},
	},
}

// TestImportRecorded imports what other systems' own code wrote when it was run. The
// keys of these passkeys follow from what the rows call their users, so that they can
// sign in here.
func TestImportRecorded(t *testing.T) {
	for _, r := range recordings {
		t.Run(filepath.Base(r.folder), func(t *testing.T) {
			file := filepath.Join(r.folder, "rows.jsonl")
			if os.Getenv(recordAnew) != "" {
				if err := os.WriteFile(file, r.record(t), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var everybody []enrolled
			for line := range bytes.Lines(rows) {
				var row struct {
					UserID string `json:"user_id"`
				}
				if err := json.Unmarshal(line, &row); err != nil {
					t.Fatal(err)
				}
				handle := sha256.Sum256([]byte(row.UserID)) // as the programs have it
				e, _ := enroll(t, row.UserID, keyed(row.UserID), registrationOptions(importedRPID, handle[:]))
				e.user, e.counter = row.UserID, e.Credentials()[0].SignCount
				if !r.unproved {
					e.counter = usedThere(t, e.Authenticator)
				}
				everybody = append(everybody, e)
			}
			if want := 2 * len(strings.Fields(r.versions)); len(everybody) != want {
				t.Errorf("%d rows, not %d", len(everybody), want)
			}
			moves(t, fresh(t, filepath.Base(r.folder)), everybody, func() importer.Source {
				source := r.source
				source.Reader = bytes.NewReader(rows)
				return source
			})
		})
	}
}

// record runs the program of each version, and returns the rows of two passkeys of each.
func (r recording) record(t *testing.T) (rows []byte) {
	t.Helper()
	for version := range strings.FieldsSeq(r.versions) {
		ask := speak(t, r.program(t, version))
		for _, name := range []string{"alice", "bob"} {
			name += "@" + version
			a := keyed(name)
			if r.unproved {
				a.Attestation = ""
			}
			_, row := enrolAndSignIn(t, ask, name, a)
			rows = append(rows, row...)
		}
	}
	return rows
}

// enrolInGo builds a version's program.
func enrolInGo(t *testing.T, version string) *exec.Cmd {
	t.Helper()
	source, err := os.ReadFile("testdata/go-webauthn/enrol.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"enrol.go": string(source),
		"go.mod":   "module enrol\n\ngo 1.26.0\n\nrequire github.com/go-webauthn/webauthn " + version + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", version, err, said)
	}
	return exec.Command(filepath.Join(dir, "enrol"))
}

// keyed is the device of a user whose name is followed by @ and whatever. Its passkey's
// id and key follow from that name: what the file of a recording leaves out is no
// secret, and not needed.
func keyed(name string) *passkeytest.Authenticator {
	who, _, _ := strings.Cut(name, "@")
	a := device(who, importedRPID)
	hash := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), hash[:])
	if err != nil {
		panic(err) // one of 2³² names
	}
	point, _ := key.PublicKey.Bytes()
	a.CredentialID = hash[:16]
	a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) {
		d.PublicKey = slices.Concat([]byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"), point[1:33], []byte("\x22\x58\x20"), point[33:])
	}
	a.Corrupt = func(r *passkeytest.Response) {
		client := sha256.Sum256(r.ClientDataJSON)
		signed := sha256.Sum256(slices.Concat(r.AuthenticatorData, client[:]))
		signature, err := ecdsa.SignASN1(nil, key, signed[:])
		if err != nil {
			panic(err)
		}
		switch {
		case r.Signature != nil:
			r.Signature = signature
		case a.Attestation == "packed":
			statement := append([]byte("\xa2calg\x26csig\x58"), byte(len(signature)))
			r.AttestationObject = slices.Concat([]byte("\xa3cfmtfpackedgattStmt"), statement, signature, []byte("hauthData\x58"), []byte{byte(len(r.AuthenticatorData))}, r.AuthenticatorData)
		}
		if r.AttestationObject != nil {
			r.PublicKey, _ = x509.MarshalPKIXPublicKey(key.Public())
		}
	}
	return a
}

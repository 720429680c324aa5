package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// Three rows: of a user that is known, of one that is not, and of a key that is none.
const rows = `credentialID,publicKey,userId,counter,deviceType,backedUp,transports
AQIDBAUGBwgJCgsMDQ4PEA,pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlggm6QZeVo629IgVdnFqXIIMO98mVEHadF3eMKRA2dz0rc=,u1,0,multiDevice,t,usb
AQIDBAUGBwgJCgsMDQ4PEB,pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlggm6QZeVo629IgVdnFqXIIMO98mVEHadF3eMKRA2dz0rc=,u2,0,multiDevice,t,carrier pigeon
AQIDBAUGBwgJCgsMDQ4PEw,AAAA,u1,0,multiDevice,t,usb
`

const flags = " -system better-auth -rp-id example.org"

// record is what the first row becomes.
const record = `{"v":1,"id":"AQIDBAUGBwgJCgsMDQ4PEA","userId":"alice","handleUnknown":true,"rpId":"example.org","publicKey":"pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlggm6QZeVo629IgVdnFqXIIMO98mVEHadF3eMKRA2dz0rc","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"transports":["usb"],`

func TestCommand(t *testing.T) {
	good, _, _ := strings.Cut(rows, "AQIDBAUGBwgJCgsMDQ4PEB")
	known := strings.Replace(record, `"handleUnknown":true,`, `"userHandle":"AQI",`, 1) + `"version":1}`
	const passkeyRecord = `{"user_id":"alice","user_handle":"AQI","record":"$webauthn$v=1$transports=usb$v6vDdDKViwYzYNOtZGHJxHNa5/jt1GWSpeDwFFKy5LVZAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAECAwQFBgcICQoLDA0ODxClAQIDJiABIVgg3IqE+VaATuZuq3xrYo04XkTtYMmV2p3MOW4QZdFJl8MiWCCbpBl5Wjrb0iBV2cWpcggw73yZUQdp0Xd4wpEDZ3PStw"}`
	for _, row := range []struct {
		name, says string
		args       string
		stdin      string
		status     int
		out, err   string // a part of each
	}{
		{"no command", "Without a command it says which there are.", "", "", failed, "", "doctor|explain|import|export"},
		{"an unknown command", "Also for one that is none.", "frobnicate", "", failed, "", "doctor|explain|import|export"},
		{"help", "A command says what its flags are.", "import -h", "", ok, "", "-rp-id"},
		{"an unknown flag", "What is no flag is an error.", "import -frobnicate", "", failed, "", "passkeys import: flag provided but not defined: -frobnicate"},
		{"an argument", "And what stands behind them.", "import" + flags + " rows.csv", rows, failed, "", `"rows.csv" is no flag`},
		{"no system", "The importer says what it needs.", "import -rp-id example.org", rows, failed, "", "Source.System"},
		{"no file", "A file that is not there is an error.", "import" + flags + " -in none.csv", "", failed, "", "none.csv"},
		{"no place", "So is a time zone that is not.", "import" + flags + " -location Atlantis", rows, failed, "", "Atlantis"},
		{"no columns", "Columns are pairs.", "import" + flags + " -columns x", rows, failed, "", `-columns: "x" has no =`},
		{"a dry run", "Each row has a line.", "import" + flags, rows, refused, "1\timported\tAQIDBAUGBwgJCgsMDQ4PEA\t\"u1\"\t\n2\trefused\t\t\"u2\"\tid_invalid in credentialID\n3\trefused\tAQIDBAUGBwgJCgsMDQ4PEw\t\"u1\"\tkey_invalid in publicKey\n1 imported, 0 skipped, 2 refused\n", ""},
		{"nothing refused", "Then the status is 0.", "import" + flags, good, ok, "1 imported, 0 skipped, 0 refused", ""},
		{"other columns", "Columns may have other names.", "import" + flags + " -columns credentialID=kid,userId=owner", strings.Replace(strings.Replace(good, "credentialID", "kid", 1), "userId", "owner", 1), ok, "1 imported", ""},
		{"JSON", "A line is JSON for a program.", "import" + flags + " -json", good, ok, `{"row":1,"credentialId":"AQIDBAUGBwgJCgsMDQ4PEA","sourceUser":"u1","userId":"u1","outcome":"imported"}` + "\n", ""},
		{"users", "Who is not in the map is refused.", "import" + flags + " -users users.csv", strings.Replace(rows, "PEB,", "PEQ,", 1), refused, "2\trefused\tAQIDBAUGBwgJCgsMDQ4PEQ\t\"u2\"\tuser_unknown (transport_unknown)\n", ""},
		{"users twice", "A user has one id.", "import" + flags + " -users twice.csv", rows, failed, "", `"u1" is there twice`},
		{"users of three", "And a pair two.", "import" + flags + " -users three.csv", rows, failed, "", "three.csv"},
		{"no users", "A map that is not there maps nobody.", "import" + flags + " -users none.csv", rows, failed, "", "open none.csv"},
		{"over a file", "Nothing is written over.", "import" + flags + " -out users.csv", rows, failed, "", "users.csv"},
		{"half a file", "A failure leaves no file.", "import" + flags + " -out half.jsonl", rows + `"`, failed, "", "the source cannot be read"},
		{"records", "Records are written to a file.", "import" + flags + " -users users.csv -out new.jsonl", good, ok, "1 imported", ""},
		{"export", "A record goes out as others have it.", "export", known, ok, passkeyRecord + "\n", ""},
		{"import of an export", "And comes in as it was.", "import -system passkey-record -rp-id example.org -out round.jsonl", passkeyRecord, ok, "1 imported", ""},
		{"export of what is unknown", "A record without its handle would lock out.", "export", record + `"version":1}` + "\n" + known, refused, passkeyRecord, "record 1: left out"},
		{"export of no file", "A file that is not there is an error.", "export -in none.jsonl", "", failed, "", "open none.jsonl"},
		{"export with an unknown flag", "So is what is no flag.", "export -frobnicate", "", failed, "", "not defined: -frobnicate"},
		{"export of nothing", "No records are none.", "export", "", ok, "", ""},
		{"export of something else", "A row is no record.", "export", passkeyRecord, failed, "", "record 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range map[string]string{"users.csv": "u1,alice\nu3,carol\n", "twice.csv": "u1,a\nu1,b\n", "three.csv": "u1,a,b\n"} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, errs bytes.Buffer
			status := run(strings.Fields(row.args), streams{strings.NewReader(row.stdin), &out, &errs})
			if status != row.status || !strings.Contains(out.String(), row.out) || !strings.Contains(errs.String(), row.err) || row.err == "" && errs.Len() > 0 {
				t.Errorf("%s\nstatus %d, want %d\nout %s\nwant %s\nerr %s\nwant %s", row.says, status, row.status, &out, row.out, &errs, row.err)
			}
			written, err := filepath.Glob("*.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			if row.status == failed || !strings.Contains(row.args, "-out") {
				if len(written) > 0 {
					t.Errorf("%s Wrote %v", row.says, written)
				}
				return
			}
			text, err := os.ReadFile(written[0])
			want := strings.Replace(record, `"handleUnknown":true,`, "", 1)
			if got := strings.NewReplacer(`"handleUnknown":true,`, "", `"userHandle":"AQI",`, "").Replace(string(text)); err != nil || !strings.HasPrefix(got, want) || !json.Valid(text) {
				t.Errorf("%s\ngot  %s, %v\nwant %s", row.says, text, err, want)
			}
		})
	}
}

// A disk may be full when the last rows are written.
func TestAFileThatCannotBeWrittenIsRemoved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new.jsonl")
	r := &records{MemoryCredentials: passkeys.NewMemoryCredentials()}
	if err := r.create(name); err != nil {
		t.Fatal(err)
	}
	if err := r.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.close(nil); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

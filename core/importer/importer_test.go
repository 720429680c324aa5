package importer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const (
	rpID = "example.org"
	uuid = "7f3c1f6e-0c5e-4f0a-9d0f-3f1d2b6a5c4d"
)

// device is an authenticator with one passkey, as some other system registered it.
type device struct {
	*passkeytest.Authenticator
	passkeytest.Credential
	object []byte // the attestation object
}

// register registers a passkey for a user handle with a system other than ours.
func register(t testing.TB, handle string, set func(*passkeytest.Authenticator)) device {
	t.Helper()
	a := passkeytest.New("https://example.org")
	if set != nil {
		set(a)
	}
	options, err := json.Marshal(map[string]any{
		"rp": map[string]any{"id": rpID}, "user": map[string]any{"id": passkeys.EncodeID([]byte(handle))},
		"challenge": "AAAA", "pubKeyCredParams": []any{map[string]any{"type": "public-key", "alg": -7}},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	var r passkeytest.Response
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatal(err)
	}
	return device{a, a.Credentials()[0], r.AttestationObject}
}

// fill puts the passkey into a row: {id}, {key}, {object} and {handle} in base64url,
// with 64 behind in padded base64, with x in hexadecimal.
func (d device) fill(row string) string {
	for name, b := range map[string][]byte{"id": d.ID, "key": d.PublicKey, "object": d.object, "handle": d.Credential.UserHandle} {
		row = strings.NewReplacer(
			"{"+name+"}", passkeys.EncodeID(b),
			"{"+name+"64}", base64.StdEncoding.EncodeToString(b),
			"{"+name+"x}", hex.EncodeToString(b),
		).Replace(row)
	}
	return row
}

// signIn signs in with the device where it was imported into the store.
func (d device) signIn(t testing.TB, store passkeys.CredentialRepository) (*passkeys.AuthenticationResult, error) {
	t.Helper()
	p, err := passkeys.New(passkeys.Config{
		RPID: rpID, RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
		Secret: bytes.Repeat([]byte{1}, 32), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := p.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(begun)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := d.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	return p.FinishAuthentication(t.Context(), passkeys.AuthenticationResponse{State: begun.State, Credential: answer})
}

// synced is a phone whose passkeys are synced.
func synced(a *passkeytest.Authenticator) {
	a.BackupEligible, a.BackupState = true, true
	a.AAGUID = [16]byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
}

// key is a security key that counts.
func key(a *passkeytest.Authenticator) { a.Transports = []string{"usb"} }

// The rows below are in the form in which each system's own table or API has them,
// made by hand from its schema. Those that run here are tried in
// conformance/integration.
var systemRows = []struct {
	name, says string
	system     importer.System
	device     func(*passkeytest.Authenticator)
	handle     string // that the system gave the authenticator
	file       string
	want       string // what the store has, less what every passkey has
}{
	{
		"better-auth from psql", "The handle was not kept, and is learnt; \"\" is no transport.",
		importer.BetterAuth, synced, "k3j4h5g6f7d8s9a0k3j4h5g6f7d8s9a0",
		"id,name,publicKey,userId,credentialID,counter,deviceType,backedUp,transports,createdAt,aaguid\n" +
			"p1,Phone,{key64},alice-id,{id},0,multiDevice,t,\"\",2026-01-02 03:04:05.123+00,fbfc3007-154e-4ecc-8c0b-6e020557d7bd\n",
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","deviceName":"Phone","createdAt":"2026-01-02T03:04:05.123000Z"`,
	},
	{
		"better-auth from sqlite3 -json, with drizzle's names", "Names are the same with and without underscores.",
		importer.BetterAuth, key, "k3j4h5g6f7d8s9a0k3j4h5g6f7d8s9a0",
		`[{"id":"p1","name":null,"public_key":"{key64}","user_id":"alice-id","credential_id":"{id}","counter":0,"device_type":"singleDevice","backed_up":0,"transports":"usb,nfc","created_at":1767323045123,"aaguid":null}]`,
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"transports":["usb","nfc"],"createdAt":"2026-01-02T03:04:05.123000Z"`,
	},
	{
		"better-auth from mysql --batch", "Values between tabs, and NULL.",
		importer.BetterAuth, key, "k3j4h5g6f7d8s9a0k3j4h5g6f7d8s9a0",
		"id\tname\tpublicKey\tuserId\tcredentialID\tcounter\tdeviceType\tbackedUp\ttransports\tcreatedAt\taaguid\n" +
			"p1\tA\\\\B \"C\"\t{key64}\talice-id\t{id}\t0\tsingleDevice\t0\tNULL\t2026-01-02 03:04:05.123\tNULL\n",
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"deviceName":"A\\B \"C\"","createdAt":"2026-01-02T03:04:05.123000Z"`,
	},
	{
		"SimpleWebAuthn", "The documentation's table; the key is bytes.",
		importer.SimpleWebAuthn, synced, "\x01\x02\xff",
		"cred_id,cred_public_key,internal_user_id,webauthn_user_id,counter,backup_eligible,backup_status,transports,created_at,last_used\n" +
			"{id},\\x{keyx},alice-id,{handle},7,true,true,\"internal,hybrid\",2026-01-02T03:04:05Z,2026-02-03T04:05:06Z\n",
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"transports":["internal","hybrid"],"createdAt":"2026-01-02T03:04:05.000000Z","lastUsedAt":"2026-02-03T04:05:06.000000Z"`,
	},
	{
		"SimpleWebAuthn as objects", "The documentation's type, with what JSON.stringify makes of a Buffer.",
		importer.SimpleWebAuthn, key, "\x01\x02\xff",
		`{"id":"{id}","publicKey":{"type":"Buffer","data":[{keyoctets}]},"user":"alice-id","webauthnUserID":"{handle}","counter":0,"deviceType":"singleDevice","backedUp":false,"transports":["usb"]}`,
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"transports":["usb"],"createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"fastapi-passkeys", "The handle is the user's id; ids and keys are bytes.",
		importer.FastAPIPasskeys, synced, "alice-id",
		"credential_id,public_key,user_id,sign_count,backup_eligible,backup_state,transports,aaguid,device_name,is_discoverable,attestation_fmt,created_at,last_used_at\n" +
			"\\x{idx},\\x{keyx},alice-id,9,t,f,\"[\"\"internal\"\"]\",\\xfbfc3007154e4ecc8c0b6e020557d7bd,Phone,t,none,2026-01-02 04:04:05+01,2026-02-03 04:05:06.5+00\n",
		`"rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"transports":["internal"],"discoverable":"yes","aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","attestationFormat":"none","deviceName":"Phone","createdAt":"2026-01-02T03:04:05.000000Z","lastUsedAt":"2026-02-03T04:05:06.500000Z"`,
	},
	{
		"py_webauthn", "Python says multi_device.",
		importer.PyWebAuthn, synced, "\x01\x02\xff",
		`{"credential_id":"{idx}","credential_public_key":"{keyx}","user_id":"alice-id","webauthn_user_id":"{handle}","sign_count":3,"credential_device_type":"multi_device","credential_backed_up":true,"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","fmt":"none","user_verified":true}`,
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","attestationFormat":"none","createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"Supabase", "The handle is the text of the user's UUID, and so is the id here.",
		importer.Supabase, key, uuid,
		"id,user_id,credential_id,public_key,attestation_type,aaguid,sign_count,transports,backup_eligible,backed_up,friendly_name,created_at,last_used_at\n" +
			"1," + uuid + ",\\x{idx},\\x{keyx},none,,0,\"[\"\"usb\"\"]\",f,f,Key,2026-01-02 03:04:05+00,\n",
		`"rpId":"example.org","algorithm":-7,"signCount":0,"transports":["usb"],"deviceName":"Key","createdAt":"2026-01-02T03:04:05.000000Z"`,
	},
	{
		"Hanko", "The handle is the UUID's 16 bytes; the key is base64url.",
		importer.Hanko, key, "\x7f\x3c\x1f\x6e\x0c\x5e\x4f\x0a\x9d\x0f\x3f\x1d\x2b\x6a\x5c\x4d",
		"id,user_id,public_key,attestation_type,aaguid,sign_count,name,backup_eligible,backup_state,mfa_only,user_handle_id,transports,created_at,last_used_at\n" +
			"{id}," + uuid + ",{key},packed,00000000-0000-0000-0000-000000000000,0,Key,f,f,f,,usb,2026-01-02 03:04:05,\n",
		`"userHandle":"fzwfbgxeTwqdDz8dK2pcTQ","rpId":"example.org","algorithm":-7,"signCount":0,"transports":["usb"],"attestationFormat":"packed","deviceName":"Key","createdAt":"2026-01-02T03:04:05.000000Z"`,
	},
	{
		"Hanko, imported there", "A handle of its own is in another table, in whatever encoding: it is learnt.",
		importer.Hanko, key, "imported handle",
		`{"id":"{id}","user_id":"` + uuid + `","public_key":"{key}","sign_count":0,"backup_eligible":false,"backup_state":false,"mfa_only":false,"user_handle_id":"` + uuid + `"}`,
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"Hanko passkeys server", "Its counters are those of the registration for ever, and not believed.",
		importer.HankoPasskeys, key, "alice-id",
		`{"id":"{id}","user_id":"alice-id","public_key":"{key}","sign_count":4,"backup_eligible":false,"backup_state":false,"is_mfa":false,"transports":"usb","tenant_id":"` + uuid + `"}`,
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"transports":["usb"],"createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"laravel/passkeys", "The rest of a row is JSON in a column; null flags are not known.",
		importer.Laravel, key, "\x01\x02\xff",
		"id,user_id,name,credential_id,credential,last_used_at,created_at\n" +
			`1,alice-id,Key,{id},"{""publicKeyCredentialId"":""{id}"",""type"":""public-key"",""transports"":[""usb""],""attestationType"":""none"",""trustPath"":{},""aaguid"":""00000000-0000-0000-0000-000000000000"",""credentialPublicKey"":""{key}"",""userHandle"":""{handle}"",""counter"":0,""backupEligible"":null,""backupStatus"":null,""uvInitialized"":null}",,2026-01-02 03:04:05` + "\n",
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"backupUnknown":true,"transports":["usb"],"deviceName":"Key","createdAt":"2026-01-02T03:04:05.000000Z"`,
	},
	{
		"web-auth", "Nothing but the source names the user: their handle does.",
		importer.WebAuth, synced, "alice-id",
		`{"publicKeyCredentialId":"{id}","type":"public-key","transports":["internal"],"attestationType":"none","trustPath":{},"aaguid":"00000000-0000-0000-0000-000000000000","credentialPublicKey":"{key}","userHandle":"{handle}","counter":7,"backupEligible":true,"backupStatus":true,"uvInitialized":true}`,
		`"rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"transports":["internal"],"createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"Spring Security", "The user is the entity's name; the model is in the attestation object.",
		importer.SpringSecurity, synced, "\x01\x02\xff",
		"credential_id,user_entity_user_id,public_key,signature_count,uv_initialized,backup_eligible,authenticator_transports,public_key_credential_type,backup_state,attestation_object,attestation_client_data_json,created,last_used,label,username\n" +
			"{id},{handle},\\x{keyx},4,t,t,\"internal,hybrid\",public-key,t,\\x{objectx},\\x7b7d,2026-01-02 03:04:05.678,,Phone,alice-id\n",
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"transports":["internal","hybrid"],"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","attestationFormat":"none","deviceName":"Phone","createdAt":"2026-01-02T03:04:05.678000Z"`,
	},
	{
		"ASP.NET Core Identity", "All but the ids is JSON in a column; the handle is the user's id.",
		importer.ASPNETIdentity, synced, "alice-id",
		`{"UserId":"alice-id","CredentialId":"0x{idx}","Data":"{\"AttestationObject\":\"{object64}\",\"ClientDataJson\":\"e30=\",\"CreatedAt\":\"2026-01-02T03:04:05.1234567+00:00\",\"IsBackedUp\":true,\"IsBackupEligible\":true,\"IsUserVerified\":true,\"Name\":\"Phone\",\"PublicKey\":\"{key64}\",\"SignCount\":7,\"Transports\":[\"internal\"]}"}`,
		`"rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"transports":["internal"],"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","attestationFormat":"none","deviceName":"Phone","createdAt":"2026-01-02T03:04:05.123456Z"`,
	},
	{
		"Auth0", "The handle is beside the key, which is in another base64.",
		importer.Auth0, synced, strings.Repeat("\x01\x02\xff\xfe", 16),
		`[{"id":"passkey|dev_1","type":"passkey","confirmed":true,"key_id":"{id}","credential_device_type":"multi_device","credential_backed_up":true,"identity_user_id":"alice-id","user_agent":"Chrome","public_key":"{key64}","transports":["hybrid","internal"],"user_handle":"{handle}","created_at":"2026-01-02T03:04:05.580Z","relying_party_id":"example.org","usage":["primary"]}]`,
		`"userHandle":"{handle}","rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"transports":["hybrid","internal"],"createdAt":"2026-01-02T03:04:05.580000Z"`,
	},
	{
		"go-webauthn 0.11 to 0.16", "The format is where the type should be; the AAGUID is base64.",
		importer.GoWebAuthn, synced, "\x01\x02\xff",
		`{"user_id":"alice-id","user_handle":"{handle}","credential":{"id":"{id64}","publicKey":"{key64}","attestationType":"none","transport":["internal"],"flags":{"userPresent":true,"userVerified":true,"backupEligible":true,"backupState":true},"authenticator":{"AAGUID":"+/wwBxVOTsyMC24CBVfXvQ==","signCount":7,"cloneWarning":false,"attachment":"platform"},"attestation":{"clientDataJSON":"e30=","clientDataHash":"","authenticatorData":"","publicKeyAlgorithm":-7,"object":"{object64}"}}}`,
		`"userHandle":"AQL_","rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"transports":["internal"],"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","attestationFormat":"none","createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"go-webauthn 0.17 and 0.18", "What is empty is left out, and there are extensions.",
		importer.GoWebAuthn, key, "alice-id",
		`{"user_id":"alice-id","id":"{id64}","publicKey":"{key64}","attestationType":"basic_full","attestationFormat":"packed","flags":{"userPresent":true,"userVerified":false,"backupEligible":false,"backupState":false},"authenticator":{},"attestation":{},"extensions":{"rk":false}}`,
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"discoverable":"no","attestationFormat":"packed","createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"go-webauthn from before there were flags, stored anew", "Flags that are all false are none: somebody was present.",
		importer.GoWebAuthn, synced, "alice-id",
		"user_id,credential\nalice-id,\"{\"\"ID\"\":\"\"{id64}\"\",\"\"PublicKey\"\":\"\"{key64}\"\",\"\"AttestationType\"\":\"\"none\"\",\"\"flags\"\":{\"\"userPresent\"\":false,\"\"userVerified\"\":false,\"\"backupEligible\"\":false,\"\"backupState\"\":false},\"\"Authenticator\"\":{\"\"AAGUID\"\":\"\"AAAAAAAAAAAAAAAAAAAAAA==\"\",\"\"SignCount\"\":0,\"\"CloneWarning\"\":false}}\"\n",
		`"handleUnknown":true,"rpId":"example.org","algorithm":-7,"signCount":0,"backupUnknown":true,"attestationFormat":"none","createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
	{
		"passkey-record", "All is in the record but the user, whose id is the handle.",
		importer.PasskeyRecord, synced, "alice-id",
		"user_id,record\nalice-id,{record}\n",
		`"rpId":"example.org","algorithm":-7,"signCount":0,"backupEligible":true,"backupState":true,"uvInitialized":true,"transports":["internal"],"aaguid":"fbfc3007-154e-4ecc-8c0b-6e020557d7bd","createdAt":"2030-01-01T00:00:00.000000Z"`,
	},
}

// record is the passkey-record that another implementation would keep of the
// registration.
func (d device) record() string {
	i := bytes.Index(d.object, []byte("authData")) + len("authData") + 2 // a byte string of up to 255 bytes
	return "$webauthn$v=1$transports=internal$" + base64.RawStdEncoding.EncodeToString(d.object[i:])
}

func (d device) octets() string {
	numbers, _ := json.Marshal(bytesAsNumbers(d.PublicKey))
	return strings.Trim(string(numbers), "[]")
}

func bytesAsNumbers(b []byte) (numbers []int) {
	for _, c := range b {
		numbers = append(numbers, int(c))
	}
	return numbers
}

func (d device) file(row string) string {
	return strings.NewReplacer("{record}", d.record(), "{keyoctets}", d.octets()).Replace(d.fill(row))
}

var options = importer.Options{
	RPID: rpID,
	Now:  func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) },
}

func run(t testing.TB, system importer.System, file string, store passkeys.CredentialRepository, o importer.Options) importer.Report {
	t.Helper()
	report, err := importer.Import(t.Context(), importer.Source{System: system, Reader: strings.NewReader(file)}, store, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEverySystemSignsIn(t *testing.T) {
	tried := map[importer.System]bool{}
	for _, row := range systemRows {
		tried[row.system] = true
		t.Run(row.name, func(t *testing.T) {
			d := register(t, row.handle, row.device)
			file, store := d.file(row.file), passkeys.NewMemoryCredentials()
			dry := options
			dry.DryRun = true
			would := run(t, row.system, file, store, dry)
			if _, err := store.Get(t.Context(), d.ID); err == nil {
				t.Error("a dry run stored it")
			}
			report := run(t, row.system, file, store, options)
			if report.Imported != 1 || len(report.Lines) != 1 || len(report.Lines[0].Warnings) > 0 {
				t.Fatalf("%s %+v", row.says, report)
			}
			if a, b := jsonOf(t, would), jsonOf(t, report); a != b {
				t.Errorf("a dry run says %s\nand a run    %s", a, b)
			}
			c, err := store.Get(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			userID := "alice-id"
			if strings.Contains(row.file, uuid+",") || strings.Contains(row.file, `"user_id":"`+uuid) {
				userID = uuid
			}
			want := `{"v":1,"id":"` + passkeys.EncodeID(d.ID) + `","userId":"` + userID + `",` + d.fill(row.want) + `,"version":1893456000000000}`
			want = strings.Replace(want, `"algorithm"`, `"publicKey":"`+passkeys.EncodeID(d.PublicKey)+`","algorithm"`, 1)
			if got := jsonOf(t, c); got != want {
				t.Errorf("%s\ngot  %s\nwant %s", row.says, got, want)
			}
			again := run(t, row.system, file, store, options)
			if again.Imported != 0 || again.Reasons[importer.ReasonExists] != 1 {
				t.Errorf("the second run: %+v", again)
			}
			for range 2 {
				if result, err := d.signIn(t, store); err != nil || result.UserID != userID {
					t.Fatalf("sign-in: %+v, %v", result, err)
				}
			}
			if c, err = store.Get(t.Context(), d.ID); err != nil || c.HandleUnknown || c.BackupUnknown {
				t.Errorf("after the sign-in: %+v, %v", c, err)
			}
		})
	}
	for _, system := range importer.Systems() {
		if !tried[system] {
			t.Errorf("%s has no row", system)
		}
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

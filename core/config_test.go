package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestNewSaysWhatIsMissing(t *testing.T) {
	if _, err := passkeys.New(passkeys.Config{}); err == nil || !strings.Contains(err.Error(), `RPID: "" must be set`) {
		t.Errorf("%v", err)
	}
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name  string
		field string // "" is a configuration that is right
		set   func(*passkeys.Config)
	}{
		{"as it is", "", func(*passkeys.Config) {}},
		{"localhost", "", func(c *passkeys.Config) { c.RPID, c.Origins = "localhost", []string{"http://localhost:8080"} }},
		{"IDNA form", "", func(c *passkeys.Config) {
			c.RPID, c.Origins = "xn--bcher-kva.example", []string{"https://xn--bcher-kva.example"}
		}},
		{"several origins", "", func(c *passkeys.Config) { c.Origins = append(c.Origins, "https://www.example.org:8443") }},
		{"no RP id", "RPID", func(c *passkeys.Config) { c.RPID = "" }},
		{"upper case", "RPID", func(c *passkeys.Config) { c.RPID = "Example.org" }},
		{"a URL", "RPID", func(c *passkeys.Config) { c.RPID = "https://example.org" }},
		{"a port", "RPID", func(c *passkeys.Config) { c.RPID = "example.org:443" }},
		{"an IPv4 address", "RPID", func(c *passkeys.Config) { c.RPID = "127.0.0.1" }},
		{"an IPv6 address", "RPID", func(c *passkeys.Config) { c.RPID = "[::1]" }},
		{"a number at the end", "RPID", func(c *passkeys.Config) { c.RPID = "example.1" }},
		{"a trailing dot", "RPID", func(c *passkeys.Config) { c.RPID = "example.org." }},
		{"two dots", "RPID", func(c *passkeys.Config) { c.RPID = "example..org" }},
		{"a leading dot", "RPID", func(c *passkeys.Config) { c.RPID = ".example.org" }},
		{"a trailing hyphen", "RPID", func(c *passkeys.Config) { c.RPID = "a-.example" }},
		{"an underscore", "", func(c *passkeys.Config) {
			c.RPID, c.Origins = "my_app.localhost", []string{"http://my_app.localhost:23010"}
		}},
		{"a leading hyphen", "RPID", func(c *passkeys.Config) { c.RPID = "-a.example" }},
		{"not ASCII", "RPID", func(c *passkeys.Config) { c.RPID = "bücher.example" }},
		{"a label of 64", "RPID", func(c *passkeys.Config) { c.RPID = strings.Repeat("a", 64) + ".example" }},
		{"254 characters", "RPID", func(c *passkeys.Config) { c.RPID = strings.Repeat("a.", 123) + "examples" }},
		{"no name", "RPName", func(c *passkeys.Config) { c.RPName = " " }},
		{"no origins", "Origins", func(c *passkeys.Config) { c.Origins = nil }},
		{"an empty origin", "Origins", func(c *passkeys.Config) { c.Origins = append(c.Origins, "") }},
		{"every origin", "Origins", func(c *passkeys.Config) { c.Origins = []string{"*"} }},
		{"a wildcard host", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://*.example.org"} }},
		{"no scheme", "Origins", func(c *passkeys.Config) { c.Origins = []string{"example.org"} }},
		{"a misspelt scheme", "Origins", func(c *passkeys.Config) { c.Origins = []string{"htps://example.org"} }},
		{"a host that could be a scheme", "Origins", func(c *passkeys.Config) { c.Origins = []string{"example.org:8080"} }},
		{"browsers' extensions", "", func(c *passkeys.Config) {
			c.Origins = []string{origin, "chrome-extension://jnpfkofnigkaocfcdcdppaokjkmhjcio", "moz-extension://dbac9369-1111-2222-3333-444444444444"}
		}},
		{"an extension alone", "", func(c *passkeys.Config) { c.Origins = []string{"chrome-extension://jnpfkofnigkaocfcdcdppaokjkmhjcio"} }},
		{"an extension in other letters", "Origins", func(c *passkeys.Config) { c.Origins = []string{"Chrome-Extension://x"} }},
		{"an extension with a blank", "Origins", func(c *passkeys.Config) { c.Origins = []string{"chrome-extension://x y"} }},
		{"an extension of 257 characters", "Origins", func(c *passkeys.Config) { c.Origins = []string{"chrome-extension://" + strings.Repeat("x", 238)} }},
		{"no scheme", "Origins", func(c *passkeys.Config) { c.Origins = []string{"://x"} }},
		{"a scheme that begins with a digit", "Origins", func(c *passkeys.Config) { c.Origins = []string{"1password://x"} }},
		{"a scheme alone", "Origins", func(c *passkeys.Config) { c.Origins = []string{"chrome-extension:"} }},
		{"http elsewhere than on localhost", "Origins", func(c *passkeys.Config) { c.Origins = []string{"http://example.org"} }},
		{"http on a name below localhost", "", func(c *passkeys.Config) { c.RPID, c.Origins = "app.localhost", []string{"http://app.localhost:8080"} }},
		{"another domain", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://other.com"} }},
		{"a domain that only ends alike", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://notexample.org"} }},
		{"a domain above", "Origins", func(c *passkeys.Config) { c.RPID = "login.example.org" }},
		{"another domain, related", "", func(c *passkeys.Config) {
			c.Origins, c.WellKnown.Related = []string{"https://other.com"}, []string{"https://other.com"}
		}},
		{"a subdomain", "", func(c *passkeys.Config) { c.Origins = []string{"https://login.example.org"} }},
		{"a trailing slash", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org/"} }},
		{"a path", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org/login"} }},
		{"a query", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org?x"} }},
		{"a fragment", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org#x"} }},
		{"a user", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://me@example.org"} }},
		{"upper case", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://Example.org"} }},
		{"an upper-case scheme", "Origins", func(c *passkeys.Config) { c.Origins = []string{"HTTPS://example.org"} }},
		{"https's default port", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org:443"} }},
		{"http's default port", "Origins", func(c *passkeys.Config) { c.Origins = []string{"http://localhost:80"} }},
		{"an empty port", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org:"} }},
		{"port 0", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org:0"} }},
		{"port 65536", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://example.org:65536"} }},
		{"an IP address", "Origins", func(c *passkeys.Config) { c.Origins = []string{"https://127.0.0.1"} }},
		{"null", "Origins", func(c *passkeys.Config) { c.Origins = []string{"null"} }},
		{"a short key hash", "Origins", func(c *passkeys.Config) { c.Origins = []string{"android:apk-key-hash:AAAA"} }},
		{"a path", "TopOrigins", func(c *passkeys.Config) { c.TopOrigins = []string{"https://example.com/"} }},
		{"no repository", "Credentials", func(c *passkeys.Config) { c.Credentials = nil }},
		{"negative", "ChallengeTTL", func(c *passkeys.Config) { c.ChallengeTTL = -1 }},
		{"milliseconds taken for seconds", "ChallengeTTL", func(c *passkeys.Config) { c.ChallengeTTL = 300 }},
		{"more than a day", "ChallengeTTL", func(c *passkeys.Config) { c.ChallengeTTL = 25 * time.Hour }},
		{"a day", "", func(c *passkeys.Config) {
			c.ChallengeTTL, c.ConditionalTTL, c.Timeout = 24*time.Hour, 24*time.Hour, 24*time.Hour
		}},
		{"negative", "ConditionalTTL", func(c *passkeys.Config) { c.ConditionalTTL = -1 }},
		{"milliseconds taken for seconds", "ConditionalTTL", func(c *passkeys.Config) { c.ConditionalTTL = 3600 }},
		{"more than a day", "ConditionalTTL", func(c *passkeys.Config) { c.ConditionalTTL = 24*time.Hour + 1 }},
		{"negative", "Timeout", func(c *passkeys.Config) { c.Timeout = -1 }},
		{"milliseconds taken for nanoseconds", "Timeout", func(c *passkeys.Config) { c.Timeout = 60000 }},
		{"unknown", "UserVerification", func(c *passkeys.Config) { c.UserVerification = "always" }},
		{"unknown", "Attestation", func(c *passkeys.Config) { c.Attestation = "full" }},
		{"unknown", "AuthenticatorAttachment", func(c *passkeys.Config) { c.AuthenticatorAttachment = "usb" }},
		{"unknown", "ResidentKey", func(c *passkeys.Config) { c.ResidentKey = "true" }},
		{"device-bound", "", func(c *passkeys.Config) { c.SignCountPolicy = passkeys.DeviceBound }},
		{"in other letters", "SignCountPolicy", func(c *passkeys.Config) { c.SignCountPolicy = "Device-Bound" }},
		{"every hint", "", func(c *passkeys.Config) {
			c.Hints = []passkeys.Hint{passkeys.HintSecurityKey, passkeys.HintClientDevice, passkeys.HintHybrid}
		}},
		{"unknown", "Hints", func(c *passkeys.Config) { c.Hints = []passkeys.Hint{passkeys.HintHybrid, "phone"} }},
		{"empty", "Hints", func(c *passkeys.Config) { c.Hints = []passkeys.Hint{""} }},
		{"of a later level", "", func(c *passkeys.Config) { c.AttestationFormats = []string{"packed", strings.Repeat("x", 32)} }},
		{"empty", "AttestationFormats", func(c *passkeys.Config) { c.AttestationFormats = []string{"packed", ""} }},
		{"too long", "AttestationFormats", func(c *passkeys.Config) { c.AttestationFormats = []string{strings.Repeat("x", 33)} }},
		{"with a blank", "AttestationFormats", func(c *passkeys.Config) { c.AttestationFormats = []string{"android key"} }},
		{"members of a later level", "", func(c *passkeys.Config) {
			c.CreationExtra = map[string]json.RawMessage{"later": []byte(`{"a":[1]}`)}
			c.RequestExtra = map[string]json.RawMessage{"later": []byte(`true`)}
		}},
		{"a member already", "CreationExtra", func(c *passkeys.Config) { c.CreationExtra = map[string]json.RawMessage{"challenge": []byte(`"AAAA"`)} }},
		{"a member that is left out by default", "CreationExtra", func(c *passkeys.Config) { c.CreationExtra = map[string]json.RawMessage{"hints": []byte(`[]`)} }},
		{"a member that is left out by default", "CreationExtra", func(c *passkeys.Config) {
			c.CreationExtra = map[string]json.RawMessage{"attestationFormats": []byte(`[]`)}
		}},
		{"no JSON", "CreationExtra", func(c *passkeys.Config) { c.CreationExtra = map[string]json.RawMessage{"later": []byte(`{`)} }},
		{"a member already", "RequestExtra", func(c *passkeys.Config) {
			c.RequestExtra = map[string]json.RawMessage{"allowCredentials": []byte(`[]`)}
		}},
		{"a member that is left out by default", "RequestExtra", func(c *passkeys.Config) { c.RequestExtra = map[string]json.RawMessage{"hints": []byte(`[]`)} }},
		{"no JSON", "RequestExtra", func(c *passkeys.Config) {
			c.RequestExtra = map[string]json.RawMessage{"later": []byte(`1,"challenge":1`)}
		}},
		{"a member that Extensions has", "RequestExtra", func(c *passkeys.Config) {
			c.RequestExtra = map[string]json.RawMessage{"extensions": []byte(`{}`)}
		}},
		{"every extension", "", func(c *passkeys.Config) {
			c.UserVerification = passkeys.UserVerificationRequired
			c.Extensions = passkeys.Extensions{
				PRF: true, PRFSalts: func(context.Context, string, []byte) (passkeys.PRFSalts, error) { return passkeys.PRFSalts{}, nil },
				LargeBlob: passkeys.LargeBlobRequired, CredentialProtection: passkeys.CredentialProtectionRequired, EnforceCredentialProtection: true,
				CreationExtra: map[string]json.RawMessage{"minPinLength": []byte(`true`)}, RequestExtra: map[string]json.RawMessage{"appid": []byte(`"https://example.org"`)},
			}
		}},
		{"salts for nothing", "Extensions.PRFSalts", func(c *passkeys.Config) {
			c.Extensions.PRFSalts = func(context.Context, string, []byte) (passkeys.PRFSalts, error) { return passkeys.PRFSalts{}, nil }
		}},
		{"unknown", "Extensions.LargeBlob", func(c *passkeys.Config) { c.Extensions.LargeBlob = "yes" }},
		{"a number", "Extensions.CredentialProtection", func(c *passkeys.Config) { c.Extensions.CredentialProtection = "3" }},
		{"none to enforce", "Extensions.EnforceCredentialProtection", func(c *passkeys.Config) { c.Extensions.EnforceCredentialProtection = true }},
		{"the least, to enforce", "Extensions.EnforceCredentialProtection", func(c *passkeys.Config) {
			c.Extensions.CredentialProtection, c.Extensions.EnforceCredentialProtection = passkeys.CredentialProtectionNone, true
		}},
		{"never made", "Extensions.CredentialProtection", func(c *passkeys.Config) {
			c.Extensions.CredentialProtection, c.UserVerification = passkeys.CredentialProtectionRequired, passkeys.UserVerificationPreferred
		}},
		{"not seen at a confirmation", "Extensions.CredentialProtection", func(c *passkeys.Config) {
			c.Extensions.CredentialProtection, c.UserVerification = passkeys.CredentialProtectionRequired, passkeys.UserVerificationRequired
			c.ConfirmationUserVerification = passkeys.UserVerificationDiscouraged
		}},
		{"listed, and so seen", "", func(c *passkeys.Config) {
			c.Extensions.CredentialProtection, c.UserVerification = passkeys.CredentialProtectionList, passkeys.UserVerificationDiscouraged
		}},
		{"one that is known", "Extensions.CreationExtra", func(c *passkeys.Config) {
			c.Extensions.CreationExtra = map[string]json.RawMessage{"enforceCredentialProtectionPolicy": []byte(`true`)}
		}},
		{"one that is known", "Extensions.RequestExtra", func(c *passkeys.Config) {
			c.Extensions.RequestExtra = map[string]json.RawMessage{"prf": []byte(`{}`)}
		}},
		{"unknown", "SignCountPolicy", func(c *passkeys.Config) { c.SignCountPolicy = "ignore" }},
		{"unknown", "BackupEligibility", func(c *passkeys.Config) { c.BackupEligibility = "once" }},
		{"unknown", "AttestationPolicy", func(c *passkeys.Config) { c.AttestationPolicy = "full" }},
		{"nothing to verify", "Attestation", func(c *passkeys.Config) {
			c.AttestationPolicy, c.Attestation = passkeys.AttestationPolicySelf, passkeys.AttestationNone
		}},
		{"made by hand", "Metadata", func(c *passkeys.Config) { c.Metadata = &passkeys.Metadata{} }},
		{"nothing to trust", "Metadata", func(c *passkeys.Config) { c.AttestationPolicy = passkeys.AttestationPolicyTrusted }},
		{"fewer decoys than none", "DecoyCounts", func(c *passkeys.Config) { c.DecoyCounts = []int{1, -1} }},
		{"decoys often beyond measure", "DecoyCounts", func(c *passkeys.Config) { c.DecoyCounts = []int{1<<20 + 1} }},
		{"never a decoy", "DecoyCounts", func(c *passkeys.Config) { c.DecoyCounts = []int{0, 0} }},
		{"more decoys than passkeys", "DecoyCounts", func(c *passkeys.Config) { c.DecoyCounts, c.MaxCredentials = []int{1, 1, 1}, 2 }},
		{"more decoys than any answer holds", "DecoyCounts", func(c *passkeys.Config) { c.DecoyCounts, c.MaxCredentials = make([]int, 51), -1 }},
		{"less than no limit", "MaxCredentials", func(c *passkeys.Config) { c.MaxCredentials = -2 }},
		{"short", "Secret", func(c *passkeys.Config) { c.Secret = make([]byte, 31) }},
		{"of 32 bytes", "", func(c *passkeys.Config) { c.Secret = make([]byte, 32) }},
		{"with old ones", "", func(c *passkeys.Config) {
			c.Secret, c.OldSecrets = make([]byte, 32), [][]byte{make([]byte, 32), make([]byte, 64)}
		}},
		{"unset beside old ones", "Secret", func(c *passkeys.Config) { c.OldSecrets = [][]byte{make([]byte, 32)} }},
		{"a short one", "OldSecrets", func(c *passkeys.Config) {
			c.Secret, c.OldSecrets = make([]byte, 32), [][]byte{make([]byte, 32), make([]byte, 31)}
		}},
		{"an empty one", "OldSecrets", func(c *passkeys.Config) { c.Secret, c.OldSecrets = make([]byte, 32), [][]byte{nil} }},
		{"never drawn", "DecoyShapes", func(c *passkeys.Config) { c.DecoyShapes = []passkeys.DecoyShape{{0, 32, nil}} }},
		{"too short to tag", "DecoyShapes", func(c *passkeys.Config) { c.DecoyShapes = []passkeys.DecoyShape{{1, 15, nil}} }},
		{"unknown", "Algorithms", func(c *passkeys.Config) { c.Algorithms = []passkeys.Algorithm{-65535} }},
	} {
		t.Run(row.field+" "+row.name, func(t *testing.T) {
			cfg := passkeys.Config{
				RPID: "example.org", RPName: "Example", Origins: []string{origin},
				Credentials: passkeys.NewMemoryCredentials(),
			}
			row.set(&cfg)
			p, err := passkeys.New(cfg)
			if row.field == "" {
				if err != nil || p == nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, passkeys.ErrConfiguration) || p != nil || !strings.Contains(err.Error(), "Config."+row.field+": ") {
				t.Errorf("got %v, want a configuration error that names Config.%s", err, row.field)
			}
		})
	}
}

func TestConfigFromEnv(t *testing.T) {
	set := func(t *testing.T, more map[string]string) {
		t.Setenv("PASSKEYS_RP_ID", "example.org")
		t.Setenv("PASSKEYS_RP_NAME", "Example")
		t.Setenv("PASSKEYS_EXPECTED_ORIGINS", " https://example.org , https://www.example.org,")
		for k, v := range more {
			t.Setenv(k, v)
		}
	}
	t.Run("every field", func(t *testing.T) {
		set(t, map[string]string{
			"PASSKEYS_TOP_ORIGINS":              "https://partner.example",
			"PASSKEYS_CHALLENGE_TTL":            "2m30s",
			"PASSKEYS_TIMEOUT":                  "90",
			"PASSKEYS_USER_VERIFICATION":        "required",
			"PASSKEYS_ATTESTATION":              "direct",
			"PASSKEYS_AUTHENTICATOR_ATTACHMENT": "cross-platform",
			"PASSKEYS_RESIDENT_KEY":             "required",
			"PASSKEYS_SIGN_COUNT_POLICY":        "flag-disable",
			"PASSKEYS_ATTESTATION_POLICY":       "self",
			"PASSKEYS_ALLOWED_AAGUIDS":          "EA9B8D66-4d01-1d21-3ce4-b6b48cb575d4",
			"PASSKEYS_DENIED_AAGUIDS":           "00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001",
			"PASSKEYS_BACKUP_ELIGIBILITY":       "upgrade",
			"PASSKEYS_MAX_CREDENTIALS":          "7",
			"PASSKEYS_SECRET":                   " " + strings.Repeat("s", 32) + "\n",
			"PASSKEYS_OLD_SECRETS":              strings.Repeat("o", 32) + " , " + strings.Repeat("p", 44) + ",",
			"PASSKEYS_CONDITIONAL_TTL":          "3h",
			"PASSKEYS_HINTS":                    "client-device, hybrid",
			"PASSKEYS_ATTESTATION_FORMATS":      "packed,tpm",
			"PASSKEYS_ALGORITHMS":               "EdDSA, ES256",

			"PASSKEYS_PRF":                           "true",
			"PASSKEYS_LARGE_BLOB":                    "preferred",
			"PASSKEYS_CREDENTIAL_PROTECTION":         "userVerificationRequired",
			"PASSKEYS_ENFORCE_CREDENTIAL_PROTECTION": "true",
		})
		got, err := passkeys.ConfigFromEnv()
		want := passkeys.Config{
			RPID: "example.org", RPName: "Example",
			Origins:                 []string{"https://example.org", "https://www.example.org"},
			TopOrigins:              []string{"https://partner.example"},
			ChallengeTTL:            150 * time.Second,
			Timeout:                 90 * time.Second,
			UserVerification:        passkeys.UserVerificationRequired,
			Attestation:             passkeys.AttestationDirect,
			AuthenticatorAttachment: passkeys.AttachmentCrossPlatform,
			ResidentKey:             passkeys.ResidentKeyRequired,
			SignCountPolicy:         passkeys.FlagDisable,
			AttestationPolicy:       passkeys.AttestationPolicySelf,
			AllowedAAGUIDs:          []passkeys.AAGUID{{0xea, 0x9b, 0x8d, 0x66, 0x4d, 0x01, 0x1d, 0x21, 0x3c, 0xe4, 0xb6, 0xb4, 0x8c, 0xb5, 0x75, 0xd4}},
			DeniedAAGUIDs:           []passkeys.AAGUID{{}, {15: 1}},
			BackupEligibility:       passkeys.BackupEligibilityUpgrade,
			MaxCredentials:          7,
			Secret:                  []byte(strings.Repeat("s", 32)),
			OldSecrets:              [][]byte{[]byte(strings.Repeat("o", 32)), []byte(strings.Repeat("p", 44))},
			ConditionalTTL:          3 * time.Hour,
			Hints:                   []passkeys.Hint{passkeys.HintClientDevice, passkeys.HintHybrid},
			AttestationFormats:      []string{"packed", "tpm"},
			Algorithms:              []passkeys.Algorithm{passkeys.EdDSA, passkeys.ES256},
			Extensions: passkeys.Extensions{
				PRF: true, LargeBlob: passkeys.LargeBlobPreferred,
				CredentialProtection: passkeys.CredentialProtectionRequired, EnforceCredentialProtection: true,
			},
		}
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
		got.Credentials = passkeys.NewMemoryCredentials()
		if _, err := passkeys.New(got); err != nil {
			t.Errorf("New: %v", err)
		}
	})
	for _, row := range []struct{ variable, value string }{
		{"PASSKEYS_RP_ID", ""},
		{"PASSKEYS_RP_ID", "https://example.org"},
		{"PASSKEYS_RP_NAME", ""},
		{"PASSKEYS_EXPECTED_ORIGINS", " , "},
		{"PASSKEYS_EXPECTED_ORIGINS", "https://example.org/"},
		{"PASSKEYS_TOP_ORIGINS", "*"},
		{"PASSKEYS_CHALLENGE_TTL", "soon"},
		{"PASSKEYS_CHALLENGE_TTL", "-5m"},
		{"PASSKEYS_CHALLENGE_TTL", "0"},
		{"PASSKEYS_CHALLENGE_TTL", "90000"},
		{"PASSKEYS_TIMEOUT", "60.5"},
		{"PASSKEYS_TIMEOUT", "99999999999999999999"},
		{"PASSKEYS_TIMEOUT", "1ms"},
		{"PASSKEYS_USER_VERIFICATION", "Required"},
		{"PASSKEYS_ATTESTATION", "yes"},
		{"PASSKEYS_AUTHENTICATOR_ATTACHMENT", "any"},
		{"PASSKEYS_RESIDENT_KEY", "1"},
		{"PASSKEYS_SIGN_COUNT_POLICY", "strict"},
		{"PASSKEYS_BACKUP_ELIGIBILITY", "once"},
		{"PASSKEYS_ATTESTATION_POLICY", "full"},
		{"PASSKEYS_ALLOWED_AAGUIDS", "ea9b8d664d011d213ce4b6b48cb575d4"},
		{"PASSKEYS_DENIED_AAGUIDS", "ea9b8d66-4d01-1d21-3ce4-b6b48cb575dx"},
		{"PASSKEYS_MAX_CREDENTIALS", "many"},
		{"PASSKEYS_MAX_CREDENTIALS", "0"},
		{"PASSKEYS_MAX_CREDENTIALS", "-2"},
		{"PASSKEYS_SECRET", "short"},
		{"PASSKEYS_SECRET", strings.Repeat("s", 31) + " "},
		{"PASSKEYS_SECRET", strings.Repeat("s", 32) + "," + strings.Repeat("s", 32)},
		{"PASSKEYS_SECRET", strings.Repeat("s", 32) + " " + strings.Repeat("s", 32)},
		{"PASSKEYS_SECRET", strings.Repeat("s", 32) + "\t" + strings.Repeat("s", 32)},
		{"PASSKEYS_SECRET", strings.Repeat("s", 32) + "\n" + strings.Repeat("s", 32)},
		{"PASSKEYS_CONDITIONAL_TTL", "25h"},
		{"PASSKEYS_CONDITIONAL_TTL", "1h30"},
		{"PASSKEYS_HINTS", "security-key,usb"},
		{"PASSKEYS_ATTESTATION_FORMATS", "packed,android key"},
		{"PASSKEYS_SIGN_COUNT_POLICY", "device_bound"},
		{"PASSKEYS_ALGORITHMS", "ES256,RS1"},
		{"PASSKEYS_PRF", "yes"},
		{"PASSKEYS_LARGE_BLOB", "true"},
		{"PASSKEYS_CREDENTIAL_PROTECTION", "required"},
		{"PASSKEYS_ENFORCE_CREDENTIAL_PROTECTION", "1"},
		{"PASSKEYS_ENFORCE_CREDENTIAL_PROTECTION", "true"},
	} {
		t.Run(row.variable+"="+row.value, func(t *testing.T) {
			set(t, map[string]string{row.variable: row.value})
			cfg, err := passkeys.ConfigFromEnv()
			if !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), row.variable+": ") {
				t.Errorf("got %+v, %v, want an error that names %s", cfg, err, row.variable)
			}
		})
	}
}

func TestOldSecretsFromEnv(t *testing.T) {
	old := strings.Repeat("o", 31)
	t.Setenv("PASSKEYS_RP_ID", "example.org")
	t.Setenv("PASSKEYS_RP_NAME", "Example")
	t.Setenv("PASSKEYS_EXPECTED_ORIGINS", origin)
	t.Setenv("PASSKEYS_OLD_SECRETS", old+"o")
	if _, err := passkeys.ConfigFromEnv(); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "PASSKEYS_SECRET: ") {
		t.Errorf("old ones without a new one: %v", err)
	}
	t.Setenv("PASSKEYS_SECRET", strings.Repeat("s", 32))
	t.Setenv("PASSKEYS_OLD_SECRETS", old)
	_, err := passkeys.ConfigFromEnv()
	if !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "PASSKEYS_OLD_SECRETS: ") {
		t.Errorf("a short one: %v", err)
	}
	if strings.Contains(err.Error(), old) {
		t.Errorf("%v has the secret in it", err)
	}
}

func TestConfigErrorsKeepTheSecret(t *testing.T) {
	secret := strings.Repeat("s3cret", 5)
	_, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{origin}, Credentials: passkeys.NewMemoryCredentials(), Secret: []byte(secret),
	})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestConfigIsCopied(t *testing.T) {
	origins, denied := []string{origin}, []passkeys.AAGUID{{1}}
	b := newBench(t, func(c *passkeys.Config) { c.Origins, c.DeniedAAGUIDs = origins, denied })
	origins[0], denied[0] = "https://evil.example", passkeys.AAGUID{}
	a := passkeytest.New(origin)
	b.mustRegister(a)
	a.Origin = "https://evil.example"
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonOriginMismatch)
}

func TestConfigIsCopiedAlsoWhereItGoesIntoOptions(t *testing.T) {
	var cfg *passkeys.Config
	b := newBench(t, func(c *passkeys.Config) {
		c.Secret = bytes.Repeat([]byte{1}, 32)
		c.OldSecrets = [][]byte{bytes.Repeat([]byte{2}, 32)}
		c.Hints, c.AttestationFormats = []passkeys.Hint{passkeys.HintHybrid}, []string{"packed"}
		c.DecoyCounts = []int{0, 0, 1}
		c.CreationExtra = map[string]json.RawMessage{"a": []byte("1")}
		c.RequestExtra = map[string]json.RawMessage{"b": []byte("2")}
		c.Extensions.CreationExtra = map[string]json.RawMessage{"c": []byte("6")}
		c.Extensions.RequestExtra = map[string]json.RawMessage{"d": []byte("7")}
		cfg = c
	})
	options := func() string {
		creation, _ := b.creation(alice)
		request, _ := b.request(passkeys.AuthenticationRequest{UserID: "nobody"})
		_, creation, _ = bytes.Cut(creation, []byte("pubKeyCredParams")) // past the challenge
		creation, _, _ = bytes.Cut(creation, []byte(`"state"`))
		_, request, _ = bytes.Cut(request, []byte("timeout"))
		request, _, _ = bytes.Cut(request, []byte(`"state"`))
		return string(creation) + string(request)
	}
	before := options()
	if !strings.Contains(before, `"hints":["hybrid"]`) || !strings.Contains(before, `"attestationFormats":["packed"]`) || !strings.Contains(before, `"a":1`) || !strings.Contains(before, `"b":2`) ||
		!strings.Contains(before, `"c":6`) || !strings.Contains(before, `"extensions":{"d":7}`) {
		t.Errorf("%s", before)
	}
	// What the application does with its own afterwards, and with an answer.
	clear(cfg.Secret)
	clear(cfg.OldSecrets[0])
	cfg.Hints[0], cfg.AttestationFormats[0] = "changed", "changed"
	cfg.DecoyCounts[0], cfg.DecoyCounts[2] = 1, 0
	cfg.CreationExtra["a"], cfg.RequestExtra["b"] = []byte("3"), []byte("4")
	cfg.Extensions.CreationExtra["c"][0], cfg.Extensions.RequestExtra["d"][0] = '8', '8'
	creation, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
	if err != nil {
		t.Fatal(err)
	}
	request, err := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
	if err != nil {
		t.Fatal(err)
	}
	creation.PublicKey.Extensions.Extra["c"][0], request.PublicKey.Extensions.Extra["d"][0] = '9', '9'
	creation.PublicKey.Extra["a"], request.PublicKey.Extra["b"] = []byte("5"), []byte("6")
	creation.PublicKey.Hints[0], creation.PublicKey.AttestationFormats[0], request.PublicKey.Hints[0] = "changed", "changed", "changed"
	if after := options(); after != before {
		t.Errorf("got  %s\nwant %s", after, before)
	}
}

// Whoever logs the wrong thing has not logged what opens every state.
func TestWhatIsPrintedIsNoSecret(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Secret, c.OldSecrets = []byte("the secret that is used, so long"), [][]byte{[]byte("the secret that was used, and is")}
	})
	secret := strings.Trim(fmt.Sprintf("%d", []byte("the secret that")), "[]")
	if printed := fmt.Sprintf("%+v", b.Passkeys); strings.Contains(printed, secret) {
		t.Error(printed)
	}
}

func TestDefaults(t *testing.T) {
	for _, row := range []struct {
		name             string
		set              func(*passkeys.Config)
		finish, autofill time.Duration
		timeout          int64
	}{
		{"unset", func(*passkeys.Config) {}, 6 * time.Minute, time.Hour, 300_000},
		{"a timeout", func(c *passkeys.Config) { c.Timeout = 2 * time.Minute }, 3 * time.Minute, time.Hour, 120_000},
		{"the longest timeout", func(c *passkeys.Config) { c.Timeout = 24 * time.Hour }, 24 * time.Hour, time.Hour, 86_400_000},
		{"all of them", func(c *passkeys.Config) {
			c.Timeout, c.ChallengeTTL, c.ConditionalTTL = time.Second, 2*time.Second, 3*time.Second
		}, 2 * time.Second, 3 * time.Second, 1000},
	} {
		for mode, ttl := range map[passkeys.Mode]time.Duration{passkeys.ModeUsernameless: row.finish, passkeys.ModeImmediate: row.finish, passkeys.ModeConditional: row.autofill} {
			for _, early := range []time.Duration{time.Millisecond, 0} {
				b := newBench(t, row.set)
				a := passkeytest.New(origin)
				b.mustRegister(a)
				c, err := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{Mode: mode})
				options, state := begun(t, c, err)
				timeout := row.timeout
				if mode == passkeys.ModeConditional { // where it tells when to begin again
					timeout = row.autofill.Milliseconds()
				}
				if c.PublicKey.Timeout != timeout {
					t.Errorf("%s, %s: a timeout of %d ms", row.name, mode, c.PublicKey.Timeout)
				}
				credential, err := a.Get(options)
				if err != nil {
					t.Fatal(err)
				}
				b.clock.Advance(ttl - early)
				_, err = b.FinishAuthentication(t.Context(), passkeys.AuthenticationResponse{State: state, Credential: credential})
				if early > 0 && err != nil || early == 0 && !errors.Is(err, passkeys.ErrChallengeExpired) {
					t.Errorf("%s, %s, %v before its end: %v", row.name, mode, early, err)
				}
			}
		}
	}
}

// A variable that is misspelt would leave a policy at its default, and nobody would
// know.
func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	for name, value := range map[string]string{
		"PASSKEYS_RP_ID": "example.org", "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": origin, "PASSKEYS_SECRET": strings.Repeat("x", 32),
		"PASSKEYS_USER_VERIFICATON": "required", "PASSKEYS_HINT": "hybrid", "PASSKEYS_EMPTY": "", "PASSKEY_OTHER": "x",
	} {
		t.Setenv(name, value)
	}
	cfg, err := passkeys.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	sink := &events{}
	cfg.Credentials, cfg.Logger, cfg.Audit = passkeys.NewMemoryCredentials(), slog.New(slog.NewTextHandler(&log, nil)), sink
	if _, err := passkeys.New(cfg); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 ||
		!strings.Contains(lines[0], "PASSKEYS_HINT is set") || !strings.Contains(lines[1], "PASSKEYS_USER_VERIFICATON is set") {
		t.Errorf("the log says %q", &log)
	}
	if len(sink.list) != 2 || sink.list[0].Reason != passkeys.ReasonVariableUnknown {
		t.Errorf("the events are %+v", sink.list)
	}
}

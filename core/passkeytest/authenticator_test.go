package passkeytest_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const origin = "https://example.org"

// Y3JlYXRl is "create", Z2V0 is "get", and YWxpY2U is "alice".
const (
	creation = `{
		"rp": {"id": "example.org", "name": "Example"},
		"user": {"id": "YWxpY2U", "name": "alice", "displayName": "Alice"},
		"challenge": "Y3JlYXRl",
		"pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}],
		"extensions": {"credProps": true, "prf": {}, "credentialProtectionPolicy": "userVerificationRequired"},
		"timeout": 60000
	}`
	request = `{"challenge": "Z2V0", "rpId": "example.org", "userVerification": "required"}`
)

// answer is an answer and what its bytes say.
type answer struct {
	passkeytest.Response
	json   string
	client passkeytest.ClientData
	auth   passkeytest.AuthenticatorData // PublicKey is all that follows the ID
}

func read(t testing.TB, data json.RawMessage, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	a := answer{json: string(data)}
	if err := json.Unmarshal(data, &a.Response); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.ClientDataJSON, &a.client); err != nil {
		t.Fatal(err)
	}
	b := []byte(a.AuthenticatorData)
	if len(b) < 37 {
		t.Fatalf("authenticator data has %d bytes", len(b))
	}
	a.auth.RPIDHash = b[:32]
	a.auth.Flags = passkeytest.Flags(b[32])
	a.auth.SignCount = binary.BigEndian.Uint32(b[33:])
	if a.auth.Flags&passkeytest.FlagAttestedData != 0 {
		a.auth.AAGUID = [16]byte(b[37:])
		n := 55 + int(binary.BigEndian.Uint16(b[53:]))
		a.auth.CredentialID, a.auth.PublicKey = b[55:n], b[n:]
	}
	return a
}

func create(t testing.TB, a *passkeytest.Authenticator, options string) answer {
	t.Helper()
	data, err := a.Create([]byte(options))
	return read(t, data, err)
}

func get(t testing.TB, a *passkeytest.Authenticator, options string) answer {
	t.Helper()
	data, err := a.Get([]byte(options))
	return read(t, data, err)
}

// verify checks a signature with the public key that a page gets.
func verify(t testing.TB, spki []byte, a answer, sig []byte) bool {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	client := sha256.Sum256(a.ClientDataJSON)
	message := slices.Concat([]byte(a.AuthenticatorData), client[:])
	digest := sha256.Sum256(message)
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest[:], sig)
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, sig)
	case *rsa.PublicKey:
		return public.Size() == 256 && public.E == 65537 &&
			rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) == nil
	}
	t.Fatalf("key is a %T", public)
	return false
}

// statement takes an attestation object apart, byte by byte, and returns the
// encoding of its alg and its sig. Both are nil for the none format.
func statement(t testing.TB, a answer) (alg, sig []byte) {
	t.Helper()
	rest := []byte(a.AttestationObject)
	ok := true
	cut := func(hexPrefix string, text string) bool {
		prefix, err := hex.DecodeString(hexPrefix)
		if err != nil {
			t.Fatal(err)
		}
		after, found := bytes.CutPrefix(rest, append(prefix, text...))
		if found {
			rest = after
		}
		return found
	}
	byteString := func() (b []byte) {
		n := 0
		switch {
		case len(rest) > 2 && rest[0] == 0x58:
			n, rest = int(rest[1]), rest[2:]
		case len(rest) > 3 && rest[0] == 0x59:
			n, rest = int(binary.BigEndian.Uint16(rest[1:])), rest[3:]
		}
		if n == 0 || n > len(rest) {
			ok = false
			return nil
		}
		b, rest = rest[:n], rest[n:]
		return b
	}
	ok = ok && cut("a363", "fmt")
	if cut("66", "packed") {
		ok = ok && cut("67", "attStmt") && cut("a263", "alg")
		n := bytes.Index(rest, []byte("\x63sig"))
		if n < 0 {
			t.Fatalf("no sig in %x", a.AttestationObject)
		}
		alg, rest = rest[:n], rest[n+4:]
		sig = byteString()
	} else {
		ok = ok && cut("64", "none") && cut("67", "attStmt") && cut("a0", "")
	}
	ok = ok && cut("68", "authData")
	if data := byteString(); !ok || len(rest) > 0 || !bytes.Equal(data, a.AuthenticatorData) {
		t.Fatalf("attestation object is %x", a.AttestationObject)
	}
	return alg, sig
}

func TestAlgorithms(t *testing.T) {
	for _, test := range []struct {
		name, why string
		alg       passkeytest.Algorithm
		encoded   string // alg in CBOR
		cose      string // the beginning of the COSE_Key
	}{
		{"ES256", "the algorithm every authenticator has", passkeytest.ES256, "26", "a5010203262001215820"},
		{"EdDSA", "signs the message, not its hash", passkeytest.EdDSA, "27", "a4010103272006215820"},
		{"RS256", "what TPMs of Windows make", passkeytest.RS256, "390100", "a401030339010020590100"},
	} {
		for _, format := range []string{"none", "packed"} {
			t.Run(test.name+"/"+format, func(t *testing.T) {
				a := passkeytest.New(origin)
				a.Algorithm, a.Attestation = test.alg, format
				made := create(t, a, creation)

				alg, sig := statement(t, made)
				if format == "packed" && (hex.EncodeToString(alg) != test.encoded || !verify(t, made.PublicKey, made, sig)) {
					t.Errorf("%s: the self attestation does not verify", test.why)
				}
				if format == "none" && sig != nil {
					t.Error("the none format has a signature")
				}
				if made.PublicKeyAlgorithm != test.alg {
					t.Errorf("publicKeyAlgorithm is %d", made.PublicKeyAlgorithm)
				}
				if got := hex.EncodeToString(made.auth.PublicKey); !strings.HasPrefix(got, test.cose) {
					t.Errorf("the COSE_Key is %s, want %s...", got, test.cose)
				}
				used := get(t, a, request)
				if !verify(t, made.PublicKey, used, used.Signature) {
					t.Errorf("%s: the assertion does not verify", test.why)
				}
			})
		}
	}
}

// Coordinates with leading zeros are rare enough to be forgotten, and frequent
// enough to fail one registration in 130 of an authenticator that drops them.
func TestCoordinatesArePadded(t *testing.T) {
	const n = 5000
	zeros := 0
	for range n {
		made := create(t, passkeytest.New(origin), creation)
		key := made.auth.PublicKey
		prefix, middle := []byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, []byte{0x22, 0x58, 32}
		if len(key) != 77 || !bytes.HasPrefix(key, prefix) || !bytes.HasPrefix(key[42:], middle) {
			t.Fatalf("COSE_Key is %x", key)
		}
		x, y := key[10:42], key[45:77]
		point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			t.Fatalf("COSE_Key %x: %v", key, err)
		}
		if spki, err := x509.MarshalPKIXPublicKey(point); err != nil || !bytes.Equal(spki, made.PublicKey) {
			t.Fatalf("publicKey is not the key of the authenticator data: %v", err)
		}
		if x[0] == 0 || y[0] == 0 {
			zeros++
		}
	}
	if zeros == 0 {
		t.Errorf("no coordinate of %d keys began with a zero: the test has seen nothing", n)
	}
}

func TestSettings(t *testing.T) {
	hash := func(rpID string) []byte {
		h := sha256.Sum256([]byte(rpID))
		return h[:]
	}
	const all = passkeytest.FlagUserPresent | passkeytest.FlagUserVerified
	for _, test := range []struct {
		name, why string
		set       func(a *passkeytest.Authenticator)
		ok        func(made, used answer) bool
	}{
		{"default client data", "its bytes are those of a browser",
			func(a *passkeytest.Authenticator) {},
			func(made, used answer) bool {
				return string(made.ClientDataJSON) == `{"type":"webauthn.create","challenge":"Y3JlYXRl","origin":"https://example.org","crossOrigin":false}` &&
					string(used.ClientDataJSON) == `{"type":"webauthn.get","challenge":"Z2V0","origin":"https://example.org","crossOrigin":false}`
			}},
		{"default authenticator data", "the user is verified, and only Create includes a credential",
			func(a *passkeytest.Authenticator) {},
			func(made, used answer) bool {
				return made.auth.Flags == all|passkeytest.FlagAttestedData && used.auth.Flags == all &&
					bytes.Equal(made.auth.RPIDHash, hash("example.org")) && bytes.Equal(used.auth.RPIDHash, hash("example.org")) &&
					made.auth.AAGUID == [16]byte{} && len(made.auth.CredentialID) == 32 && len(used.AuthenticatorData) == 37
			}},
		{"default envelope", "a platform authenticator that makes discoverable credentials",
			func(a *passkeytest.Authenticator) {},
			func(made, used answer) bool {
				id := base64.RawURLEncoding.EncodeToString(made.auth.CredentialID)
				return made.ID == id && made.RawID == id && used.ID == id && used.RawID == id &&
					made.Type == "public-key" && used.Type == "public-key" &&
					made.Attachment == "platform" && used.Attachment == "platform" &&
					slices.Equal(made.Transports, []string{"internal"}) && string(used.UserHandle) == "alice" &&
					strings.Contains(made.json, `"clientExtensionResults":{"credProps":{"rk":true}}`) &&
					strings.Contains(used.json, `"clientExtensionResults":{}`)
			}},
		{"members", "each answer has the members of its kind, and no others",
			func(a *passkeytest.Authenticator) {},
			func(made, used answer) bool {
				return !strings.Contains(made.json, "signature") && !strings.Contains(made.json, "userHandle") &&
					!strings.Contains(used.json, "attestationObject") && !strings.Contains(used.json, "publicKey") &&
					!strings.Contains(used.json, "transports")
			}},
		{"Origin", "a phishing site can say no other origin than its own",
			func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
			func(made, used answer) bool {
				return made.client.Origin == "https://evil.example" && used.client.Origin == "https://evil.example" &&
					bytes.Equal(used.auth.RPIDHash, hash("example.org"))
			}},
		{"RPID", "the hash lies, and the credential is found all the same",
			func(a *passkeytest.Authenticator) { a.RPID = "evil.example" },
			func(made, used answer) bool {
				return bytes.Equal(made.auth.RPIDHash, hash("evil.example")) && bytes.Equal(used.auth.RPIDHash, hash("evil.example"))
			}},
		{"CrossOrigin", "a frame of another site, with the order of §5.8.1.1",
			func(a *passkeytest.Authenticator) { a.CrossOrigin, a.TopOrigin = true, "https://top.example" },
			func(made, used answer) bool {
				const end = `"origin":"https://example.org","crossOrigin":true,"topOrigin":"https://top.example"}`
				return strings.HasSuffix(string(made.ClientDataJSON), end) && strings.HasSuffix(string(used.ClientDataJSON), end)
			}},
		{"AAGUID", "it is in the attested credential data",
			func(a *passkeytest.Authenticator) { a.AAGUID = [16]byte{1, 2, 3} },
			func(made, used answer) bool { return made.auth.AAGUID == [16]byte{1, 2, 3} }},
		{"Transports", "a security key",
			func(a *passkeytest.Authenticator) {
				a.Transports, a.Attachment = []string{"usb", "nfc"}, "cross-platform"
			},
			func(made, used answer) bool {
				return slices.Equal(made.Transports, []string{"usb", "nfc"}) &&
					made.Attachment == "cross-platform" && used.Attachment == "cross-platform"
			}},
		{"no Transports", "an empty list is not the default",
			func(a *passkeytest.Authenticator) { a.Transports = []string{} },
			func(made, used answer) bool { return strings.Contains(made.json, `"transports":[]`) }},
		{"UserNotPresent", "clears UP, and only that",
			func(a *passkeytest.Authenticator) { a.UserNotPresent = true },
			func(made, used answer) bool { return used.auth.Flags == 0x04 && made.auth.Flags == 0x44 }},
		{"UserNotVerified", "clears UV, and only that",
			func(a *passkeytest.Authenticator) { a.UserNotVerified = true },
			func(made, used answer) bool { return used.auth.Flags == 0x01 && made.auth.Flags == 0x41 }},
		{"BackupEligible", "sets BE",
			func(a *passkeytest.Authenticator) { a.BackupEligible = true },
			func(made, used answer) bool { return used.auth.Flags == 0x0d && made.auth.Flags == 0x4d }},
		{"BackupState", "sets BS, even without BE, which is for the server to refuse",
			func(a *passkeytest.Authenticator) { a.BackupState = true },
			func(made, used answer) bool { return used.auth.Flags == 0x15 && made.auth.Flags == 0x55 }},
		{"CredentialID", "the ID is ours to choose",
			func(a *passkeytest.Authenticator) { a.CredentialID = []byte("id") },
			func(made, used answer) bool {
				return string(made.auth.CredentialID) == "id" && made.ID == "aWQ" && used.ID == "aWQ"
			}},
		{"Rand", "random IDs can be fixed",
			func(a *passkeytest.Authenticator) { a.Rand = strings.NewReader(strings.Repeat("r", 32)) },
			func(made, used answer) bool { return string(made.auth.CredentialID) == strings.Repeat("r", 32) }},
		{"UserHandle", "an assertion can name another user",
			func(a *passkeytest.Authenticator) { a.UserHandle = []byte("bob") },
			func(made, used answer) bool { return string(used.UserHandle) == "bob" }},
		{"empty UserHandle", "empty is not the same as left out",
			func(a *passkeytest.Authenticator) { a.UserHandle = []byte{} },
			func(made, used answer) bool { return strings.Contains(used.json, `"userHandle":""`) }},
		{"OmitUserHandle", "it wins over UserHandle",
			func(a *passkeytest.Authenticator) { a.UserHandle, a.OmitUserHandle = []byte("bob"), true },
			func(made, used answer) bool { return !strings.Contains(used.json, "userHandle") }},
		{"NoCredProps", "old browsers do not answer the extension",
			func(a *passkeytest.Authenticator) { a.NoCredProps = true },
			func(made, used answer) bool { return strings.Contains(made.json, `"clientExtensionResults":{}`) }},
		{"PRF", "is answered where it is asked for, without the results",
			func(a *passkeytest.Authenticator) { a.PRF = true },
			func(made, used answer) bool {
				return strings.Contains(made.json, `"prf":{"enabled":true}`) && !strings.Contains(used.json, "prf")
			}},
		{"CredProtect", "the level that was asked for, at Create alone",
			func(a *passkeytest.Authenticator) { a.CredProtect = true },
			func(made, used answer) bool {
				return made.auth.Flags&passkeytest.FlagExtensionData != 0 && len(used.AuthenticatorData) == 37 &&
					strings.HasSuffix(string(made.auth.PublicKey), "\xa1\x6bcredProtect\x03")
			}},
		{"Algorithm", "used although the options do not offer it",
			func(a *passkeytest.Authenticator) { a.Algorithm = passkeytest.EdDSA },
			func(made, used answer) bool { return made.PublicKeyAlgorithm == passkeytest.EdDSA }},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			test.set(a)
			made := create(t, a, creation)
			used := get(t, a, request)
			if !test.ok(made, used) {
				t.Errorf("%s:\ncreate: %s\nclient: %s\nauth: %+v\nget: %s\nclient: %s\nauth: %+v", test.why,
					made.json, made.ClientDataJSON, made.auth, used.json, used.ClientDataJSON, used.auth)
			}
			if !verify(t, made.PublicKey, used, used.Signature) {
				t.Error("the assertion does not verify")
			}
		})
	}
}

func TestChooseAlgorithm(t *testing.T) {
	for _, test := range []struct {
		name, why string
		params    string
		set       passkeytest.Algorithm
		want      passkeytest.Algorithm // 0 for ErrNoAlgorithm
	}{
		{"first", "the server's order is its preference", `[{"type":"public-key","alg":-8},{"type":"public-key","alg":-7}]`, 0, passkeytest.EdDSA},
		{"first known", "unknown ones are skipped", `[{"type":"public-key","alg":-36},{"type":"public-key","alg":-7}]`, 0, passkeytest.ES256},
		{"other type", "unknown types are skipped", `[{"type":"password","alg":-8},{"type":"public-key","alg":-7}]`, 0, passkeytest.ES256},
		{"empty", "browsers have a default", `[]`, 0, passkeytest.ES256},
		{"none known", "NotSupportedError", `[{"type":"public-key","alg":-36}]`, 0, 0},
		{"unknown setting", "no key can be made", `[{"type":"public-key","alg":-7}]`, -36, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			a.Algorithm = test.set
			data, err := a.Create([]byte(`{"challenge":"Y3JlYXRl","user":{"id":"YWxpY2U"},"pubKeyCredParams":` + test.params + `}`))
			if test.want == 0 {
				if !errors.Is(err, passkeytest.ErrNoAlgorithm) {
					t.Errorf("%s: got %v, want ErrNoAlgorithm", test.why, err)
				}
				return
			}
			if made := read(t, data, err); made.PublicKeyAlgorithm != test.want {
				t.Errorf("%s: got %d, want %d", test.why, made.PublicKeyAlgorithm, test.want)
			}
		})
	}
}

func TestCounters(t *testing.T) {
	for _, test := range []struct {
		name, why string
		mode      passkeytest.CounterMode
		want      []uint32 // of Create, and of three Gets
	}{
		{"automatic", "a use, a count", passkeytest.CounterAutomatic, []uint32{0, 1, 2, 3}},
		{"fixed", "an authenticator whose counter is stuck", passkeytest.CounterFixed, []uint32{7, 7, 7, 7}},
		{"zero", "an authenticator without a counter", passkeytest.CounterZero, []uint32{0, 0, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			a.Counter, a.FixedCount = test.mode, 7
			got := []uint32{create(t, a, creation).auth.SignCount}
			for range 3 {
				got = append(got, get(t, a, request).auth.SignCount)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: got %d, want %d", test.why, got, test.want)
			}
			if n := a.Credentials()[0].SignCount; n != test.want[3] {
				t.Errorf("Credentials reports %d", n)
			}
		})
	}

	t.Run("per credential", func(t *testing.T) {
		a := passkeytest.New(origin)
		create(t, a, creation)
		get(t, a, request)
		create(t, a, creation)
		if n := get(t, a, request).auth.SignCount; n != 1 {
			t.Errorf("the second credential counts %d at its first use", n)
		}
	})
}

func TestClone(t *testing.T) {
	a := passkeytest.New(origin)
	made := create(t, a, creation)
	get(t, a, request)

	b := a.Clone()
	for range 3 {
		get(t, a, request)
	}
	used := get(t, b, request)
	if used.auth.SignCount != 2 || used.ID != made.ID || !verify(t, made.PublicKey, used, used.Signature) {
		t.Errorf("the clone counts %d with %s", used.auth.SignCount, used.ID)
	}
	if n := a.Credentials()[0].SignCount; n != 4 {
		t.Errorf("the original counts %d", n)
	}
	b.Forget(b.Credentials()[0].ID)
	if len(a.Credentials()) != 1 || len(b.Credentials()) != 0 {
		t.Error("the clone's credentials are the original's")
	}
}

// A setting that Clone forgets would be found by nobody else.
func TestCloneCopiesSettings(t *testing.T) {
	a := &passkeytest.Authenticator{
		Origin: origin, RPID: "rp", TopOrigin: "top", CrossOrigin: true,
		Algorithm: passkeytest.EdDSA, Attestation: "packed", AAGUID: [16]byte{1},
		Transports: []string{"usb"}, Attachment: "cross-platform",
		UserNotPresent: true, UserNotVerified: true, BackupEligible: true, BackupState: true,
		Counter: passkeytest.CounterFixed, FixedCount: 1,
		CredentialID: []byte("id"), UserHandle: []byte("user"), OmitUserHandle: true,
		NoCredProps: true, PRF: true, CredProtect: true, Rand: strings.NewReader(""),
		Alter:   func(*passkeytest.ClientData, *passkeytest.AuthenticatorData) {},
		Corrupt: func(*passkeytest.Response) {},
	}
	before, after := reflect.ValueOf(a).Elem(), reflect.ValueOf(a.Clone()).Elem()
	for i := range before.NumField() {
		field := before.Type().Field(i)
		switch {
		case !field.IsExported():
		case before.Field(i).IsZero():
			t.Errorf("the test sets no %s", field.Name)
		case field.Type.Kind() == reflect.Func:
			if after.Field(i).IsNil() {
				t.Errorf("Clone forgets %s", field.Name)
			}
		case !reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()):
			t.Errorf("Clone forgets %s", field.Name)
		}
	}
}

func TestExcludeCredentials(t *testing.T) {
	a := passkeytest.New(origin)
	made := create(t, a, creation)
	for _, test := range []struct {
		name, why string
		rpID, typ string
		id        string
		excluded  bool
	}{
		{"held", "a second passkey for the same user on one device", "example.org", "public-key", made.ID, true},
		{"not held", "a passkey on another device", "example.org", "public-key", "b3RoZXI", false},
		{"other RP ID", "credentials are scoped to an RP ID", "other.example", "public-key", made.ID, false},
		{"other type", "browsers ignore types they do not know", "example.org", "password", made.ID, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := a.Clone()
			_, err := a.Create(fmt.Appendf(nil, `{"rp":{"id":%q},"user":{"id":"YWxpY2U"},"challenge":"Y3JlYXRl",
				"excludeCredentials":[{"type":"public-key","id":"bm9uZQ"},{"type":%q,"id":%q}]}`, test.rpID, test.typ, test.id))
			if errors.Is(err, passkeytest.ErrExcluded) != test.excluded || !test.excluded && err != nil {
				t.Errorf("%s: got %v", test.why, err)
			}
			if n := len(a.Credentials()); test.excluded && n != 1 {
				t.Errorf("%s: it holds %d credentials", test.why, n)
			}
		})
	}
}

func TestAllowCredentials(t *testing.T) {
	a := passkeytest.New(origin)
	first, second := create(t, a, creation), create(t, a, creation)
	other := create(t, a, strings.ReplaceAll(creation, "example.org", "other.example"))
	allow := func(ids ...string) string {
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"type":"public-key","id":%q,"transports":["usb"]}`, id))
		}
		return `"allowCredentials":[` + strings.Join(list, ",") + `]`
	}
	for _, test := range []struct {
		name, why string
		rpID      string
		allow     string
		want      string // an ID, or empty for ErrNoCredential
	}{
		{"no list", "the newest of the RP ID, not the newest of all", "example.org", `"timeout":1`, second.ID},
		{"empty list", "the same as no list", "example.org", allow(), second.ID},
		{"one", "the one that is asked for", "example.org", allow(first.ID), first.ID},
		{"two", "the first that is asked for", "example.org", allow("bm9uZQ", first.ID, second.ID), first.ID},
		{"unknown", "nothing else will do", "example.org", allow("bm9uZQ"), ""},
		{"other RP ID", "credentials are scoped to an RP ID", "other.example", allow(first.ID, other.ID), other.ID},
		{"unknown RP ID", "there is nothing to choose from", "unknown.example", allow(), ""},
		{"other type", "a list of which nothing remains is not an empty list", "example.org",
			`"allowCredentials":[{"type":"password","id":"` + first.ID + `"}]`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := a.Get(fmt.Appendf(nil, `{"challenge":"Z2V0","rpId":%q,%s}`, test.rpID, test.allow))
			if test.want == "" {
				if !errors.Is(err, passkeytest.ErrNoCredential) {
					t.Errorf("%s: got %v, want ErrNoCredential", test.why, err)
				}
				return
			}
			if used := read(t, data, err); used.ID != test.want {
				t.Errorf("%s: got %s, want %s", test.why, used.ID, test.want)
			}
		})
	}
}

func TestEnvelope(t *testing.T) {
	for _, test := range []struct {
		name, why string
		format    string
	}{
		{"bare", "the options themselves", `%s`},
		{"publicKey", "the argument of navigator.credentials", `{"publicKey": %s}`},
		{"state", "what else the server sends is not the authenticator's concern", `{"state": "s", "publicKey": %s, "mediation": "conditional"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			made := create(t, a, fmt.Sprintf(test.format, creation))
			used := get(t, a, fmt.Sprintf(test.format, request))
			if made.client.Challenge != "Y3JlYXRl" || used.client.Challenge != "Z2V0" || used.ID != made.ID {
				t.Errorf("%s: got %s and %s", test.why, made.json, used.json)
			}
		})
	}
}

func TestDefaultRPID(t *testing.T) {
	a := passkeytest.New("https://login.example.org:8443")
	made := create(t, a, `{"user":{"id":"YWxpY2U"},"challenge":"Y3JlYXRl"}`)
	want := sha256.Sum256([]byte("login.example.org"))
	if !bytes.Equal(made.auth.RPIDHash, want[:]) || a.Credentials()[0].RPID != "login.example.org" {
		t.Errorf("the RP ID is %q", a.Credentials()[0].RPID)
	}
	if used := get(t, a, `{"challenge":"Z2V0"}`); !bytes.Equal(used.auth.RPIDHash, want[:]) {
		t.Error("Get has another RP ID")
	}
}

func TestMalformedOptions(t *testing.T) {
	for _, test := range []struct {
		name, why string
		options   string
		create    string // part of the error of Create
		get       string // of Get, if not the same
	}{
		{"empty", "no JSON", ``, "unexpected end", ""},
		{"not JSON", "an error page", `<html>`, "invalid character", ""},
		{"not an object", "JSON, but not options", `[]`, "cannot unmarshal array", ""},
		{"null", "what a handler that fails may send", `null`, "no challenge", ""},
		{"null publicKey", "the same in an envelope", `{"publicKey":null}`, "no challenge", ""},
		{"no challenge", "nothing to sign", `{"user":{"id":"YWxpY2U"}}`, "no challenge", ""},
		{"challenge with padding", "base64url has none", `{"challenge":"Z2V0LQ==","user":{"id":"YWxpY2U"}}`, `"Z2V0LQ==" is not base64url`, ""},
		{"challenge in base64", "another alphabet", `{"challenge":"+/+/","user":{"id":"YWxpY2U"}}`, `"+/+/" is not base64url`, ""},
		{"challenge not a string", "bytes as numbers", `{"challenge":[1,2],"user":{"id":"YWxpY2U"}}`, "cannot unmarshal array", ""},
		{"no user", "the options of Get", `{"challenge":"Z2V0"}`, "user.id of 0 bytes", "no such credential"},
		{"long user.id", "65 bytes", `{"challenge":"Z2V0","user":{"id":"` + strings.Repeat("AAAA", 21) + `AAA"}}`, "user.id of 65 bytes", "no such credential"},
		{"list of strings", "descriptors are objects", `{"challenge":"Z2V0","user":{"id":"YQ"},"excludeCredentials":["YQ"],"allowCredentials":["YQ"]}`, "cannot unmarshal string", ""},
		{"descriptor not base64url", "every ID is decoded", `{"challenge":"Z2V0","user":{"id":"YQ"},"excludeCredentials":[{"id":"!"}],"allowCredentials":[{"id":"!"}]}`, `"!" is not base64url`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			_, err := a.Create([]byte(test.options))
			if err == nil || !strings.HasPrefix(err.Error(), "passkeytest: ") || !strings.Contains(err.Error(), test.create) {
				t.Errorf("%s: Create: got %v, want %q", test.why, err, test.create)
			}
			if test.get == "" {
				test.get = test.create
			}
			_, err = a.Get([]byte(test.options))
			if err == nil || !strings.HasPrefix(err.Error(), "passkeytest: ") || !strings.Contains(err.Error(), test.get) {
				t.Errorf("%s: Get: got %v, want %q", test.why, err, test.get)
			}
			if len(a.Credentials()) > 0 {
				t.Errorf("%s: a credential was made", test.why)
			}
		})
	}
}

func TestImpossibleSettings(t *testing.T) {
	for _, test := range []struct {
		name, why string
		set       func(*passkeytest.Authenticator)
		want      string
	}{
		{"no Origin", "client data needs one", func(a *passkeytest.Authenticator) { a.Origin = "" }, `Origin ""`},
		{"bad Origin", "a URL that does not parse", func(a *passkeytest.Authenticator) { a.Origin = "https://[" }, `Origin "https://["`},
		{"Attestation", "a format that is not made here", func(a *passkeytest.Authenticator) { a.Attestation = "tpm" }, `"tpm"`},
		{"Rand", "a reader that fails", func(a *passkeytest.Authenticator) { a.Rand = iotest.ErrReader(errors.New("dry")) }, "dry"},
		{"Alter", "an extra member that has no JSON", func(a *passkeytest.Authenticator) {
			a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) {
				c.Extra = map[string]any{"f": func() {}}
			}
		}, "ClientData.Extra"},
		{"Corrupt", "an extension output that has no JSON", func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) { r.ClientExtensionResults["f"] = func() {} }
		}, "encode the answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			test.set(a)
			_, err := a.Create([]byte(creation))
			if err == nil || !strings.HasPrefix(err.Error(), "passkeytest: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want %q", test.why, err, test.want)
			}
			if len(a.Credentials()) > 0 {
				t.Errorf("%s: a credential was kept", test.why)
			}
		})
	}
}

func TestAlter(t *testing.T) {
	type (
		client = passkeytest.ClientData
		auth   = passkeytest.AuthenticatorData
	)
	for _, test := range []struct {
		name, why string
		alter     func(*client, *auth)
		ok        func(used answer) bool
	}{
		{"client data", "every member can lie",
			func(c *client, _ *auth) {
				c.Type, c.Challenge, c.Origin, c.CrossOrigin, c.TopOrigin = "t", "c", "o", true, "<&>"
			},
			func(used answer) bool {
				return string(used.ClientDataJSON) == `{"type":"t","challenge":"c","origin":"o","crossOrigin":true,"topOrigin":"<&>"}`
			}},
		{"extra members", "they follow the others",
			func(c *client, _ *auth) { c.Extra = map[string]any{"b": nil, "a": []int{1}} },
			func(used answer) bool {
				return strings.HasSuffix(string(used.ClientDataJSON), `,"crossOrigin":false,"a":[1],"b":null}`)
			}},
		{"raw client data", "a byte order mark or anything else",
			func(c *client, _ *auth) { c.Raw = []byte(`{ "raw": true }`) },
			func(used answer) bool { return string(used.ClientDataJSON) == `{ "raw": true }` }},
		{"authenticator data", "every field can lie",
			func(_ *client, a *auth) {
				a.RPIDHash, a.Flags, a.SignCount = bytes.Repeat([]byte{9}, 32), 0x82, 1<<32-1
				a.Extensions = []byte{0xa0}
			},
			func(used answer) bool {
				return hex.EncodeToString(used.AuthenticatorData) == strings.Repeat("09", 32)+"82ffffffffa0"
			}},
		{"attested data", "an assertion with a credential in it",
			func(_ *client, a *auth) {
				a.Flags |= passkeytest.FlagAttestedData
				a.AAGUID, a.CredentialID, a.PublicKey = [16]byte{5}, []byte("id"), []byte("key")
			},
			func(used answer) bool {
				return used.auth.AAGUID == [16]byte{5} && string(used.auth.CredentialID) == "id" && string(used.auth.PublicKey) == "key"
			}},
		{"raw authenticator data", "longer than it says",
			func(_ *client, a *auth) { a.Raw = make([]byte, 40) },
			func(used answer) bool { return bytes.Equal(used.AuthenticatorData, make([]byte, 40)) }},
		{"in place", "what the authenticator holds stays as it is",
			func(_ *client, a *auth) { clear(a.CredentialID); clear(a.PublicKey) },
			func(used answer) bool { return used.RawID != base64.RawURLEncoding.EncodeToString(make([]byte, 32)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			made := create(t, a, creation)
			held := a.Credentials()
			a.Alter = test.alter
			used := get(t, a, request)
			if !test.ok(used) {
				t.Errorf("%s: client data %s, authenticator data %x", test.why, used.ClientDataJSON, used.AuthenticatorData)
			}
			if !verify(t, made.PublicKey, used, used.Signature) {
				t.Errorf("%s: the signature does not cover it", test.why)
			}
			if c := a.Credentials()[0]; !bytes.Equal(c.ID, held[0].ID) || !bytes.Equal(c.PublicKey, held[0].PublicKey) {
				t.Errorf("%s: the credential changed", test.why)
			}
		})
	}

	t.Run("attestation", func(t *testing.T) {
		a := passkeytest.New(origin)
		a.Attestation = "packed"
		a.Alter = func(c *client, d *auth) { c.Type, d.AAGUID = "webauthn.get", [16]byte{7} }
		made := create(t, a, creation)
		_, sig := statement(t, made)
		if made.client.Type != "webauthn.get" || made.auth.AAGUID != [16]byte{7} || !verify(t, made.PublicKey, made, sig) {
			t.Errorf("the attestation does not cover %s", made.ClientDataJSON)
		}
	})
}

func TestCorrupt(t *testing.T) {
	for _, test := range []struct {
		name, why string
		corrupt   func(*passkeytest.Response)
		want      string // in the JSON
		signed    bool   // still
	}{
		{"Signature", "a flipped bit", func(r *passkeytest.Response) { r.Signature[len(r.Signature)-1] ^= 1 }, `"signature":"`, false},
		{"ClientDataJSON", "a space", func(r *passkeytest.Response) { r.ClientDataJSON = append(r.ClientDataJSON, ' ') }, `"clientDataJSON":"`, false},
		{"AuthenticatorData", "a flag", func(r *passkeytest.Response) { r.AuthenticatorData[32] ^= 4 }, `"authenticatorData":"`, false},
		{"UserHandle", "no signature covers it", func(r *passkeytest.Response) { r.UserHandle = []byte("bob") }, `"userHandle":"Ym9i"`, true},
		{"ID", "nor this", func(r *passkeytest.Response) { r.ID = "!" }, `"id":"!"`, true},
		{"RawID", "nor this", func(r *passkeytest.Response) { r.RawID = "!" }, `"rawId":"!"`, true},
		{"Type", "nor this", func(r *passkeytest.Response) { r.Type = "password" }, `"type":"password"`, true},
		{"Attachment", "nor this", func(r *passkeytest.Response) { r.Attachment = "moon" }, `"authenticatorAttachment":"moon"`, true},
		{"ClientExtensionResults", "nor this", func(r *passkeytest.Response) { r.ClientExtensionResults["appid"] = true }, `"clientExtensionResults":{"appid":true}`, true},
		{"AttestationObject", "a member of the other ceremony", func(r *passkeytest.Response) { r.AttestationObject = []byte("a") }, `"attestationObject":"YQ"`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := passkeytest.New(origin)
			made := create(t, a, creation)
			a.Corrupt = test.corrupt
			used := get(t, a, request)
			if !strings.Contains(used.json, test.want) {
				t.Errorf("%s: no %s in %s", test.why, test.want, used.json)
			}
			if verify(t, made.PublicKey, used, used.Signature) != test.signed {
				t.Errorf("%s: the signature is valid: %t", test.why, !test.signed)
			}
		})
	}

	t.Run("nothing left", func(t *testing.T) {
		a := passkeytest.New(origin)
		a.Corrupt = func(r *passkeytest.Response) { *r = passkeytest.Response{} }
		data, err := a.Create([]byte(creation))
		if err != nil || string(data) != `{"response":{}}` {
			t.Errorf("got %s, %v", data, err)
		}
	})
}

func TestCredentials(t *testing.T) {
	a := passkeytest.New(origin)
	first := create(t, a, creation)
	a.Algorithm = passkeytest.EdDSA
	second := create(t, a, creation)

	list := a.Credentials()
	if len(list) != 2 || !bytes.Equal(list[0].ID, first.auth.CredentialID) || !bytes.Equal(list[1].ID, second.auth.CredentialID) {
		t.Fatalf("it holds %d credentials, or in another order", len(list))
	}
	c := list[1]
	if c.RPID != "example.org" || string(c.UserHandle) != "alice" || c.Algorithm != passkeytest.EdDSA || !bytes.Equal(c.PublicKey, second.auth.PublicKey) {
		t.Errorf("the second is %+v", c)
	}
	clear(c.ID)
	clear(c.UserHandle)
	clear(c.PublicKey)
	if used := get(t, a, request); used.ID != second.ID || string(used.UserHandle) != "alice" {
		t.Error("the list is no copy")
	}

	a.Forget(second.auth.CredentialID)
	a.Forget([]byte("unknown"))
	if used := get(t, a, request); used.ID != first.ID || len(a.Credentials()) != 1 {
		t.Error("Forget did not drop the second credential, and only that")
	}

	a.CredentialID = first.auth.CredentialID
	replaced := create(t, a, creation)
	if used := get(t, a, request); len(a.Credentials()) != 1 || !verify(t, replaced.PublicKey, used, used.Signature) {
		t.Error("a credential with the same ID did not replace the first")
	}
}

func TestParallel(t *testing.T) {
	const n = 16
	a := passkeytest.New(origin)
	made := create(t, a, creation)
	options := `{"challenge":"Z2V0","rpId":"example.org","allowCredentials":[{"type":"public-key","id":"` + made.ID + `"}]}`
	counts := make([]uint32, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := a.Create([]byte(creation)); err != nil {
				t.Error(err)
			}
			data, err := a.Get([]byte(options))
			if err != nil {
				t.Error(err)
				return
			}
			counts[i] = read(t, data, nil).auth.SignCount
			a.Credentials()
			a.Clone().Forget(nil)
		})
	}
	wg.Wait()
	slices.Sort(counts)
	for i, count := range counts {
		if count != uint32(i+1) {
			t.Fatalf("the counts are %d", counts)
		}
	}
	if len(a.Credentials()) != n+1 {
		t.Errorf("it holds %d credentials", len(a.Credentials()))
	}
}

func TestClock(t *testing.T) {
	start := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	other := time.Date(1999, time.December, 31, 23, 59, 59, 0, time.UTC)
	for _, test := range []struct {
		name, why string
		clock     *passkeytest.Clock
		want      time.Time
	}{
		{"zero value", "it needs no constructor", new(passkeytest.Clock), start},
		{"zero time", "the same instant", passkeytest.NewClock(time.Time{}), start},
		{"given time", "any instant", passkeytest.NewClock(other), other},
	} {
		t.Run(test.name, func(t *testing.T) {
			if now := test.clock.Now(); !now.Equal(test.want) || !test.clock.Now().Equal(now) {
				t.Errorf("%s: it is %v, want %v", test.why, now, test.want)
			}
			test.clock.Advance(time.Hour)
			test.clock.Advance(-time.Minute)
			if now := test.clock.Now(); now.Sub(test.want) != 59*time.Minute {
				t.Errorf("%s: it is %v after 59 minutes", test.why, now)
			}
		})
	}

	t.Run("parallel", func(t *testing.T) {
		var clock passkeytest.Clock
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { clock.Advance(time.Second); clock.Now() })
		}
		wg.Wait()
		if d := clock.Now().Sub(start); d != 16*time.Second {
			t.Errorf("it moved by %v", d)
		}
	})
}

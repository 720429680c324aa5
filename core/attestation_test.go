package passkeys

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// statement is a metadata statement for an authenticator with this root.
func statement(t *testing.T, a AAGUID, root []byte, more map[string]any) []byte {
	t.Helper()
	s := map[string]any{
		"description": "An authenticator", "aaguid": a.String(),
		"attestationTypes":            []string{"basic_full"},
		"attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(root)},
	}
	for k, v := range more {
		s[k] = v
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// certificate signs one for key, with parent and its key, or with itself.
func certificate(t *testing.T, name string, host string, until time.Time, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if host != "" {
		c.DNSNames = []string{host}
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// blob is a BLOB of one entry, signed by key.
func blob(t *testing.T, header map[string]any, key crypto.Signer, entry map[string]any) string {
	t.Helper()
	return numberedBLOB(t, header, key, 7, entry)
}

func numberedBLOB(t *testing.T, header map[string]any, key crypto.Signer, number int, entries ...map[string]any) string {
	t.Helper()
	return signedBLOB(t, header, key, map[string]any{"no": number, "nextUpdate": "2031-01-01", "entries": entries})
}

func signedBLOB(t *testing.T, header map[string]any, key crypto.Signer, payload map[string]any) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(text))
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(joseSignature(t, der))
}

// joseSignature is an ECDSA signature as JWS has it (RFC 7518 §3.4).
func joseSignature(t *testing.T, der []byte) []byte {
	t.Helper()
	var out []byte
	for rest := der[2:]; len(rest) > 0; { // SEQUENCE of two INTEGERs
		n := int(rest[1])
		out = append(out, new(big.Int).SetBytes(rest[2:2+n]).FillBytes(make([]byte, 32))...)
		rest = rest[2+n:]
	}
	return out
}

func TestMetadataBLOB(t *testing.T) {
	later := time.Now().Add(time.Hour)
	root, rootKey := certificate(t, "root", "", later, nil, nil)
	leaf, key := certificate(t, "signer", "mds.example", later, root, rootKey)
	other, otherKey := certificate(t, "other root", "", later, nil, nil)
	otherLeaf, otherLeafKey := certificate(t, "other", "mds.fidoalliance.org", later, other, otherKey)
	stale, staleKey := certificate(t, "stale", "mds.example", time.Now().Add(-time.Hour), root, rootKey)

	x5c := func(cs ...*x509.Certificate) []string {
		var out []string
		for _, c := range cs {
			out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
		}
		return out
	}
	entry := map[string]any{
		"aaguid": AAGUID{1}.String(), "timeOfLastStatusChange": "2026-01-01",
		"statusReports":     []any{map[string]any{"status": "FIDO_CERTIFIED", "effectiveDate": "2026-01-01"}},
		"metadataStatement": json.RawMessage(statement(t, AAGUID{1}, root.Raw, nil)),
	}
	header := map[string]any{"alg": "ES256", "typ": "JWT", "x5c": x5c(leaf)}
	good := blob(t, header, key, entry)

	m, err := ParseMetadataBLOB([]byte(good+"\n"), root)
	if err != nil || m.Len() != 1 || m.NextUpdate() != time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC) {
		t.Fatalf("%+v, %v", m, err)
	}
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	withMAC := func() string {
		h, _ := json.Marshal(map[string]any{"alg": "HS256", "x5c": x5c(leaf)})
		text := base64.RawURLEncoding.EncodeToString(h) + "." + parts[1]
		mac := hmac.New(sha256.New, leaf.RawSubjectPublicKeyInfo)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	// What signs and verifies is registered for the whole process, by any package of it.
	jwt.RegisterSigningMethod("ANYTHING", func() jwt.SigningMethod { return anything{jwt.SigningMethodES256} })
	anySigned := strings.Split(blob(t, map[string]any{"alg": "ANYTHING", "x5c": x5c(leaf)}, otherKey, entry), ".")
	payload := func(name string, value any) string {
		p := map[string]any{"no": 7, "nextUpdate": "2031-01-01", "entries": []any{entry}}
		p[name] = value
		return signedBLOB(t, header, key, p)
	}
	for _, row := range []struct {
		name string
		blob string
		root *x509.Certificate
	}{
		{"it is signed in a way of somebody else's", strings.Join(anySigned, "."), root},
		{"its certificate is not all of it", blob(t, map[string]any{"alg": "ES256", "x5c": []string{x5c(leaf)[0] + "!"}}, key, entry), root},
		{"its number is none", payload("no", "x"), root},
		{"it says of no time that it is good for it", payload("nextUpdate", "tomorrow"), root},
		{"FIDO's root did not vouch for it", good, nil},
		{"another root did not vouch for it", good, other},
		{"its signer is under another root", blob(t, map[string]any{"alg": "ES256", "x5c": x5c(otherLeaf, other)}, otherLeafKey, entry), root},
		{"its signer has FIDO's name and no root of FIDO's", blob(t, map[string]any{"alg": "ES256", "x5c": x5c(otherLeaf, other)}, otherLeafKey, entry), nil},
		{"its signer's time is over", blob(t, map[string]any{"alg": "ES256", "x5c": x5c(stale)}, staleKey, entry), root},
		{"another key signed it", blob(t, header, otherKey, entry), root},
		{"it has no certificates", blob(t, map[string]any{"alg": "ES256"}, key, entry), root},
		{"its certificates are none", blob(t, map[string]any{"alg": "ES256", "x5c": []any{1}}, key, entry), root},
		{"it is not signed", none, root},
		{"it is signed with the public key as a secret", withMAC(), root},
		{"its payload was altered", parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2], root},
		{"it ends early", parts[0] + "." + parts[1], root},
		{"it is empty", "", root},
		{"it describes nothing", blob(t, header, key, nil), root},
	} {
		if m, err := ParseMetadataBLOB([]byte(row.blob), row.root); err == nil || m != nil {
			t.Errorf("%s, yet it was taken", row.name)
		}
	}
}

// anything verifies whatever it is given.
type anything struct{ jwt.SigningMethod }

func (anything) Alg() string                      { return "ANYTHING" }
func (anything) Verify(string, []byte, any) error { return nil }

func TestMetadataStatements(t *testing.T) {
	root, _ := certificate(t, "root", "", time.Now().Add(time.Hour), nil, nil)
	if _, err := ParseMetadataStatements(statement(t, AAGUID{1}, root.Raw, nil)); err != nil {
		t.Fatal(err)
	}
	for what, member := range map[string]any{"description": 7, "aaguid": "x"} {
		more := map[string]any{"attestationCertificateKeyIdentifiers": []string{strings.Repeat("ab", 20)}, what: member}
		if m, err := ParseMetadataStatements(statement(t, AAGUID{1}, root.Raw, more)); err == nil || m != nil {
			t.Errorf("a statement was taken but for its %s", what)
		}
	}
	for _, bad := range []string{``, `{}`, `{"aaguid":"x"}`, `{"aaguid":"00000000-0000-0000-0000-000000000000"}`, `{"aaguid":"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4","attestationRootCertificates":["AAAA"]}`} {
		if m, err := ParseMetadataStatements([]byte(bad)); err == nil || m != nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if m, err := ParseMetadataStatements(); err == nil || m != nil {
		t.Error("nothing was taken")
	}
}

// aaguidOf is the model that a vector's authenticator says it is.
func (v vector) aaguidOf(t *testing.T) AAGUID {
	t.Helper()
	const authData = "\x68authData"
	_, rest, ok := strings.Cut(string(v.AttestationObject), authData)
	if !ok {
		t.Fatal("no authenticator data")
	}
	skip := map[byte]int{0x58: 2, 0x59: 3}[rest[0]]
	return AAGUID([]byte(rest[skip+37 : skip+53]))
}

// finishVector registers a vector's credential under a policy.
func (vs vectors) finishVector(t *testing.T, v vector, configure func(*Config)) error {
	t.Helper()
	return vs.beginVector(t, v, configure)()
}

// beginVector begins the registration of a vector's credential, and returns what
// finishes it.
func (vs vectors) beginVector(t *testing.T, v vector, configure func(*Config)) func() error {
	t.Helper()
	ctx := context.Background()
	p := vs.relyingParty(t, v, "", configure)
	c, err := p.BeginRegistration(ctx, RegistrationRequest{User: User{ID: "user"}})
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		_, err := p.FinishRegistration(ctx, RegistrationResponse{State: c.State, Credential: credentialJSON(t, v.CredentialID, map[string]string{
			"clientDataJSON":    EncodeID(v.ClientDataJSON),
			"attestationObject": EncodeID(v.AttestationObject),
		})})
		return err
	}
}

// The W3C's packed vectors lead to a root of their own: trusted where the
// metadata has it for their model, and nowhere else.
func TestTrustedAttestation(t *testing.T) {
	vs := readVectors(t)
	homeMade, _ := certificate(t, "home-made", "", time.Now().Add(time.Hour), nil, nil)
	trust := func(statements ...[]byte) func(*Config) {
		return func(cfg *Config) {
			m, err := ParseMetadataStatements(statements...)
			if err != nil {
				t.Fatal(err)
			}
			cfg.AttestationPolicy, cfg.Metadata = AttestationPolicyTrusted, m
		}
	}
	tried := 0
	for _, v := range vs.Registration {
		if v.Expect == "refused" || strings.HasPrefix(v.Expect, "cannot") {
			continue
		}
		a := v.aaguidOf(t)
		mine := trust(statement(t, a, vs.AttestationRootCertDER, nil))
		certified := strings.HasPrefix(v.Name, "Packed") && v.Name != "PackedSelfES256"
		if !certified {
			want := ReasonAttestationMissing
			if v.Name == "FIDOU2FES256" { // it has an AAGUID, which nothing signs
				want = ReasonAttestationUntrusted
			}
			if v.Name == "PackedSelfES256" {
				want = ReasonAttestationUntrusted
				mine = trust(statement(t, a, vs.AttestationRootCertDER, map[string]any{"attestationTypes": []string{"basic_surrogate", "basic_full"}}))
			}
			if err := vs.finishVector(t, v, mine); !errors.Is(err, ErrAttestationVerification) || asError(err).Reason() != want {
				t.Errorf("%s: %v (%s), want %s", v.Name, err, asError(err).Reason(), want)
			}
			continue
		}
		tried++
		for _, row := range []struct {
			name      string
			configure func(*Config)
			want      Reason
		}{
			{"its root is in the metadata of its model", mine, ""},
			{"its root is another's", trust(statement(t, AAGUID{1}, vs.AttestationRootCertDER, nil)), ReasonAttestationUntrusted},
			{"its model has another root", trust(statement(t, a, homeMade.Raw, nil)), ReasonAttestationUntrusted},
			{"its model has no root", trust(statement(t, a, vs.AttestationRootCertDER, map[string]any{"attestationRootCertificates": []string{}})), ReasonAttestationUntrusted},
			{"its model has other attestation", trust(statement(t, a, vs.AttestationRootCertDER, map[string]any{"attestationTypes": []string{"basic_surrogate"}})), ReasonAttestationUntrusted},
		} {
			if err := vs.finishVector(t, v, row.configure); err == nil != (row.want == "") || err != nil && asError(err).Reason() != row.want {
				t.Errorf("%s, %s: %v (%s), want %q", v.Name, row.name, err, asError(err).Reason(), row.want)
			}
		}
	}
	if tried != 5 {
		t.Errorf("%d vectors with certificates, want 5", tried)
	}
}

func TestRevokedModelIsNotTrusted(t *testing.T) {
	vs := readVectors(t)
	i := slices.IndexFunc(vs.Registration, func(v vector) bool { return v.Name == "PackedES256WithMDS" })
	v := vs.Registration[i]
	f := newFIDO(t)
	for status, trusted := range map[string]bool{"FIDO_CERTIFIED": true, "REVOKED": false, "ATTESTATION_KEY_COMPROMISE": false} {
		m := f.metadata(t, entry(t, v.aaguidOf(t), vs.AttestationRootCertDER, status))
		err := vs.finishVector(t, v, func(cfg *Config) { cfg.AttestationPolicy, cfg.Metadata = AttestationPolicyTrusted, m })
		if trusted != (err == nil) {
			t.Errorf("%s: %v", status, err)
		}
	}
}

// fido signs BLOBs as the operator of a metadata service, over one model whose status
// is this one.
type fido struct {
	root, leaf *x509.Certificate
	key        *ecdsa.PrivateKey
}

func newFIDO(t *testing.T) fido {
	t.Helper()
	later := time.Now().Add(time.Hour)
	root, rootKey := certificate(t, "root", "", later, nil, nil)
	leaf, key := certificate(t, "signer", "", later, root, rootKey)
	return fido{root, leaf, key}
}

func (f fido) blob(t *testing.T, number int, entries ...map[string]any) []byte {
	t.Helper()
	return []byte(numberedBLOB(t, map[string]any{"alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(f.leaf.Raw)}}, f.key, number, entries...))
}

func (f fido) metadata(t *testing.T, entries ...map[string]any) *Metadata {
	t.Helper()
	m, err := ParseMetadataBLOB(f.blob(t, 7, entries...), f.root)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// entry describes a model with this root; status is what was reported of it.
func entry(t *testing.T, a AAGUID, root []byte, status string) map[string]any {
	t.Helper()
	return map[string]any{
		"aaguid": a.String(), "timeOfLastStatusChange": "2026-01-01",
		"statusReports":     []any{map[string]any{"status": status, "effectiveDate": "2026-01-01"}},
		"metadataStatement": json.RawMessage(statement(t, a, root, nil)),
	}
}

// FIDO's own BLOBs have always had entries that cannot be read: they cost nobody
// else's.
func TestMetadataBLOBIsReadEntryByEntry(t *testing.T) {
	f := newFIDO(t)
	with := func(change func(entry, statement map[string]any)) map[string]any {
		var inner map[string]any
		if err := json.Unmarshal(statement(t, AAGUID{2}, f.root.Raw, nil), &inner); err != nil {
			t.Fatal(err)
		}
		e := entry(t, AAGUID{2}, f.root.Raw, "FIDO_CERTIFIED")
		e["metadataStatement"] = inner
		change(e, inner)
		return e
	}
	unreadable := map[string]any{"userVerificationDetails": []any{[]any{map[string]any{"userVerificationMethod": "pattern_internal", "paDesc": map[string]any{"minComplexity": int64(34359738368)}}}}}
	for _, row := range []struct {
		name, says string
		entry      map[string]any
		kept       bool
		skipped    []SkippedMetadata // Why is what it begins with
	}{
		{"sound", "What can be read is.", with(func(_, _ map[string]any) {}), true, nil},
		{"UAF", "Entries of UAF are none of ours, readable or not.", map[string]any{"aaid": "4e4e#4005", "metadataStatement": unreadable}, false, nil},
		{"UAF and U2F", "One that security keys have as well is skipped, and counted.", map[string]any{
			"aaid": "4e4e#4005", "attestationCertificateKeyIdentifiers": []any{"bf7bcaa0d0c6187a8c6abbdd16a15640e7c7bde2"}, "metadataStatement": unreadable,
		}, false, []SkippedMetadata{{Why: "the entry: "}}},
		{"another type", "What is not of its type is skipped, and counted.", with(func(_, s map[string]any) { s["userVerificationDetails"] = unreadable["userVerificationDetails"] }), false,
			[]SkippedMetadata{{AAGUID{2}, "An authenticator", "the entry: "}}},
		{"no date", "So is what the library cannot read.", with(func(e, _ map[string]any) { e["timeOfLastStatusChange"] = "yesterday" }), false,
			[]SkippedMetadata{{AAGUID{2}, "An authenticator", "the entry: "}}},
		{"one of two roots", "The other roots of an entry are kept.", with(func(_, s map[string]any) {
			s["attestationRootCertificates"] = []any{"AAAA", base64.StdEncoding.EncodeToString(f.root.Raw)}
		}), true, []SkippedMetadata{{AAGUID{2}, "An authenticator", "root certificate 0: "}}},
		{"a root of other letters", "A root that is no base64 is skipped.", with(func(_, s map[string]any) {
			s["attestationRootCertificates"] = []any{base64.StdEncoding.EncodeToString(f.root.Raw), "!"}
		}), true, []SkippedMetadata{{AAGUID{2}, "An authenticator", "root certificate 1: "}}},
		{"no object", "An entry that says nothing is skipped.", nil, false, []SkippedMetadata{{Why: "the entry: "}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := f.metadata(t, entry(t, AAGUID{1}, f.root.Raw, "FIDO_CERTIFIED"), row.entry)
			if want := map[bool]int{true: 2, false: 1}[row.kept]; m.Len() != want {
				t.Errorf("%s %d models, want %d", row.says, m.Len(), want)
			}
			skipped := m.Skipped()
			for i, s := range skipped {
				if i < len(row.skipped) && strings.HasPrefix(s.Why, row.skipped[i].Why) {
					skipped[i].Why = row.skipped[i].Why
				}
			}
			if !slices.Equal(skipped, row.skipped) {
				t.Errorf("%s skipped %+v, want %+v", row.says, skipped, row.skipped)
			}
			warned := false
			_, err := New(Config{
				RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: NewMemoryCredentials(), Logger: slog.New(slog.DiscardHandler),
				Metadata: m, Audit: AuditFunc(func(_ context.Context, e AuditEvent) { warned = warned || e.Reason == ReasonMetadataIncomplete }),
			})
			if err != nil || warned != (row.skipped != nil) {
				t.Errorf("New: %v, warned %v", err, warned)
			}
		})
	}
}

// A root that cannot be read takes nothing from one that can.
func TestTheOtherRootsOfAModelAreTrusted(t *testing.T) {
	vs := readVectors(t)
	v := vs.Registration[slices.IndexFunc(vs.Registration, func(v vector) bool { return v.Name == "PackedES256WithMDS" })]
	f := newFIDO(t)
	e := entry(t, v.aaguidOf(t), nil, "FIDO_CERTIFIED")
	e["metadataStatement"] = json.RawMessage(statement(t, v.aaguidOf(t), nil, map[string]any{
		"attestationRootCertificates": []string{"AAAA", base64.StdEncoding.EncodeToString(vs.AttestationRootCertDER)},
	}))
	if err := vs.finishVector(t, v, func(cfg *Config) { cfg.AttestationPolicy, cfg.Metadata = AttestationPolicyTrusted, f.metadata(t, e) }); err != nil {
		t.Error(err)
	}
}

func TestMetadataUpdate(t *testing.T) {
	vs := readVectors(t)
	v := vs.Registration[slices.IndexFunc(vs.Registration, func(v vector) bool { return v.Name == "PackedES256WithMDS" })]
	f, stranger := newFIDO(t), newFIDO(t)
	certified := entry(t, v.aaguidOf(t), vs.AttestationRootCertDER, "FIDO_CERTIFIED")
	revoked := entry(t, v.aaguidOf(t), vs.AttestationRootCertDER, "REVOKED")
	for _, row := range []struct {
		name, says string
		blob       []byte
		taken      bool
	}{
		{"a later BLOB", "What is revoked in it is not trusted from then on, whoever began before.", f.blob(t, 8, revoked), true},
		{"the same number", "A BLOB may be read again.", f.blob(t, 7, revoked), true},
		{"an older BLOB", "An older one would bring back what was revoked since.", f.blob(t, 6, revoked), false},
		{"another signer's", "A later one has the signer of the first.", stranger.blob(t, 8, revoked), false},
		{"none", "What cannot be read changes nothing.", []byte("x"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := f.metadata(t, certified)
			finish := vs.beginVector(t, v, func(cfg *Config) { cfg.AttestationPolicy, cfg.Metadata = AttestationPolicyTrusted, m })
			if err := m.Update(row.blob); err == nil != row.taken {
				t.Errorf("%s %v", row.says, err)
			}
			if err := finish(); err == nil == row.taken {
				t.Errorf("%s %v", row.says, err)
			}
		})
	}
}

func TestOutdatedMetadataIsWarnedOf(t *testing.T) {
	vs := readVectors(t)
	v := vs.Registration[slices.IndexFunc(vs.Registration, func(v vector) bool { return v.Name == "PackedES256WithMDS" })]
	f := newFIDO(t)
	m := f.metadata(t, entry(t, v.aaguidOf(t), vs.AttestationRootCertDER, "FIDO_CERTIFIED"))
	for _, row := range []struct {
		name, says   string
		begun, ended time.Duration // after the next update
		byNew, all   int           // warnings
	}{
		{"in time", "Nothing is wrong.", -time.Minute, -time.Minute, 0, 0},
		{"at the start", "New warns, and registrations do not say it again.", time.Minute, time.Minute, 1, 1},
		{"while running", "A registration warns of what New could not know.", -time.Minute, time.Minute, 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			warned, now := 0, m.NextUpdate().Add(row.begun)
			finish := vs.beginVector(t, v, func(cfg *Config) {
				cfg.AttestationPolicy, cfg.Metadata = AttestationPolicyTrusted, m
				cfg.Now = func() time.Time { return now }
				cfg.Audit = AuditFunc(func(_ context.Context, e AuditEvent) {
					if e.Reason == ReasonMetadataOutdated {
						warned++
					}
				})
			})
			byNew := warned
			now = m.NextUpdate().Add(row.ended)
			err := finish()
			if err != nil || byNew != row.byNew || warned != row.all {
				t.Errorf("%s New warned %d times, want %d, and all %d, want %d (%v)", row.says, byNew, row.byNew, warned, row.all, err)
			}
		})
	}
}

func TestAttestationPolicies(t *testing.T) {
	ctx := context.Background()
	yubi, zero := AAGUID{0xcb, 0x69}, AAGUID{}
	for _, row := range []struct {
		name        string
		policy      AttestationPolicy
		preference  AttestationPreference
		attestation string
		model       AAGUID
		corrupt     bool
		allow, deny []AAGUID
		want        Reason
	}{
		{name: "by default a statement is ignored", attestation: "packed", corrupt: true},
		{name: "a statement that was asked for must verify", preference: AttestationDirect, attestation: "packed", corrupt: true, want: ReasonAttestationInvalid},
		{name: "none will do where it was only asked for", preference: AttestationDirect, attestation: "none"},
		{name: "self: one's own key will do", policy: AttestationPolicySelf, attestation: "packed"},
		{name: "self: a statement must verify", policy: AttestationPolicySelf, attestation: "packed", corrupt: true, want: ReasonAttestationInvalid},
		{name: "self: none will not do", policy: AttestationPolicySelf, attestation: "none", want: ReasonAttestationMissing},
		{name: "an allowed model", model: yubi, allow: []AAGUID{zero, yubi}},
		{name: "a model that is not allowed", model: yubi, allow: []AAGUID{{1}}, want: ReasonAAGUIDNotAllowed},
		{name: "the zero model is not allowed by itself", allow: []AAGUID{yubi}, want: ReasonAAGUIDNotAllowed},
		{name: "the zero model, allowed", allow: []AAGUID{zero}},
		{name: "a denied model", model: yubi, deny: []AAGUID{yubi}, want: ReasonAAGUIDNotAllowed},
		{name: "the zero model, denied", deny: []AAGUID{zero}, want: ReasonAAGUIDNotAllowed},
		{name: "denied and allowed is denied", model: yubi, allow: []AAGUID{yubi}, deny: []AAGUID{yubi}, want: ReasonAAGUIDNotAllowed},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := NewMemoryCredentials()
			p, err := New(Config{
				RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
				AttestationPolicy: row.policy, Attestation: row.preference, AllowedAAGUIDs: row.allow, DeniedAAGUIDs: row.deny,
			})
			if err != nil {
				t.Fatal(err)
			}
			a := passkeytest.New("https://example.org")
			a.Attestation, a.AAGUID = row.attestation, row.model
			if row.corrupt { // the statement's signature, and nothing else
				a.Corrupt = func(r *passkeytest.Response) {
					at := strings.Index(string(r.AttestationObject), "csig\x58")
					r.AttestationObject[at+12] ^= 1
				}
			}
			c, err := p.BeginRegistration(ctx, RegistrationRequest{User: User{ID: "user"}})
			if err != nil {
				t.Fatal(err)
			}
			asked := map[AttestationPolicy]AttestationPreference{"": AttestationNone, AttestationPolicySelf: AttestationDirect}[row.policy]
			if c.PublicKey.Attestation != cmp.Or(row.preference, asked) {
				t.Errorf("%q is asked for", c.PublicKey.Attestation)
			}
			options, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := a.Create(options)
			if err != nil {
				t.Fatal(err)
			}
			credential, err := p.FinishRegistration(ctx, RegistrationResponse{State: c.State, Credential: answer})
			if row.want == "" {
				if err != nil || credential.Credential.AAGUID != row.model {
					t.Errorf("%+v, %v (%s)", credential, err, asError(err).Reason())
				}
				return
			}
			if !errors.Is(err, ErrAttestationVerification) || asError(err).Reason() != row.want {
				t.Errorf("%v (%s), want %s", err, asError(err).Reason(), row.want)
			}
			if list, _ := store.ListByUser(ctx, "user"); len(list) != 0 {
				t.Error("it was stored")
			}
		})
	}
}

func ExampleParseAAGUID() {
	a, err := ParseAAGUID("EA9B8D66-4D01-1D21-3CE4-B6B48CB575D4")
	fmt.Println(a, err)
	_, err = ParseAAGUID("yubikey")
	fmt.Println(err)
	// Output:
	// ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4 <nil>
	// passkeys: "yubikey" is no AAGUID
}

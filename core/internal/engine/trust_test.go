package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// maker is who makes an authenticator: a root, and the certificate that its models
// sign their attestation with.
type maker struct {
	root, leaf *x509.Certificate
	key        *ecdsa.PrivateKey
	above      [][]byte // certificates that a statement has after the leaf
}

func (m maker) chain() []any {
	chain := []any{m.leaf.Raw}
	for _, c := range m.above {
		chain = append(chain, c)
	}
	return chain
}

func newMaker(t testing.TB, host string) maker {
	t.Helper()
	issue := func(c, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = c, key
		}
		c.SerialNumber, c.BasicConstraintsValid = big.NewInt(1), true
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	root, rootKey := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true}, nil, nil)
	// As packed attestation wants it (WebAuthn L3 §8.2.1).
	leaf, key := issue(&x509.Certificate{
		Subject:      pkix.Name{Country: []string{"DE"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "leaf"},
		SubjectKeyId: []byte("leaf"), DNSNames: []string{host},
	}, root, rootKey)
	return maker{root: root, leaf: leaf, key: key}
}

// attest is a registration's response with one statement of the format, or a
// compound of several.
func (m maker) attest(t testing.TB, model [16]byte, formats ...string) *AttestationResponse {
	t.Helper()
	clientData := fmt.Appendf(nil, `{"type":"webauthn.create","challenge":%q,"origin":"https://example.org"}`, encode(challenge))
	id, cose := []byte("id"), keyPairs()[0].cose
	auth := authData(flagUP|flagAT, slices.Concat(model[:], []byte{0, byte(len(id))}, id, cose)...)
	hash := sha256.Sum256(clientData)
	statement := func(format string) map[string]any {
		message := slices.Concat(auth, hash[:])
		s := map[string]any{"x5c": m.chain()}
		if format == "fido-u2f" {
			point, _ := es256Point(cose)
			message = slices.Concat([]byte{0}, auth[:32], hash[:], id, point)
		} else {
			s["alg"] = -7
		}
		digest := sha256.Sum256(message)
		signature, err := ecdsa.SignASN1(rand.Reader, m.key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		s["sig"] = signature
		return s
	}
	object := map[string]any{"fmt": formats[0], "authData": auth}
	if len(formats) == 1 {
		object["attStmt"] = statement(formats[0])
	} else {
		var all []any
		for _, f := range formats {
			all = append(all, map[string]any{"fmt": f, "attStmt": statement(f)})
		}
		object["fmt"], object["attStmt"] = "compound", all
	}
	raw, err := webauthncbor.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return &AttestationResponse{Response: Response{RawID: id, ClientDataJSON: clientData}, AttestationObject: raw}
}

// describe is metadata of one model of the maker's, with these members beside it.
func (m maker) describe(t *testing.T, members map[string]any) *Metadata {
	t.Helper()
	s := map[string]any{
		"description": "An authenticator", "attestationTypes": []string{"basic_full"},
		"attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(m.root.Raw)},
	}
	for name, value := range members {
		s[name] = value
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := ParseMetadataStatements(raw)
	if err != nil {
		t.Fatal(err)
	}
	return metadata
}

func TestTrust(t *testing.T) {
	m := newMaker(t, "maker.example")
	model, zero := [16]byte{1}, [16]byte{}
	name := uuid.UUID(model).String()
	known := m.describe(t, map[string]any{"aaguid": name})
	byCertificate := m.describe(t, map[string]any{"attestationCertificateKeyIdentifiers": []string{hex.EncodeToString(m.leaf.SubjectKeyId)}})
	for _, row := range []struct {
		name, says string
		response   *AttestationResponse
		metadata   *Metadata
		reason     string
	}{
		{"a known model", "Its certificate leads to the root of its model.", m.attest(t, model, "packed"), known, ""},
		{"no metadata", "Without metadata nothing is trusted.", m.attest(t, model, "packed"), nil, AttestationUntrusted},
		{"an unknown model", "What is not described is not trusted.", m.attest(t, [16]byte{2}, "packed"), known, AttestationUntrusted},
		{"no model", "What does not say what it is, is not described either.", m.attest(t, zero, "packed"), known, AttestationUntrusted},
		{"other attestation", "A model attests as its metadata says.", m.attest(t, model, "packed"), m.describe(t, map[string]any{"aaguid": name, "attestationTypes": []string{"anonca"}}), AttestationUntrusted},
		{"two models", "Metadata that contradicts itself vouches for nothing.", m.attest(t, model, "packed"), m.describe(t, map[string]any{"aaguid": name, "authenticatorGetInfo": map[string]any{"versions": []string{"FIDO_2_0"}, "aaguid": hex.EncodeToString(zero[:15]) + "02"}}), AttestationUntrusted},
		{"U2F", "A U2F authenticator has the zero model, and is found by its certificate.", m.attest(t, zero, "fido-u2f"), byCertificate, ""},
		{"U2F of an unknown certificate", "A certificate that is not described is not trusted.", m.attest(t, zero, "fido-u2f"), known, AttestationUntrusted},
		{"U2F of a model", "A U2F statement does not sign the model.", m.attest(t, model, "fido-u2f"), known, AttestationUntrusted},
		{"a compound", "Of a compound each statement must be trusted.", m.attest(t, model, "packed", "packed"), known, ""},
		{"a compound with U2F", "One that does not sign the model vouches for none.", m.attest(t, model, "packed", "fido-u2f"), known, AttestationUntrusted},
	} {
		t.Run(row.name, func(t *testing.T) {
			rp := party
			rp.Attestation, rp.Metadata = AttestTrusted, row.metadata
			if _, err := rp.VerifyAttestation(row.response, challenge, Requirements{}); reason(t, err) != row.reason {
				t.Errorf("%s %q, want %q", row.says, reason(t, err), row.reason)
			}
			rp.Attestation = AttestSelf
			if _, err := rp.VerifyAttestation(row.response, challenge, Requirements{}); err != nil {
				t.Errorf("the statement itself: %v", err)
			}
		})
	}
}

// Under a public authority's root the name in the certificate is what tells FIDO
// from everybody else.
func TestSignerHasTheHostsName(t *testing.T) {
	m := newMaker(t, blobHost)
	x5c := []any{base64.StdEncoding.EncodeToString(m.leaf.Raw)}
	for host, accepted := range map[string]bool{blobHost: true, "": true, "other.example": false} {
		if _, err := signer(x5c, m.root, host, time.Now()); err == nil != accepted {
			t.Errorf("%q: %v", host, err)
		}
	}
}

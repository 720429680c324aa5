package engine

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/metadata/providers/memory"
)

// Metadata is what is known of authenticators: whose attestation to trust.
type Metadata struct {
	provider   metadata.ExtendedProvider
	Number     int       // of a BLOB; 0 of single statements
	NextUpdate time.Time // of a BLOB; zero of single statements
	Entries    int
	Lost       []Loss
}

// Loss is what could not be read of a BLOB: an entry, or one of its roots.
type Loss struct {
	AAGUID      [16]byte // zero where it has none, or none that can be read
	Description string
	Why         string
}

// FIDO's BLOB is signed by a certificate for this host, whose chain ends in
// this public authority's root. The host matters as much as the root: the
// authority signs for anyone.
const (
	blobHost = "mds.fidoalliance.org"
	blobRoot = metadata.ProductionMDSRoot
)

// ParseMetadataBLOB verifies and reads a FIDO Metadata Service BLOB (MDS 3.1.1
// §3.2), against FIDO's root, or another of the operator's. The library's own
// decoder is not asked: it fetches revocation lists, and accepts any certificate
// under the root, and gives up where one entry of hundreds cannot be decoded.
func ParseMetadataBLOB(blob []byte, root *x509.Certificate, now time.Time) (*Metadata, error) {
	host := ""
	if root == nil {
		der, err := base64.StdEncoding.DecodeString(blobRoot)
		if err != nil {
			return nil, err
		}
		if root, err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
		host = blobHost
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}),
		jwt.WithTimeFunc(func() time.Time { return now }))
	text := strings.TrimSpace(string(blob))
	if _, err := parser.ParseWithClaims(text, jwt.MapClaims{}, func(t *jwt.Token) (any, error) {
		return signer(t.Header["x5c"], root, host, now)
	}); err != nil {
		return nil, fmt.Errorf("the BLOB's signature: %w", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		return nil, err
	}
	var payload struct {
		Number     int               `json:"no"`
		NextUpdate string            `json:"nextUpdate"`
		Entries    []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(raw, &payload); err != nil {
		return nil, err
	}
	next, err := time.Parse(time.DateOnly, payload.NextUpdate)
	if err != nil {
		return nil, errors.New("nextUpdate is no date")
	}
	var all metadata.Metadata
	var lost []Loss
	for _, raw := range payload.Entries {
		entry, losses := parseEntry(raw)
		lost = append(lost, losses...)
		if entry != nil {
			all.Parsed.Entries = append(all.Parsed.Entries, *entry)
		}
	}
	m, err := newMetadata(&all)
	if err != nil {
		return nil, err
	}
	m.Number, m.NextUpdate, m.Lost = payload.Number, next, lost
	return m, nil
}

// parseEntry reads one entry of a BLOB, alone: FIDO's have always had some that
// cannot be read, or not whole. Without its entry an authenticator is not trusted;
// without one of its roots, only what leads there is not. A nil entry without a loss
// is one of UAF (MDS §3.1.1), which no WebAuthn authenticator has.
func parseEntry(raw []byte) (*metadata.Entry, []Loss) {
	var names struct {
		AAID              string   `json:"aaid"`
		AAGUID            string   `json:"aaguid"`
		KeyIdentifiers    []string `json:"attestationCertificateKeyIdentifiers"`
		MetadataStatement struct {
			Description string `json:"description"`
		} `json:"metadataStatement"`
	}
	_ = json.Unmarshal(raw, &names) // as far as it goes: what is wrong is said below
	if names.AAID != "" && names.AAGUID == "" && len(names.KeyIdentifiers) == 0 {
		return nil, nil
	}
	aaguid, _ := uuid.Parse(names.AAGUID)
	var lost []Loss
	lose := func(what string, err error) {
		lost = append(lost, Loss{aaguid, names.MetadataStatement.Description, fmt.Sprintf("%s: %v", what, err)})
	}
	var entry metadata.EntryJSON
	if err := json.Unmarshal(raw, &entry); err != nil {
		lose("the entry", err)
		return nil, lost
	}
	roots := entry.MetadataStatement.AttestationRootCertificates
	entry.MetadataStatement.AttestationRootCertificates = nil
	for i, root := range roots {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(root))
		if err == nil {
			_, err = x509.ParseCertificate(der)
		}
		if err != nil {
			lose(fmt.Sprint("root certificate ", i), err)
			continue
		}
		entry.MetadataStatement.AttestationRootCertificates = append(entry.MetadataStatement.AttestationRootCertificates, root)
	}
	parsed, err := entry.Parse()
	if err != nil {
		lose("the entry", err)
		return nil, lost
	}
	return &parsed, lost
}

// signer returns the key of the certificate that signed the BLOB.
func signer(x5c any, root *x509.Certificate, host string, now time.Time) (any, error) {
	encoded, _ := x5c.([]any)
	if len(encoded) == 0 {
		return nil, errors.New("no certificates")
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	var leaf *x509.Certificate
	for i, e := range encoded {
		s, _ := e.(string)
		der, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			leaf = c
		} else {
			intermediates.AddCert(c)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, DNSName: host, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return leaf.PublicKey, err
}

// ParseMetadataStatements reads single metadata statements (FIDO Metadata
// Statement 3.1.1), whose origin the operator vouches for.
func ParseMetadataStatements(statements ...[]byte) (*Metadata, error) {
	m := &metadata.Metadata{}
	for i, raw := range statements {
		var s metadata.StatementJSON
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		parsed, err := s.Parse()
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		entry := metadata.Entry{
			AttestationCertificateKeyIdentifiers: parsed.AttestationCertificateKeyIdentifiers,
			MetadataStatement:                    parsed,
		}
		if s.AaGUID != "" {
			if entry.AaGUID, err = uuid.Parse(s.AaGUID); err != nil {
				return nil, fmt.Errorf("statement %d: %w", i, err)
			}
		}
		if entry.AaGUID == uuid.Nil && len(entry.AttestationCertificateKeyIdentifiers) == 0 {
			return nil, fmt.Errorf("statement %d: neither aaguid nor attestationCertificateKeyIdentifiers", i)
		}
		m.Parsed.Entries = append(m.Parsed.Entries, entry)
	}
	return newMetadata(m)
}

func newMetadata(m *metadata.Metadata) (*Metadata, error) {
	if len(m.Parsed.Entries) == 0 {
		return nil, errors.New("no entries")
	}
	provider, err := memory.New(
		memory.WithMetadata(m.ToMap()),
		memory.WithMetadataKeyIdentifiers(m.ToKeyIdentifierMap()),
		memory.WithValidateEntry(true),
		memory.WithValidateEntryPermitZeroAAGUID(false),
		memory.WithValidateEntryKeyIdentifier(true),
		memory.WithValidateTrustAnchor(true),
		memory.WithValidateStatus(true),
		memory.WithValidateAttestationTypes(true),
		memory.WithValidateAAGUID(true),
	)
	if err != nil {
		return nil, err
	}
	return &Metadata{provider: provider.(metadata.ExtendedProvider), Entries: len(m.Parsed.Entries)}, nil
}

// Description returns what the statement for an authenticator's model calls it
// (FIDO Metadata Statement 3.1.1 §4), "" where there is none.
func (m *Metadata) Description(aaguid [16]byte) string {
	if entry, err := m.provider.GetEntry(context.Background(), aaguid); err == nil && entry != nil {
		return entry.MetadataStatement.Description
	}
	return ""
}

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
	NextUpdate time.Time // of a BLOB; zero of single statements
	Entries    int
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
// under the root.
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
	var payload metadata.PayloadJSON
	if err := json.Unmarshal(raw, &payload); err != nil {
		return nil, err
	}
	decoder, err := metadata.NewDecoder(metadata.WithIgnoreEntryParsingErrors())
	if err != nil {
		return nil, err
	}
	// An entry that cannot be read is an authenticator that is not trusted.
	parsed, err := decoder.Parse(&payload)
	if err != nil {
		return nil, err
	}
	return newMetadata(parsed)
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
	return &Metadata{provider: provider.(metadata.ExtendedProvider), NextUpdate: m.Parsed.NextUpdate, Entries: len(m.Parsed.Entries)}, nil
}

// Description returns what the statement for an authenticator's model calls it
// (FIDO Metadata Statement 3.1.1 §4), "" where there is none.
func (m *Metadata) Description(aaguid [16]byte) string {
	if entry, err := m.provider.GetEntry(context.Background(), aaguid); err == nil && entry != nil {
		return entry.MetadataStatement.Description
	}
	return ""
}

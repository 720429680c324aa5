package engine

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"

	"github.com/go-webauthn/webauthn/protocol"
)

// What a registration may cost to verify, before anything of it is verified: its
// certificates are whatever the caller sent, and each signature under one costs what
// its key makes it cost. Real statements stay far below: the longest chain in use
// (Android's, of keys provisioned remotely) has five certificates, the largest of
// them 2 KiB and nine extensions, and no compound of more than two has been seen.
const (
	maxParts            = 4 // of a compound statement
	maxCertificates     = 6 // of all parts together
	maxCertificateBytes = 8 << 10
	maxExtensions       = 32
	maxNames            = 16 // that a certificate has, constrains, or maps
	maxRSABits          = 8192
	maxRSAExponent      = 1<<16 + 1
)

// affordable reports whether what it takes to verify the statement is bounded, and
// can be told: each certificate must be readable.
func affordable(o *protocol.AttestationObject) bool {
	const safetyNet = string(protocol.AttestationFormatAndroidSafetyNet)
	statements, formats := []map[string]any{o.AttStatement}, []string{o.Format}
	for _, part := range o.SubStatements {
		statements, formats = append(statements, part.AttStatement), append(formats, part.Format)
	}
	if len(o.SubStatements) > maxParts {
		return false
	}
	certificates := 0
	for i, statement := range statements {
		// Its certificates are inside a JWS, for a service that ended in January
		// 2025: what it said may be a minute old, so none can be sound.
		if formats[i] == safetyNet {
			return false
		}
		chain, _ := statement["x5c"].([]any)
		if certificates += len(chain); certificates > maxCertificates {
			return false
		}
		subjects := map[string]string{}
		for _, e := range chain {
			raw, _ := e.([]byte)
			if len(raw) > maxCertificateBytes {
				return false
			}
			c, err := x509.ParseCertificate(raw)
			if err != nil || !affordableCertificate(c) {
				return false
			}
			// Issuers are found by name: where several have one, a search tries all
			// ways through them, up to a hundred signatures.
			if other, twice := subjects[string(c.RawSubject)]; twice && other != string(raw) {
				return false
			}
			subjects[string(c.RawSubject)] = string(raw)
		}
	}
	return true
}

func affordableCertificate(c *x509.Certificate) bool {
	names := len(c.DNSNames) + len(c.EmailAddresses) + len(c.IPAddresses) + len(c.URIs)
	constraints := len(c.PermittedDNSDomains) + len(c.ExcludedDNSDomains) + len(c.PermittedIPRanges) + len(c.ExcludedIPRanges) +
		len(c.PermittedEmailAddresses) + len(c.ExcludedEmailAddresses) + len(c.PermittedURIDomains) + len(c.ExcludedURIDomains)
	if len(c.Extensions) > maxExtensions || max(names, constraints, len(c.Policies), len(c.PolicyMappings)) > maxNames {
		return false
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() <= maxRSABits && key.E <= maxRSAExponent
	case *ecdsa.PublicKey, ed25519.PublicKey: // of curves that the standard library has
		return true
	default:
		return key == nil // of an algorithm it does not have: it verifies nothing
	}
}

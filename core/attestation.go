package passkeys

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// AttestationPolicy is how much must be proved about a new authenticator: the
// least that will do.
type AttestationPolicy string

// The policies. The zero value means none.
const (
	// AttestationPolicyNone asks for no proof. Where Config.Attestation is none
	// too, a statement that comes all the same is ignored; where one was asked
	// for, one that comes must verify.
	AttestationPolicyNone AttestationPolicy = "none"
	// AttestationPolicySelf asks for a statement that verifies, be it signed
	// with the credential's own key.
	AttestationPolicySelf AttestationPolicy = "self"
	// AttestationPolicyTrusted asks for a statement whose certificates lead to a
	// root in Config.Metadata that belongs to the authenticator's model, and for
	// a model that is not reported compromised or revoked. The fido-u2f format,
	// which does not sign the AAGUID, is trusted only with the zero one.
	AttestationPolicyTrusted AttestationPolicy = "trusted"
)

// AAGUID identifies an authenticator's model (WebAuthn L3 §6.5.1). It is proved
// only as far as the attestation is: under a policy below trusted it is what the
// authenticator says of itself. It is zero where that says nothing: see [Provider].
type AAGUID [16]byte

// ParseAAGUID reads the form of a UUID, such as
// ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4, in any case.
func ParseAAGUID(s string) (AAGUID, error) {
	var a AAGUID
	parts := strings.Split(s, "-")
	if len(parts) != 5 || len(parts[0]) != 8 || len(parts[1]) != 4 || len(parts[2]) != 4 || len(parts[3]) != 4 || len(parts[4]) != 12 {
		return a, fmt.Errorf("passkeys: %.40q is no AAGUID", s)
	}
	b, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		return a, fmt.Errorf("passkeys: %.40q is no AAGUID", s)
	}
	return AAGUID(b), nil
}

// String returns the form of a UUID.
func (a AAGUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
}

// MarshalText implements encoding.TextMarshaler, in the form of a UUID.
func (a AAGUID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *AAGUID) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAAGUID(string(text))
	return err
}

// Metadata is FIDO metadata: which authenticators there are, and whose roots
// their attestation leads to. It is made from bytes; nothing is fetched. It is safe
// for concurrent use.
type Metadata struct {
	current atomic.Pointer[engine.Metadata]
	root    *x509.Certificate // of a BLOB's signer, nil for FIDO's
}

// ParseMetadataBLOB verifies the signature of a FIDO Metadata Service BLOB, as
// of now, and reads it (FIDO MDS §3.2). The signer must be mds.fidoalliance.org
// under FIDO's root, or if root is given, any that it vouches for. Certificate
// revocation lists are not consulted, because that takes the network. An entry that
// cannot be read costs no other: see Skipped.
//
// FIDO replaces the BLOB monthly at https://mds.fidoalliance.org/: fetch it there,
// keep the last, and give it to Update. Once NextUpdate has passed, New warns, and so
// does the next registration that asks for trust.
func ParseMetadataBLOB(blob []byte, root *x509.Certificate) (*Metadata, error) {
	parsed, err := parseBLOB(blob, root)
	if err != nil {
		return nil, err
	}
	return newMetadata(parsed, root), nil
}

func parseBLOB(blob []byte, root *x509.Certificate) (*engine.Metadata, error) {
	m, err := engine.ParseMetadataBLOB(blob, root, time.Now())
	if err != nil {
		return nil, fmt.Errorf("passkeys: metadata BLOB: %w", err)
	}
	return m, nil
}

func newMetadata(parsed *engine.Metadata, root *x509.Certificate) *Metadata {
	m := &Metadata{root: root}
	m.current.Store(parsed)
	return m
}

// ParseMetadataStatements reads single metadata statements, each the JSON of one.
// They are not signed: where they come from is the caller's to know.
func ParseMetadataStatements(statements ...[]byte) (*Metadata, error) {
	m, err := engine.ParseMetadataStatements(statements...)
	if err != nil {
		return nil, fmt.Errorf("passkeys: metadata: %w", err)
	}
	return newMetadata(m, nil), nil
}

// Update replaces what is there by a later BLOB, verified as [ParseMetadataBLOB]
// verified the first (statements: by one of FIDO's), for all who have m: registrations
// that finish from then on are held to it. One of a lower number than there is (FIDO
// MDS §3.2) is an error. After an error m is what it was.
func (m *Metadata) Update(blob []byte) error {
	fresh, err := parseBLOB(blob, m.root)
	if err != nil {
		return err
	}
	for {
		old := m.current.Load()
		if fresh.Number < old.Number {
			return fmt.Errorf("passkeys: metadata BLOB: number %d is older than %d", fresh.Number, old.Number)
		}
		if m.current.CompareAndSwap(old, fresh) {
			return nil
		}
	}
}

// NextUpdate is when FIDO will have replaced the BLOB; zero for statements.
func (m *Metadata) NextUpdate() time.Time { return m.current.Load().NextUpdate }

// Len is how many authenticator models are described.
func (m *Metadata) Len() int { return m.current.Load().Entries }

// SkippedMetadata is what could not be read of a BLOB: an entry, or one of its root
// certificates. An authenticator without its entry is not trusted under
// AttestationPolicyTrusted, nor is a certificate that leads to the root only.
type SkippedMetadata struct {
	AAGUID      AAGUID // zero where the entry names none, or none that can be read
	Description string // of the authenticator, for people
	Why         string // for people
}

// Skipped says what of the BLOB could not be read, in its order; nothing of
// statements, which are read whole. New warns where there is any. Entries of UAF
// authenticators, which WebAuthn does not know, are not among them.
func (m *Metadata) Skipped() []SkippedMetadata {
	var skipped []SkippedMetadata
	for _, l := range m.current.Load().Lost {
		skipped = append(skipped, SkippedMetadata{AAGUID: l.AAGUID, Description: l.Description, Why: l.Why})
	}
	return skipped
}

// admits reports whether the lists let this model in. The zero AAGUID, of
// authenticators that do not say what they are, is a model like any other.
func (cfg *Config) admits(a AAGUID) bool {
	return (len(cfg.AllowedAAGUIDs) == 0 || slices.Contains(cfg.AllowedAAGUIDs, a)) && !slices.Contains(cfg.DeniedAAGUIDs, a)
}

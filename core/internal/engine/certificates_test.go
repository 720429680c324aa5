package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// Each statement here is sound, and accepted but for what it costs to verify.
func TestCostOfStatements(t *testing.T) {
	m := newMaker(t, "maker.example")
	rsaKey := func(bits uint, exponent int) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1), E: exponent}
	}
	certificate := func(c x509.Certificate, key any) []byte {
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if key == nil {
			key = &signer.PublicKey
		}
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, &c, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}}, key, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	named := func(i int) x509.Certificate {
		return x509.Certificate{Subject: pkix.Name{CommonName: fmt.Sprint("intermediate ", i)}}
	}
	several := func(n int) (all [][]byte) {
		for i := range n {
			all = append(all, certificate(named(i), nil))
		}
		return all
	}
	one := func(change func(*x509.Certificate), key any) [][]byte {
		c := named(0)
		if change != nil {
			change(&c)
		}
		return [][]byte{certificate(c, key)}
	}
	numbered := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("%d.example", i))
		}
		return names
	}
	extensions := func(n int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for i := range n {
				c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, i}, Value: []byte{5, 0}})
			}
		}
	}
	twin := several(1)[0]
	for _, row := range []struct {
		name, says string
		above      [][]byte
		formats    int // parts of a compound
		refused    bool
	}{
		{"six certificates", "The longest chain in use has five.", several(5), 1, false},
		{"seven certificates", "Each is one more signature to verify.", several(6), 1, true},
		{"six in two parts", "Certificates are counted over all parts.", several(2), 2, false},
		{"eight in two parts", "Certificates are counted over all parts.", several(3), 2, true},
		{"four parts", "A compound has few parts.", nil, 4, false},
		{"five parts", "A part needs no certificate to cost a signature.", nil, 5, true},
		{"one certificate twice", "The same again is no other way to search.", [][]byte{twin, twin}, 1, false},
		{"two of one name", "Of two issuers with one name a search tries both, and so on above them.", append(several(1), several(1)...), 1, true},
		{"one that is none", "Nobody knows what it costs.", [][]byte{{0x30}}, 1, true},
		{"8 KiB", "A certificate is small.", one(extensions(1), nil), 1, false},
		{"more than 8 KiB", "A certificate is small.", one(func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("x", 8<<10) }, nil), 1, true},
		{"many extensions", "Each is read, some more than once.", one(extensions(33), nil), 1, true},
		{"16 names", "Names are compared with the constraints of every issuer.", one(func(c *x509.Certificate) { c.DNSNames = numbered(16) }, nil), 1, false},
		{"17 names", "Names are compared with the constraints of every issuer.", one(func(c *x509.Certificate) { c.DNSNames = numbered(17) }, nil), 1, true},
		{"17 constraints", "So are constraints with names.", one(func(c *x509.Certificate) { c.IsCA, c.ExcludedDNSDomains = true, numbered(17) }, nil), 1, true},
		{"RSA of 8192 bits", "A large key costs more with each bit.", one(nil, rsaKey(8192, 65537)), 1, false},
		{"RSA of 8193 bits", "One of 184,000 bits took seconds.", one(nil, rsaKey(8193, 65537)), 1, true},
		{"a large exponent", "And more with each bit of the exponent.", one(nil, rsaKey(2048, 65539)), 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := m
			m.above = row.above
			rp, want := party, ""
			if rp.Attestation = AttestSelf; row.refused {
				want = AttestationInvalid
			}
			response := m.attest(t, [16]byte{1}, slices.Repeat([]string{"packed"}, row.formats)...)
			if _, err := rp.VerifyAttestation(response, challenge, Requirements{}); reason(t, err) != want {
				t.Errorf("%s %q, want %q", row.says, reason(t, err), want)
			}
			rp.Attestation = AttestIgnored
			if _, err := rp.VerifyAttestation(response, challenge, Requirements{}); err != nil {
				t.Errorf("a statement that is not looked at costs nothing: %v", err)
			}
		})
	}
}

// What SafetyNet said cannot be sound any more, so nothing of it is looked at, be it
// a part.
func TestSafetyNetIsNotLookedAt(t *testing.T) {
	const format = "android-safetynet"
	for _, o := range []*protocol.AttestationObject{
		{Format: format},
		{Format: "compound", SubStatements: []protocol.NonCompoundAttestationObject{{Format: format}}},
	} {
		if affordable(o) {
			t.Errorf("%s: looked at", o.Format)
		}
	}
}

// The dearest statement that the limits admit, in checks of its own signatures: a
// chain of P-521 keys in a format whose roots the library knows, which looks first
// whether each authority has signed itself, and then for a way up that is not there.
func BenchmarkDearestStatement(b *testing.B) {
	m := newMaker(b, "maker.example")
	var keys []*ecdsa.PrivateKey
	var chain []*x509.Certificate
	for i := range maxCertificates + 1 {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, key)
		chain = append(chain, &x509.Certificate{
			Subject: pkix.Name{CommonName: fmt.Sprint(i)}, SerialNumber: big.NewInt(1), IsCA: i > 0, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		})
	}
	for i := range maxCertificates {
		der, err := x509.CreateCertificate(rand.Reader, chain[i], chain[i+1], &keys[i].PublicKey, keys[i+1])
		if err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			m.leaf = &x509.Certificate{Raw: der}
		} else {
			m.above = append(m.above, der)
		}
	}
	rp := party
	rp.Attestation = AttestSelf
	response := m.attest(b, [16]byte{1}, "apple")
	digest := make([]byte, 64)
	signature, err := ecdsa.SignASN1(rand.Reader, keys[0], digest)
	if err != nil {
		b.Fatal(err)
	}
	var one, all time.Duration
	for b.Loop() {
		start := time.Now()
		ecdsa.VerifyASN1(&keys[0].PublicKey, digest, signature)
		checked := time.Now()
		if _, err := rp.VerifyAttestation(response, challenge, Requirements{}); reason(b, err) != AttestationInvalid {
			b.Fatal(err)
		}
		one, all = one+checked.Sub(start), all+time.Since(checked)
	}
	b.ReportMetric(float64(all)/float64(one), "signatures")
}

package passkeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// These are the rules that go-webauthn does not keep for us, or not the way we
// want them, in the order of the design's list, and the ones it keeps: each
// row fails if the rule is taken out.

func TestRegistrationRefuses(t *testing.T) {
	// A COSE key for each way to be no key at all.
	ec2 := func(alg, crv byte, x, y []byte) []byte {
		key := []byte{0xa5, 0x01, 0x02, 0x03, alg, 0x20, crv, 0x21, 0x58, byte(len(x))}
		key = append(key, x...)
		key = append(key, 0x22, 0x58, byte(len(y)))
		return append(key, y...)
	}
	rsa := func(n, e []byte) []byte {
		key := []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, byte(len(n) >> 8), byte(len(n))}
		key = append(key, n...)
		key = append(key, 0x21, 0x40|byte(len(e)))
		return append(key, e...)
	}
	modulus := func(bits uint) []byte {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		return n.Sub(n, big.NewInt(1)).Bytes()
	}
	even := modulus(2048)
	even[255] = 0xfe
	f4 := []byte{1, 0, 1}

	key := func(cose []byte) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) {
			a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) { d.PublicKey = cose }
		}
	}
	data := func(f func(*passkeytest.AuthenticatorData)) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) {
			a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) { f(d) }
		}
	}
	client := func(f func(*passkeytest.ClientData)) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) {
			a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { f(c) }
		}
	}
	for _, row := range []struct {
		name, why string
		lie       func(*passkeytest.Authenticator)
		want      passkeys.Reason
	}{
		{"off-curve key", "a point that is not on its curve can never sign in", key(ec2(0x26, 1, bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32))), passkeys.ReasonPublicKeyInvalid},
		{"nonsense key", "a map that is no key can never sign in", key([]byte{0xa1, 0x01, 0x02}), passkeys.ReasonPublicKeyInvalid},
		{"wrong curve", "ES256 is on P-256 alone", key(ec2(0x26, 2, bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32))), passkeys.ReasonPublicKeyInvalid},
		{"Ed25519 key that is no point", "half of all strings of 32 bytes are none", key(append([]byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 32}, bytes.Repeat([]byte{2}, 32)...)), passkeys.ReasonPublicKeyInvalid},
		{"RSA of 1,024 bits", "a short modulus can be factored", key(rsa(modulus(1024), f4)), passkeys.ReasonPublicKeyInvalid},
		{"RSA of 8,192 bits", "a long modulus costs the server, not the client", key(rsa(modulus(8192), f4)), passkeys.ReasonPublicKeyInvalid},
		{"RSA with exponent 1", "every signature would be its own message", key(rsa(modulus(2048), []byte{1})), passkeys.ReasonPublicKeyInvalid},
		{"RSA with an even exponent", "it has no inverse", key(rsa(modulus(2048), []byte{4})), passkeys.ReasonPublicKeyInvalid},
		{"RSA with an even modulus", "it is no product of two odd primes", key(rsa(even, f4)), passkeys.ReasonPublicKeyInvalid},
		{"RSA with a huge exponent", "the standard library refuses to verify with it", key(rsa(modulus(2048), []byte{1, 0, 0, 0, 1})), passkeys.ReasonPublicKeyInvalid},
		{"RSA with leading zeros", "the modulus is written one way", key(rsa(append([]byte{0}, modulus(2048)...), f4)), passkeys.ReasonPublicKeyInvalid},
		{"algorithm not asked for", "the key's own algorithm counts, not the client's word for it", func(a *passkeytest.Authenticator) {
			a.Algorithm = passkeytest.RS256
			a.Corrupt = func(r *passkeytest.Response) { r.PublicKeyAlgorithm = passkeytest.ES256 }
		}, passkeys.ReasonAlgorithmNotAllowed},
		{"sign-in's client data", "a signature made for one ceremony is none for the other", client(func(c *passkeytest.ClientData) { c.Type = "webauthn.get" }), passkeys.ReasonCeremonyTypeMismatch},
		{"another challenge", "the challenge is the one that was issued", client(func(c *passkeytest.ClientData) { c.Challenge = "AAAA" }), passkeys.ReasonChallengeMismatch},
		{"no challenge", "an empty challenge matches nothing", client(func(c *passkeytest.ClientData) { c.Challenge = "" }), passkeys.ReasonChallengeMismatch},
		{"another origin", "a phishing site is not ours", client(func(c *passkeytest.ClientData) { c.Origin = "https://example.org.evil.example" }), passkeys.ReasonOriginMismatch},
		{"our origin in other letters", "origins match byte for byte", client(func(c *passkeytest.ClientData) { c.Origin = "HTTPS://EXAMPLE.ORG" }), passkeys.ReasonOriginMismatch},
		{"our origin with a path", "origins match byte for byte", client(func(c *passkeytest.ClientData) { c.Origin += "/x" }), passkeys.ReasonOriginMismatch},
		{"our origin with its port", "origins match byte for byte", client(func(c *passkeytest.ClientData) { c.Origin += ":443" }), passkeys.ReasonOriginMismatch},
		{"cross-origin frame", "nobody may embed us unless he is named", client(func(c *passkeytest.ClientData) { c.CrossOrigin = true }), passkeys.ReasonCrossOrigin},
		{"top origin without a frame", "a top origin only comes with cross-origin", client(func(c *passkeytest.ClientData) { c.TopOrigin = "https://partner.example" }), passkeys.ReasonTopOriginMismatch},
		{"client data that is no JSON", "what cannot be read cannot be verified", client(func(c *passkeytest.ClientData) { c.Raw = []byte("{") }), passkeys.ReasonClientDataMalformed},
		{"another RP id", "a credential for another site is none for ours", func(a *passkeytest.Authenticator) { a.RPID = "evil.example" }, passkeys.ReasonRPIDMismatch},
		{"user not present", "somebody must have touched it", func(a *passkeytest.Authenticator) { a.UserNotPresent = true }, passkeys.ReasonUserPresenceMissing},
		{"user not verified", "required is enforced", func(a *passkeytest.Authenticator) { a.UserNotVerified = true }, passkeys.ReasonUserVerificationMissing},
		{"backed up but not eligible", "the flags contradict each other", func(a *passkeytest.Authenticator) { a.BackupState = true }, passkeys.ReasonBackupFlagsInvalid},
		{"another credential's id", "the id outside is the one inside", func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) { r.ID, r.RawID = "AAAA", "AAAA" }
		}, passkeys.ReasonCredentialIDInvalid},
		{"an id that is too long", "1,023 bytes is the most", data(func(d *passkeytest.AuthenticatorData) { d.CredentialID = make([]byte, 1024) }), passkeys.ReasonAuthenticatorDataMalformed},
		{"no attested data", "a registration brings its credential", data(func(d *passkeytest.AuthenticatorData) { d.Flags &^= passkeytest.FlagAttestedData }), passkeys.ReasonAuthenticatorDataMalformed},
		{"truncated authenticator data", "a part is not the whole", data(func(d *passkeytest.AuthenticatorData) { d.Raw = make([]byte, 36) }), passkeys.ReasonAuthenticatorDataMalformed},
		{"attestation object that is no CBOR", "what cannot be read cannot be verified", func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) { r.AttestationObject = []byte{0xff} }
		}, passkeys.ReasonAttestationMalformed},
		{"a format that is no identifier", "it would be stored as it comes", func(a *passkeytest.Authenticator) {
			a.Corrupt = func(r *passkeytest.Response) {
				r.AttestationObject = bytes.Replace(r.AttestationObject, []byte("none"), []byte("n\x00ne"), 1)
			}
		}, passkeys.ReasonAttestationMalformed},
		{"statement over other client data", "a statement that was asked for must verify", func(a *passkeytest.Authenticator) {
			a.Attestation = "packed"
			a.Corrupt = func(r *passkeytest.Response) { r.ClientDataJSON = append(r.ClientDataJSON, ' ') }
		}, passkeys.ReasonAttestationInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, func(c *passkeys.Config) {
				c.UserVerification = passkeys.UserVerificationRequired
				c.Attestation = passkeys.AttestationDirect
				c.Algorithms = []passkeys.Algorithm{passkeys.ES256, passkeys.EdDSA}
			})
			a := passkeytest.New(origin)
			row.lie(a)
			_, err := b.register(a)
			b.refused(err, passkeys.ErrAttestationVerification, row.want)
			if list, _ := b.credentials.ListByUser(context.Background(), alice.ID); len(list) != 0 {
				t.Errorf("%s, yet it was stored", row.why)
			}
		})
	}
}

func TestSignInRefuses(t *testing.T) {
	client := func(f func(*passkeytest.ClientData)) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) {
			a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { f(c) }
		}
	}
	after := func(f func(*passkeytest.Response)) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) { a.Corrupt = f }
	}
	for _, row := range []struct {
		name, why string
		lie       func(*passkeytest.Authenticator)
		want      passkeys.Reason
	}{
		{"registration's client data", "a signature made for one ceremony is none for the other", client(func(c *passkeytest.ClientData) { c.Type = "webauthn.create" }), passkeys.ReasonCeremonyTypeMismatch},
		{"another challenge", "the challenge is the one that was issued", client(func(c *passkeytest.ClientData) { c.Challenge = "AAAA" }), passkeys.ReasonChallengeMismatch},
		{"another origin", "a phishing site is not ours", func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }, passkeys.ReasonOriginMismatch},
		{"our origin with a path", "origins match byte for byte", client(func(c *passkeytest.ClientData) { c.Origin += "/" }), passkeys.ReasonOriginMismatch},
		{"cross-origin frame", "nobody may embed us unless he is named", client(func(c *passkeytest.ClientData) { c.CrossOrigin = true }), passkeys.ReasonCrossOrigin},
		{"client data that is no JSON", "what cannot be read cannot be verified", client(func(c *passkeytest.ClientData) { c.Raw = []byte("[]") }), passkeys.ReasonClientDataMalformed},
		{"another RP id", "a credential for another site is none for ours", func(a *passkeytest.Authenticator) { a.RPID = "evil.example" }, passkeys.ReasonRPIDMismatch},
		{"user not present", "somebody must have touched it", func(a *passkeytest.Authenticator) { a.UserNotPresent = true }, passkeys.ReasonUserPresenceMissing},
		{"user not verified", "required is enforced", func(a *passkeytest.Authenticator) { a.UserNotVerified = true }, passkeys.ReasonUserVerificationMissing},
		{"backed up but not eligible", "the flags contradict each other", func(a *passkeytest.Authenticator) { a.BackupState = true }, passkeys.ReasonBackupFlagsInvalid},
		{"backup eligibility changed", "eligibility is for life", func(a *passkeytest.Authenticator) { a.BackupEligible = true }, passkeys.ReasonBackupEligibilityChanged},
		{"truncated authenticator data", "a part is not the whole", after(func(r *passkeytest.Response) { r.AuthenticatorData = r.AuthenticatorData[:36] }), passkeys.ReasonAuthenticatorDataMalformed},
		{"signature of something else", "the signature is what proves the key", after(func(r *passkeytest.Response) { r.Signature[len(r.Signature)-1] ^= 1 }), passkeys.ReasonSignatureInvalid},
		{"signed counter altered", "the signature covers the counter", after(func(r *passkeytest.Response) { r.AuthenticatorData[36]++ }), passkeys.ReasonSignatureInvalid},
		{"client data with a blank more", "the signature covers the client data", after(func(r *passkeytest.Response) { r.ClientDataJSON = append(r.ClientDataJSON, ' ') }), passkeys.ReasonSignatureInvalid},
		{"another user's handle", "the handle names the credential's owner", after(func(r *passkeytest.Response) { r.UserHandle = []byte("bob-id") }), passkeys.ReasonUserHandleMismatch},
		{"no user handle", "a sign-in without a username brings the handle", func(a *passkeytest.Authenticator) { a.OmitUserHandle = true }, passkeys.ReasonUserHandleMissing},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, func(c *passkeys.Config) { c.UserVerification = passkeys.UserVerificationRequired })
			a := passkeytest.New(origin)
			b.mustRegister(a)
			before := b.stored()
			row.lie(a)
			_, err := b.signIn(a)
			b.refused(err, passkeys.ErrAssertionVerification, row.want)
			if !equal(b.stored(), before) {
				t.Errorf("%s, yet the credential changed", row.why)
			}
		})
	}
}

func TestUsernameFirst(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	if _, err := b.FinishAuthentication(ctx, b.get(a, alice.ID)); err != nil {
		t.Errorf("the user who was named signs in: %v", err)
	}
	a.OmitUserHandle = true
	if _, err := b.FinishAuthentication(ctx, b.get(a, alice.ID)); err != nil {
		t.Errorf("the user was named at begin, so his handle may be missing: %v", err)
	}
	a.OmitUserHandle = false

	options, state := b.options(b.BeginAuthentication(ctx, ""))
	_ = options
	r := b.get(a, "")
	r.State = state
	_, err := b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonChallengeMismatch)

	// Bob began; alice's passkey answers. It is stored, so "not found", on which
	// a browser drops the passkey, would be wrong.
	options, state = b.options(b.BeginAuthentication(ctx, "bob-id"))
	credential, err := a.Get(withoutAllowList(t, options))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: state, Credential: credential})
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserMismatch)

	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserMismatch)
	if _, err := b.BeginAuthentication(ctx, strings.Repeat("x", 65)); !errors.Is(err, passkeys.ErrInvalidRequest) {
		t.Errorf("a user id of 65 bytes: %v", err)
	}
}

func withoutAllowList(t *testing.T, options []byte) []byte {
	t.Helper()
	var o struct {
		PublicKey map[string]any `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	delete(o.PublicKey, "allowCredentials")
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChallengeIsForOneCeremonyAndOneUse(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)

	// A registration's challenge, signed as a sign-in.
	registration, state := b.options(b.BeginRegistration(ctx, alice))
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(registration, &o); err != nil {
		t.Fatal(err)
	}
	a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { c.Challenge = o.PublicKey.Challenge }
	r := b.get(a, "")
	a.Alter = nil
	r.State = state
	_, err := b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose)
	if _, err := b.FinishAuthentication(ctx, r); reason(err) != passkeys.ReasonChallengeNotFound {
		t.Errorf("the challenge outlived its misuse: %v", err)
	}

	// A second finish of a first that succeeded.
	r = b.get(a, "")
	if _, err := b.FinishAuthentication(ctx, r); err != nil {
		t.Fatal(err)
	}
	_, err = b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)

	// A second finish of a first that failed.
	a.Corrupt = func(r *passkeytest.Response) { r.Signature[8] ^= 1 }
	r = b.get(a, "")
	_, _ = b.FinishAuthentication(ctx, r)
	_, err = b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)
}

// forgetful is a store that never looks at the clock.
type forgetful struct{ payload []byte }

func (s *forgetful) Put(_ context.Context, payload []byte, _ time.Time) (string, error) {
	s.payload = payload
	return "handle", nil
}

func (s *forgetful) Consume(context.Context, string) ([]byte, error) { return s.payload, nil }

func TestChallengeExpiresByTheServersClock(t *testing.T) {
	for name, store := range map[string]passkeys.ChallengeStore{"the default store": nil, "a store that forgets to": &forgetful{}} {
		for _, after := range []time.Duration{time.Minute - time.Millisecond, time.Minute} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				b := newBench(t, func(c *passkeys.Config) { c.ChallengeTTL, c.Challenges = time.Minute, store })
				a := passkeytest.New(origin)
				r := b.create(a)
				b.clock.Advance(after)
				_, err := b.FinishRegistration(context.Background(), r)
				if after < time.Minute {
					if err != nil {
						t.Fatalf("before its time: %v", err)
					}
					return
				}
				b.refused(err, passkeys.ErrChallengeExpired, passkeys.ReasonChallengeExpired)
				if b.events.last().Type != passkeys.ChallengeExpired {
					t.Errorf("the event is %s", b.events.last().Type)
				}
			})
		}
	}
}

func TestUnsolicitedExtensionOutputsAreIgnored(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	a.Corrupt = func(r *passkeytest.Response) {
		r.ClientExtensionResults = map[string]any{"appid": false, "credProps": "nonsense", "prf": nil}
	}
	if c := b.mustRegister(a); c.Discoverable {
		t.Error("nonsense made the credential discoverable")
	}
	b.mustSignIn(a) // Safari sends appid: false
}

func TestUnknownCredentialIsSaidSo(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	if err := b.Revoke(context.Background(), alice.ID, b.stored().ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrCredentialNotFound, passkeys.ReasonCredentialUnknown)
}

func TestErrorsKeepSecrets(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Audit = passkeys.NewSlogAudit(c.Logger)
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	var challenge string
	for _, lie := range []func(*passkeytest.ClientData){
		func(c *passkeytest.ClientData) { c.Challenge = "AAAA" },
		func(c *passkeytest.ClientData) { c.Origin = "https://evil.example" },
		func(c *passkeytest.ClientData) { c.Type = "x" },
	} {
		a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) {
			challenge = c.Challenge
			lie(c)
		}
		r := b.get(a, "")
		_, err := b.FinishAuthentication(context.Background(), r)
		for _, secret := range []string{challenge, r.State} {
			if strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v", err), secret) || strings.Contains(log.String(), secret) {
				t.Errorf("%v, or the log, has %q in it:\n%s", err, secret, &log)
			}
		}
	}
	for _, want := range []string{"seen=https://evil.example", `expected="[\"https://example.org\"]"`, "reason=origin_mismatch"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, &log)
		}
	}
}

func TestClientsHintsAreCappedAndAllowListed(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	a.Transports = []string{"usb", "carrier-pigeon", "usb", "cable", strings.Repeat("x", 9000), "internal"}
	a.Corrupt = func(r *passkeytest.Response) { // convenience members, unsigned
		r.PublicKey, r.PublicKeyAlgorithm, r.AuthenticatorData = []byte("lies"), -65535, []byte("lies")
	}
	c := b.mustRegister(a)
	if got := strings.Join(c.Transports, " "); got != "usb hybrid internal" {
		t.Errorf("transports %q", got)
	}
	if c.Algorithm != passkeys.ES256 {
		t.Errorf("algorithm %v", c.Algorithm)
	}
	a.Corrupt = nil
	b.mustSignIn(a)
}

func TestBackupFlagsAreStored(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	a.BackupEligible = true
	if c := b.mustRegister(a); !c.BackupEligible || c.BackupState {
		t.Errorf("registered %v %v", c.BackupEligible, c.BackupState)
	}
	for _, state := range []bool{true, false} {
		a.BackupState = state
		if c := b.mustSignIn(a).Credential; !c.BackupEligible || c.BackupState != state || b.stored().BackupState != state {
			t.Errorf("after a sign-in with state %v: %v, stored %v", state, c.BackupState, b.stored().BackupState)
		}
	}
}

func TestBackupFlagsOfAnImportAreLearnt(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	c := b.mustRegister(a)
	if err := b.credentials.Delete(ctx, alice.ID, c.ID); err != nil {
		t.Fatal(err)
	}
	c.BackupUnknown = true
	if err := b.credentials.Add(ctx, *c); err != nil {
		t.Fatal(err)
	}
	a.BackupEligible, a.BackupState = true, true
	b.mustSignIn(a)
	if c := b.stored(); !c.BackupEligible || !c.BackupState || c.BackupUnknown {
		t.Errorf("learnt %v %v, still unknown: %v", c.BackupEligible, c.BackupState, c.BackupUnknown)
	}
	a.BackupEligible, a.BackupState = false, false
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonBackupEligibilityChanged)
}

func TestSignCount(t *testing.T) {
	regressed := func(policy passkeys.SignCountPolicy) (*bench, *passkeytest.Authenticator, *passkeys.AuthenticationResult, error) {
		b := newBench(t, func(c *passkeys.Config) { c.SignCountPolicy = policy })
		a := passkeytest.New(origin)
		b.mustRegister(a)
		clone := a.Clone()
		b.mustSignIn(a)
		b.mustSignIn(a)
		b.events.reset()
		r, err := b.signIn(clone) // counts 1, where 2 is stored
		return b, a, r, err
	}

	t.Run("strict reject", func(t *testing.T) {
		b, a, _, err := regressed("")
		b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
		if e := b.events.list; len(e) != 2 || e[1].Type != passkeys.CloneSuspected || e[1].UserID != alice.ID || e[1].CredentialID == "" {
			t.Errorf("events %+v", e)
		}
		if c := b.stored(); c.SignCount != 2 || c.Quarantined() {
			t.Errorf("stored %d, quarantined %v", c.SignCount, c.Quarantined())
		}
		b.mustSignIn(a)
	})
	t.Run("flag disable", func(t *testing.T) {
		b, a, _, err := regressed(passkeys.FlagDisable)
		b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
		c := b.stored()
		if !c.QuarantinedAt.Equal(b.clock.Now()) || c.QuarantineReason != passkeys.ReasonSignCountRegressed {
			t.Errorf("quarantined at %v because %q", c.QuarantinedAt, c.QuarantineReason)
		}
		_, err = b.signIn(a)
		b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonCredentialQuarantined)
		a.Corrupt = func(r *passkeytest.Response) { r.Signature[8] ^= 1 }
		_, err = b.signIn(a)
		b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonSignatureInvalid) // who cannot sign learns nothing
		a.Corrupt = nil
		if err := b.Restore(context.Background(), alice.ID, c.ID); err != nil || b.events.last().Type != passkeys.CredentialRestored {
			t.Errorf("restore: %v, event %s", err, b.events.last().Type)
		}
		b.mustSignIn(a)
	})
	t.Run("allow", func(t *testing.T) {
		b, _, r, err := regressed(passkeys.Allow)
		if err != nil || r.Credential.SignCount != 2 || b.stored().SignCount != 2 {
			t.Errorf("%+v, %v, stored %d", r, err, b.stored().SignCount)
		}
		if e := b.events.list; len(e) != 3 || e[1].Type != passkeys.CloneSuspected || e[2].Type != passkeys.AuthenticationSucceeded {
			t.Errorf("events %+v", e)
		}
	})
	t.Run("staying 0", func(t *testing.T) {
		b := newBench(t)
		a := passkeytest.New(origin)
		a.Counter = passkeytest.CounterZero
		b.mustRegister(a)
		for range 3 {
			b.mustSignIn(a)
		}
	})
}

// overtaken lets another sign-in pass between the read and the write.
type overtaken struct{ *passkeys.MemoryCredentials }

func (o overtaken) UpdateUsage(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
	other := u
	other.SignCount++
	if _, err := o.MemoryCredentials.UpdateUsage(ctx, id, other); err != nil {
		return 0, err
	}
	return o.MemoryCredentials.UpdateUsage(ctx, id, u)
}

func TestRaceIsRefusedNotPunished(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.SignCountPolicy = passkeys.FlagDisable
		c.Credentials = overtaken{c.Credentials.(*passkeys.MemoryCredentials)}
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonSignCountRaced)
	if c := b.stored(); c.Quarantined() || c.SignCount != 2 {
		t.Errorf("quarantined %v, counter %d", c.Quarantined(), c.SignCount)
	}
}

func TestFinishBelongsToWhoBegan(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	r := b.create(passkeytest.New(origin))
	r.UserID = "bob-id"
	_, err := b.FinishRegistration(ctx, r)
	b.refused(err, passkeys.ErrForbidden, passkeys.ReasonUserChanged)
	r.UserID = alice.ID
	_, err = b.FinishRegistration(ctx, r)
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)
}

func TestMalformedCredentialSpendsNothing(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	good := b.create(a)
	for _, bad := range []string{``, `null`, `[]`, `"x"`, `{}`, `{"id":1}`, string(good.Credential[:100]),
		strings.Replace(string(good.Credential), `"public-key"`, `"password"`, 1),
		strings.Replace(string(good.Credential), `"rawId":"`, `"rawId":"AAAA`, 1),
		strings.Replace(string(good.Credential), `"clientDataJSON":"`, `"clientDataJSON":"=`, 1),
		strings.Replace(string(good.Credential), `"attestationObject":"`, `"attestationObject":"\n`, 1),
	} {
		_, err := b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: good.State, Credential: []byte(bad)})
		b.refused(err, passkeys.ErrInvalidRequest, passkeys.ReasonRequestMalformed)
		_, err = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: good.State, Credential: []byte(bad)})
		b.refused(err, passkeys.ErrInvalidRequest, passkeys.ReasonRequestMalformed)
	}
	huge := append([]byte(`{"id":"`), bytes.Repeat([]byte("A"), 64<<10)...)
	if _, err := b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: good.State, Credential: huge}); !errors.Is(err, passkeys.ErrPayloadTooLarge) {
		t.Errorf("64 KiB and more: %v", err)
	}
	if _, err := b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: good.State, Credential: huge}); !errors.Is(err, passkeys.ErrPayloadTooLarge) {
		t.Errorf("64 KiB and more: %v", err)
	}
	long := good
	long.DeviceName = strings.Repeat("x", 65)
	_, err := b.FinishRegistration(ctx, long)
	b.refused(err, passkeys.ErrInvalidRequest, passkeys.ReasonRequestMalformed)
	if _, err := b.FinishRegistration(ctx, good); err != nil {
		t.Errorf("the good one after them: %v", err)
	}
}

func TestTopOrigins(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) { c.TopOrigins = []string{"https://partner.example"} })
	for _, row := range []struct {
		top  string
		want passkeys.Reason
	}{
		{"https://partner.example", ""},
		{"", ""}, // a browser that does not report it
		{"https://evil.example", passkeys.ReasonTopOriginMismatch},
		{"https://partner.example/", passkeys.ReasonTopOriginMismatch},
	} {
		a := passkeytest.New(origin)
		a.CrossOrigin, a.TopOrigin = true, row.top
		if _, err := b.register(a); reason(err) != row.want {
			t.Errorf("embedded by %q: %v (%s)", row.top, err, reason(err))
		}
	}
}

func TestAndroidOrigin(t *testing.T) {
	app := "android:apk-key-hash:" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	b := newBench(t, func(c *passkeys.Config) { c.Origins = append(c.Origins, app) })
	a := passkeytest.New(app)
	b.mustRegister(a)
	b.mustSignIn(a)
	a.Origin = app[:len(app)-1] + "x"
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonOriginMismatch)
}

// counting says how a store was asked.
type counting struct {
	*passkeys.MemoryCredentials
	gets, lists int
}

func (s *counting) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	s.gets++
	return s.MemoryCredentials.Get(ctx, id)
}

func (s *counting) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	s.lists++
	return s.MemoryCredentials.ListByUser(ctx, userID)
}

func TestSignInLoadsOneCredential(t *testing.T) {
	var store *counting
	b := newBench(t, func(c *passkeys.Config) {
		store = &counting{MemoryCredentials: c.Credentials.(*passkeys.MemoryCredentials)}
		c.Credentials = store
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	store.gets, store.lists = 0, 0
	b.mustSignIn(a)
	if store.gets != 1 || store.lists != 0 {
		t.Errorf("%d reads of a credential, %d of a list", store.gets, store.lists)
	}
}

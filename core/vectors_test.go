package passkeys

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// vectors are the W3C test vectors (WebAuthn L3 §16).
type vectors struct {
	RPID, Origin                 string
	AttestationRootCertDER       hexBytes
	Registration, Authentication []vector
}

type vector struct {
	Section, Name, Expect                                string
	AllowCrossOrigin, MDS                                bool
	AttestationObject, AuthenticatorData, ClientDataJSON hexBytes
	Signature, Challenge, CredentialID, CredentialPubKey hexBytes
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// recorded is a challenge store that puts the recorded challenge in the place of
// the drawn one: two of the vectors' challenges are longer than ours ever are.
type recorded struct {
	challenge, payload []byte
}

func (s *recorded) Put(_ context.Context, raw []byte, _ time.Time) (string, error) {
	p, err := decodePayload(raw)
	p.challenge = s.challenge
	s.payload = p.encode()
	return "handle", err
}

func (s *recorded) Consume(context.Context, string) ([]byte, error) { return s.payload, nil }

func readVectors(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/w3c-webauthn-l3.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Registration) != 16 || len(v.Authentication) != 16 {
		t.Fatalf("%d registrations, %d authentications", len(v.Registration), len(v.Authentication))
	}
	return v
}

// relyingParty is the one of the vectors, at the moment of one of them.
func (vs vectors) relyingParty(t *testing.T, v vector, attestation AttestationPreference, configure ...func(*Config)) *Passkeys {
	t.Helper()
	cfg := Config{
		RPID: vs.RPID, RPName: "W3C", Origins: []string{vs.Origin},
		Credentials: NewMemoryCredentials(),
		Challenges:  &recorded{challenge: v.Challenge},
		Attestation: attestation,
		Logger:      slog.New(slog.DiscardHandler),
	}
	if len(v.Challenge) == challengeSize {
		cfg.Challenges, cfg.Rand = nil, bytes.NewReader(v.Challenge)
	}
	if v.AllowCrossOrigin {
		cfg.TopOrigins = []string{"https://example.com"}
	}
	for _, f := range configure {
		f(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func credentialJSON(t *testing.T, id []byte, response map[string]string) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"id": EncodeID(id), "rawId": EncodeID(id), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestW3CRegistrationVectors(t *testing.T) {
	vs := readVectors(t)
	seen := map[string]int{}
	for _, v := range vs.Registration {
		for _, attestation := range []AttestationPreference{AttestationNone, AttestationDirect} {
			t.Run(v.Section+" "+v.Name+" "+string(attestation), func(t *testing.T) {
				ctx := context.Background()
				p := vs.relyingParty(t, v, attestation)
				c, err := p.BeginRegistration(ctx, RegistrationRequest{User: User{ID: "user"}})
				if err != nil {
					t.Fatal(err)
				}
				credential, err := p.FinishRegistration(ctx, RegistrationResponse{State: c.State, Credential: credentialJSON(t, v.CredentialID, map[string]string{
					"clientDataJSON":    EncodeID(v.ClientDataJSON),
					"attestationObject": EncodeID(v.AttestationObject),
				})})
				verifies := v.Expect == "verifies"
				if strings.HasPrefix(v.Expect, "cannot be verified from outside") {
					// TPM, Android and Apple: where the statement is ignored, the
					// credential is as good as any.
					verifies = attestation == AttestationNone
				}
				seen[v.Expect]++
				if verifies && err != nil {
					t.Fatalf("%v (%s)", err, asError(err).Reason())
				}
				if !verifies && !errors.Is(err, ErrAttestationVerification) {
					t.Fatalf("%v, want it refused", err)
				}
				if verifies && !bytes.Equal(credential.Credential.ID, v.CredentialID) {
					t.Errorf("id %x", credential.Credential.ID)
				}
			})
		}
	}
	if seen["verifies"] != 2*11 || seen["refused"] != 2*2 || len(seen) != 3 {
		t.Errorf("what was expected of the vectors: %v", seen)
	}
}

func TestW3CAuthenticationVectors(t *testing.T) {
	vs := readVectors(t)
	for _, v := range vs.Authentication {
		for _, userID := range []string{"", "user"} {
			t.Run(v.Section+" "+v.Name+" user "+userID, func(t *testing.T) {
				ctx := context.Background()
				p := vs.relyingParty(t, v, AttestationNone)
				flags := v.AuthenticatorData[32]
				err := p.cfg.Credentials.Add(ctx, Credential{
					ID: v.CredentialID, UserID: "user", PublicKey: v.CredentialPubKey,
					BackupEligible: flags&8 != 0, BackupState: flags&16 != 0,
				})
				if err != nil {
					t.Fatal(err)
				}
				c, err := p.BeginAuthentication(ctx, AuthenticationRequest{UserID: userID})
				if err != nil {
					t.Fatal(err)
				}
				r, err := p.FinishAuthentication(ctx, AuthenticationResponse{State: c.State, Credential: credentialJSON(t, v.CredentialID, map[string]string{
					"clientDataJSON":    EncodeID(v.ClientDataJSON),
					"authenticatorData": EncodeID(v.AuthenticatorData),
					"signature":         EncodeID(v.Signature),
					"userHandle":        EncodeID([]byte("user")),
				})})
				switch {
				case v.Expect == "refused" && !errors.Is(err, ErrAssertionVerification):
					t.Errorf("%v, want it refused", err)
				case v.Expect == "verifies" && err != nil:
					t.Errorf("%v (%s)", err, asError(err).Reason())
				case v.Expect == "verifies" && r.UserID != "user":
					t.Errorf("signed in %q", r.UserID)
				}
			})
		}
	}
}

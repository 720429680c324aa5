package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// captured is what a page sent to a finish, or the credential in it. Of the extensions'
// outputs nothing is read here: a key of the user's may be among them.
type captured struct {
	ID       string `json:"id"`
	Response struct {
		ClientDataJSON    string `json:"clientDataJSON"`
		AttestationObject string `json:"attestationObject"`
		AuthenticatorData string `json:"authenticatorData"`
		UserHandle        string `json:"userHandle"`
	} `json:"response"`
}

// explain says what is in a captured registration or sign-in, and which rule it breaks.
func explain(flags *flag.FlagSet, args []string, std streams) (int, error) {
	if err := flags.Parse(args); err != nil {
		return failed, err
	}
	if flags.NArg() > 1 {
		return failed, fmt.Errorf("%q is one file too many", flags.Arg(1))
	}
	in, err := input(flags.Arg(0), std.in)
	if err != nil {
		return failed, err
	}
	defer func() { _ = in.Close() }()
	body, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return failed, err
	}
	cfg, err := passkeys.ConfigFromEnv()
	if err != nil {
		return failed, err
	}
	var whole struct {
		Credential json.RawMessage `json:"credential"`
	}
	credential := json.RawMessage(body)
	if json.Unmarshal(body, &whole) == nil && len(whole.Credential) > 0 {
		credential = whole.Credential
	}
	var c captured
	if err := json.Unmarshal(credential, &c); err != nil {
		return failed, fmt.Errorf("this is no credential in JSON: %w", err)
	}
	out := &printer{w: std.out}
	challenge := out.clientData(c, cfg)
	registration := c.Response.AttestationObject != ""
	if registration {
		out.line("ceremony", "registration")
		object, _ := decode(c.Response.AttestationObject)
		if r, err := engine.ReadAttestationObject(cfg.RPID, object); err == nil {
			out.made(r)
		} else {
			out.reason(err)
		}
	} else {
		out.line("ceremony", "sign-in, or confirmation")
		data, _ := decode(c.Response.AuthenticatorData)
		out.authenticatorData(data, cfg.RPID)
		if handle, err := decode(c.Response.UserHandle); err == nil && len(handle) > 0 {
			out.line("user handle", fmt.Sprintf("%d bytes, %q", len(handle), handle))
		} else {
			out.line("user handle", "none: the account must be named first")
		}
	}
	id, _ := decode(c.ID)
	out.line("credential id", fmt.Sprintf("%d bytes, %s", len(id), c.ID))

	err = try(cfg, credential, challenge, registration)
	if e, ok := errors.AsType[*passkeys.Error](err); err != nil && (!ok || e.Reason() == "") {
		out.verdict(err.Error(), "")
		return refused, nil
	} else if err != nil && (registration || e.Reason() != passkeys.ReasonSignatureInvalid) {
		means, then := words(e.Reason())
		out.verdict(fmt.Sprintf("%s (%s): %s", e.Code, e.Reason(), means), then)
		return refused, nil
	}
	out.verdict("nothing in it breaks a rule of this configuration", "not looked at, since it is not in the file: whether the challenge is one that was issued"+map[bool]string{
		true: "", false: ", the signature, the counter and whose the passkey is, which take the stored passkey",
	}[registration])
	return ok, nil
}

// try has the ceremony finished as the routes would, as if its challenge had been issued.
// Of a sign-in, the passkey is one with another key: whoever gets as far as its signature
// has broken no other rule.
func try(cfg passkeys.Config, credential json.RawMessage, challenge []byte, registration bool) error {
	if len(challenge) != 32 {
		return fmt.Errorf("the challenge has %d bytes, and ours have 32: it is none of this library's, or was changed on its way", len(challenge))
	}
	store := passkeys.NewMemoryCredentials()
	cfg.Credentials, cfg.Challenges, cfg.Rand = store, passkeys.NewMemoryChallenges(), io.MultiReader(bytes.NewReader(challenge), rand.Reader)
	cfg.Logger, cfg.SignCountPolicy = slog.New(slog.DiscardHandler), passkeys.Allow
	p, err := passkeys.New(cfg)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if registration {
		ceremony, err := p.BeginRegistration(ctx, passkeys.RegistrationRequest{User: passkeys.User{ID: "somebody"}})
		if err != nil {
			return err
		}
		_, err = p.FinishRegistration(ctx, passkeys.RegistrationResponse{State: ceremony.State, Credential: credential})
		return err
	}
	key, _ := hex.DecodeString(otherKey) // which is hexadecimal
	var response engine.AssertionResponse
	if engine.Parse(credential, &response) == nil {
		if err := store.Add(ctx, passkeys.Credential{ID: response.RawID, UserID: "somebody", HandleUnknown: true, BackupUnknown: true, PublicKey: key, Algorithm: passkeys.ES256}); err != nil {
			return err
		}
	}
	ceremony, err := p.BeginAuthentication(ctx, passkeys.AuthenticationRequest{})
	if err != nil {
		return err
	}
	_, err = p.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: ceremony.State, Credential: credential})
	return err
}

// otherKey is a COSE key that nothing was signed with: the base point of P-256.
const otherKey = "a50102032620012158206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2962258204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

// decode takes the base64url of browsers, and what some pages make of it.
func decode(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(s), "="))
}

type printer struct{ w io.Writer }

func (p *printer) line(name, value string) { _, _ = fmt.Fprintf(p.w, "%-20s %s\n", name, value) }

func (p *printer) verdict(what, then string) {
	_, _ = fmt.Fprintf(p.w, "\n%s\n", what)
	if then != "" {
		_, _ = fmt.Fprintf(p.w, "%s\n", then)
	}
}

func (p *printer) reason(err error) {
	if f, ok := errors.AsType[*engine.Failure](err); ok {
		means, _ := words(passkeys.Reason(f.Reason))
		p.line("attestation object", means)
	}
}

// clientData prints what the browser says, and returns the challenge in it.
func (p *printer) clientData(c captured, cfg passkeys.Config) (challenge []byte) {
	raw, err := decode(c.Response.ClientDataJSON)
	if err != nil {
		p.line("client data", "no base64url")
		return nil
	}
	var data struct {
		Type, Challenge, Origin, TopOrigin string
		CrossOrigin                        bool
	}
	if json.Unmarshal(raw, &data) != nil {
		p.line("client data", "no JSON")
		return nil
	}
	challenge, _ = decode(data.Challenge)
	p.line("client data", data.Type)
	p.line("origin", fmt.Sprintf("%s; configured are %s", data.Origin, strings.Join(cfg.Origins, ", ")))
	if data.CrossOrigin || data.TopOrigin != "" {
		p.line("in a frame of", fmt.Sprintf("%s; configured are %s", data.TopOrigin, strings.Join(cfg.TopOrigins, ", ")))
	}
	return challenge
}

// authenticatorData prints WebAuthn L3 §6.1, as far as a sign-in has it.
func (p *printer) authenticatorData(data []byte, rpID string) {
	if len(data) < 37 {
		p.line("authenticator data", fmt.Sprintf("%d bytes: too few", len(data)))
		return
	}
	hash, is := sha256.Sum256([]byte(rpID)), "is not for "
	if bytes.Equal(data[:32], hash[:]) {
		is = "is for "
	}
	p.line("passkey", is+rpID)
	p.flags(data[32])
	p.line("counter", fmt.Sprint(binary.BigEndian.Uint32(data[33:])))
}

func (p *printer) flags(flags byte) {
	var set []string
	for _, f := range []struct {
		bit  byte
		name string
	}{{0x01, "user present"}, {0x04, "user verified"}, {0x08, "can be backed up"}, {0x10, "is backed up"}, {0x40, "attested data"}, {0x80, "extensions"}} {
		if flags&f.bit != 0 {
			set = append(set, f.name)
		}
	}
	p.line("flags", strings.Join(set, ", "))
}

// made prints what a registration made.
func (p *printer) made(r *engine.Registration) {
	p.line("attestation format", r.AttestationFormat)
	if _, algorithm, err := engine.ReadPublicKey(r.PublicKey); err == nil {
		p.line("algorithm", passkeys.Algorithm(algorithm).String())
	}
	aaguid := passkeys.AAGUID(r.AAGUID)
	name := passkeys.Provider(aaguid)
	if name == "" {
		name = "no name is known"
	}
	p.line("made by", fmt.Sprintf("%s, %s", aaguid, name))
	for _, f := range []struct {
		is   bool
		name string
	}{{r.UserVerified, "user verified"}, {r.BackupEligible, "can be backed up"}, {r.BackupState, "is backed up"}} {
		p.line(f.name, fmt.Sprint(f.is))
	}
	p.line("counter", fmt.Sprint(r.SignCount))
}

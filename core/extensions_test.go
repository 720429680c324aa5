package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// salted is a hook that tells in each salt what it was asked for.
func salted(_ context.Context, userID string, credentialID []byte) (passkeys.PRFSalts, error) {
	return passkeys.PRFSalts{First: []byte(userID + "/" + string(credentialID))}, nil
}

// asks runs a begin of each kind and returns the extensions in its options.
func (b *bench) asks(userID string) (creation, request string) {
	b.t.Helper()
	read := func(options []byte) string {
		var o struct {
			PublicKey struct{ Extensions json.RawMessage }
		}
		if err := json.Unmarshal(options, &o); err != nil {
			b.t.Fatal(err)
		}
		return string(o.PublicKey.Extensions)
	}
	made, _ := b.creation(alice)
	asked, _ := b.request(passkeys.AuthenticationRequest{UserID: userID})
	return read(made), read(asked)
}

func TestExtensionsThatAreAskedFor(t *testing.T) {
	id := func(name string) string { return passkeys.EncodeID([]byte(name)) }
	constant := `{"eval":{"first":"` + id("passkeys/prf/v1") + `"}}`
	for _, row := range []struct {
		name, says                string
		extensions                passkeys.Extensions
		creation, anybodys, alice string
	}{
		{"none", "By default there is credProps, and a sign-in has none.", passkeys.Extensions{},
			`{"credProps":true}`, "", ""},
		{"prf", "All passkeys have one salt.", passkeys.Extensions{PRF: true},
			`{"credProps":true,"prf":` + constant + `}`, `{"prf":` + constant + `}`, `{"prf":` + constant + `}`},
		{"salts of their own", "Of those that are listed each has its own; else there is one for whichever it will be.",
			passkeys.Extensions{PRF: true, PRFSalts: salted},
			`{"credProps":true,"prf":{"eval":{"first":"` + id("alice-id/") + `"}}}`,
			`{"prf":{"eval":{"first":"` + id("/") + `"}}}`,
			`{"prf":{"evalByCredential":{"` + id("phone") + `":{"first":"` + id("alice-id/phone") + `"}}}}`},
		{"two salts", "Of which each gives a key.", passkeys.Extensions{PRF: true, PRFSalts: func(context.Context, string, []byte) (passkeys.PRFSalts, error) {
			return passkeys.PRFSalts{First: []byte{0xfb, 0xff}, Second: []byte{0}}, nil
		}},
			`{"credProps":true,"prf":{"eval":{"first":"-_8","second":"AA"}}}`,
			`{"prf":{"eval":{"first":"-_8","second":"AA"}}}`,
			`{"prf":{"evalByCredential":{"` + id("phone") + `":{"first":"-_8","second":"AA"}}}}`},
		{"no salts", "It is asked whether it can, and for no key.", passkeys.Extensions{PRF: true, PRFSalts: func(context.Context, string, []byte) (passkeys.PRFSalts, error) {
			return passkeys.PRFSalts{}, nil
		}},
			`{"credProps":true,"prf":{}}`, `{"prf":{}}`, `{"prf":{}}`},
		{"large blob", "A page asks for it at sign-in by itself.", passkeys.Extensions{LargeBlob: passkeys.LargeBlobPreferred},
			`{"credProps":true,"largeBlob":{"support":"preferred"}}`, "", ""},
		{"credential protection", "It is set when the passkey is made.",
			passkeys.Extensions{CredentialProtection: passkeys.CredentialProtectionRequired, EnforceCredentialProtection: true},
			`{"credProps":true,"credentialProtectionPolicy":"userVerificationRequired","enforceCredentialProtectionPolicy":true}`, "", ""},
		{"others", "Unknown ones go out behind the others.",
			passkeys.Extensions{
				CreationExtra: map[string]json.RawMessage{"minPinLength": []byte(`true`)},
				RequestExtra:  map[string]json.RawMessage{"appid": []byte(`"https://example.org"`)},
			},
			`{"credProps":true,"minPinLength":true}`, `{"appid":"https://example.org"}`, `{"appid":"https://example.org"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			b := newBench(t, func(c *passkeys.Config) {
				c.Extensions, c.UserVerification = row.extensions, passkeys.UserVerificationRequired
			})
			a := passkeytest.New(origin)
			a.CredentialID, a.CredProtect = []byte("phone"), true
			b.mustRegister(a)
			creation, anybodys := b.asks("")
			_, alices := b.asks(alice.ID)
			if creation != row.creation || anybodys != row.anybodys || alices != row.alice {
				t.Errorf("got  %s\n     %s\n     %s\nwant %s\n     %s\n     %s", creation, anybodys, alices, row.creation, row.anybodys, row.alice)
			}
		})
	}
}

// A confirmation asks as a sign-in does: what it is for may be behind a key.
func TestAConfirmationAsksForKeys(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) { c.Extensions = passkeys.Extensions{PRF: true, PRFSalts: salted} })
	c := b.mustRegister(passkeytest.New(origin))
	ceremony, err := b.BeginConfirmation(t.Context(), alice.ID, passkeys.Operation{})
	if err != nil {
		t.Fatal(err)
	}
	prf := ceremony.PublicKey.Extensions.PRF
	if prf == nil || len(prf.EvalByCredential) != 1 || !bytes.HasPrefix(prf.EvalByCredential[passkeys.EncodeID(c.ID)].First, []byte(alice.ID+"/")) {
		t.Errorf("asks for %+v", prf)
	}
}

// Salts must not tell who has an account: a decoy has its own as a passkey has, the
// same each time.
func TestDecoysHaveSalts(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) { c.Extensions = passkeys.Extensions{PRF: true, PRFSalts: salted} })
	b.mustRegister(passkeytest.New(origin))
	for _, r := range []passkeys.AuthenticationRequest{
		{Username: "alice", UserID: alice.ID}, {Username: "nobody"}, {UserID: alice.ID}, {UserID: "nobody"},
	} {
		var before string
		for range 2 {
			ceremony, err := b.BeginAuthentication(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			listed, inputs := ceremony.PublicKey.AllowCredentials, ceremony.PublicKey.Extensions.PRF
			if inputs.Eval != nil || len(inputs.EvalByCredential) != len(listed) {
				t.Errorf("%+v: %+v, of %+v", r, inputs, listed)
			}
			for _, d := range listed {
				id, err := passkeys.DecodeID(d.ID)
				if s := inputs.EvalByCredential[d.ID]; err != nil || len(s.First) <= len(id)+1 || !bytes.HasSuffix(s.First, append([]byte("/"), id...)) {
					t.Errorf("%+v: %s has %q", r, d.ID, s.First)
				}
			}
			if now := fmt.Sprint(inputs.EvalByCredential); before != "" && now != before {
				t.Errorf("%+v: %s, and was %s", r, now, before)
			} else {
				before = now
			}
		}
	}
}

// Without its salts a ceremony is not begun, and nothing of it is stored.
func TestSaltsThatFail(t *testing.T) {
	errHook := errors.New("the hook's own")
	for _, row := range []struct {
		name, says string
		salts      passkeys.PRFSalts
		err        error
		want       *passkeys.Error
	}{
		{"an error", "It is the application's, of which a client learns nothing.", passkeys.PRFSalts{}, errHook, &passkeys.Error{Code: "internal_error"}},
		{"an answer", "It is what the client gets.", passkeys.PRFSalts{}, passkeys.ErrForbidden, passkeys.ErrForbidden},
		{"a second alone", "No browser takes it.", passkeys.PRFSalts{Second: []byte{1}}, nil, passkeys.ErrConfiguration},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			store := &forgetful{}
			b := newBench(t, func(c *passkeys.Config) {
				c.Challenges = store
				c.Extensions = passkeys.Extensions{PRF: true, PRFSalts: func(context.Context, string, []byte) (passkeys.PRFSalts, error) { return row.salts, row.err }}
			})
			_, errCreate := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
			b.refused(errCreate, row.want, passkeys.ReasonHookFailed)
			_, errGet := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{UserID: "nobody"})
			b.refused(errGet, row.want, passkeys.ReasonHookFailed)
			if store.payload != nil {
				t.Error("a challenge was stored")
			}
		})
	}
}

func TestPRFEnabled(t *testing.T) {
	for _, row := range []struct {
		name, says string
		results    map[string]any
		want       bool
	}{
		{"it can", "The browser says so.", map[string]any{"prf": map[string]any{"enabled": true}}, true},
		{"among others", "Whatever else there is.", map[string]any{"x": 1, "prf": map[string]any{"enabled": true, "x": []any{}}}, true},
		{"it cannot", "The browser says so.", map[string]any{"prf": map[string]any{"enabled": false}}, false},
		{"silence", "Not every browser knows of it.", map[string]any{}, false},
		{"as text", "What is odd says nothing.", map[string]any{"prf": map[string]any{"enabled": "true"}}, false},
		{"null", "What is odd says nothing.", map[string]any{"prf": map[string]any{"enabled": nil}}, false},
		{"no object", "What is odd says nothing.", map[string]any{"prf": true}, false},
		{"another name", "Names are exact.", map[string]any{"prf": map[string]any{"Enabled": true}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			b := newBench(t, func(c *passkeys.Config) { c.Extensions.PRF = true })
			a := passkeytest.New(origin)
			a.Corrupt = func(r *passkeytest.Response) { r.ClientExtensionResults = row.results }
			if got := b.mustRegister(a).PRFEnabled; got != row.want || b.stored().PRFEnabled != row.want {
				t.Errorf("got %v, and stored %v; want %v", got, b.stored().PRFEnabled, row.want)
			}
			b.mustSignIn(a)
			if b.stored().PRFEnabled != row.want {
				t.Error("a sign-in has changed it")
			}
		})
	}
}

func TestCredentialProtection(t *testing.T) {
	const none, list, required = passkeys.CredentialProtectionNone, passkeys.CredentialProtectionList, passkeys.CredentialProtectionRequired
	output := func(cbor string) func(*passkeytest.ClientData, *passkeytest.AuthenticatorData) {
		return func(_ *passkeytest.ClientData, auth *passkeytest.AuthenticatorData) {
			auth.Flags, auth.Extensions = auth.Flags|passkeytest.FlagExtensionData, []byte(cbor)
			if cbor == "" {
				auth.Flags &^= passkeytest.FlagExtensionData
			}
		}
	}
	for _, row := range []struct {
		name, says string
		policy     passkeys.CredentialProtection
		enforced   bool
		output     string // "-" is what was asked for
		refused    bool
	}{
		{"as asked", "The authenticator says that it has set it.", required, true, "-", false},
		{"the middle, as asked", "So for the other.", list, true, "-", false},
		{"better", "More than was asked for will do.", list, true, "\xa1\x6bcredProtect\x03", false},
		{"less", "Less will not.", required, true, "\xa1\x6bcredProtect\x02", true},
		{"the least", "Nor will the least.", list, true, "\xa1\x6bcredProtect\x01", true},
		{"silence", "An authenticator that does not know of it has not set it.", required, true, "", true},
		{"others", "Nor has one that says something else.", required, true, "\xa1\x6bhmac-secret\xf5", true},
		{"as text", "What is odd says nothing.", list, true, "\xa1\x6bcredProtect\x613", true},
		{"as a negative number", "What is odd says nothing.", list, true, "\xa1\x6bcredProtect\x22", true},
		{"in other letters", "Names are exact.", list, true, "\xa1\x6bcredprotect\x03", true},
		{"the input's name", "Names are exact.", list, true, "\xa1\x78\x1acredentialProtectionPolicy\x03", true},
		{"not enforced", "Where it is a wish it may be ignored.", required, false, "", false},
		{"not enforced, and less", "Or be followed in part.", required, false, "\xa1\x6bcredProtect\x01", false},
		{"the least, not enforced", "To ask for the least is to ask for no more.", none, false, "-", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			b := newBench(t, func(c *passkeys.Config) {
				c.UserVerification = passkeys.UserVerificationRequired
				c.Extensions.CredentialProtection, c.Extensions.EnforceCredentialProtection = row.policy, row.enforced
			})
			a := passkeytest.New(origin)
			a.CredProtect = true
			if row.output != "-" {
				a.Alter = output(row.output)
			}
			_, err := b.register(a)
			if !row.refused {
				if err != nil {
					t.Errorf("%v (%s)", err, reason(err))
				}
				a.Alter = nil
				b.mustSignIn(a) // of which nothing is asked
				return
			}
			b.refused(err, passkeys.ErrAttestationVerification, passkeys.ReasonProtectionMissing)
			if list, err := b.credentials.ListByUser(t.Context(), alice.ID); err != nil || len(list) != 0 {
				t.Errorf("stored %v, %v", list, err)
			}
		})
	}
}

// What the browser makes unasked is held to the same.
func TestAnUpgradeIsProtectedToo(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Extensions.CredentialProtection, c.Extensions.EnforceCredentialProtection = passkeys.CredentialProtectionList, true
	})
	r, err := b.upgrade(t.Context(), b.grant(t.Context()), passkeytest.New(origin))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.FinishRegistration(t.Context(), r)
	b.refused(err, passkeys.ErrAttestationVerification, passkeys.ReasonProtectionMissing)
}

// An upgrade verifies nobody, and no browser makes a passkey then that answers none
// but the verified.
func TestAnUpgradeAsksForWhatItCanHave(t *testing.T) {
	const list, required = passkeys.CredentialProtectionList, passkeys.CredentialProtectionRequired
	for _, row := range []struct {
		name, says   string
		policy, want passkeys.CredentialProtection
		enforced     bool
	}{
		{"verified", "It is left out, or there would be no upgrades.", required, "", false},
		{"verified, enforced", "It stays, and there are none.", required, required, true},
		{"listed", "It needs no verification, and stays.", list, list, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			b := newBench(t, func(c *passkeys.Config) {
				c.UserVerification = passkeys.UserVerificationRequired
				c.Extensions.CredentialProtection, c.Extensions.EnforceCredentialProtection = row.policy, row.enforced
			})
			ceremony, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice, Grant: b.grant(t.Context())})
			if err != nil || ceremony.PublicKey.Extensions.CredentialProtectionPolicy != row.want {
				t.Errorf("%+v, %v; want %q", ceremony, err, row.want)
			}
		})
	}
}

func TestExtensionsCanBeAddedTo(t *testing.T) {
	b := newBench(t)
	for range 2 {
		creation, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
		if err != nil {
			t.Fatal(err)
		}
		request, err := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(creation.PublicKey.Extensions.Extra) + len(request.PublicKey.Extensions.Extra); n != 0 {
			t.Fatalf("%d are there already", n)
		}
		creation.PublicKey.Extensions.Extra["a"], request.PublicKey.Extensions.Extra["b"] = []byte("1"), []byte("2")
		for _, row := range []struct {
			options any
			want    string
		}{
			{creation, `"extensions":{"credProps":true,"a":1}`},
			{request, `"extensions":{"b":2}`},
		} {
			if text, err := json.Marshal(row.options); err != nil || !strings.Contains(string(text), row.want) {
				t.Errorf("%s, %v; want %s", text, err, row.want)
			}
		}
	}
}

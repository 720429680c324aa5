package passkeys_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestValidateNamesTheFieldThatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name  string
		field string // "" is a credential that is right
		set   func(*passkeys.Credential)
	}{
		{"as little as there may be", "", func(*passkeys.Credential) {}},
		{"as much as there may be", "", func(c *passkeys.Credential) {
			c.ID, c.UserID, c.UserHandle, c.PublicKey = make([]byte, 1023), strings.Repeat("\xff", 64), make([]byte, 64), make([]byte, 4096)
			c.RPID, c.AttestationFormat, c.DeviceName = strings.Repeat("a", 253), strings.Repeat("~", 32), strings.Repeat("ü", 64)
			c.Transports = []string{"usb", "nfc", "ble", "smart-card", "hybrid", "internal", "usb", "usb"}
			c.QuarantineReason, c.Spent, c.Discoverable, c.Version = passkeys.Reason(strings.Repeat("r", 255)), make([]byte, 1024), passkeys.NotDiscoverable, 1<<62-1
		}},
		{"empty", "ID", func(c *passkeys.Credential) { c.ID = nil }},
		{"too long", "ID", func(c *passkeys.Credential) { c.ID = make([]byte, 1024) }},
		{"empty", "UserID", func(c *passkeys.Credential) { c.UserID = "" }},
		{"too long", "UserID", func(c *passkeys.Credential) { c.UserID = strings.Repeat("x", 65) }},
		{"too long", "UserHandle", func(c *passkeys.Credential) { c.UserHandle = make([]byte, 65) }},
		{"beside a handle", "HandleUnknown", func(c *passkeys.Credential) { c.UserHandle, c.HandleUnknown = []byte{1}, true }},
		{"too long", "RPID", func(c *passkeys.Credential) { c.RPID = strings.Repeat("a", 254) }},
		{"not ASCII", "RPID", func(c *passkeys.Credential) { c.RPID = "bücher.example" }},
		{"with NUL", "RPID", func(c *passkeys.Credential) { c.RPID = "a\x00" }},
		{"empty", "PublicKey", func(c *passkeys.Credential) { c.PublicKey = nil }},
		{"too long", "PublicKey", func(c *passkeys.Credential) { c.PublicKey = make([]byte, 4097) }},
		{"too many", "Transports", func(c *passkeys.Credential) { c.Transports = strings.Split(strings.Repeat("usb,", 8)+"usb", ",") }},
		{"unknown", "Transports", func(c *passkeys.Credential) { c.Transports = []string{"usb", "USB"} }},
		{"unknown", "Discoverable", func(c *passkeys.Credential) { c.Discoverable = "true" }},
		{"too long", "AttestationFormat", func(c *passkeys.Credential) { c.AttestationFormat = strings.Repeat("x", 33) }},
		{"with a blank", "AttestationFormat", func(c *passkeys.Credential) { c.AttestationFormat = "a b" }},
		{"too long", "QuarantineReason", func(c *passkeys.Credential) { c.QuarantineReason = passkeys.Reason(strings.Repeat("r", 256)) }},
		{"not UTF-8", "QuarantineReason", func(c *passkeys.Credential) { c.QuarantineReason = "\xff" }},
		{"with NUL", "QuarantineReason", func(c *passkeys.Credential) { c.QuarantineReason = "a\x00" }},
		{"too long", "Spent", func(c *passkeys.Credential) { c.Spent = make([]byte, 1025) }},
		{"negative", "Version", func(c *passkeys.Credential) { c.Version = -1 }},
		{"too large to be raised", "Version", func(c *passkeys.Credential) { c.Version = 1 << 62 }},
		{"of the years there are", "", func(c *passkeys.Credential) {
			c.CreatedAt, c.LastUsedAt = time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		}},
		{"too early", "CreatedAt", func(c *passkeys.Credential) { c.CreatedAt = time.Unix(-1, 0) }},
		{"too late", "LastUsedAt", func(c *passkeys.Credential) { c.LastUsedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"too late", "QuarantinedAt", func(c *passkeys.Credential) { c.QuarantinedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"too long", "DeviceName", func(c *passkeys.Credential) { c.DeviceName = strings.Repeat("ü", 65) }},
		{"not UTF-8", "DeviceName", func(c *passkeys.Credential) { c.DeviceName = "\xff" }},
		{"with NUL", "DeviceName", func(c *passkeys.Credential) { c.DeviceName = "a\x00" }},
	} {
		t.Run(row.field+" "+row.name, func(t *testing.T) {
			c := passkeys.Credential{ID: []byte{1}, UserID: "u", PublicKey: []byte{1}}
			row.set(&c)
			err := c.Validate()
			if row.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, passkeys.ErrInvalidCredential) || !strings.Contains(err.Error(), ": "+row.field+": ") {
				t.Errorf("got %v, want one that names %s", err, row.field)
			}
		})
	}
}

func TestCloneSharesNothing(t *testing.T) {
	c := passkeys.Credential{ID: []byte{1}, UserID: "u", UserHandle: []byte{1}, PublicKey: []byte{1}, Transports: []string{"usb"}, Spent: []byte{1}}
	clone := c.Clone()
	clone.ID[0], clone.UserHandle[0], clone.PublicKey[0], clone.Transports[0], clone.Spent[0] = 2, 2, 2, "nfc", 2
	if c.ID[0] != 1 || c.UserHandle[0] != 1 || c.PublicKey[0] != 1 || c.Transports[0] != "usb" || c.Spent[0] != 1 {
		t.Errorf("%+v", c)
	}
}

// imported is a passkey whose handle is not the id that alice has here.
func imported(t *testing.T, set func(*passkeys.Credential)) (*bench, *passkeytest.Authenticator) {
	t.Helper()
	b := newBench(t)
	a := passkeytest.New(origin)
	c := b.mustRegister(a)
	if err := b.credentials.Delete(t.Context(), alice.ID, c.ID); err != nil {
		t.Fatal(err)
	}
	set(c)
	if err := b.credentials.Add(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	return b, a
}

func TestUserHandleOfAnImport(t *testing.T) {
	handle := []byte("a handle of another system\xff")
	b, a := imported(t, func(c *passkeys.Credential) { c.UserHandle = handle })
	for _, userID := range []string{"", alice.ID} {
		a.UserHandle = handle
		if r, err := b.FinishAuthentication(t.Context(), b.get(a, userID)); err != nil || r.UserID != alice.ID {
			t.Errorf("begun for %q: %+v, %v", userID, r, err)
		}
		for _, other := range []string{alice.ID, "bob-id", string(handle[1:]), string(handle) + "x"} {
			a.UserHandle = []byte(other)
			_, err := b.FinishAuthentication(t.Context(), b.get(a, userID))
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserHandleMismatch)
		}
	}
	a.OmitUserHandle = true
	_, err := b.FinishAuthentication(t.Context(), b.get(a, ""))
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserHandleMissing)
	if _, err := b.FinishAuthentication(t.Context(), b.get(a, alice.ID)); err != nil {
		t.Errorf("alice was named at begin: %v", err)
	}
	if c := b.stored(); !bytes.Equal(c.UserHandle, handle) {
		t.Errorf("stored %x", c.UserHandle)
	}
}

func TestUnknownUserHandleIsLearnt(t *testing.T) {
	for _, row := range []struct {
		name   string
		handle string
		want   string // as it is stored
	}{
		{"another system's", "a handle\xff", "a handle\xff"},
		{"the id's own bytes", alice.ID, ""},
		{"another user's id here", "bob-id", "bob-id"}, // the id and the signature say whose it is
		{"64 bytes", strings.Repeat("h", 64), strings.Repeat("h", 64)},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, a := imported(t, func(c *passkeys.Credential) { c.HandleUnknown = true })

			// Nothing is learnt from what does not sign in, nor from none.
			a.UserHandle = []byte(strings.Repeat("h", 65))
			_, err := b.signIn(a)
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserHandleMismatch)
			a.UserHandle, a.Corrupt = []byte("wrong"), func(r *passkeytest.Response) { r.Signature[8] ^= 1 }
			_, err = b.signIn(a)
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonSignatureInvalid)
			a.Corrupt, a.OmitUserHandle = nil, true
			_, err = b.signIn(a)
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserHandleMissing)
			if _, err := b.FinishAuthentication(t.Context(), b.get(a, alice.ID)); err != nil {
				t.Errorf("alice was named at begin: %v", err)
			}
			if c := b.stored(); !c.HandleUnknown || len(c.UserHandle) != 0 {
				t.Errorf("learnt %q, unknown %v", c.UserHandle, c.HandleUnknown)
			}

			a.OmitUserHandle, a.UserHandle = false, []byte(row.handle)
			if r := b.mustSignIn(a); r.UserID != alice.ID {
				t.Errorf("signed in %s", r.UserID)
			}
			if c := b.stored(); c.HandleUnknown || string(c.UserHandle) != row.want {
				t.Errorf("learnt %q, unknown %v", c.UserHandle, c.HandleUnknown)
			}
			b.mustSignIn(a)
			a.UserHandle = []byte("another")
			_, err = b.signIn(a)
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserHandleMismatch)
		})
	}
}

func TestDiscoverability(t *testing.T) {
	for results, want := range map[string]passkeys.Discoverability{
		`{"credProps":{"rk":true}}`:            passkeys.Discoverable,
		`{"credProps":{"rk":false}}`:           passkeys.NotDiscoverable,
		`{}`:                                   passkeys.DiscoverableUnknown,
		`null`:                                 passkeys.DiscoverableUnknown,
		`7`:                                    passkeys.DiscoverableUnknown,
		`{"credProps":null}`:                   passkeys.DiscoverableUnknown,
		`{"credProps":{}}`:                     passkeys.DiscoverableUnknown,
		`{"credProps":{"rk":null}}`:            passkeys.DiscoverableUnknown,
		`{"credProps":{"rk":"true"}}`:          passkeys.DiscoverableUnknown,
		`{"credProps":{"RK":true}}`:            passkeys.DiscoverableUnknown,
		`{"credProps":{"rk":true,"rk":false}}`: passkeys.DiscoverableUnknown,
		`{"credProps":{"rk":true,"authenticatorDisplayName":""}}`: passkeys.Discoverable,
	} {
		b := newBench(t)
		a := passkeytest.New(origin)
		a.NoCredProps = true
		r := b.create(a)
		if bytes.Count(r.Credential, []byte(`"clientExtensionResults":{}`)) != 1 {
			t.Fatalf("%s", r.Credential)
		}
		r.Credential = bytes.Replace(r.Credential, []byte(`"clientExtensionResults":{}`), []byte(`"clientExtensionResults":`+results), 1)
		if c, err := b.FinishRegistration(t.Context(), r); err != nil || c.Credential.Discoverable != want || b.stored().Discoverable != want {
			t.Errorf("%s: %+v, %v, want %q", results, c, err, want)
		}
	}
}

func TestDecodeID(t *testing.T) {
	for _, id := range [][]byte{{0}, {255}, {1, 2}, {251, 239, 190}, make([]byte, 1023)} {
		if got, err := passkeys.DecodeID(passkeys.EncodeID(id)); err != nil || !bytes.Equal(got, id) {
			t.Errorf("%x: %x, %v", id, got, err)
		}
	}
	for _, text := range []string{"A", "AA==", "AB", "A A", "AA\n", "\nAA", "AA\r\n", "+_8", "-/8", "AA\x00", "ÄÄ"} {
		if got, err := passkeys.DecodeID(text); !errors.Is(err, passkeys.ErrInvalidRequest) || got != nil {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}

func TestAAGUIDIsText(t *testing.T) {
	const text = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
	var a passkeys.AAGUID
	if err := a.UnmarshalText([]byte(strings.ToUpper(text))); err != nil {
		t.Fatal(err)
	}
	if b, err := a.MarshalText(); err != nil || string(b) != text {
		t.Errorf("%s, %v", b, err)
	}
	if err := a.UnmarshalText([]byte(text[1:])); err == nil {
		t.Error("a digit is missing")
	}
}

func TestValidateChallenge(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		size int
		in   time.Duration
		fine bool
	}{{0, time.Nanosecond, true}, {64 << 10, time.Hour, true}, {64<<10 + 1, time.Hour, false}, {1, 0, false}, {1, -time.Hour, false}} {
		if err := passkeys.ValidateChallenge(make([]byte, row.size), now.Add(row.in), now); (err == nil) != row.fine || err != nil && !errors.Is(err, passkeys.ErrInvalidChallenge) {
			t.Errorf("%d bytes for %v: %v", row.size, row.in, err)
		}
	}
}

// A store that fails half-way leaves what is revoked revoked, and a call again
// goes on.
func TestRevokeAllGoesOn(t *testing.T) {
	store := &flaky{after: 2}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	})
	for range 5 {
		b.mustRegister(passkeytest.New(origin))
		b.clock.Advance(time.Second)
	}
	b.events.reset()
	revoked := func(want int) {
		t.Helper()
		list, err := b.Credentials(t.Context(), alice.ID)
		if err != nil || len(list) != 5-want || len(b.events.list) != want {
			t.Errorf("%d are left, %v, with %d events; want %d revoked", len(list), err, len(b.events.list), want)
		}
		for _, e := range b.events.list {
			if e.Type != passkeys.CredentialRevoked || e.UserID != alice.ID || e.CredentialID == "" || e.Reason != "" {
				t.Errorf("%+v", e)
			}
		}
	}
	if err := b.RevokeAll(t.Context(), alice.ID); !errors.Is(err, passkeys.ErrStorageUnavailable) || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	revoked(2)
	// Meanwhile another request has revoked one that it has yet to come to.
	store.after, store.before = -1, func() {
		store.before = nil
		list, _ := b.credentials.ListByUser(t.Context(), alice.ID)
		if err := b.Revoke(t.Context(), alice.ID, list[1].ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.RevokeAll(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	revoked(5)
	for _, userID := range []string{alice.ID, "nobody"} {
		if err := b.RevokeAll(t.Context(), userID); err != nil {
			t.Errorf("%s: %v", userID, err)
		}
	}
	revoked(5)
}

// flaky is a repository in which only so many deletions work.
type flaky struct {
	*passkeys.MemoryCredentials
	after  int
	before func()
}

func (f *flaky) Delete(ctx context.Context, userID string, id []byte) error {
	if f.before != nil {
		f.before()
	}
	if f.after == 0 {
		return errDown
	}
	f.after--
	return f.MemoryCredentials.Delete(ctx, userID, id)
}

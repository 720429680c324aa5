package passkeys_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestSignals(t *testing.T) {
	type list struct {
		handle string
		ids    []string
	}
	credential := func(id string, set ...func(*passkeys.Credential)) passkeys.Credential {
		c := passkeys.Credential{ID: []byte(id), UserID: alice.ID, PublicKey: []byte{0xa0}, RPID: "example.org"}
		for _, f := range set {
			f(&c)
		}
		return c
	}
	handle := func(h string) func(*passkeys.Credential) {
		return func(c *passkeys.Credential) { c.UserHandle = []byte(h) }
	}
	unknown := func(c *passkeys.Credential) { c.HandleUnknown = true }
	at := func(rpID string) func(*passkeys.Credential) { return func(c *passkeys.Credential) { c.RPID = rpID } }
	for _, row := range []struct {
		name, says string
		stored     []passkeys.Credential
		want       []list
	}{
		{"none", "Whoever has none is told so: what the browser still has is gone.", nil, []list{{alice.ID, nil}}},
		{"two", "They are listed oldest first.", []passkeys.Credential{credential("a"), credential("b")}, []list{{alice.ID, []string{"a", "b"}}}},
		{"quarantined", "Hidden, it could not be restored.", []passkeys.Credential{credential("a", func(c *passkeys.Credential) {
			c.QuarantinedAt, c.QuarantineReason = time.Unix(1893456000, 0), "test"
		})}, []list{{alice.ID, []string{"a"}}}},
		{"imported", "There is a list for each handle, and that of the user's id is always there.",
			[]passkeys.Credential{credential("a", handle("h1")), credential("b", handle("h2")), credential("c", handle("h1"))},
			[]list{{alice.ID, nil}, {"h1", []string{"a", "c"}}, {"h2", []string{"b"}}}},
		{"imported under the user's id", "That is one handle.", []passkeys.Credential{credential("a", handle(alice.ID)), credential("b")}, []list{{alice.ID, []string{"a", "b"}}}},
		{"of an unknown handle", "The browser has it under one of them, or another, and must not drop it.",
			[]passkeys.Credential{credential("a", unknown), credential("b", handle("h1")), credential("c")},
			[]list{{alice.ID, []string{"a", "c"}}, {"h1", []string{"a", "b"}}}},
		{"of no recorded RP id", "It is of this one.", []passkeys.Credential{credential("a", at(""))}, []list{{alice.ID, []string{"a"}}}},
		{"of another RP id", "The browser has it under that.", []passkeys.Credential{credential("a", at("example.net")), credential("b", at("example.net"), handle("h1")), credential("c", at("example.net"), unknown)},
			[]list{{alice.ID, nil}}},
		{"of another RP id in other letters", "Ids are compared exactly.", []passkeys.Credential{credential("a", at("EXAMPLE.org"))}, []list{{alice.ID, nil}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			other := credential("z", handle("h1"))
			other.UserID = "bob-id"
			for _, c := range append([]passkeys.Credential{other}, row.stored...) {
				if err := b.credentials.Add(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			s, err := b.Signals(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			var got []list
			for _, a := range s.AllAcceptedCredentials {
				l := list{handle: decode(t, a.UserID)}
				for _, id := range a.AllAcceptedCredentialIDs {
					l.ids = append(l.ids, decode(t, id))
				}
				if a.RPID != "example.org" {
					t.Errorf("%+v", a)
				}
				got = append(got, l)
			}
			if !slices.EqualFunc(got, row.want, func(a, b list) bool { return a.handle == b.handle && slices.Equal(a.ids, b.ids) }) {
				t.Errorf("%s Got %v, want %v", row.says, got, row.want)
			}
			if len(s.CurrentUserDetails) != len(row.want) {
				t.Fatalf("%+v", s.CurrentUserDetails)
			}
			for i, d := range s.CurrentUserDetails {
				if d != (passkeys.UserDetails{RPID: "example.org", UserID: s.AllAcceptedCredentials[i].UserID, Name: "alice", DisplayName: "Alice"}) {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

func decode(t *testing.T, text string) string {
	t.Helper()
	b, err := passkeys.DecodeID(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Signals tell browsers the names that registration told the authenticator.
func TestSignalsNameTheUserAsRegistrationDoes(t *testing.T) {
	for _, user := range []passkeys.User{alice, {ID: "alice-id"}, {ID: "alice-id", Name: "a@example.org"}, {ID: "alice-id", DisplayName: "Älice"}} {
		b := newBench(t)
		s, err := b.Signals(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		c, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: user})
		if err != nil {
			t.Fatal(err)
		}
		if d, u := s.CurrentUserDetails[0], c.PublicKey.User; d.UserID != u.ID || d.Name != u.Name || d.DisplayName != u.DisplayName {
			t.Errorf("%+v and %+v", d, u)
		}
	}
}

// Nothing is signalled of what could not be read.
func TestSignalsOfAStoreThatFails(t *testing.T) {
	store := &failing{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	})
	if err := b.credentials.Add(t.Context(), passkeys.Credential{ID: []byte("a"), UserID: alice.ID, PublicKey: []byte{0xa0}}); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, b.Passkeys)
	if got := string(s.do(http.MethodGet, "/signals", "", http.StatusOK)); !strings.Contains(got, `"allAcceptedCredentialIds":["YQ"]`) {
		t.Error(got)
	}
	store.on = "ListByUser" // which returns a list all the same
	if got, err := b.Signals(t.Context(), alice); got != nil || !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := s.do(http.MethodGet, "/signals", "", http.StatusServiceUnavailable); code(got) != "storage_unavailable" || strings.Contains(string(got), "accepted") {
		t.Errorf("%s", got)
	}
	for _, user := range []passkeys.User{{}, {ID: "x", Name: "\xff"}} {
		if got, err := b.Signals(t.Context(), user); got != nil || !errors.Is(err, passkeys.ErrConfiguration) || reason(err) != passkeys.ReasonUserInvalid {
			t.Errorf("of %+v: %+v, %v", user, got, err)
		}
	}
}

// To look takes no leave, but a user.
func TestSignalsByRoute(t *testing.T) {
	b := newBench(t)
	user, fails := passkeys.User{ID: "carol", Name: "<carol>"}, error(nil)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return user, fails }
		h.Authorize = func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
			t.Error("asked")
			return passkeys.ErrForbidden
		}
	})
	got := s.do(http.MethodGet, "/signals", "", http.StatusOK)
	if want := `{"allAcceptedCredentials":[{"rpId":"example.org","userId":"Y2Fyb2w","allAcceptedCredentialIds":[]}],` +
		`"currentUserDetails":[{"rpId":"example.org","userId":"Y2Fyb2w","name":"\u003ccarol\u003e","displayName":"\u003ccarol\u003e"}]}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	fails = passkeys.ErrUnauthenticated
	s.do(http.MethodGet, "/signals", "", http.StatusUnauthorized)
	if len(b.events.list) != 0 {
		t.Errorf("%+v", b.events.list)
	}
}

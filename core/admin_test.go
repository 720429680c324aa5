package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

const anna = "desk/anna"

// desk is a bench in whose store alice has two passkeys, the second in quarantine,
// and bob has one.
func desk(t *testing.T, configure ...func(*passkeys.Config)) (*bench, *failing) {
	t.Helper()
	store := &failing{MemoryCredentials: passkeys.NewMemoryCredentials()}
	b := newBench(t, append([]func(*passkeys.Config){func(c *passkeys.Config) { c.Credentials = store }}, configure...)...)
	for _, c := range []passkeys.Credential{
		{ID: []byte("a1"), UserID: alice.ID, PublicKey: []byte("key")},
		{ID: []byte("a2"), UserID: alice.ID, PublicKey: []byte("key"), QuarantinedAt: b.clock.Now(), QuarantineReason: passkeys.ReasonSignCountRegressed},
		{ID: []byte("b1"), UserID: "bob", PublicKey: []byte("key")},
	} {
		if err := store.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return b, store
}

// contents are the ids in a store, those in quarantine in parentheses.
func contents(t *testing.T, s passkeys.CredentialScanner) string {
	t.Helper()
	all, err := s.Scan(context.Background(), nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range all {
		id := string(c.ID)
		if c.Quarantined() {
			id = "(" + id + ")"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

type adminAct struct {
	name string
	act  func(context.Context, passkeys.Admin) error
}

// acts are the methods of Admin, each on alice.
var acts = []adminAct{
	{"Credentials", func(ctx context.Context, a passkeys.Admin) error {
		_, err := a.Credentials(ctx, alice.ID)
		return err
	}},
	{"Revoke", func(ctx context.Context, a passkeys.Admin) error { return a.Revoke(ctx, alice.ID, []byte("a1")) }},
	{"RevokeAll", func(ctx context.Context, a passkeys.Admin) error { return a.RevokeAll(ctx, alice.ID) }},
	{"Restore", func(ctx context.Context, a passkeys.Admin) error { return a.Restore(ctx, alice.ID, []byte("a2")) }},
	{"Count", func(ctx context.Context, a passkeys.Admin) error {
		_, err := a.Count(ctx)
		return err
	}},
	{"Export", func(ctx context.Context, a passkeys.Admin) error { return a.Export(ctx, io.Discard) }},
}

// Whatever staff does is in the audit log with who did it.
func TestAdminIsAudited(t *testing.T) {
	act := func(name string) func(context.Context, passkeys.Admin) error {
		return acts[slices.IndexFunc(acts, func(a adminAct) bool { return a.name == name })].act
	}
	const a1, a2, all = "YTE", "YTI", "a1 (a2) b1"
	for _, row := range []struct {
		name, says string
		fails      string // the store's method that does
		act        func(context.Context, passkeys.Admin) error
		want       error
		events     string // type user credential reason
		left       string
	}{
		{"read", "A user's passkeys are read.", "", act("Credentials"), nil, "credentials_read alice-id  ", all},
		{"read nobody's", "Who has none was asked for all the same.", "", func(ctx context.Context, a passkeys.Admin) error {
			list, err := a.Credentials(ctx, "nobody")
			return errors.Join(err, slicesLen(list, 0))
		}, nil, "credentials_read nobody  ", all},
		{"read in vain", "The event is there before the store is asked.", "ListByUser", act("Credentials"), passkeys.ErrStorageUnavailable, "credentials_read alice-id  ", all},
		{"revoke", "A passkey is revoked.", "", act("Revoke"), nil, "credential_revoked alice-id " + a1 + " ", "(a2) b1"},
		{"revoke the last", "The last one is too.", "", func(ctx context.Context, a passkeys.Admin) error {
			return a.Revoke(ctx, "bob", []byte("b1"))
		}, nil, "credential_revoked bob YjE ", "a1 (a2)"},
		{"revoke another's", "The passkey must be of the user who was named.", "", func(ctx context.Context, a passkeys.Admin) error {
			return a.Revoke(ctx, "bob", []byte("a1"))
		}, passkeys.ErrNotFound, "revocation_failed bob " + a1 + " credential_unknown", all},
		{"revoke without an answer", "What has failed may have been done.", "Delete", act("Revoke"), passkeys.ErrStorageUnavailable,
			"revocation_failed alice-id " + a1 + " storage_failed", "(a2) b1"},
		{"revoke all", "Each is an event.", "", act("RevokeAll"), nil,
			"credentials_read alice-id  |credential_revoked alice-id " + a1 + " |credential_revoked alice-id " + a2 + " ", "b1"},
		{"revoke all of nobody", "That there was none is an event.", "", func(ctx context.Context, a passkeys.Admin) error {
			return a.RevokeAll(ctx, "nobody")
		}, nil, "credentials_read nobody  ", all},
		{"revoke all in vain", "Where it fails it says so.", "ListByUser", act("RevokeAll"), passkeys.ErrStorageUnavailable,
			"credentials_read alice-id  |revocation_failed alice-id  storage_failed", all},
		{"restore", "A quarantine is ended.", "", act("Restore"), nil, "credential_restored alice-id " + a2 + " ", "a1 a2 b1"},
		{"restore what works", "Nothing is changed, and nothing emitted.", "", func(ctx context.Context, a passkeys.Admin) error {
			return a.Restore(ctx, alice.ID, []byte("a1"))
		}, nil, "", all},
		{"restore another's", "The passkey must be of the user who was named.", "", func(ctx context.Context, a passkeys.Admin) error {
			return a.Restore(ctx, "bob", []byte("a2"))
		}, passkeys.ErrNotFound, "restoration_failed bob " + a2 + " credential_unknown", all},
		{"restore without an answer", "What has failed may have been done.", "Update", act("Restore"), passkeys.ErrStorageUnavailable,
			"restoration_failed alice-id " + a2 + " storage_failed", "a1 a2 b1"},
		{"count", "All are counted.", "", act("Count"), nil, "credentials_counted   ", all},
		{"count in vain", "The event is there before the store is asked.", "Scan", act("Count"), passkeys.ErrStorageUnavailable, "credentials_counted   ", all},
		{"export", "All are exported.", "", act("Export"), nil, "credentials_exported   ", all},
		{"export in vain", "The event is there before the store is asked.", "Scan", act("Export"), passkeys.ErrStorageUnavailable, "credentials_exported   ", all},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, store := desk(t)
			store.on = row.fails
			err := row.act(passkeys.WithRequestID(t.Context(), "request"), b.Admin(anna))
			store.on = ""
			if !errors.Is(err, row.want) || (err != nil) != (row.want != nil) {
				t.Errorf("%s got %v, want %v", row.says, err, row.want)
			}
			var got []string
			for _, e := range b.events.list {
				got = append(got, fmt.Sprint(e.Type, " ", e.UserID, " ", e.CredentialID, " ", e.Reason))
				if e.Actor != anna || e.RequestID != "request" || !e.Time.Equal(b.clock.Now()) {
					t.Errorf("%s %+v", row.says, e)
				}
			}
			if events := strings.Join(got, "|"); events != row.events {
				t.Errorf("%s events %q, want %q", row.says, events, row.events)
			}
			if left := contents(t, store); left != row.left {
				t.Errorf("%s left %q, want %q", row.says, left, row.left)
			}
		})
	}
	t.Run("the user", func(t *testing.T) {
		b, _ := desk(t)
		if err := b.Revoke(t.Context(), alice.ID, []byte("a1")); err != nil || b.events.last().Actor != "" {
			t.Errorf("%v, %+v", err, b.events.last())
		}
	})
}

func slicesLen[T any](list []T, want int) error {
	if len(list) != want {
		return fmt.Errorf("%d, want %d", len(list), want)
	}
	return nil
}

// Nobody acts without a name.
func TestAdminNeedsAnActor(t *testing.T) {
	for _, row := range acts {
		b, store := desk(t)
		for name, a := range map[string]passkeys.Admin{"zero": {}, "empty": b.Admin(""), "256 bytes": b.Admin(strings.Repeat("x", 256))} {
			err := row.act(t.Context(), a)
			if !errors.Is(err, passkeys.ErrConfiguration) || len(b.events.list) != 0 || contents(t, store) != "a1 (a2) b1" {
				t.Errorf("%s of %s: %v, %d events, left %s", row.name, name, err, len(b.events.list), contents(t, store))
			}
		}
		if err := row.act(t.Context(), b.Admin(strings.Repeat("x", 255))); err != nil {
			t.Errorf("%s of 255 bytes: %v", row.name, err)
		}
	}
}

// Where not all can be read, the error says what is missing, and nothing was read.
func TestAdminNeedsAScanner(t *testing.T) {
	b, _ := desk(t, func(c *passkeys.Config) {
		c.Credentials = struct{ passkeys.CredentialRepository }{c.Credentials}
	})
	for _, row := range acts[4:] {
		err := row.act(t.Context(), b.Admin(anna))
		if !errors.Is(err, passkeys.ErrConfiguration) || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "CredentialScanner") {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if len(b.events.list) != 0 {
		t.Errorf("%+v", b.events.list)
	}
}

func TestAdminCount(t *testing.T) {
	b, store := desk(t)
	keychain := passkeys.AAGUID{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
	for i := range 1100 { // of more than two pages
		c := passkeys.Credential{ID: fmt.Appendf(nil, "c%d", i), UserID: fmt.Sprint(i % 300), PublicKey: []byte("key"), AAGUID: passkeys.AAGUID{1}}
		if i%4 != 0 {
			c.AAGUID, c.BackupEligible, c.BackupState = keychain, i%4 > 1, i%4 > 2
		}
		if err := store.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Admin(anna).Count(t.Context())
	want := []passkeys.CredentialCount{
		{Credentials: 275 + 2},
		{Quarantined: true, Credentials: 1},
		{Provider: "iCloud Keychain", Credentials: 275},
		{Provider: "iCloud Keychain", BackupEligible: true, Credentials: 275},
		{Provider: "iCloud Keychain", BackupEligible: true, BackupState: true, Credentials: 275},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	none := newBench(t)
	if got, err := none.Admin(anna).Count(t.Context()); err != nil || got == nil || len(got) != 0 {
		t.Errorf("of none %v, %v", got, err)
	}
}

// pages is a writer that keeps each Write, and fails at the last of them.
type pages struct {
	writes [][]byte
	most   int
}

var errFull = errors.New("the disk is full")

func (p *pages) Write(b []byte) (int, error) {
	if len(p.writes) == p.most {
		return 0, errFull
	}
	p.writes = append(p.writes, bytes.Clone(b))
	return len(b), nil
}

// An export is what the store holds, to the last field.
func TestAdminExport(t *testing.T) {
	for _, n := range []int{0, 1, 499, 500, 501, 1000} {
		store := passkeys.NewMemoryCredentials()
		b := newBench(t, func(c *passkeys.Config) { c.Credentials = store })
		for i := range n {
			c := passkeys.Credential{ID: fmt.Appendf(nil, "c%d", i), UserID: fmt.Sprint(i % 7), UserHandle: []byte{byte(i)}, PublicKey: []byte("key"), SignCount: uint32(i),
				DeviceName: "line\u2028break", CreatedAt: b.clock.Now().Add(time.Duration(i) * time.Second), Spent: []byte{1, byte(i)}, Version: int64(i)}
			if err := store.Add(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		w := &pages{most: -1}
		if err := b.Admin(anna).Export(t.Context(), w); err != nil || len(w.writes) != (n+499)/500 {
			t.Errorf("of %d: %v, %d writes", n, err, len(w.writes))
		}
		again := passkeys.NewMemoryCredentials()
		for _, page := range w.writes {
			for line := range bytes.Lines(page) {
				var c passkeys.Credential
				if err := json.Unmarshal(line, &c); err != nil || line[len(line)-1] != '\n' {
					t.Fatalf("%q: %v", line, err)
				}
				if err := again.Add(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
		}
		before, _ := store.Scan(t.Context(), nil, 2000)
		after, _ := again.Scan(t.Context(), nil, 2000)
		was, _ := json.Marshal(before)
		is, _ := json.Marshal(after)
		if !bytes.Equal(was, is) {
			t.Errorf("of %d: it is another", n)
		}
		w = &pages{most: 1}
		if err := b.Admin(anna).Export(t.Context(), w); (n > 500) != (err == errFull) { //nolint:errorlint // as it is
			t.Errorf("of %d, to a disk of one page: %v", n, err)
		}
	}
}

// spoiled is a store that returns what no store may.
type spoiled struct{ *passkeys.MemoryCredentials }

func (s spoiled) Scan(ctx context.Context, after []byte, limit int) ([]passkeys.Credential, error) {
	list, err := s.MemoryCredentials.Scan(ctx, after, limit)
	list[len(list)-1].PublicKey = nil
	return list, err
}

// What cannot be exported is not left out without a word.
func TestAdminExportOfWhatIsNotValid(t *testing.T) {
	b, _ := desk(t, func(c *passkeys.Config) { c.Credentials = spoiled{c.Credentials.(*failing).MemoryCredentials} })
	var out strings.Builder
	err := b.Admin(anna).Export(t.Context(), &out)
	if !errors.Is(err, passkeys.ErrStorageUnavailable) || !errors.Is(err, passkeys.ErrInvalidCredential) || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "credential YjE: ") || out.Len() != 0 {
		t.Errorf("%v, %q", errors.Unwrap(err), &out)
	}
}

// adminSite is the routes for a desk.
func adminSite(t *testing.T, p *passkeys.Passkeys, authorize func(passkeys.Exchange, passkeys.Action) (string, error)) *site {
	t.Helper()
	handler, err := passkeys.AdminHandler(p, passkeys.AdminHooks[passkeys.Exchange]{Authorize: authorize})
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, handler, http.Header{"Content-Type": {"application/json"}}, "example.org"}
}

// adminRoutes are the routes, with a body that has each of them do something.
var adminRoutes = []struct {
	path, body string
	action     passkeys.Action
}{
	{"/credentials", `{"userId":"alice-id"}`, passkeys.ActionList},
	{"/revoke", `{"userId":"alice-id","id":"YTE"}`, passkeys.ActionRevoke},
	{"/revoke-all", `{"userId":"alice-id"}`, passkeys.ActionRevoke},
	{"/restore", `{"userId":"alice-id","id":"YTI"}`, passkeys.ActionRestore},
	{"/count", `{}`, passkeys.ActionCount},
	{"/export", `{}`, passkeys.ActionExport},
}

// untouched is a body that nobody may read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func (untouched) Close() error { return nil }

// Authorize is asked for each route, what it is about, and before anything is read.
func TestAdminAuthorizeIsAskedFirst(t *testing.T) {
	for _, row := range []struct {
		name, says string
		authorize  func(passkeys.Exchange) (string, error)
		status     int
		code       string
	}{
		{"forbidden", "Whoever may not, does nothing.", func(passkeys.Exchange) (string, error) { return anna, passkeys.ErrForbidden }, 403, "forbidden"},
		{"unauthenticated", "Nor does nobody.", func(passkeys.Exchange) (string, error) { return "", passkeys.ErrUnauthenticated }, 401, "unauthenticated"},
		{"failed", "An error of another kind is no yes.", func(passkeys.Exchange) (string, error) { return anna, errDown }, 500, "internal_error"},
		{"fresh", "Nor is what asks for a confirmation, of which nobody is asked here.", func(passkeys.Exchange) (string, error) { return anna, passkeys.FreshWithin(0) }, 403, "confirmation_required"},
		{"nameless", "Nor is a name that is none.", func(passkeys.Exchange) (string, error) { return "", nil }, 500, "configuration_error"},
		{"long", "Nor is one that is too long.", func(passkeys.Exchange) (string, error) { return strings.Repeat("x", 256), nil }, 500, "configuration_error"},
		{"answered", "A hook that has answered did not mean to let this pass.", func(x passkeys.Exchange) (string, error) {
			x.W.WriteHeader(http.StatusTeapot)
			return anna, nil
		}, http.StatusTeapot, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, store := desk(t)
			for _, route := range adminRoutes {
				var asked []passkeys.Action
				s := adminSite(t, b.Passkeys, func(x passkeys.Exchange, a passkeys.Action) (string, error) {
					asked = append(asked, a)
					return row.authorize(x)
				})
				for _, contentType := range []string{"application/json", "text/plain"} {
					r := httptest.NewRequest(http.MethodPost, route.path, untouched{t})
					r.Header.Set("Content-Type", contentType)
					w := httptest.NewRecorder()
					s.handler.ServeHTTP(w, r)
					if w.Code != row.status || code(w.Body.Bytes()) != row.code {
						t.Errorf("%s %s: %d %s", row.says, route.path, w.Code, w.Body)
					}
				}
				if !slices.Equal(asked, []passkeys.Action{route.action, route.action}) {
					t.Errorf("%s: asked %q", route.path, asked)
				}
				r := s.header.Clone()
				s.header.Set("Origin", "https://evil.example")
				if got := s.post(route.path, route.body, 403); code(got) != "wrong_origin" || len(asked) != 2 {
					t.Errorf("%s from another page: %s, asked %q", route.path, got, asked)
				}
				s.header = r
			}
			if len(b.events.list) != 0 || contents(t, store) != "a1 (a2) b1" {
				t.Errorf("%s %+v, left %s", row.says, b.events.list, contents(t, store))
			}
		})
	}
	t.Run("allowed", func(t *testing.T) {
		for i, route := range adminRoutes {
			b, store := desk(t)
			s := adminSite(t, b.Passkeys, func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil })
			want := []int{200, 204, 204, 204, 200, 200}[i]
			s.post(route.path, route.body, want)
			if want == 204 && contents(t, store) == "a1 (a2) b1" || len(b.events.list) == 0 || b.events.last().Actor != anna {
				t.Errorf("%s: left %s, %+v", route.path, contents(t, store), b.events.list)
			}
		}
	})
}

// What is no request does nothing, and leaves no event.
func TestAdminRoutesRefuseBodies(t *testing.T) {
	b, store := desk(t)
	s := adminSite(t, b.Passkeys, func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil })
	refuse := func(path string, bodies ...string) {
		t.Helper()
		for _, body := range bodies {
			if got := s.post(path, body, 400); code(got) != "invalid_request" {
				t.Errorf("%s %s: %s", path, body, got)
			}
		}
	}
	user := strings.Repeat("u", 65)
	for _, path := range []string{"/credentials", "/revoke-all", "/revoke", "/restore"} {
		refuse(path, "", "[]", `{"id":"YTE"}`, `{"userId":"","id":"YTE"}`, `{"userId":null,"id":"YTE"}`, `{"userId":"`+user+`","id":"YTE"}`, `{"userId":"bob","userId":"bob","id":"YTE"}`)
	}
	for _, path := range []string{"/revoke", "/restore"} {
		refuse(path, `{"userId":"bob"}`, `{"userId":"bob","id":""}`, `{"userId":"bob","id":"YTE="}`, `{"userId":"bob","id":"`+strings.Repeat("A", 1366)+`"}`)
	}
	refuse("/count", "", "[]")
	refuse("/export", "", "[]", `{"after":""}`, `{"after":"YTE="}`, `{"after":"`+strings.Repeat("A", 1366)+`"}`)
	if len(b.events.list) != 0 || contents(t, store) != "a1 (a2) b1" {
		t.Errorf("%+v, left %s", b.events.list, contents(t, store))
	}
}

// An export by pages is the whole.
func TestAdminExportRoute(t *testing.T) {
	b, store := desk(t)
	for i := range 497 + 500 {
		if err := store.Add(t.Context(), passkeys.Credential{ID: fmt.Appendf(nil, "c%d", i), UserID: "u", PublicKey: []byte("key")}); err != nil {
			t.Fatal(err)
		}
	}
	s := adminSite(t, b.Passkeys, func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil })
	var all []passkeys.Credential
	var sizes []int
	for body := "{}"; body != "" && len(sizes) < 5; {
		var page struct {
			Credentials []passkeys.Credential
			Next        string
		}
		if err := json.Unmarshal(s.post("/export", body, 200), &page); err != nil {
			t.Fatal(err)
		}
		all, sizes = append(all, page.Credentials...), append(sizes, len(page.Credentials))
		if body = ""; page.Next != "" {
			body = `{"after":"` + page.Next + `"}`
		}
	}
	want, _ := store.Scan(t.Context(), nil, 2000)
	is, _ := json.Marshal(all)
	was, _ := json.Marshal(want)
	if !slices.Equal(sizes, []int{500, 500, 0}) || !bytes.Equal(is, was) || len(b.events.list) != len(sizes) {
		t.Errorf("pages of %v, %d of %d, %d events", sizes, len(all), len(want), len(b.events.list))
	}
}

func TestAdminRoutesNeedWhatTheyAsk(t *testing.T) {
	b := newBench(t)
	if _, err := passkeys.AdminHandler(b.Passkeys, passkeys.AdminHooks[passkeys.Exchange]{}); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Authorize") {
		t.Errorf("without Authorize: %v", err)
	}
	authorize := func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil }
	if _, err := passkeys.AdminHandler((*passkeys.Passkeys)(nil), passkeys.AdminHooks[passkeys.Exchange]{Authorize: authorize}); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("without a relying party: %v", err)
	}
}

// A store that fails, or cannot be read from end to end, is said to each route.
func TestAdminRoutesSayWhatFails(t *testing.T) {
	authorize := func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil }
	b, store := desk(t)
	s := adminSite(t, b.Passkeys, authorize)
	for _, row := range []struct{ fails, path string }{
		{"ListByUser", "/credentials"}, {"Delete", "/revoke"}, {"ListByUser", "/revoke-all"}, {"Get", "/restore"}, {"Scan", "/count"}, {"Scan", "/export"},
	} {
		i := slices.IndexFunc(adminRoutes, func(r struct {
			path, body string
			action     passkeys.Action
		}) bool {
			return r.path == row.path
		})
		store.on = row.fails
		if got := s.post(row.path, adminRoutes[i].body, http.StatusServiceUnavailable); code(got) != "storage_unavailable" {
			t.Errorf("%s: %s", row.path, got)
		}
	}
	store.on = "Scan"
	if err := b.Admin(anna).Export(t.Context(), io.Discard); !errors.Is(err, errDown) {
		t.Errorf("an export: %v", err)
	}
	b, _ = desk(t, func(c *passkeys.Config) { c.Credentials = struct{ passkeys.CredentialRepository }{c.Credentials} })
	s = adminSite(t, b.Passkeys, authorize)
	for _, path := range []string{"/count", "/export"} {
		if got := s.post(path, "{}", http.StatusInternalServerError); code(got) != "configuration_error" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

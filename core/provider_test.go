package passkeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const (
	bitwarden = "d548826e-79b4-db40-a3d8-11116f7e8349"
	icloud    = "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"
	unheardOf = "65766965-7669-6576-6965-766965766965"
	nobodys   = "00000000-0000-0000-0000-000000000000"
)

func model(t testing.TB, text string) passkeys.AAGUID {
	t.Helper()
	a, err := passkeys.ParseAAGUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func providers(t testing.TB, file string) *passkeys.Providers {
	t.Helper()
	p, err := passkeys.ParseProviders(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// described is metadata that calls a model so.
func described(t testing.TB, aaguid, description string) *passkeys.Metadata {
	t.Helper()
	statement, err := json.Marshal(map[string]string{"aaguid": aaguid, "description": description})
	if err != nil {
		t.Fatal(err)
	}
	m, err := passkeys.ParseMetadataStatements(statement)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestProvider(t *testing.T) {
	for text, want := range map[string]string{
		icloud:                                 "iCloud Keychain",
		"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
		"9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
		"50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
		"53414d53-554e-4700-0000-000000000000": "Samsung Pass",
		"2fc0579f-8113-47ea-b116-bb5a8db9202a": "YubiKey 5 Series with NFC",
		nobodys:                                "",
		"fbfc3007-154e-4ecc-8c0b-6e020557d7be": "",
	} {
		if got := passkeys.Provider(model(t, text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// builtIn are the names of the table, by what its source says.
func builtIn(t testing.TB) (names map[string]bool, aaguids []string) {
	t.Helper()
	source, err := os.ReadFile("provider.go")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(source), "return \"\"\n}")
	names = map[string]bool{}
	for _, m := range regexp.MustCompile(`return "(.+)"`).FindAllStringSubmatch(table, -1) {
		names[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`"(\S{36})"[,:]`).FindAllStringSubmatch(table, -1) {
		aaguids = append(aaguids, m[1])
	}
	if len(names) < 40 || len(aaguids) < 80 {
		t.Fatalf("only %d names for %d ids found", len(names), len(aaguids))
	}
	return names, aaguids
}

// Each row of the table can be found, and each name can be a passkey's, with a number.
func TestProviderTable(t *testing.T) {
	names, aaguids := builtIn(t)
	for _, text := range aaguids {
		name := passkeys.Provider(model(t, text))
		if !names[name] {
			t.Errorf("%s: %q", text, name)
		}
		if c := (passkeys.Credential{ID: []byte{1}, UserID: "a", PublicKey: []byte{1}, DeviceName: name + " 50"}); c.Validate() != nil || name == "other" {
			t.Errorf("%s: %q is no name for a passkey", text, name)
		}
	}
}

func TestProviderSources(t *testing.T) {
	file := func(aaguid, name string) func(*passkeys.Config) {
		return func(c *passkeys.Config) { c.Providers = providers(t, fmt.Sprintf(`{%q:{"name":%q}}`, aaguid, name)) }
	}
	metadata := func(aaguid, description string) func(*passkeys.Config) {
		return func(c *passkeys.Config) { c.Metadata = described(t, aaguid, description) }
	}
	for _, row := range []struct {
		name, says string
		configure  []func(*passkeys.Config)
		of, want   string
	}{
		{"the table", "It is there without any configuration.", nil, bitwarden, "Bitwarden"},
		{"none", "What nobody knows has no name.", nil, unheardOf, ""},
		{"metadata", "Metadata has names for what the table does not know.", []func(*passkeys.Config){metadata(unheardOf, " Key 7 ")}, unheardOf, "Key 7"},
		{"metadata before the table", "Metadata is newer than this package.", []func(*passkeys.Config){metadata(bitwarden, "Key 7")}, bitwarden, "Key 7"},
		{"metadata of another", "It is by the model.", []func(*passkeys.Config){metadata(unheardOf, "Key 7")}, bitwarden, "Bitwarden"},
		{"metadata of 200", "A description has at most 200 characters.", []func(*passkeys.Config){metadata(bitwarden, strings.Repeat("ü", 200))}, bitwarden, strings.Repeat("ü", 200)},
		{"metadata of 201", "A longer one is none.", []func(*passkeys.Config){metadata(bitwarden, strings.Repeat("ü", 201))}, bitwarden, "Bitwarden"},
		{"metadata that is not shown", "One that turns the text around is none.", []func(*passkeys.Config){metadata(bitwarden, "Key \u202e7")}, bitwarden, "Bitwarden"},
		{"a file", "An application has its own names.", []func(*passkeys.Config){file(unheardOf, "Our card")}, unheardOf, "Our card"},
		{"a file before metadata", "What is said here and now comes first.", []func(*passkeys.Config){metadata(bitwarden, "Key 7"), file(bitwarden, "Our vault")}, bitwarden, "Our vault"},
		{"a file of another", "It is by the model.", []func(*passkeys.Config){metadata(bitwarden, "Key 7"), file(unheardOf, "Our card")}, bitwarden, "Key 7"},
		{"of nobody", "The zero AAGUID is that of all who do not say what they are.", []func(*passkeys.Config){file(nobodys, "Evil")}, nobodys, ""},
		{"empty", "A Providers that was not read has none.", []func(*passkeys.Config){func(c *passkeys.Config) { c.Providers = &passkeys.Providers{} }}, bitwarden, "Bitwarden"},
	} {
		if got := newBench(t, row.configure...).Provider(model(t, row.of)); got != row.want {
			t.Errorf("%s: %q, want %q. %s", row.name, got, row.want, row.says)
		}
	}
}

func TestParseProviders(t *testing.T) {
	of := func(name string) string { return `{"` + bitwarden + `":{"name":` + name + `}}` }
	for _, row := range []struct{ name, says, file, want string }{
		{"a name", "The names come out as they are.", of(`"Our vault"`), "Our vault"},
		{"icons", "The rest of the community's format is passed over.",
			`{"` + bitwarden + `":{"name":"Our vault","icon_light":"data:image/svg+xml;base64,PHN2Zy8+","icon_dark":null}}`, "Our vault"},
		{"capitals", "A UUID has no case.", strings.ToUpper(of(`"x"`)), "X"},
		{"space", "Space around a name is no part of it.", of(`" Our vault\n"`), "Our vault"},
		{"two spellings", "There is one for each letter.", of(`"Vau\u0308lt"`), "Vaült"},
		{"200 characters", "It is bounded in characters.", of(`"` + strings.Repeat("ü", 200) + `"`), strings.Repeat("ü", 200)},
		{"16 MiB", "That is the most.", of(`"Our vault"`) + strings.Repeat(" ", 16<<20-len(of(`"Our vault"`))), "Our vault"},

		{"nothing", "There is nothing to read.", "", ""},
		{"empty", "The list will end so, and its names be good for longer.", "{}", ""},
		{"null", "That is as empty.", "null", ""},
		{"a list", "It is no object.", "[]", ""},
		{"half", "It was cut off.", `{"` + bitwarden + `":{"name":"Our`, ""},
		{"twice", "There is something after it.", of(`"a"`) + of(`"b"`), ""},
		{"no id", "What it is of is not said.", `{"bitwarden":{"name":"Our vault"}}`, ""},
		{"an id in braces", "A UUID has one form.", `{"{` + bitwarden + `}":{"name":"Our vault"}}`, ""},
		{"one of two", "What is half right is not taken.", `{"` + bitwarden + `":{"name":"Our vault"},"` + icloud + `":{}}`, ""},
		{"no name", "An icon alone names nothing.", `{"` + bitwarden + `":{"icon_light":"data:"}}`, ""},
		{"an entry of null", "Nor does that.", `{"` + bitwarden + `":null}`, ""},
		{"a name of null", "Nor does that.", of("null"), ""},
		{"a number", "It is no text.", of("7"), ""},
		{"a name and a number", "It is one of them too many.", `{"` + bitwarden + `":{"name":"Our vault","name":7}}`, ""},
		{"an empty name", "It cannot be seen.", of(`""`), ""},
		{"a name of space", "It cannot be seen.", of(`" \t"`), ""},
		{"a line break", "A name is one line.", of(`"Our\nvault"`), ""},
		{"turned around", "It would show another name than it is.", of(`"Our \u202evault"`), ""},
		{"no width", "It would look like another.", of(`"Our\u200bvault"`), ""},
		{"201 characters", "It is too long to show.", of(`"` + strings.Repeat("ü", 201) + `"`), ""},
		{"more than 16 MiB", "Whoever answers with more is not that list.", of(`"Our vault"`) + strings.Repeat(" ", 16<<20), ""},
	} {
		p, err := passkeys.ParseProviders(strings.NewReader(row.file))
		kept := providers(t, of(`"Kept"`))
		updated := kept.Update(strings.NewReader(row.file))
		want := row.want
		if want == "" {
			want = "Kept"
			if p != nil || err == nil || !strings.HasPrefix(err.Error(), "passkeys: providers: ") || len(err.Error()) > 200 {
				t.Errorf("%s: %v, %v. %s", row.name, p, err, row.says)
			}
		} else if got := newBench(t, func(c *passkeys.Config) { c.Providers = p }).Provider(model(t, bitwarden)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q. %s", row.name, got, err, want, row.says)
		}
		if got := newBench(t, func(c *passkeys.Config) { c.Providers = kept }).Provider(model(t, bitwarden)); got != want || fmt.Sprint(updated) != fmt.Sprint(err) {
			t.Errorf("%s, at run time: %q, %v, want %q. %s", row.name, got, updated, want, row.says)
		}
	}
	if _, err := passkeys.ParseProviders(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that fails: %v", err)
	}
	if p := providers(t, of(`"Old"`)); p.Update(strings.NewReader(`{"`+icloud+`":{"name":"New"}}`)) != nil ||
		newBench(t, func(c *passkeys.Config) { c.Providers = p }).Provider(model(t, bitwarden)) != "Bitwarden" {
		t.Error("an update leaves what it does not have")
	}
}

// The names can change while they are asked for.
func TestProvidersAreReplacedWhole(t *testing.T) {
	file := func(name string) string {
		return fmt.Sprintf(`{%q:{"name":%q},%q:{"name":%[2]q}}`, bitwarden, name, icloud)
	}
	p := providers(t, file("0"))
	b := newBench(t, func(c *passkeys.Config) { c.Providers = p })
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 50 {
				if err := p.Update(strings.NewReader(file(fmt.Sprint(i)))); err != nil {
					t.Error(err)
				}
				if got := b.Provider(model(t, icloud)); len(got) != 1 {
					t.Errorf("%q", got)
				}
			}
		})
	}
	all.Wait()
}

func TestDefaultDeviceName(t *testing.T) {
	long := strings.Repeat("ü", 70)
	named := func(name string) func(*passkeys.Config) {
		return func(c *passkeys.Config) { c.Providers = providers(t, fmt.Sprintf(`{%q:{"name":%q}}`, bitwarden, name)) }
	}
	for _, row := range []struct {
		name, says  string
		configure   []func(*passkeys.Config)
		of          string
		have        []string
		given, want string
	}{
		{"the first", "It is called after its provider.", nil, bitwarden, nil, "", "Bitwarden"},
		{"the second", "Two of one name could not be told apart.", nil, bitwarden, []string{"Bitwarden"}, "", "Bitwarden 2"},
		{"the third", "Nor could three.", nil, bitwarden, []string{"Bitwarden", "Bitwarden 2"}, "", "Bitwarden 3"},
		{"a gap", "A number that is free again is taken.", nil, bitwarden, []string{"Bitwarden", "Bitwarden 3"}, "", "Bitwarden 2"},
		{"the first is gone", "So is the name without one.", nil, bitwarden, []string{"Bitwarden 2"}, "", "Bitwarden"},
		{"of others", "Each provider has its own.", nil, bitwarden, []string{"iCloud Keychain", "", "bitwarden"}, "", "Bitwarden"},
		{"its user's own", "What they call it comes first.", nil, bitwarden, nil, "Work", "Work"},
		{"its user's own, again", "They may have two of one name, if they want to.", nil, bitwarden, []string{"Work"}, "Work", "Work"},
		{"a name of space", "That is none.", nil, bitwarden, nil, " ", "Bitwarden"},
		{"unknown", "Where there is nothing to call it after, it has no name.", nil, unheardOf, nil, "", ""},
		{"of nobody", "Nor where it is not said.", nil, nobodys, []string{""}, "", ""},
		{"a file's", "What is configured has the word.", []func(*passkeys.Config){named("Our vault")}, bitwarden, []string{"Our vault"}, "", "Our vault 2"},
		{"long", "A name has 64 characters.", []func(*passkeys.Config){named(long)}, bitwarden, nil, "", long[:2*64]},
		{"long, the second", "Its number is among them.", []func(*passkeys.Config){named(long)}, bitwarden, []string{long[:2*64]}, "", long[:2*62] + " 2"},
		{"long, cut at a space", "There is no space before the end.", []func(*passkeys.Config){named(long[:2*63] + " x")}, bitwarden, nil, "", long[:2*63]},
	} {
		store := &counting{}
		b := newBench(t, append(row.configure, func(c *passkeys.Config) {
			store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
			c.Credentials = store
		})...)
		for i, name := range row.have {
			if err := b.credentials.Add(t.Context(), passkeys.Credential{ID: []byte{byte(i)}, UserID: alice.ID, PublicKey: []byte{0xa0}, DeviceName: name}); err != nil {
				t.Fatal(err)
			}
		}
		// Of another user's, nothing is seen.
		if err := b.credentials.Add(t.Context(), passkeys.Credential{ID: []byte("z"), UserID: "bob", PublicKey: []byte{0xa0}, DeviceName: "Bitwarden"}); err != nil {
			t.Fatal(err)
		}
		a := passkeytest.New(origin)
		a.AAGUID = model(t, row.of)
		r := b.create(a)
		r.DeviceName = row.given
		store.lists = 0
		made, err := b.FinishRegistration(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if store.lists != 2 || store.gets != 1 || store.adds != 1 || store.updates != 0 {
			t.Errorf("%s: %d lists, %d gets, %d adds, %d updates for one registration", row.name, store.lists, store.gets, store.adds, store.updates)
		}
		stored, err := b.credentials.Get(t.Context(), made.Credential.ID)
		if err != nil || stored.DeviceName != row.want || made.Credential.DeviceName != row.want || utf8.RuneCountInString(row.want) > 64 {
			t.Errorf("%s: stored %q, returned %q, %v, want %q. %s", row.name, stored.DeviceName, made.Credential.DeviceName, err, row.want, row.says)
		}
	}
}

func TestProviderByRoute(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Providers = providers(t, fmt.Sprintf(`{%q:{"name":"Our card"}}`, unheardOf))
	})
	for i, text := range []string{bitwarden, unheardOf, nobodys} {
		if err := b.credentials.Add(t.Context(), passkeys.Credential{ID: []byte{byte(i)}, UserID: alice.ID, PublicKey: []byte{0xa0}, AAGUID: model(t, text)}); err != nil {
			t.Fatal(err)
		}
	}
	var list []struct{ Provider, AAGUID *string }
	if err := json.Unmarshal(newSite(t, b.Passkeys).do(http.MethodGet, "/credentials", "", http.StatusOK), &list); err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, want := range [][2]string{{"Bitwarden", bitwarden}, {"Our card", unheardOf}, {"", nobodys}} {
		if p, a := list[i].Provider, list[i].AAGUID; p == nil || a == nil || *p != want[0] || *a != want[1] {
			t.Errorf("%d: %+v, want %q", i, list[i], want)
		}
	}
}

// An observer is told what made a response once that is verified, by the table's
// names and no others.
func TestObserverHearsTheAuthenticator(t *testing.T) {
	ctx := context.Background()
	l := &ledger{}
	b := newBench(t, func(c *passkeys.Config) {
		c.Observer = l
		c.Providers = providers(t, fmt.Sprintf(`{%q:{"name":"typed by an attacker"},%q:{"name":"Our vault"}}`, unheardOf, bitwarden))
		c.DeniedAAGUIDs = []passkeys.AAGUID{model(t, icloud)}
	})
	expect := func(what string, want ...string) {
		t.Helper()
		if fmt.Sprintf("%q", l.authenticators) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: %q, want %q", what, l.authenticators, want)
		}
		l.authenticators = nil
	}
	forge := func(r *passkeytest.Response) { r.Signature[10]++ }
	for text, want := range map[string]string{bitwarden: "Bitwarden", unheardOf: "other", nobodys: "other"} {
		a := passkeytest.New(origin)
		a.AAGUID = model(t, text)
		b.mustRegister(a)
		expect("a registration with "+text, "", want)
		b.mustSignIn(a)
		expect("a sign-in with "+text, "", want)
		b.mustConfirm(ctx, a, transfer)
		expect("a confirmation with "+text, "", want)
		r := b.get(a, "")
		_, _ = b.finish(r), b.finish(r)
		expect("a replay with "+text, "", want, "")
		a.Corrupt = forge
		_ = b.finish(b.get(a, ""))
		expect("a signature that is none, with "+text, "", "")
	}
	a := passkeytest.New(origin)
	a.AAGUID = model(t, icloud)
	if _, err := b.register(a); reason(err) != passkeys.ReasonAAGUIDNotAllowed {
		t.Error(err)
	}
	expect("a model that is not let in", "", "iCloud Keychain")
	_ = b.finish(b.get(a, ""))
	expect("a passkey that is not registered", "", "")

	decoy := b.allowed("nobody")[0].ID
	a.Corrupt = func(r *passkeytest.Response) { r.ID, r.RawID = decoy, decoy }
	l.authenticators = nil
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonCredentialDecoy)
	expect("a decoy", "", "")

	names, aaguids := builtIn(t)
	random := rand.New(rand.NewPCG(10, 10))
	for range 200 {
		a := passkeytest.New(origin)
		a.AAGUID = model(t, aaguids[random.IntN(len(aaguids))])
		a.AAGUID[random.IntN(16)] ^= byte(random.IntN(2))
		if c, err := b.register(a); err == nil {
			if err := b.Revoke(ctx, alice.ID, c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range l.authenticators {
		if name != "" && name != "other" && !names[name] {
			t.Errorf("observed %q", name)
		}
	}
}

func TestParseAAGUID(t *testing.T) {
	const right = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
	for says, text := range map[string]string{
		"A digit is no other letter.":      "ga9b8d66-4d01-1d21-3ce4-b6b48cb575d4",
		"The first part has eight digits.": "ea9b8d6600-4d01-1d21-3ce4-b6b48cb575d4",
		"The second has four.":             "ea9b8d66-4d0100-1d21-3ce4-b6b48cb575d4",
		"So has the third.":                "ea9b8d66-4d01-1d2100-3ce4-b6b48cb575d4",
		"And the fourth.":                  "ea9b8d66-4d01-1d21-3ce400-b6b48cb575d4",
		"The last has twelve.":             "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d400",
		"There are no more.":               right + "-00",
		"Nor fewer.":                       "ea9b8d66-4d01-1d21-3ce4",
		"They are five.":                   "ea9b8d664d011d213ce4b6b48cb575d4",
		"There is one.":                    "",
	} {
		if a, err := passkeys.ParseAAGUID(text); err == nil || a != (passkeys.AAGUID{}) {
			t.Errorf("%s %q is %v, %v", says, text, a, err)
		}
	}
	if a, err := passkeys.ParseAAGUID(strings.ToUpper(right)); err != nil || a.String() != right {
		t.Errorf("%v, %v", a, err)
	}
}

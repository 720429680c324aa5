package passkeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const (
	// certificate is what 32 bytes of 0 to 31 look like, and apkOrigin what Android makes of
	// them.
	certificate = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"
	apkOrigin   = "android:apk-key-hash:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func android(name string, fingerprints ...string) []passkeys.AndroidApp {
	return []passkeys.AndroidApp{{Package: name, Fingerprints: fingerprints}}
}

func TestWellKnownIsChecked(t *testing.T) {
	five := []string{"https://a.example", "https://b.co.uk", "https://c.github.io", "https://d.org:8443", "https://e.com"}
	for _, row := range []struct {
		says, field string // "" is a configuration that is right
		set         func(*passkeys.Config)
	}{
		{"Five names.", "", func(c *passkeys.Config) { c.WellKnown.Related = five }},
		{"Six names.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = slices.Concat(five, []string{"https://f.example"}) }},
		{"A name counts once, under whatever suffix and host.", "", func(c *passkeys.Config) {
			c.WellKnown.Related = slices.Concat(five, []string{"https://a.co.uk", "https://www.b.example", "https://c.com"})
		}},
		{"A public suffix.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = []string{"https://co.uk"} }},
		{"A public suffix of somebody's.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = []string{"https://github.io"} }},
		{"No TLS.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = []string{"http://example.de"} }},
		{"No origin.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = []string{"https://example.de/"} }},
		{"No page.", "Related", func(c *passkeys.Config) { c.WellKnown.Related = []string{apkOrigin} }},
		{"An application.", "", func(c *passkeys.Config) {
			c.WellKnown.Android = android("org.example.app_2", certificate, strings.Repeat("FF:", 31)+"FF")
		}},
		{"No fingerprint.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org.example") }},
		{"A fingerprint of SHA-1.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org.example", certificate[:59]) }},
		{"One in lower case.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org.example", strings.ToLower(certificate)) }},
		{"One without colons.", "Android", func(c *passkeys.Config) {
			c.WellKnown.Android = android("org.example", strings.ReplaceAll(certificate, ":", ""))
		}},
		{"One with its colons elsewhere.", "Android", func(c *passkeys.Config) {
			c.WellKnown.Android = android("org.example", "0:001"+certificate[5:])
		}},
		{"A package of one name.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("example", certificate) }},
		{"A package with an empty name.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org..app", certificate) }},
		{"A package with a number for a name.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org.1", certificate) }},
		{"A package with a hyphen.", "Android", func(c *passkeys.Config) { c.WellKnown.Android = android("org.my-app", certificate) }},
		{"An application.", "", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"A1B2C3D4E5.org.example.my-app"} }},
		{"A bundle alone.", "Apple", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"org.example.app"} }},
		{"A team alone.", "Apple", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"A1B2C3D4E5"} }},
		{"A team of nine.", "Apple", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"A1B2C3D4E.org.example"} }},
		{"A team in lower case.", "Apple", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"a1b2c3d4e5.org.example"} }},
		{"A bundle with a space.", "Apple", func(c *passkeys.Config) { c.WellKnown.Apple = []string{"A1B2C3D4E5.org example"} }},
		{"A page.", "", func(c *passkeys.Config) { c.WellKnown.Enroll = "https://example.org:8443/add?from=manager" }},
		{"A page without TLS.", "Enroll", func(c *passkeys.Config) { c.WellKnown.Enroll = "http://example.org/add" }},
		{"A path.", "Manage", func(c *passkeys.Config) { c.WellKnown.Manage = "/passkeys" }},
		{"A page that is nowhere.", "Manage", func(c *passkeys.Config) { c.WellKnown.Manage = "https://[" }},
		{"A page of no host.", "Manage", func(c *passkeys.Config) { c.WellKnown.Manage = "https:///passkeys" }},
		{"A page with a password.", "PRFUsage", func(c *passkeys.Config) { c.WellKnown.PRFUsage = "https://me:secret@example.org/" }},
	} {
		cfg := passkeys.Config{RPID: "example.org", RPName: "Example", Origins: []string{origin}, Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32)}
		row.set(&cfg)
		_, err := passkeys.New(cfg)
		if row.field == "" && err != nil || row.field != "" && (!errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Config.WellKnown."+row.field+": ")) {
			t.Errorf("%s %v", row.says, err)
		}
	}
}

// Under a public suffix anyone may have a domain, so that browsers let none of them
// use its id.
func TestAnRPIDThatIsAPublicSuffix(t *testing.T) {
	for _, row := range []struct {
		id, origin, related string
		passes              bool
	}{
		{"co.uk", "https://example.co.uk", "", false},
		{"github.io", "https://example.github.io", "", false},
		{"github.io", "https://github.io:8443", "", true},
		{"localhost", "http://localhost:8080", "", true},
		{"localhost", "http://app.localhost:8080", "", false},
		{"intranet", "https://intranet", "", true},
		{"intranet", "https://intranet", "https://example.org", true},
		{"intranet", apkOrigin, "", true},
		{"example.github.io", "https://www.example.github.io", "", true},
	} {
		cfg := passkeys.Config{RPID: row.id, RPName: "Example", Origins: []string{row.origin}, Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32)}
		if row.related != "" {
			cfg.Origins, cfg.WellKnown.Related = append(cfg.Origins, row.related), []string{row.related}
		}
		_, err := passkeys.New(cfg)
		if row.passes && err != nil || !row.passes && (!errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), "Config.RPID: ")) {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

// Whoever is told that they may use the passkeys can, without being named twice, and
// nobody else.
func TestNativeAndRelatedClientsSignIn(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Origins = nil
		c.WellKnown = passkeys.WellKnown{
			Related: []string{"https://example.co.uk"},
			Android: android("org.example.app", strings.Repeat("FF:", 31)+"FF", certificate),
			Apple:   []string{"A1B2C3D4E5.org.example.app"},
		}
	})
	s := newSite(t, b.Passkeys)
	for _, row := range []struct {
		says, origin string
		passes       bool
	}{
		{"The application, by a certificate's hash.", apkOrigin, true},
		{"Another application.", strings.Replace(apkOrigin, "AAE", "AAF", 1), false},
		{"A page of a related domain.", "https://example.co.uk", true},
		{"A page of a domain below it.", "https://www.example.co.uk", false},
		{"A page of its own, or an application of Apple's, which nothing names.", origin, false},
	} {
		a := passkeytest.New(row.origin)
		a.RPID = "example.org"
		_, registered := b.register(a)
		if (registered == nil) != row.passes {
			t.Errorf("%s Registration: %v", row.says, registered)
		}
		if row.passes {
			b.mustSignIn(a)
		} else if reason(registered) != passkeys.ReasonOriginMismatch {
			t.Errorf("%s %s", row.says, reason(registered))
		}
		status := http.StatusForbidden
		if row.passes {
			status = http.StatusOK
		}
		s.header.Set("Origin", row.origin) // of which an application sends none, or this
		s.post("/authenticate/begin", "{}", status)
	}
}

// What is told is what was configured at New, and nothing else is there.
func TestWellKnownRoutesAreWhatIsConfigured(t *testing.T) {
	related := []string{"https://example.co.uk"}
	for _, row := range []struct {
		says  string
		known passkeys.WellKnown
		want  []string
	}{
		{"Nothing.", passkeys.WellKnown{}, nil},
		{"Domains.", passkeys.WellKnown{Related: related}, []string{"webauthn"}},
		{"One page.", passkeys.WellKnown{Manage: "https://example.org/passkeys"}, []string{"passkey-endpoints"}},
		{"Applications.", passkeys.WellKnown{Android: android("org.example", certificate), Apple: []string{"A1B2C3D4E5.org.example"}}, []string{"assetlinks.json", "apple-app-site-association"}},
	} {
		b := newBench(t, func(c *passkeys.Config) { c.WellKnown = row.known })
		routes, err := passkeys.WellKnownRoutes[passkeys.Exchange](b.Passkeys)
		var got []string
		for _, r := range routes {
			got = append(got, strings.TrimPrefix(r.Path, "/.well-known/"))
		}
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s %q, %v", row.says, got, err)
		}
	}
	mux := http.NewServeMux()
	if err := passkeys.MountWellKnown(nil, newBench(t).Passkeys); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(fmt.Sprint(err), "mux") {
		t.Errorf("without a mux: %v", err)
	}
	if err := passkeys.MountWellKnown(mux, (*passkeys.Passkeys)(nil)); !errors.Is(err, passkeys.ErrConfiguration) {
		t.Errorf("of nobody: %v", err)
	}
	b := newBench(t, func(c *passkeys.Config) {
		c.WellKnown = passkeys.WellKnown{Related: related, Manage: "https://example.org/passkeys"}
	})
	related[0] = "https://evil.example"
	if err := passkeys.MountWellKnown(mux, b.Passkeys); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"webauthn":          `{"origins":["https://example.co.uk"]}`,
		"passkey-endpoints": `{"manage":"https://example.org/passkeys"}`,
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/"+path, nil))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Tenants have all the paths, and each tells what is its own.
func TestWellKnownOfTenants(t *testing.T) {
	tenants := map[string]*passkeys.Passkeys{
		"one": newBench(t, func(c *passkeys.Config) { c.WellKnown.Manage = "https://example.org/passkeys" }).Passkeys,
		"two": newBench(t).Passkeys,
	}
	mux := http.NewServeMux()
	err := passkeys.MountWellKnown(mux, func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		if p := tenants[x.R.Host]; p != nil {
			return p, nil
		}
		if x.R.Host == "four" {
			http.Error(x.W, "There is no such tenant.", http.StatusGone)
			return nil, errors.New("answered")
		}
		return nil, passkeys.ErrForbidden
	})
	if err != nil {
		t.Fatal(err)
	}
	etag := ""
	for _, row := range []struct {
		says, host, path string
		again            bool
		status           int
	}{
		{"It tells something.", "one", "passkey-endpoints", false, http.StatusOK},
		{"It was told already.", "one", "passkey-endpoints", true, http.StatusNotModified},
		{"It tells nothing of this.", "one", "webauthn", false, http.StatusNotFound},
		{"It tells nothing.", "two", "passkey-endpoints", true, http.StatusNotFound},
		{"There is no such tenant.", "three", "passkey-endpoints", true, http.StatusForbidden},
		{"The resolver has said so itself.", "four", "passkey-endpoints", true, http.StatusGone},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+row.host+"/.well-known/"+row.path, nil)
		if row.again {
			r.Header.Set("If-None-Match", etag)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if etag = w.Header().Get("ETag"); w.Code != row.status || (etag == "") != (row.status >= 400) {
			t.Errorf("%s %d %s, ETag %q", row.says, w.Code, w.Body, etag)
		}
		if row.status == http.StatusGone && w.Body.String() != "There is no such tenant.\n" {
			t.Errorf("%s And more: %s", row.says, w.Body)
		}
	}
}

func TestWellKnownFromEnv(t *testing.T) {
	other := strings.Repeat("FF:", 31) + "FF"
	for name, value := range map[string]string{
		"RP_ID": "example.org", "RP_NAME": "Example", "EXPECTED_ORIGINS": "",
		"RELATED_ORIGINS": "https://example.co.uk, https://example.de",
		"ANDROID_APPS":    "org.example.app=" + certificate + ",org.example.tv=" + certificate + ", org.example.app=" + other,
		"APPLE_APPS":      "A1B2C3D4E5.org.example.app", "ENROLL_URL": "https://example.org/new",
		"MANAGE_URL": "https://example.org/passkeys", "PRF_USAGE_URL": "https://example.org/keys",
	} {
		t.Setenv("PASSKEYS_"+name, value)
	}
	cfg, err := passkeys.ConfigFromEnv()
	want := passkeys.WellKnown{
		Related: []string{"https://example.co.uk", "https://example.de"},
		Android: append(android("org.example.app", certificate, other), android("org.example.tv", certificate)...),
		Apple:   []string{"A1B2C3D4E5.org.example.app"},
		Enroll:  "https://example.org/new", Manage: "https://example.org/passkeys", PRFUsage: "https://example.org/keys",
	}
	if err != nil || fmt.Sprint(cfg.WellKnown) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", cfg.WellKnown, err)
	}
	for _, row := range []struct{ variable, value string }{
		{"PASSKEYS_RELATED_ORIGINS", "https://example.de/"},
		{"PASSKEYS_ANDROID_APPS", "org.example.app"},
		{"PASSKEYS_APPLE_APPS", "org.example.app"},
		{"PASSKEYS_ENROLL_URL", "/new"},
		{"PASSKEYS_MANAGE_URL", "/passkeys"},
		{"PASSKEYS_PRF_USAGE_URL", "/keys"},
	} {
		t.Run(row.variable, func(t *testing.T) {
			t.Setenv(row.variable, row.value)
			if _, err := passkeys.ConfigFromEnv(); !errors.Is(err, passkeys.ErrConfiguration) || !strings.Contains(err.Error(), row.variable+": ") {
				t.Errorf("%v", err)
			}
		})
	}
}

func ExampleMountWellKnown() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		WellKnown: passkeys.WellKnown{
			Related: []string{"https://example.co.uk"},
			Apple:   []string{"A1B2C3D4E5.org.example.app"},
			Android: []passkeys.AndroidApp{{Package: "org.example.app", Fingerprints: []string{strings.Repeat("A1:", 31) + "A1"}}},
		},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32), // in earnest: random
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	if err := passkeys.MountWellKnown(mux, p); err != nil {
		panic(err)
	}
	for _, name := range []string{"webauthn", "apple-app-site-association", "passkey-endpoints"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/"+name, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/assetlinks.json", nil))
	fmt.Println(w.Code, strings.Count(w.Body.String(), "org.example.app"))
	// Output:
	// 200 {"origins":["https://example.co.uk"]}
	// 200 {"webcredentials":{"apps":["A1B2C3D4E5.org.example.app"]}}
	// 404 404 page not found
	// 200 1
}

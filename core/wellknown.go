package passkeys

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// WellKnown is what the host of the RP ID tells browsers, phones and password
// managers that look for it under /.well-known/: one field for each thing to tell,
// and the zero value for nothing. [MountWellKnown], or that of an adapter, serves
// what is set here.
type WellKnown struct {
	// Related are the pages on other domains that may use these passkeys, each written
	// as in Config.Origins, over https (WebAuthn L3 §5.11). Config.Origins need not name
	// them again. Browsers need take no more than five names, such as "example" of
	// example.org, example.co.uk and www.example.de, so more than five is an error.
	Related []string
	// Android are the applications that may use these passkeys. Their origins follow
	// from their certificates: Config.Origins need not name them.
	Android []AndroidApp
	// Apple are the applications for iOS and macOS that may use these passkeys, by
	// team and bundle: "A1B2C3D4E5.org.example.app". Their origin is https://RPID,
	// which Config.Origins must name.
	Apple []string
	// Enroll, Manage and PRFUsage are the addresses of the pages where users add a
	// passkey, where they manage theirs, and where they read what the prf extension is
	// used for; password managers lead there (W3C, A Well-Known URL for Relying Party
	// Passkey Endpoints). Each is a URL over https.
	Enroll, Manage, PRFUsage string
}

// AndroidApp is an application for Android.
type AndroidApp struct {
	// Package is its name: "org.example.app".
	Package string
	// Fingerprints are the SHA-256 of the certificates that it may be signed with, at
	// least one, as keytool and Google Play show them: AA:BB:…, 32 bytes in upper case.
	Fingerprints []string
}

const (
	maxRelatedLabels = 5 // WebAuthn L3 §5.11.1
	wellKnownAge     = "public, max-age=3600"
)

// validate checks every field that is set.
func (w *WellKnown) validate(bad func(field, format string, args ...any) error) error {
	var labels []string
	for _, o := range w.Related {
		if err := checkOrigin(o); err != "" {
			return bad("WellKnown.Related", "%q %s", o, err)
		}
		u, _ := url.Parse(o)
		if u.Scheme != "https" {
			return bad("WellKnown.Related", "%q must be over https", o)
		}
		domain, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname())
		if err != nil {
			return bad("WellKnown.Related", "%q is a public suffix, which browsers pass over", o)
		}
		if label, _, _ := strings.Cut(domain, "."); !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	if len(labels) > maxRelatedLabels {
		return bad("WellKnown.Related", "%s: browsers need take no more than %d names", strings.Join(labels, ", "), maxRelatedLabels)
	}
	for _, app := range w.Android {
		if !androidPackage(app.Package) {
			return bad("WellKnown.Android", "%q must be the name of a package, such as org.example.app", app.Package)
		}
		if len(app.Fingerprints) == 0 {
			return bad("WellKnown.Android", "%s has no fingerprint", app.Package)
		}
		for _, f := range app.Fingerprints {
			if fingerprint(f) == nil {
				return bad("WellKnown.Android", "%q must be a SHA-256 fingerprint, AA:BB:… of 32 bytes in upper case", f)
			}
		}
	}
	for _, app := range w.Apple {
		if !appleApp(app) {
			return bad("WellKnown.Apple", "%q must be team and bundle, such as A1B2C3D4E5.org.example.app", app)
		}
	}
	for _, f := range []struct{ field, value string }{{"Enroll", w.Enroll}, {"Manage", w.Manage}, {"PRFUsage", w.PRFUsage}} {
		if u, err := url.Parse(f.value); f.value != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
			return bad("WellKnown."+f.field, "%q must be a URL such as https://example.org/passkeys", f.value)
		}
	}
	return nil
}

// androidPackage reports whether s is two names or more, each of which begins with a
// letter.
func androidPackage(s string) bool {
	names := strings.Split(s, ".")
	for _, name := range names {
		if name == "" || !strings.Contains(letters, name[:1]) || strings.Trim(name, letters+digits+"_") != "" {
			return false
		}
	}
	return len(names) > 1
}

// appleApp reports whether s is the ten characters of a team, and a bundle's id.
func appleApp(s string) bool {
	team, bundle, _ := strings.Cut(s, ".")
	return len(team) == 10 && strings.Trim(team, letters[26:]+digits) == "" &&
		bundle != "" && strings.Trim(bundle, letters+digits+"-.") == ""
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// fingerprint returns the 32 bytes that s shows, or nil.
func fingerprint(s string) []byte {
	pairs := strings.Split(s, ":")
	sum, err := hex.DecodeString(strings.Join(pairs, ""))
	if err != nil || len(pairs) != sha256.Size || strings.ToUpper(s) != s {
		return nil
	}
	for _, p := range pairs {
		if len(p) != 2 {
			return nil
		}
	}
	return sum
}

// origins are those that the rest says: w is valid.
func (w *WellKnown) origins() []string {
	origins := slices.Clone(w.Related)
	for _, app := range w.Android {
		for _, f := range app.Fingerprints {
			origins = append(origins, androidScheme+base64.RawURLEncoding.EncodeToString(fingerprint(f)))
		}
	}
	return origins
}

// document is one of the files under /.well-known/; where there is nothing to tell,
// it has no body.
type document struct {
	name string
	body []byte
	etag string
}

// documents are all of them, always in one order.
func (w *WellKnown) documents() []document {
	type target struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	}
	type statement struct {
		Relation []string `json:"relation"`
		Target   target   `json:"target"`
	}
	var statements []statement
	for _, app := range w.Android {
		statements = append(statements, statement{
			[]string{"delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"},
			target{"android_app", app.Package, app.Fingerprints},
		})
	}
	type apps struct {
		Apps []string `json:"apps"`
	}
	return []document{
		tell("webauthn", len(w.Related) > 0, struct {
			Origins []string `json:"origins"`
		}{w.Related}),
		tell("passkey-endpoints", w.Enroll+w.Manage+w.PRFUsage != "", struct {
			Enroll   string `json:"enroll,omitempty"`
			Manage   string `json:"manage,omitempty"`
			PRFUsage string `json:"prfUsageDetails,omitempty"`
		}{w.Enroll, w.Manage, w.PRFUsage}),
		tell("assetlinks.json", len(w.Android) > 0, statements),
		tell("apple-app-site-association", len(w.Apple) > 0, struct {
			WebCredentials apps `json:"webcredentials"`
		}{apps{w.Apple}}),
	}
}

func tell(name string, set bool, value any) document {
	if !set {
		return document{name: name}
	}
	body, _ := json.Marshal(value) // strings always marshal
	return newDocument(name, body)
}

func newDocument(name string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{name, body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// WellKnownRoutes returns what Config.WellKnown has to tell, as routes whose paths
// begin with /.well-known/, or an error that matches [ErrConfiguration] if the source
// is nil. Of a source that is a function, they are all there, and a tenant that has
// nothing to tell is answered 404 not_found. Adapters call it; an application calls
// its adapter.
//
//	GET /.well-known/webauthn                    Related
//	GET /.well-known/passkey-endpoints           Enroll, Manage, PRFUsage
//	GET /.well-known/assetlinks.json             Android
//	GET /.well-known/apple-app-site-association  Apple
//
// Each is JSON, for anyone, with an ETag, and may be kept for an hour. No hook is
// asked. The RP ID's host must serve them itself, over https and without a redirect.
func WellKnownRoutes[C any, P Source[C]](source P) ([]Route[C], error) {
	resolve, err := resolver[C](source)
	if err != nil {
		return nil, err
	}
	only, _ := any(source).(*Passkeys)
	t := &table[C]{resolve: resolve}
	var routes []Route[C]
	for i, d := range new(WellKnown).documents() {
		if only != nil && only.wellKnown[i].body == nil {
			continue
		}
		routes = append(routes, Route[C]{http.MethodGet, "/.well-known/" + d.name, func(c C, w http.ResponseWriter, r *http.Request) {
			ctx := ensureRequestID(r.Context())
			p, err := t.find(ctx, c)
			switch {
			case answered(w):
			case err != nil:
				WriteError(w, r.WithContext(ctx), err)
			case p.wellKnown[i].body == nil:
				WriteError(w, r.WithContext(ctx), ErrNotFound)
			default:
				p.wellKnown[i].serve(w, r)
			}
		}})
	}
	return routes, nil
}

func (d document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", wellKnownAge)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}

// MountWellKnown adds the routes of [WellKnownRoutes] to mux, which must serve the
// RP ID's host from its root: their paths are fixed. It returns an error that matches
// [ErrConfiguration] if the source or mux is nil. Like mux, it panics if a path is taken.
func MountWellKnown[P Source[Exchange]](mux *http.ServeMux, source P) error {
	routes, err := WellKnownRoutes[Exchange](source)
	if err == nil && mux == nil {
		err = ErrConfiguration.explained("MountWellKnown: the mux must not be nil")
	}
	if err != nil {
		return err
	}
	mount(mux, routes)
	return nil
}

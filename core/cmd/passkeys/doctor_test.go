package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const (
	site   = "https://example.org"
	secret = "thirty-two-characters-of-a-secret"
)

// patient is a site that the doctor looks at, with what is wrong with it.
type patient struct {
	env         map[string]string
	server      func(*passkeys.Config) // as the server is configured
	around      func(http.Handler) http.Handler
	certificate func(*x509.Certificate)
	page        http.Header
	url         string
	args        []string
}

// certificateFor is self-signed, and its own authority.
func certificateFor(t *testing.T, change func(*x509.Certificate)) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.org", "www.example.org"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// examined is what the doctor says of it.
func (s patient) examined(t *testing.T) (status int, said string) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PASSKEYS_") {
			t.Setenv(name, "")
		}
	}
	env := map[string]string{"PASSKEYS_RP_ID": "example.org", "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": site, "PASSKEYS_SECRET": secret, "PASSKEYS_MANAGE_URL": site + "/passkeys"}
	for name, value := range s.env {
		env[name] = value
	}
	cfg := passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{site, "https://www.example.org"}, Credentials: passkeys.NewMemoryCredentials(),
		Secret: []byte(secret), Logger: slog.New(slog.DiscardHandler), WellKnown: passkeys.WellKnown{Manage: site + "/passkeys"},
	}
	if s.server != nil {
		s.server(&cfg)
	}
	p, err := passkeys.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{}, passkeys.ErrUnauthenticated }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", routes))
	if err := passkeys.MountWellKnown(mux, p); err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		h.Set("Set-Cookie", "session=1; Secure; HttpOnly; SameSite=Lax")
		for name, values := range s.page {
			h[name] = values
		}
		_, _ = io.WriteString(w, "<!doctype html>")
	})
	var handler http.Handler = mux
	if s.around != nil {
		handler = s.around(handler)
	}
	server := httptest.NewUnstartedServer(handler)
	certificate, authority := certificateFor(t, s.certificate)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	for name, value := range env {
		t.Setenv(name, value)
	}
	url := s.url
	if url == "" {
		url = site
	}
	var out, stderr bytes.Buffer
	args := append([]string{"doctor", "-ca", authority, "-connect", server.Listener.Addr().String()}, s.args...)
	status = run(append(args, url), streams{strings.NewReader(""), &out, &stderr})
	if strings.Contains(out.String(), secret) {
		t.Errorf("it prints the secret:\n%s", &out)
	}
	return status, out.String() + stderr.String()
}

// set has the header of requests to a path changed on their way, as a proxy does.
func set(path, name, value string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, path) {
				if r.Header.Del(name); value != "" {
					r.Header.Set(name, value)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answering has what is at a path answered by something else.
func answering(path string, f http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				f(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func TestDoctor(t *testing.T) {
	status, said := patient{}.examined(t)
	if status != ok || !strings.HasSuffix(said, "\nproblems: 0, warnings: 0\n") {
		t.Fatalf("of a healthy site it says, with status %d:\n%s", status, said)
	}
	for _, healthy := range []string{"may use the passkeys", "certificate is for this name", "clock is right", "routes are at", "secret is this environment's", "other sites' pages are refused", "bodies of up to", "/.well-known/passkey-endpoints is what is configured"} {
		if !strings.Contains(said, healthy) {
			t.Errorf("of a healthy site it does not say %q:\n%s", healthy, said)
		}
	}
	for _, row := range []struct {
		name, sentence string
		patient        patient
		level, want    string
	}{
		{"no secret", "Two servers would not know each other's states.", patient{env: map[string]string{"PASSKEYS_SECRET": ""}}, "PROBLEM", "PASSKEYS_SECRET is not set"},
		{"a short secret", "It could be guessed.", patient{env: map[string]string{"PASSKEYS_SECRET": "short"}}, "PROBLEM", "PASSKEYS_SECRET: "},
		{"another secret", "Servers that differ refuse every other sign-in.", patient{env: map[string]string{"PASSKEYS_SECRET": strings.Repeat("y", 32)}}, "PROBLEM", "does not open with this environment's PASSKEYS_SECRET"},
		{"a misspelt variable", "A policy is at its default.", patient{env: map[string]string{"PASSKEYS_USER_VERIFICATON": "required"}}, "PROBLEM", "begins with PASSKEYS_ and is none that is read"},
		{"the origin is missing", "The page would be told wrong_origin.", patient{env: map[string]string{"PASSKEYS_EXPECTED_ORIGINS": "https://www.example.org"}}, "PROBLEM", "https://example.org is none of the origins"},
		{"another RP id", "The page cannot use its passkeys.", patient{env: map[string]string{"PASSKEYS_RP_ID": "www.example.org", "PASSKEYS_EXPECTED_ORIGINS": site + ",https://www.example.org"}}, "PROBLEM", "example.org is neither www.example.org, the RP id, nor below it"},
		{"another RP id at the server", "The environment is another one.", patient{server: func(c *passkeys.Config) {
			c.RPID, c.Origins = "www.example.org", []string{site, "https://www.example.org"}
		}}, "PROBLEM", "the server's RP id is www.example.org"},
		{"a certificate for another name", "Browsers warn, and have no passkeys.", patient{certificate: func(c *x509.Certificate) { c.DNSNames = []string{"example.com"} }}, "PROBLEM", "the certificate is for example.com, and not for example.org"},
		{"a certificate that has expired", "As do they here.", patient{certificate: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }}, "PROBLEM", "the certificate is not valid now"},
		{"a certificate that expires", "They will.", patient{certificate: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(49 * time.Hour) }}, "warning", "the certificate is good for 2 days"},
		{"an authority of one's own", "Browsers do not know it.", patient{args: []string{"-ca", ""}}, "PROBLEM", "nobody trusts who has signed the certificate"},
		{"http", "Browsers have no passkeys there.", patient{url: "http://example.org"}, "PROBLEM", "the site is not on https"},
		{"a page that is not there", "It is not the one that signs in.", patient{around: answering("/", http.NotFound)}, "warning", "https://example.org answers 404"},
		{"a redirect", "The origin is another one.", patient{around: answering("/", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.org/", http.StatusMovedPermanently)
		})}, "PROBLEM", "redirects to https://www.example.org/"},
		{"Permissions-Policy", "The page forbids itself what it is for.", patient{page: http.Header{"Permissions-Policy": {"camera=(), publickey-credentials-get=()"}}}, "PROBLEM", "Permissions-Policy: publickey-credentials-get=() forbids"},
		{"Content-Security-Policy", "The script is not loaded.", patient{page: http.Header{"Content-Security-Policy": {"script-src https://cdn.example; frame-ancestors 'none'"}}}, "PROBLEM", "script-src https://cdn.example keeps the page from the routes"},
		{"Content-Security-Policy of connections", "The routes are not reached.", patient{page: http.Header{"Content-Security-Policy": {"default-src 'none'; script-src 'self'; frame-ancestors 'none'"}}}, "PROBLEM", "connect-src 'none' keeps the page from the routes"},
		{"a frame that is not admitted", "It is configured, and the page says no.", patient{env: map[string]string{"PASSKEYS_TOP_ORIGINS": "https://partner.example"}}, "PROBLEM", "keeps the page out of the frames of https://partner.example"},
		{"X-Frame-Options", "It knows no exceptions.", patient{env: map[string]string{"PASSKEYS_TOP_ORIGINS": "https://partner.example"}, page: http.Header{"X-Frame-Options": {"DENY"}}}, "PROBLEM", "X-Frame-Options: DENY"},
		{"any frame", "Clicks can be stolen.", patient{page: http.Header{"Content-Security-Policy": {"default-src 'self'"}}}, "warning", "any site may show this page in a frame"},
		{"a cookie", "It goes over http as well.", patient{page: http.Header{"Set-Cookie": {"session=1; HttpOnly"}}}, "warning", "the cookie session is not Secure, SameSite"},
		{"the clock", "States expire by it.", patient{page: http.Header{"Date": {time.Now().Add(-10 * time.Minute).UTC().Format(http.TimeFormat)}}}, "PROBLEM", "the clocks of the site and of this machine are 10m"},
		{"a proxy that rewrites Origin", "Everybody is refused.", patient{around: set("/auth/", "Origin", "http://upstream:8080")}, "PROBLEM", "the routes refuse pages of https://example.org as another site's"},
		{"a proxy that drops Origin", "Anybody is let in.", patient{around: set("/auth/", "Origin", "")}, "PROBLEM", "take another site's page for one of yours"},
		{"a proxy that drops Sec-Fetch-Site", "Pages that hide their name are refused.", patient{around: set("/auth/", "Sec-Fetch-Site", "")}, "warning", "Referrer-Policy: no-referrer are refused"},
		{"a proxy that cuts bodies off", "Registrations with an attestation fail.", patient{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 8<<10 {
					http.Error(w, "too large", http.StatusRequestEntityTooLarge)
					return
				}
				next.ServeHTTP(w, r)
			})
		}}, "PROBLEM", "a body of 60 KiB is answered 413"},
		{"a proxy that caches", "A challenge is served twice.", patient{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorded := httptest.NewRecorder()
				next.ServeHTTP(recorded, r)
				for name, values := range recorded.Header() {
					w.Header()[name] = values
				}
				if strings.Contains(r.URL.Path, "/authenticate/") {
					w.Header().Set("Cache-Control", "max-age=60")
				}
				w.WriteHeader(recorded.Code)
				_, _ = w.Write(recorded.Body.Bytes())
			})
		}}, "PROBLEM", "have lost their Cache-Control"},
		{"another mount", "The routes are elsewhere.", patient{args: []string{"-mount", "/passkeys"}}, "PROBLEM", "answers 404, and not as the routes do"},
		{"a mount that is none", "There is nothing to ask.", patient{args: []string{"-mount", "/%zz"}}, "PROBLEM", "answers 0, and not as the routes do"},
		{"a limiter", "It says for how long.", patient{around: answering("/auth/passkeys/authenticate/begin", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			passkeys.WriteError(w, r, passkeys.ErrRateLimited)
		})}, "warning", "the routes have this machine wait"},
		{"a limiter of the proxy's", "It has no words of ours.", patient{around: answering("/auth/passkeys/authenticate/begin", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
		})}, "warning", "something in front of the routes has this machine wait"},
		{"a well-known document that is not there", "Password managers do not find it.", patient{around: answering("/.well-known/passkey-endpoints", http.NotFound)}, "PROBLEM", "/.well-known/passkey-endpoints answers 404"},
		{"a well-known document that redirects", "Who asks follows none.", patient{around: answering("/.well-known/passkey-endpoints", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.org/.well-known/passkey-endpoints", http.StatusFound)
		})}, "PROBLEM", "/.well-known/passkey-endpoints redirects to"},
		{"a well-known document of another type", "It is not read.", patient{around: answering("/.well-known/passkey-endpoints", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
		})}, "PROBLEM", "is served as text/html"},
		{"another well-known document", "It is an old one.", patient{server: func(c *passkeys.Config) { c.WellKnown.Manage = site + "/old" }}, "PROBLEM", "/.well-known/passkey-endpoints is not what is configured here"},
		{"a script of another type", "Browsers do not run it.", patient{around: answering("/auth/passkeys/client.js", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
		})}, "PROBLEM", "client.js is not served as a script"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, said := row.patient.examined(t)
			found := regexp.MustCompile(`(?m)^` + row.level + ` .*` + regexp.QuoteMeta(row.want)).MatchString(said)
			if !found || (status == refused) != (row.level == "PROBLEM") {
				t.Errorf("%s It says, with status %d:\n%s\nwant %s %s", row.sentence, status, said, row.level, row.want)
			}
			if n := strings.Count(said, "PROBLEM"); row.level == "warning" && n > 0 {
				t.Errorf("it finds %d problems besides:\n%s", n, said)
			}
		})
	}
}

func TestDoctorNeedsASite(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("empty.pem", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                              "URL is missing",
		"example.org":                   "URL is missing",
		"ftp://example.org":             "URL is missing",
		"https:///sign-in":              "URL is missing",
		"https://[":                     "URL is missing",
		site + " " + site:               "URL is missing",
		"-frobnicate " + site:           "not defined: -frobnicate",
		"-ca none.pem " + site:          "open none.pem",
		"-ca empty.pem " + site:         "empty.pem: no certificate in it",
		"-mount /auth -connect " + site: "URL is missing",
	} {
		var out, stderr bytes.Buffer
		if status := run(append([]string{"doctor"}, strings.Fields(args)...), streams{strings.NewReader(""), &out, &stderr}); status != failed || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: %d %s", args, status, &stderr)
		}
	}
	t.Setenv("PASSKEYS_RP_ID", "example.org")
	t.Setenv("PASSKEYS_RP_NAME", "Example")
	t.Setenv("PASSKEYS_EXPECTED_ORIGINS", site)
	var out, stderr bytes.Buffer
	if status := run([]string{"doctor", "-connect", "127.0.0.1:1", site}, streams{strings.NewReader(""), &out, &stderr}); status != refused || !strings.Contains(out.String(), "does not answer") {
		t.Errorf("of a site that is down: %d %s", status, &out)
	}
}

func TestExplain(t *testing.T) {
	for name, value := range map[string]string{"PASSKEYS_RP_ID": "example.org", "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": site, "PASSKEYS_SECRET": secret, "PASSKEYS_USER_VERIFICATION": "required"} {
		t.Setenv(name, value)
	}
	p, err := passkeys.New(passkeys.Config{RPID: "example.org", RPName: "Example", Origins: []string{site}, Credentials: passkeys.NewMemoryCredentials(), Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	capture := func(change func(*passkeytest.Authenticator), signIn bool) string {
		a := passkeytest.New(site)
		a.AAGUID, _ = passkeys.ParseAAGUID("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4")
		if !signIn && change != nil {
			change(a)
		}
		c, err := p.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: passkeys.User{ID: "alice"}})
		if err != nil {
			t.Fatal(err)
		}
		options, _ := json.Marshal(c)
		credential, err := a.Create(options)
		if err != nil {
			t.Fatal(err)
		}
		if !signIn {
			return string(credential)
		}
		if change != nil {
			change(a)
		}
		r, err := p.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{})
		if err != nil {
			t.Fatal(err)
		}
		options, _ = json.Marshal(r)
		if credential, err = a.Get(options); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"state":%q,"credential":%s}`, r.State, credential)
	}
	signIn := capture(nil, true)
	var sent struct{ Credential struct{ ID string } }
	if err := json.Unmarshal([]byte(signIn), &sent); err != nil {
		t.Fatal(err)
	}
	id, err := passkeys.DecodeID(sent.Credential.ID)
	if err != nil {
		t.Fatal(err)
	}
	client := func(f func(*passkeytest.ClientData)) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) {
			a.Alter = func(c *passkeytest.ClientData, _ *passkeytest.AuthenticatorData) { f(c) }
		}
	}
	for _, row := range []struct {
		name, sentence string
		captured       string
		status         int
		want           []string
	}{
		{"a registration", "Is sound, and says who made it.", capture(nil, false), ok, []string{"registration", "Google Password Manager", "ES256", "nothing in it breaks a rule"}},
		{"a sign-in", "Is sound, as far as can be seen without its key.", capture(nil, true), ok, []string{"sign-in", "is for example.org", `"alice"`, "user verified", "nothing in it breaks a rule", "the signature"}},
		{"of another page", "Says both origins.", capture(client(func(c *passkeytest.ClientData) { c.Origin = "https://evil.example" }), true), refused, []string{"https://evil.example; configured are https://example.org", "origin_mismatch"}},
		{"in a frame", "Says of whom.", capture(client(func(c *passkeytest.ClientData) { c.CrossOrigin, c.TopOrigin = true, "https://partner.example" }), true), refused, []string{"in a frame of", "https://partner.example; configured are", "cross_origin"}},
		{"without verification", "Says what is asked for.", capture(func(a *passkeytest.Authenticator) { a.UserNotVerified = true }, false), refused, []string{"user_verification_missing", "PASSKEYS_USER_VERIFICATION"}},
		{"of another RP id", "Says that it is.", capture(func(a *passkeytest.Authenticator) {
			a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) { d.RPIDHash = make([]byte, 32) }
		}, true), refused, []string{"is not for example.org", "rp_id_mismatch"}},
		{"with keys of the user's", "Refuses them, and prints none.", strings.Replace(capture(nil, true), `"clientExtensionResults":{`, `"clientExtensionResults":{"prf":{"results":{"first":"c2VjcmV0a2V5"}}`, 1), refused, []string{"prf_results_present"}},
		{"of another library", "Its challenge is too short.", capture(client(func(c *passkeytest.ClientData) { c.Challenge = "AAAA" }), true), refused, []string{"the challenge has 3 bytes"}},
		{"of no browser's", "Has no client data.", `{"id":"AAAA","response":{}}`, refused, []string{"the challenge has 0 bytes"}},
		{"with a long id", "Has none that is ours.", strings.Replace(signIn, passkeys.EncodeID(id), passkeys.EncodeID(make([]byte, 1024)), 2), refused, []string{"ID: 1024 bytes"}},
		{"not one", "Is no JSON.", "<html>", failed, []string{"this is no credential"}},
	} {
		var out, stderr bytes.Buffer
		status := run([]string{"explain"}, streams{strings.NewReader(row.captured), &out, &stderr})
		said := out.String() + stderr.String()
		for _, want := range row.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: it does not say %q. %s\n%s", row.name, want, row.sentence, said)
			}
		}
		if status != row.status || strings.Contains(said, "c2VjcmV0a2V5") || strings.Contains(said, secret) {
			t.Errorf("%s: status %d:\n%s", row.name, status, said)
		}
	}
}

func TestExplainNeedsAFile(t *testing.T) {
	for name, value := range map[string]string{"PASSKEYS_RP_ID": "example.org", "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": site, "PASSKEYS_SECRET": secret} {
		t.Setenv(name, value)
	}
	explained := func(in io.Reader, args ...string) (int, string) {
		var out, stderr bytes.Buffer
		status := run(append([]string{"explain"}, args...), streams{in, &out, &stderr})
		return status, out.String() + stderr.String()
	}
	for _, row := range []struct {
		args []string
		in   io.Reader
		want string
	}{
		{[]string{"-frobnicate"}, strings.NewReader("{}"), "not defined: -frobnicate"},
		{[]string{"none.json", "another.json"}, strings.NewReader("{}"), `"another.json" is one file too many`},
		{[]string{"none.json"}, strings.NewReader("{}"), "open none.json"},
		{nil, io.MultiReader(strings.NewReader("{}"), iotest.ErrReader(io.ErrClosedPipe)), io.ErrClosedPipe.Error()},
	} {
		if status, said := explained(row.in, row.args...); status != failed || !strings.Contains(said, row.want) {
			t.Errorf("%v: %d %s; want %s", row.args, status, said, row.want)
		}
	}
	t.Setenv("PASSKEYS_EXPECTED_ORIGINS", "http://example.org")
	if status, said := explained(strings.NewReader("{}")); status != failed || !strings.Contains(said, "PASSKEYS_EXPECTED_ORIGINS") {
		t.Errorf("without a configuration: %d %s", status, said)
	}
}

// There are words for each reason.
func TestReasonsHaveWords(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "audit.go"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := os.ReadFile(filepath.Join("..", "..", "internal", "engine", "engine.go"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := 0
	for _, m := range regexp.MustCompile(`(?m)^\tReason\w+ +Reason = (?:"([a-z_]+)"|engine\.(\w+))`).FindAllStringSubmatch(string(source), -1) {
		reason := m[1]
		if reason == "" {
			reason = regexp.MustCompile(`\b` + m[2] + ` *= "([a-z_]+)"`).FindStringSubmatch(string(engine))[1]
		}
		reasons++
		if means, then := words(passkeys.Reason(reason)); means == "" || then == "" {
			t.Errorf("there are no words for %s", reason)
		}
	}
	if reasons < 45 {
		t.Errorf("found %d reasons", reasons)
	}
}

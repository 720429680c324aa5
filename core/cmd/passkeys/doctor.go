package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// doctor looks at a running site as browsers and passkeys see it, and compares it with
// the configuration in the environment.
func doctor(flags *flag.FlagSet, args []string, std streams) (int, error) {
	mount := flags.String("mount", "/auth/passkeys", "the `path` of the routes")
	connect := flags.String("connect", "", "an `address`, host:port, to connect to in place of the site's: a server behind the balancer, or one that has no name yet")
	roots := flags.String("ca", "", "a PEM `file` with the certificate authority of a staging site")
	if err := flags.Parse(args); err != nil {
		return failed, err
	}
	site, err := url.Parse(flags.Arg(0))
	if err != nil || flags.NArg() != 1 || site.Scheme != "https" && site.Scheme != "http" || site.Host == "" {
		return failed, errors.New("the site's URL is missing, such as https://example.org")
	}
	client, err := newClient(*connect, *roots)
	if err != nil {
		return failed, err
	}
	x := &examination{client: client, site: site, mount: strings.TrimSuffix(*mount, "/"), out: std.out, elsewhere: *connect != ""}
	x.examine()
	_, _ = fmt.Fprintf(std.out, "\nproblems: %d, warnings: %d\n", x.problems, x.warnings)
	if x.problems > 0 {
		return refused, nil
	}
	return ok, nil
}

// newClient follows no redirect, waits for no longer than 10 s, and keeps no cookies.
func newClient(connect, roots string) (*http.Client, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment}
	if roots != "" {
		pem, err := os.ReadFile(roots) //nolint:gosec // the user's own file
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", roots)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if connect != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, connect)
		}
	}
	return &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// examination is what has been found so far.
type examination struct {
	client    *http.Client
	site      *url.URL
	mount     string
	elsewhere bool // the address is not the site's own
	out       io.Writer

	cfg                passkeys.Config
	p                  *passkeys.Passkeys
	problems, warnings int
}

func (x *examination) good(format string, args ...any) {
	_, _ = fmt.Fprintf(x.out, "ok       "+format+"\n", args...)
}

func (x *examination) warn(what, then string) {
	x.warnings++
	_, _ = fmt.Fprintf(x.out, "warning  %s.\n         %s.\n", what, then)
}

func (x *examination) problem(what, then string) {
	x.problems++
	_, _ = fmt.Fprintf(x.out, "PROBLEM  %s.\n         %s.\n", what, then)
}

// origin is the site's, as browsers send it.
func (x *examination) origin() string { return x.site.Scheme + "://" + x.site.Host }

func (x *examination) examine() {
	x.configuration()
	page, err := x.get(x.site.String())
	if err != nil {
		x.unreachable(err)
		return
	}
	x.certificate(page)
	x.page(page)
	if x.p != nil {
		x.routes()
		x.wellKnown()
	}
}

// configuration reads the environment.
func (x *examination) configuration() {
	cfg, err := passkeys.ConfigFromEnv()
	if err != nil {
		x.problem("the configuration in the environment is none: "+strings.TrimPrefix(err.Error(), "passkeys: "), "give this command the environment that the server has")
		return
	}
	var warned warnings
	cfg.Credentials, cfg.Logger, cfg.Audit = passkeys.NewMemoryCredentials(), slog.New(slog.DiscardHandler), &warned
	p, err := passkeys.New(cfg)
	if err != nil {
		x.problem("the configuration in the environment is none: "+strings.TrimPrefix(err.Error(), "passkeys: "), "mend it; see the documentation of ConfigFromEnv")
		return
	}
	x.cfg, x.p = cfg, p
	for _, reason := range warned {
		if reason == passkeys.ReasonSecretMissing {
			x.problem("PASSKEYS_SECRET is not set", "make one with openssl rand -base64 32, and set it to the same on every server; else a sign-in that one begins another cannot finish")
		} else { // all else that an environment can be warned of
			x.problem("a variable begins with PASSKEYS_ and is none that is read", "look for a typing error: what it was to change is at its default. "+strings.Join(unread(), ", "))
		}
	}
	switch host := x.site.Hostname(); {
	case !slices.Contains(append(slices.Clone(cfg.Origins), cfg.WellKnown.Related...), x.origin()):
		x.problem(fmt.Sprintf("%s is none of the origins, %s", x.origin(), strings.Join(cfg.Origins, ", ")), "add it to PASSKEYS_EXPECTED_ORIGINS, exactly so; else its pages are told wrong_origin")
	case host != cfg.RPID && !strings.HasSuffix(host, "."+cfg.RPID) && !slices.Contains(cfg.WellKnown.Related, x.origin()):
		x.problem(fmt.Sprintf("%s is neither %s, the RP id, nor below it, nor a related domain", host, cfg.RPID), "set PASSKEYS_RP_ID to the domain that you register, or name the page in PASSKEYS_RELATED_ORIGINS")
	default:
		x.good("%s may use the passkeys of %s", x.origin(), cfg.RPID)
	}
}

// warnings are the reasons that New warned for.
type warnings []passkeys.Reason

// Emit implements [passkeys.AuditSink].
func (w *warnings) Emit(_ context.Context, e passkeys.AuditEvent) { *w = append(*w, e.Reason) }

// unread are the names of the environment that may be misspelt.
func unread() (names []string) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PASSKEYS_") {
			names = append(names, name)
		}
	}
	return names
}

func (x *examination) unreachable(err error) {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		x.problem("the certificate is for "+strings.Join(name.Certificate.DNSNames, ", ")+", and not for "+name.Host, "get one for this name: a page whose warning was clicked away has no passkeys")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		x.problem(fmt.Sprintf("the certificate is not valid now: from %s to %s", invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly)), "renew it, or mend this machine's clock")
	case errors.As(err, &authority):
		x.problem("nobody trusts who has signed the certificate", "get one of an authority that browsers know, or name yours with -ca")
	default:
		x.problem("the site does not answer: "+err.Error(), "start it, or see -connect")
	}
}

// answer is what the site said.
type answer struct {
	status int
	header http.Header
	body   []byte
	tls    *tls.ConnectionState
	at     time.Time // by this machine's clock
}

func (x *examination) get(url string) (*answer, error) {
	return x.ask(http.MethodGet, url, http.Header{}, "")
}

// ask sends one request, and reads the first MiB of the answer.
func (x *examination) ask(method, url string, header http.Header, body string) (*answer, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	r.Header.Set("User-Agent", "passkeys doctor")
	response, err := x.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return &answer{response.StatusCode, response.Header, read, response.TLS, time.Now()}, err
}

func (x *examination) certificate(a *answer) {
	if a.tls == nil {
		if host := x.site.Hostname(); host != "localhost" && !strings.HasSuffix(host, ".localhost") {
			x.problem("the site is not on https", "browsers have passkeys on https, and over http on localhost alone")
		}
		return
	}
	left := time.Until(a.tls.PeerCertificates[0].NotAfter)
	if left < 14*24*time.Hour {
		x.warn(fmt.Sprintf("the certificate is good for %d days", int(left.Hours()/24)), "see that it is renewed")
	} else {
		x.good("the certificate is for this name, and good for %d days", int(left.Hours()/24))
	}
	if x.elsewhere || x.site.Port() != "" {
		return
	}
	switch plain, err := x.get("http://" + x.site.Host + "/"); {
	case err != nil: // nobody is there
	case plain.status >= 300 && plain.status < 400 && strings.HasPrefix(plain.header.Get("Location"), "https:"):
		x.good("http is redirected to https")
	default:
		x.warn("http is not redirected to https", "redirect it, and send Strict-Transport-Security: who comes over http finds a page without passkeys")
	}
}

// page looks at what concerns the page, rather than the routes.
func (x *examination) page(a *answer) {
	if a.status >= 300 && a.status < 400 {
		x.problem(fmt.Sprintf("%s redirects to %s", x.site, a.header.Get("Location")), "look at that address: its origin is what must be configured")
	} else if a.status >= 400 {
		x.warn(fmt.Sprintf("%s answers %d", x.site, a.status), "give the address of a page that signs in")
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		if off := a.at.Sub(date).Abs(); off > 5*time.Minute {
			x.problem(fmt.Sprintf("the clocks of the site and of this machine are %s apart", off.Round(time.Second)), "mend the one that is wrong: states expire by the servers' clocks, which may differ by five minutes")
		} else {
			x.good("the clock is right")
		}
	}
	for _, directive := range []string{"publickey-credentials-get", "publickey-credentials-create"} {
		if value, ok := policy(a.header, directive); ok && value != "*" && !strings.Contains(value, "self") && !strings.Contains(value, x.origin()) {
			x.problem(fmt.Sprintf("Permissions-Policy: %s=%s forbids passkeys to the page itself", directive, value), "say "+directive+"=(self), or leave it out")
		}
	}
	x.security(a.header)
	for _, line := range a.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			continue
		}
		var missing []string
		for _, m := range []struct {
			name string
			is   bool
		}{{"Secure", c.Secure || x.site.Scheme == "http"}, {"HttpOnly", c.HttpOnly}, {"SameSite", c.SameSite != 0 && c.SameSite != http.SameSiteNoneMode}} {
			if !m.is {
				missing = append(missing, m.name)
			}
		}
		if missing != nil {
			x.warn(fmt.Sprintf("the cookie %s is not %s", c.Name, strings.Join(missing, ", ")), "if it is the session's, set these: who steals it is signed in without a passkey")
		}
	}
}

// policy is a directive's value in Permissions-Policy.
func policy(h http.Header, directive string) (value string, ok bool) {
	for member := range strings.SplitSeq(strings.Join(h.Values("Permissions-Policy"), ","), ",") {
		if name, v, found := strings.Cut(strings.TrimSpace(member), "="); found && name == directive {
			value, ok = v, true
		}
	}
	return value, ok
}

// security looks at the Content-Security-Policy, and at who may frame the page.
func (x *examination) security(h http.Header) {
	directives := map[string]string{}
	for member := range strings.SplitSeq(strings.Join(h.Values("Content-Security-Policy"), ";"), ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(member), " "); name != "" {
			directives[strings.ToLower(name)] = value
		}
	}
	for _, directive := range []string{"script-src", "connect-src"} {
		value, ok := directives[directive]
		if !ok {
			value, ok = directives["default-src"]
		}
		admits := slices.ContainsFunc(strings.Fields(value), func(source string) bool {
			return source == "'self'" || source == "*" || source == "https:" || source == x.site.Host || source == x.origin() || directive == "script-src" && strings.HasPrefix(source, "'nonce-")
		})
		if ok && !admits {
			x.problem(fmt.Sprintf("Content-Security-Policy: %s %s keeps the page from the routes", directive, value), "add 'self' to "+directive)
		}
	}
	framed := x.cfg.TopOrigins
	if frames := h.Get("X-Frame-Options"); len(framed) > 0 && frames != "" {
		x.problem("X-Frame-Options: "+frames+" keeps the page out of the frames of PASSKEYS_TOP_ORIGINS", "leave it out, and say frame-ancestors in Content-Security-Policy")
	}
	if ancestors, ok := directives["frame-ancestors"]; ok {
		for _, o := range framed {
			if !strings.Contains(ancestors, o) && !strings.Contains(ancestors, "*") {
				x.problem("Content-Security-Policy: frame-ancestors "+ancestors+" keeps the page out of the frames of "+o, "add it: PASSKEYS_TOP_ORIGINS has it")
			}
		}
	} else if len(framed) == 0 && h.Get("X-Frame-Options") == "" {
		x.warn("any site may show this page in a frame", "say frame-ancestors 'none' in Content-Security-Policy")
	}
}

// routes asks the routes as a page would, and as none may.
func (x *examination) routes() {
	base := x.origin() + x.mount
	post := func(path, origin, fetchSite, body string) *answer {
		h := http.Header{"Content-Type": {"application/json"}}
		if origin != "" {
			h.Set("Origin", origin)
		}
		if fetchSite != "" {
			h.Set("Sec-Fetch-Site", fetchSite)
		}
		a, err := x.ask(http.MethodPost, base+path, h, body)
		if err != nil {
			return &answer{}
		}
		return a
	}
	begun := post("/authenticate/begin", x.origin(), "same-origin", "{}")
	var ceremony struct {
		PublicKey struct {
			RPID string `json:"rpId"`
		} `json:"publicKey"`
		State string `json:"state"`
	}
	switch code := codeOf(begun.body); {
	case code == "wrong_origin":
		x.problem("the routes refuse pages of "+x.origin()+" as another site's", "the server has other PASSKEYS_EXPECTED_ORIGINS than this environment, or a proxy in front of it rewrites the header Origin: have it leave that alone")
		return
	case code == "rate_limited":
		x.warn("the routes have this machine wait", "ask again in "+begun.header.Get("Retry-After")+" seconds")
		return
	case begun.status == http.StatusTooManyRequests:
		x.warn("something in front of the routes has this machine wait", "ask again later")
		return
	case begun.status != http.StatusOK || json.Unmarshal(begun.body, &ceremony) != nil || ceremony.PublicKey.RPID == "":
		x.problem(fmt.Sprintf("%s answers %d, and not as the routes do", base+"/authenticate/begin", begun.status), "say where they are with -mount; see that the proxy passes POST requests on, and that http.StripPrefix has the mount's path without a slash at its end")
		return
	case ceremony.PublicKey.RPID != x.cfg.RPID:
		x.problem(fmt.Sprintf("the server's RP id is %s, and this environment's %s", ceremony.PublicKey.RPID, x.cfg.RPID), "give this command the environment that the server has")
	default:
		x.good("the routes are at %s", base)
	}
	if begun.header.Get("Cache-Control") != "no-store" {
		x.problem("the answers of the routes have lost their Cache-Control: no-store", "have no proxy change it: a challenge that is served twice is none")
	}
	x.secret(ceremony.State)
	if a := post("/authenticate/begin", "https://elsewhere.example", "cross-site", "{}"); a.status == http.StatusOK {
		x.problem("the routes take another site's page for one of yours", "a proxy drops or rewrites the header Origin: have it leave that alone")
	} else {
		x.good("other sites' pages are refused")
	}
	if a := post("/authenticate/begin", "null", "same-origin", "{}"); a.status != http.StatusOK && codeOf(a.body) == "wrong_origin" {
		x.warn("pages under Referrer-Policy: no-referrer are refused", "have the proxy pass on Sec-Fetch-Site, and Host as the browser sent it")
	}
	if a := post("/authenticate/finish", x.origin(), "same-origin", `{"state":"`+strings.Repeat("x", 60<<10)+`"}`); codeOf(a.body) == "" {
		x.problem(fmt.Sprintf("a body of 60 KiB is answered %d by something in front of the routes", a.status), "let bodies of up to 64 KiB pass: a registration with an attestation has some")
	} else {
		x.good("bodies of up to 60 KiB pass")
	}
	if a, err := x.get(base + "/client.js"); err != nil || a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") {
		x.problem(base+"/client.js is not served as a script", "pass all that is below the mount on to the routes, and leave its Content-Type alone")
	}
}

// codeOf is the code of an error of the routes.
func codeOf(body []byte) string {
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal(body, &e)
	return e.Error.Code
}

// secret sees whether this environment's opens what the server has sealed: only then is
// the credential looked for.
func (x *examination) secret(state string) {
	if len(x.cfg.Secret) == 0 {
		return
	}
	id := passkeys.EncodeID([]byte(rand.Text()))
	credential := fmt.Sprintf(`{"id":%q,"rawId":%[1]q,"type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`, id)
	_, err := x.p.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{State: state, Credential: json.RawMessage(credential)})
	if e, ok := errors.AsType[*passkeys.Error](err); ok && e.Reason() == passkeys.ReasonChallengeNotFound {
		x.problem("what the server seals does not open with this environment's PASSKEYS_SECRET", "see that every server has the same; or is it one with a challenge store, which seals nothing?")
		return
	}
	x.good("the server's secret is this environment's")
}

// wellKnown compares each document that is configured with what the RP id's host serves.
func (x *examination) wellKnown() {
	routes, err := passkeys.WellKnownRoutes[passkeys.Exchange](x.p)
	if err != nil {
		return
	}
	host := x.cfg.RPID
	if port := x.site.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	for _, route := range routes {
		want := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, route.Path, nil)
		e := passkeys.NewExchange(want, r)
		route.Serve(e, e.W, e.R)
		if want.Code != http.StatusOK {
			continue // not configured
		}
		at := x.site.Scheme + "://" + host + route.Path
		switch a, err := x.get(at); {
		case err != nil:
			x.problem(at+" cannot be asked for: "+err.Error(), "the RP id's host must serve it, over https")
		case a.status >= 300 && a.status < 400:
			x.problem(at+" redirects to "+a.header.Get("Location"), "serve it there: who asks for it follows no redirect")
		case a.status != http.StatusOK:
			x.problem(fmt.Sprintf("%s answers %d", at, a.status), "mount the well-known routes at the root of the RP id's host")
		case !strings.HasPrefix(a.header.Get("Content-Type"), "application/json"):
			x.problem(at+" is served as "+a.header.Get("Content-Type"), "serve it as application/json")
		case !bytes.Equal(bytes.TrimSpace(a.body), bytes.TrimSpace(want.Body.Bytes())):
			x.problem(at+" is not what is configured here", fmt.Sprintf("it should be %s", bytes.TrimSpace(want.Body.Bytes())))
		default:
			x.good("%s is what is configured", at)
		}
	}
}

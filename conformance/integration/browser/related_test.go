package browser_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// TestRelatedDomain signs in from another domain in Chromium, which asks the RP ID's
// host whether it may.
func TestRelatedDomain(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	page := func(host string) string { return "https://" + host + ":" + port }
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{page("example.org"), page("example.net")},
		WellKnown:   passkeys.WellKnown{Related: []string{page("example.co.uk")}},
		Credentials: passkeys.NewMemoryCredentials(), Secret: make([]byte, 32), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return user, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	wellKnown := http.NewServeMux()
	if err := passkeys.MountWellKnown(wellKnown, p); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, routes))
	mux.Handle("example.org/.well-known/", wellKnown)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>Page</title>`)
	})
	server.Config.Handler = mux
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)

	// Browsers ask for the document at the default port.
	chromium := browser.StartChromium(t, chromedp.Flag("host-resolver-rules", "MAP *:443 127.0.0.1:"+port+",MAP * 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	tab := chromium.Blank(t)
	tab.Load(page("example.org"))
	phone := tab.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
	run := func(script string) (got string) {
		t.Helper()
		tab.Eval(`(async () => {
			const { passkeys } = await import('`+mount+`/client.js');
			const pk = passkeys();
			try { return (await pk.`+script+`()).status; } catch (e) { return e.code; }
		})()`, &got)
		return got
	}
	for _, step := range []struct{ says, host, script, want string }{
		{"A passkey is made at home.", "example.org", "register", "ok"},
		{"It signs in from a related domain.", "example.co.uk", "signIn", "ok"},
		{"The server alone names this one: the browser lets it use none.", "example.net", "signIn", "wrong_site"},
		{"Another is made from a related domain.", "example.co.uk", "register", "already_registered"},
	} {
		tab.Load(page(step.host))
		if got := run(step.script); got != step.want {
			t.Errorf("%s %s", step.says, got)
		}
		if said := tab.Errors(); len(said) > 0 && step.want != "wrong_site" { // which the console explains
			t.Errorf("%s %q", step.says, said)
		}
	}
	if n := phone.Passkeys(); n != 1 {
		t.Errorf("the device has %d passkeys", n)
	}
}

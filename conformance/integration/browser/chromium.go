package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Chromium is a running browser.
type Chromium struct{ ctx context.Context }

// StartChromium runs a headless Chromium with a fresh profile, and with these options
// more, until the test ends.
func StartChromium(t testing.TB, more ...chromedp.ExecAllocatorOption) *Chromium {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program(t, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")),
		chromedp.Flag("headless", "new"),
	}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
		"disable-sync", "no-first-run", "disable-quic", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &Chromium{ctx}
}

// Tab is one page in a browser profile of its own, which nobody else's cookies
// and passkeys are in. It fails its test for whatever the page says of errors: on
// the console, or by not catching an exception. Who expects one takes it with
// Errors.
type Tab struct {
	// TB fails in the methods: a test sets it to that of the subtest that it is in.
	testing.TB

	// URL is what Open loads.
	URL string

	// Ready is the condition, as for Wait, under which Open has loaded the page.
	Ready string

	complaints

	ctx context.Context
}

// Open shows the URL in a tab, and waits until the page is as ready says.
func (c *Chromium) Open(t testing.TB, url, ready string) *Tab {
	t.Helper()
	b := c.Blank(t)
	b.URL, b.Ready = url, ready
	b.Open()
	return b
}

// Blank opens a tab without a page.
func (c *Chromium) Blank(t testing.TB) *Tab {
	t.Helper()
	b := &Tab{TB: t, URL: "about:blank", Ready: "true"}
	b.failAtEnd(t)
	ctx, closeTab := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b.ctx = ctx
	must(b, chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			b.note("uncaught exception: " + (&chromedp.ExceptionError{ExceptionDetails: event.ExceptionDetails}).Error())
		case *runtime.EventConsoleAPICalled:
			if event.Type == runtime.ConsoleAPICalledTypeError {
				var said []string
				for _, arg := range event.Args {
					said = append(said, strings.Trim(string(arg.Value), `"`))
					if arg.Preview != nil { // an array, say
						for _, p := range arg.Preview.Properties {
							said = append(said, p.Value)
						}
					}
				}
				b.note(strings.Join(said, " "))
			}
		case *log.EventEntryAdded:
			// An answer such as 401 is an entry too, and part of the game. What the
			// Content-Security-Policy stopped is not.
			if e := event.Entry; e.Level == log.EntryLevelError && e.Source != log.EntrySourceNetwork {
				b.note(e.Text)
			}
		}
	}))
	Call(b, log.Enable, cdp.Empty{})
	Call(b, webauthn.Enable, webauthn.EnableParams{})
	return b
}

// Within runs f with a context that ends when Patience does.
func (b *Tab) Within(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	return f(ctx)
}

func must(b *Tab, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// Call runs one command of the DevTools protocol.
func Call[P, R any](b *Tab, command cdp.Command[P, R], params P) (result R) {
	b.Helper()
	must(b, b.Within(func(ctx context.Context) (err error) {
		result, err = chromedp.Call(ctx, command, params)
		return err
	}))
	return result
}

// Do runs actions of chromedp, and says what they were for where one fails.
func (b *Tab) Do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := b.Within(func(ctx context.Context) error { return chromedp.Do(ctx, actions...) }); err != nil {
		b.Fatalf("%s: %v; %s", what, err, b.Describe())
	}
}

// Open loads the page anew, and waits until it is ready.
func (b *Tab) Open() {
	b.Helper()
	b.Load(b.URL)
	b.Wait(b.Ready)
}

// Load opens a page, and returns when it is loaded.
func (b *Tab) Load(url string) {
	b.Helper()
	b.Do("open "+url, chromedp.Navigate(url))
}

// Click presses the mouse where the element is.
func (b *Tab) Click(selector string) {
	b.Helper()
	b.Do("click "+selector, chromedp.Click(selector))
}

// Keys types text into a field in place of what is there.
func (b *Tab) Keys(selector, text string) {
	b.Helper()
	b.Wait(fmt.Sprintf(`(document.querySelector(%q).value = '', true)`, selector))
	b.Do("type into "+selector, chromedp.SendKeys(selector, text))
}

// Press sends a key to whatever has the focus.
func (b *Tab) Press(key string) {
	b.Helper()
	b.Do("press a key", chromedp.KeyEvent(key))
}

// Wait returns as soon as the JavaScript condition is true. It may ask for
// text(selector), with its white space made single, and shown(selector). A change
// of the document is what makes it look again; nothing is polled.
func (b *Tab) Wait(condition string) {
	b.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const text = (selector) => document.querySelector(selector)?.textContent.trim().replace(/\s+/g, ' ');
		const shown = (selector) => Boolean(document.querySelector(selector)?.checkVisibility());
		const observer = new MutationObserver(look);
		observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		look();
		function look() {
			if (!(%s)) return;
			observer.disconnect();
			resolve(true);
		}
	})`, condition)
	err := b.Within(func(ctx context.Context) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		b.Fatalf("the page never got to: %s; %s", condition, b.Describe())
	}
	must(b, err)
}

// Reads waits until the element's text is exactly want.
func (b *Tab) Reads(selector, want string) {
	b.Helper()
	b.Wait(fmt.Sprintf(`text(%q) === %q`, selector, want))
}

// Describe is what a reader of a failure wants to know.
func (b *Tab) Describe() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return "and the page cannot be read: " + err.Error()
	}
	return "the page reads:\n" + text
}

// Cookie returns the page's cookie of this name, or nil.
func (b *Tab) Cookie(name string) *network.Cookie {
	b.Helper()
	for _, c := range Call(b, network.GetCookies, network.GetCookiesParams{}).Cookies {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Hold keeps the next request to a path from reaching the server: arrived returns
// when the page has sent it, and release lets it go, and all that come later.
func (b *Tab) Hold(path string) (arrived, release func()) {
	b.Helper()
	held := make(chan fetch.RequestID, 1)
	must(b, chromedp.Listen(b.ctx, func(event any) {
		if event, ok := event.(*fetch.EventRequestPaused); ok {
			held <- event.RequestID
		}
	}))
	Call(b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*" + path}}})
	var id fetch.RequestID
	arrived = func() {
		b.Helper()
		select {
		case id = <-held:
		case <-time.After(Patience):
			b.Fatalf("the page never asked for %s; %s", path, b.Describe())
		}
	}
	release = func() {
		b.Helper()
		Call(b, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: id})
		Call(b, fetch.Disable, cdp.Empty{})
	}
	return arrived, release
}

// Before has a script run in each page that the tab opens from now on, before the
// page's own, and returns what ends that.
func (b *Tab) Before(script string) (end func()) {
	b.Helper()
	added := Call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	return func() {
		b.Helper()
		Call(b, page.RemoveScriptToEvaluateOnNewDocument, page.RemoveScriptToEvaluateOnNewDocumentParams(added))
	}
}

// inClick has the script run as in a click, which some functions need.
func inClick(p *runtime.EvaluateParams) { yes := true; p.UserGesture = &yes }

// Eval runs a script, which may be a promise's expression, and decodes its value
// into result.
func (b *Tab) Eval(script string, result any) {
	b.Helper()
	must(b, b.Within(func(ctx context.Context) error {
		raw, err := chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage](script, chromedp.EvalAwaitPromise, inClick))
		if err != nil || result == nil {
			return err
		}
		return json.Unmarshal(raw, result)
	}))
}

// Fits fails if a telephone of 320 pixels would scroll sideways. With
// E2E_SCREENSHOTS naming a directory it also leaves pictures of the page there,
// by name, light and dark, wide and narrow.
func (b *Tab) Fits(name string) {
	b.Helper()
	defer b.Settle()
	defer b.Do("reset the viewport", chromedp.EmulateReset())
	for _, width := range []int64{1024, 320} {
		b.Do("set the viewport", chromedp.EmulateViewport(width, 760))
		overflow, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
		must(b, err)
		if overflow > 0 {
			b.Errorf("%s: at %d pixels the page is %d too wide", name, width, overflow)
		}
		dir := os.Getenv("E2E_SCREENSHOTS")
		if dir == "" {
			continue
		}
		for _, scheme := range []string{"light", "dark"} {
			Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			must(b, err)
			must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o600)) //nolint:gosec // where whoever runs the test wants them
		}
	}
}

// Settle waits until the browser has drawn what was changed, so that a click
// finds its element where it is.
func (b *Tab) Settle() {
	b.Helper()
	must(b, b.Within(func(ctx context.Context) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
			`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, chromedp.EvalAwaitPromise))
		return err
	}))
}

// Authenticator is a device that keeps passkeys: a virtual one, in the browser.
type Authenticator struct {
	b  *Tab
	id webauthn.AuthenticatorID
}

// NewAuthenticator plugs one in. It answers by itself, as a user does who agrees
// to everything.
func (b *Tab) NewAuthenticator(transport webauthn.AuthenticatorTransport, synced bool) *Authenticator {
	b.Helper()
	return b.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
		o.Transport, o.DefaultBackupEligibility, o.DefaultBackupState = transport, synced, synced
	})
}

// NewAuthenticatorWith plugs in one that differs from the usual in what change
// says: a platform authenticator that verifies its user and keeps passkeys.
func (b *Tab) NewAuthenticatorWith(change func(*webauthn.VirtualAuthenticatorOptions)) *Authenticator {
	b.Helper()
	options := &webauthn.VirtualAuthenticatorOptions{
		Protocol:                    webauthn.AuthenticatorProtocolCtap2,
		Ctap2version:                webauthn.Ctap2versionCtap21,
		Transport:                   webauthn.AuthenticatorTransportInternal,
		HasResidentKey:              true,
		HasUserVerification:         true,
		IsUserVerified:              true,
		AutomaticPresenceSimulation: true,
	}
	change(options)
	added := Call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: options})
	return &Authenticator{b, added.AuthenticatorID}
}

// Unplug takes the device away.
func (a *Authenticator) Unplug() {
	a.b.Helper()
	Call(a.b, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// Present says whether the user is at this device: the one that they are at
// answers.
func (a *Authenticator) Present(yes bool) {
	a.b.Helper()
	Call(a.b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: yes})
}

// Verifies says whether the device recognizes its user. If not, the prompt ends
// as it does when they close it.
func (a *Authenticator) Verifies(yes bool) {
	a.b.Helper()
	Call(a.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

// Passkeys returns how many the device keeps.
func (a *Authenticator) Passkeys() int {
	a.b.Helper()
	return len(a.Credentials())
}

// Credentials returns what the device keeps.
func (a *Authenticator) Credentials() []*webauthn.Credential {
	a.b.Helper()
	return Call(a.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}

// Rewind gives its passkeys the counter of one that was never used, as a copy has
// that was made then.
func (a *Authenticator) Rewind() {
	a.b.Helper()
	for _, c := range a.Credentials() {
		Call(a.b, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: a.id, CredentialID: c.CredentialID})
		c.SignCount = 0
		a.Add(c)
	}
}

// Add gives it a passkey, such as one that another device has too.
func (a *Authenticator) Add(c *webauthn.Credential) {
	a.b.Helper()
	// By hand: some versions of Chromium refuse members that this type always has.
	Call(a.b, cdp.Command[any, cdp.Empty]{Method: webauthn.CommandAddCredential}, any(map[string]any{
		"authenticatorId": a.id,
		"credential": map[string]any{
			"credentialId": c.CredentialID, "isResidentCredential": true, "rpId": c.RpID,
			"privateKey": c.PrivateKey, "userHandle": c.UserHandle, "signCount": c.SignCount,
		},
	}))
}

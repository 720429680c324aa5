package examples_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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

// patience is how long a page may take to get where a test waits for it.
const patience = 20 * time.Second

// startBrowser runs a headless Chromium with a fresh profile until the test
// ends, and returns the context that tabs are opened in.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)),
		chromedp.Flag("headless", "new"),
	}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
		"disable-sync", "no-first-run", "disable-quic", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return ctx
}

// chromium returns the path of the browser. A test without one has not passed.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("this test drives a real browser: install one of %s", strings.Join(names, ", "))
	return ""
}

// tab is one page in a browser profile of its own, which nobody else's cookies
// and passkeys are in.
type tab struct {
	testing.TB
	ctx context.Context
	url string
}

func openTab(t testing.TB, browser context.Context, url string) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b := &tab{t, ctx, url}
	must(b, chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("uncaught exception in the page: %s", (&chromedp.ExceptionError{ExceptionDetails: event.ExceptionDetails}).Error())
		case *log.EventEntryAdded:
			// An answer such as 401 is an entry too, and part of the game. What the
			// Content-Security-Policy stopped is not.
			if e := event.Entry; e.Level == log.EntryLevelError && e.Source != log.EntrySourceNetwork {
				t.Errorf("error in the page's console: %s", e.Text)
			}
		}
	}))
	call(b, log.Enable, cdp.Empty{})
	call(b, webauthn.Enable, webauthn.EnableParams{})
	b.open()
	return b
}

// within runs f with a context that ends when patience does.
func (b *tab) within(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return f(ctx)
}

func must(b *tab, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// call runs one command of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) (result R) {
	b.Helper()
	must(b, b.within(func(ctx context.Context) (err error) {
		result, err = chromedp.Call(ctx, command, params)
		return err
	}))
	return result
}

func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := b.within(func(ctx context.Context) error { return chromedp.Do(ctx, actions...) }); err != nil {
		b.Fatalf("%s: %v; %s", what, err, b.describe())
	}
}

// open loads the page anew and waits until it knows who is signed in.
func (b *tab) open() {
	b.Helper()
	b.do("open the page", chromedp.Navigate(b.url))
	b.wait(`shown('#signed-in') || shown('#signed-out')`)
}

// click presses the mouse where the element is.
func (b *tab) click(selector string) {
	b.Helper()
	b.do("click "+selector, chromedp.Click(selector))
}

// keys types text into a field in place of what is there.
func (b *tab) keys(selector, text string) {
	b.Helper()
	b.wait(fmt.Sprintf(`(document.querySelector(%q).value = '', true)`, selector))
	b.do("type into "+selector, chromedp.SendKeys(selector, text))
}

// press sends a key to whatever has the focus.
func (b *tab) press(key string) {
	b.Helper()
	b.do("press a key", chromedp.KeyEvent(key))
}

// wait returns as soon as the JavaScript condition is true. A change of the
// document is what makes it look again; nothing is polled.
func (b *tab) wait(condition string) {
	b.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const text = (selector) => document.querySelector(selector)?.textContent.trim().replace(/\s+/g, ' ');
		const shown = (selector) => Boolean(document.querySelector(selector)?.checkVisibility());
		const atRest = () => document.body.dataset.busy === undefined;
		const observer = new MutationObserver(look);
		observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		look();
		function look() {
			if (!(%s)) return;
			observer.disconnect();
			resolve(true);
		}
	})`, condition)
	err := b.within(func(ctx context.Context) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		b.Fatalf("the page never got to: %s; %s", condition, b.describe())
	}
	must(b, err)
}

// reads waits until the element's text is exactly want.
func (b *tab) reads(selector, want string) {
	b.Helper()
	b.wait(fmt.Sprintf(`text(%q) === %q`, selector, want))
}

// says waits until the page has finished what it was doing, and has reported it
// in these words.
func (b *tab) says(want string) {
	b.Helper()
	b.wait(fmt.Sprintf(`atRest() && text('#status') === %q`, want))
}

// describe is what a reader of a failure wants to know.
func (b *tab) describe() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return "and the page cannot be read: " + err.Error()
	}
	return "the page reads:\n" + text
}

// cookie returns the session's cookie, or nil.
func (b *tab) cookie() *network.Cookie {
	b.Helper()
	for _, c := range call(b, network.GetCookies, network.GetCookiesParams{}).Cookies {
		if c.Name == "passkeys_demo" {
			return c
		}
	}
	return nil
}

// hold keeps the next request to a path from reaching the server: arrived returns
// when the page has sent it, and release lets it go.
func (b *tab) hold(path string) (arrived, release func()) {
	b.Helper()
	held := make(chan fetch.RequestID, 1)
	must(b, chromedp.Listen(b.ctx, func(event any) {
		if event, ok := event.(*fetch.EventRequestPaused); ok {
			held <- event.RequestID
		}
	}))
	call(b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*" + path}}})
	var id fetch.RequestID
	arrived = func() {
		b.Helper()
		select {
		case id = <-held:
		case <-time.After(patience):
			b.Fatalf("the page never asked for %s; %s", path, b.describe())
		}
	}
	release = func() {
		b.Helper()
		call(b, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: id})
	}
	return arrived, release
}

// withoutWebAuthn does f on the page as an old browser shows it.
func (b *tab) withoutWebAuthn(f func()) {
	b.Helper()
	script := call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `delete window.PublicKeyCredential`,
	})
	b.open()
	f()
	call(b, page.RemoveScriptToEvaluateOnNewDocument, page.RemoveScriptToEvaluateOnNewDocumentParams(script))
	b.open()
}

// fits fails if a telephone of 360 pixels would scroll sideways. With
// E2E_SCREENSHOTS naming a directory it also leaves pictures of the page there,
// by name, light and dark, wide and narrow.
func (b *tab) fits(name string) {
	b.Helper()
	defer b.settle()
	defer b.do("reset the viewport", chromedp.EmulateReset())
	for _, width := range []int64{1024, 360} {
		b.do("set the viewport", chromedp.EmulateViewport(width, 760))
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
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			must(b, err)
			must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o600))
		}
	}
}

// settle waits until the browser has drawn what was changed, so that a click
// finds its element where it is.
func (b *tab) settle() {
	b.Helper()
	must(b, b.within(func(ctx context.Context) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
			`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, chromedp.EvalAwaitPromise))
		return err
	}))
}

// authenticator is a device that keeps passkeys: a virtual one, in the browser.
type authenticator struct {
	b  *tab
	id webauthn.AuthenticatorID
}

// newAuthenticator plugs one in. It answers by itself, as a user does who agrees
// to everything.
func (b *tab) newAuthenticator(transport webauthn.AuthenticatorTransport, synced bool) *authenticator {
	b.Helper()
	added := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol:                    webauthn.AuthenticatorProtocolCtap2,
			Ctap2version:                webauthn.Ctap2versionCtap21,
			Transport:                   transport,
			HasResidentKey:              true,
			HasUserVerification:         true,
			IsUserVerified:              true,
			AutomaticPresenceSimulation: true,
			DefaultBackupEligibility:    synced,
			DefaultBackupState:          synced,
		},
	})
	return &authenticator{b, added.AuthenticatorID}
}

// present says whether the user is at this device: the one that he is at answers.
func (a *authenticator) present(yes bool) {
	a.b.Helper()
	call(a.b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: yes})
}

// verifies says whether the device recognizes its user. If not, the prompt ends
// as it does when he closes it.
func (a *authenticator) verifies(yes bool) {
	a.b.Helper()
	call(a.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

// passkeys returns how many the device keeps.
func (a *authenticator) passkeys() int {
	a.b.Helper()
	return len(call(a.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials)
}

package browser_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// elementsSite is an application whose pages have nothing but what a test puts in
// them, under a policy that lets nothing pass but scripts, styles and requests of
// the site's own. Its one user is signed in.
type elementsSite struct {
	url    string
	store  *passkeys.MemoryCredentials
	routes http.Handler

	mu      sync.Mutex
	other   bool                        // whether there is another way to sign in
	instead map[string]http.HandlerFunc // by path: who answers in place of the routes
	posted  []string                    // paths, with the mode of a begin
}

const elementsPage = `<!doctype html>
<html lang="%s" dir="%s">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>A page of the tests</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/style.css">
  <script type="module" src="/auth/passkeys/elements.js"></script>
  <script type="module" src="/page.js"></script>
</head>
<body><main><h1>Example</h1>%s</main></body>
</html>`

const elementsStyle = `body { margin: 0 auto; padding: 1rem; max-width: 36rem; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, sans-serif; }`

// The events of both elements, as they arrive at the document.
const elementsScript = `
window.events = [];
for (const name of ['sign-in', 'added', 'renamed', 'removed', 'error'])
  document.addEventListener('passkey-' + name, (e) => events.push([name, e.detail.code ?? e.detail]));
document.addEventListener('securitypolicyviolation', (e) => console.error('policy violated:', e.violatedDirective, e.blockedURI));
`

func newElementsSite(t testing.TB) *elementsSite {
	t.Helper()
	s := &elementsSite{store: passkeys.NewMemoryCredentials(), instead: map[string]http.HandlerFunc{}}
	server := httptest.NewUnstartedServer(nil)
	s.url = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	p, err := passkeys.New(passkeys.Config{
		RPID: "localhost", RPName: "Test", Origins: []string{s.url}, Credentials: s.store,
		Secret: []byte("a secret of the elements' tests!"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.routes, err = passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) { return passkeys.User{ID: "user-1", Name: "ann"}, nil },
		FindUser: func(_ passkeys.Exchange, name string) (string, error) {
			return map[string]string{"ann": "user-1"}[name], nil
		},
		HasOtherSignIn: func(passkeys.Exchange, passkeys.User) (bool, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.other, nil
		},
		OnAuthenticated: func(_ passkeys.Exchange, r passkeys.AuthenticationResult) (any, error) {
			return map[string]string{"hello": r.UserID}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct{ Mode string }
		_ = json.Unmarshal(body, &q)
		s.mu.Lock()
		s.posted = append(s.posted, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+q.Mode))
		next, ok := s.instead[r.URL.Path]
		s.mu.Unlock()
		if !ok {
			next = s.routes.ServeHTTP
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		next(w, r)
	})))
	serve := func(path, kind string, content func(url.Values) string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'")
			_, _ = io.WriteString(w, content(r.URL.Query()))
		})
	}
	serve("/", "text/html", func(q url.Values) string {
		return fmt.Sprintf(elementsPage, html.EscapeString(q.Get("lang")), html.EscapeString(q.Get("dir")), q.Get("body"))
	})
	serve("/style.css", "text/css", func(url.Values) string { return elementsStyle })
	serve("/page.js", "text/javascript", func(url.Values) string { return elementsScript })
	serve("/worker.js", "text/javascript", func(url.Values) string {
		return `import { texts } from '/auth/passkeys/elements.js'; postMessage(texts.add);`
	})
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// answer has a route answered by somebody else, until it is nil.
func (s *elementsSite) answer(path string, by http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instead[path] = by; by == nil {
		delete(s.instead, path)
	}
}

// refusal is an answer with this error.
func refusal(err error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { passkeys.WriteError(w, r, err) }
}

// take returns what has been asked for since the last time.
func (s *elementsSite) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	posted := s.posted
	s.posted = nil
	return posted
}

// elementsVisit is a visit to the site on a telephone of 320 pixels.
type elementsVisit struct {
	*browser.Shadow
	site  *elementsSite
	phone *browser.Authenticator
	key   *browser.Authenticator
}

// show opens a page with these elements, in English unless a query says otherwise,
// and turns to the first of this name.
func (v *elementsVisit) show(host, body string, query ...string) {
	v.Helper()
	q := url.Values{"lang": {"en"}, "dir": {"ltr"}, "body": {body}}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	v.URL = v.site.url + "/?" + q.Encode()
	v.Host = host
	v.Open()
	if strings.Contains(host, "-") {
		v.Wait(`$('button, p')`)
	}
}

// says waits until the element says so in its status, and that nothing is wrong.
func (v *elementsVisit) says(want string) {
	v.Helper()
	v.Wait(fmt.Sprintf(`text('[part=note]') === %q && text('#error') === '' && !$('[aria-invalid]')`, want))
}

// wrong waits until the element says so as an error.
func (v *elementsVisit) wrong(want string) {
	v.Helper()
	v.Wait(fmt.Sprintf(`text('#error') === %q && text('[part=note]') === ''`, want))
}

// events takes the events that have arrived at the document.
func (v *elementsVisit) events(want string) {
	v.Helper()
	var got json.RawMessage
	v.Eval(`events.splice(0)`, &got)
	if string(got) != want {
		v.Errorf("events = %s; want %s", got, want)
	}
}

// reads fails if a screen reader does not have these, in this order, among what it
// has.
func (v *elementsVisit) reads(want ...string) {
	v.Helper()
	all := v.AX()
	i := 0
	for _, line := range all {
		if i < len(want) && line == want[i] {
			i++
		}
	}
	if i < len(want) {
		v.Errorf("a screen reader has no %q (in its place) in:\n%s", want[i], strings.Join(all, "\n"))
	}
}

// state is held against what is true of every state: axe finds nothing, by day and
// by night, and nothing scrolls sideways, in either direction of writing. It
// leaves pictures as browser.Tab.Fits does.
func (v *elementsVisit) state(name string) {
	v.Helper()
	var found []string
	const run = `(axe.reset(), axe.run(document, { resultTypes: ['violations'], runOnly: %s })).then(({ violations }) =>
		violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target.join(' ') + ': ' + failureSummary)))`
	var loaded bool
	if v.Eval(`typeof axe === 'object'`, &loaded); !loaded {
		v.Eval(axe(v)+"; 0", nil)
	}
	scheme := func(value string) {
		browser.Call(v.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
	}
	for value, rules := range map[string]string{"light": `undefined`, "dark": `['color-contrast']`} {
		scheme(value)
		v.Eval(fmt.Sprintf(run, rules), &found)
		for _, f := range found {
			v.Errorf("%s, %s: axe: %s", name, value, f)
		}
	}
	scheme("light")
	var wide []string
	v.Eval(`['rtl', 'ltr'].filter((dir) => {
		document.documentElement.dir = dir;
		return document.documentElement.scrollWidth > 320;
	})`, &wide)
	if len(wide) > 0 {
		v.Errorf("%s: at 320 pixels it scrolls sideways in %q", name, wide)
	}
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		return
	}
	for _, row := range []struct {
		width         int64
		scheme, write string
	}{{320, "light", "ltr"}, {640, "light", "ltr"}, {640, "dark", "ltr"}, {320, "dark", "rtl"}} {
		v.Do("set the viewport", chromedp.EmulateViewport(row.width, 560))
		scheme(row.scheme)
		v.Eval(fmt.Sprintf(`document.documentElement.dir = %q`, row.write), nil)
		v.Settle()
		var picture []byte
		if err := v.Within(func(ctx context.Context) (err error) {
			picture, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
			return err
		}); err != nil {
			v.Fatal(err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s-%s.png", strings.ReplaceAll(name, " ", "-"), row.width, row.scheme, row.write))
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			v.Fatal(err)
		}
	}
	v.Do("reset the viewport", chromedp.EmulateViewport(320, 560))
	scheme("light")
	v.Eval(`document.documentElement.dir = 'ltr'`, nil)
	v.Settle()
}

var readAxe = sync.OnceValues(func() ([]byte, error) {
	return os.ReadFile("../../../tools/web/node_modules/axe-core/axe.min.js")
})

func axe(t testing.TB) string {
	t.Helper()
	b, err := readAxe()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestElements(t *testing.T) {
	chromium := browser.StartChromium(t)
	for _, group := range []struct {
		name string
		rows []elementsRow
	}{{"sign-in", signInRows}, {"manager", managerRows}, {"both", bothRows}} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			v := &elementsVisit{Shadow: chromium.Blank(t).Inside(""), site: newElementsSite(t)}
			v.Do("set the viewport", chromedp.EmulateViewport(320, 560))
			for _, row := range group.rows {
				ok := t.Run(row.name, func(t *testing.T) {
					v.TB = t
					row.do(v)
				})
				if !ok {
					t.Fatalf("%s: %s", row.name, row.sentence)
				}
			}
		})
	}
}

// elementsRow begins where the one before it ended.
type elementsRow struct {
	name     string
	sentence string
	do       func(*elementsVisit)
}

const (
	promptOpen = "Continue in the prompt that your browser shows."
	notDone    = "That was not completed. Try again when you are ready."
	signedInAs = `[["sign-in",{"hello":"user-1"}]]`
)

var signInRows = []elementsRow{
	{"a button", "Is all there is, and nothing is asked of the server before it is wanted.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in>This needs JavaScript.</passkey-sign-in>`)
		v.reads("heading Example", "button Sign in with a passkey", "status", "alert")
		v.state("sign-in idle")
		for _, asked := range v.site.take() {
			if strings.HasPrefix(asked, "POST") {
				v.Errorf("the page has asked for %s", asked)
			}
		}
	}},
	{"a field", "Has a label, and says what browsers fill it with.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		v.Wait(`$('#field').getAttribute('autocomplete') === 'username webauthn'`)
		v.reads("textbox Username", "button Sign in with a passkey")
		v.state("sign-in with username")
	}},
	{"a prompt that is open", "The element says so; the button keeps the focus.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in></passkey-sign-in>`)
		v.phone = v.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		v.phone.Present(false)
		var made struct{ Status string }
		v.phone.Present(true)
		v.Eval(`document.querySelector('passkey-sign-in').passkeys.register()`, &made)
		v.phone.Present(false)
		v.Click("button")
		v.says(promptOpen)
		v.Wait(`focused('[part=button]') && $('[part=button][aria-busy=true][aria-disabled=true]') && shown('[part=cancel]')`)
		v.reads("button Sign in with a passkey", "button Cancel", "status")
		v.state("sign-in busy")
	}},
	{"Cancel", "Ends it, without a word; the focus is at the button again.", func(v *elementsVisit) {
		v.Press(kb.Tab)
		v.Wait(`focused('[part=cancel]')`)
		v.Press(kb.Enter)
		v.says("")
		v.Wait(`focused('[part=button]') && !shown('[part=cancel]') && !$('[aria-busy], [aria-disabled]')`)
		v.events(`[]`)
	}},
	{"a prompt that the person closes", "Is no error: nothing is marked as wrong.", func(v *elementsVisit) {
		v.phone.Present(true)
		v.phone.Verifies(false)
		v.Click("button")
		v.says(notDone)
		v.events(`[["error","cancelled"]]`)
		v.state("sign-in cancelled")
		v.phone.Verifies(true)
	}},
	{"sign-in", "The page hears what the server has answered.", func(v *elementsVisit) {
		v.Click("button")
		v.says("You are signed in.")
		v.events(signedInAs)
	}},
	{"a server that fails", "The words are tied to the button, and are gone when all is well.", func(v *elementsVisit) {
		v.site.answer("/authenticate/begin", refusal(passkeys.ErrStorageUnavailable))
		v.Click("button")
		const words = "The service is unavailable for the moment. Please try again soon."
		v.wrong(words)
		v.reads("button Sign in with a passkey | "+words, "status", "alert")
		v.events(`[["error","storage_unavailable"]]`)
		v.state("sign-in error")
		v.site.answer("/authenticate/begin", nil)
		v.Click("button")
		v.says("You are signed in.")
		v.events(signedInAs)
	}},
	{"sign-in by username, with Enter", "As with the button.", func(v *elementsVisit) {
		end := v.Before(noAutofill)
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		v.Keys("#field", "ann\r")
		v.says("You are signed in.")
		v.events(signedInAs)
		end()
	}},
	{"words about what was chosen in the field", "Are tied to the field, until it is changed.", func(v *elementsVisit) {
		v.site.answer("/authenticate/finish", refusal(passkeys.ErrCredentialNotFound))
		v.Keys("#field", "ann\r")
		const words = "This passkey is not known here: it may have been removed. Please use another one."
		v.wrong(words)
		v.reads("textbox Username | "+words, "button Sign in with a passkey", "alert")
		v.Wait(`$('#field').getAttribute('aria-invalid') === 'true' && focused('#field')`)
		v.state("sign-in error of the field")
		v.Press("x")
		v.says("")
		v.site.answer("/authenticate/finish", nil)
		v.events(`[["error","credential_not_found"]]`)
	}},
	{"next", "Is a path of this site, and nothing else that could pass for one.", func(v *elementsVisit) {
		register(v)
		for next, leads := range map[string]bool{
			"/welcome?to=ann#top":               true,
			"welcome":                           false,
			"//other.example/":                  false,
			"/\\other.example/":                 false,
			"/\t/other.example/":                false,
			"https://other.example/":            false,
			"javascript:console.error(1)":       false,
			"\u0001javascript:console.error(1)": false,
			"blob:" + v.site.url + "/1":         false,
			"":                                  false,
		} {
			v.show("passkey-sign-in", `<passkey-sign-in next="`+html.EscapeString(next)+`"></passkey-sign-in>`)
			var at string
			if leads {
				v.Click("button")
				v.Wait(`location.pathname + location.search + location.hash === "/welcome?to=ann#top"`)
				continue
			}
			v.Click("button")
			v.says("You are signed in.")
			// A navigation would have come before what is asked next.
			if v.Eval(`new Promise((done) => setTimeout(() => done(location.href)))`, &at); at != v.URL {
				v.Errorf("next=%q leads to %s", next, at)
			}
		}
	}},
	{"a page with other plans", "Prevents the event's default, and nothing leads away.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in next="/welcome"></passkey-sign-in>`)
		v.Eval(`addEventListener('passkey-sign-in', (e) => e.preventDefault()), 0`, nil)
		v.Click("button")
		v.says("You are signed in.")
		v.events(signedInAs)
	}},
	{"autofill", "Signs in with what was chosen in the field, without the button.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		v.says("You are signed in.")
		v.events(signedInAs)
	}},
	{"a passkey from the suggestions that will not do", "Is told at the field.", func(v *elementsVisit) {
		ended := make(chan struct{})
		v.site.answer("/authenticate/finish", func(w http.ResponseWriter, r *http.Request) {
			v.site.answer("/authenticate/begin", func(w http.ResponseWriter, r *http.Request) {
				passkeys.WriteError(w, r, passkeys.ErrForbidden) // ends autofill, which would choose again
				close(ended)
			})
			passkeys.WriteError(w, r, passkeys.ErrCloneDetected)
		})
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		v.wrong("This passkey may have been copied and cannot be used. Please use another one.")
		v.Wait(`$('#field').getAttribute('aria-invalid') === 'true'`)
		<-ended // or it is armed again in the row that follows
		v.site.answer("/authenticate/finish", nil)
		v.site.answer("/authenticate/begin", nil)
		v.events(`[["error","clone_detected"]]`)
	}},
	{"an element that is taken away", "Takes its autofill with it, and no ceremony of anybody else.", func(v *elementsVisit) {
		end := v.Before(byHand)
		v.site.take()
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in><section><passkey-sign-in></passkey-sign-in></section>`)
		other := v.Inside("section passkey-sign-in")
		v.prompts("conditional open")
		other.Click("button")
		v.prompts("conditional aborted, modal open")
		v.Eval(`document.querySelector('passkey-sign-in').remove()`, nil)
		v.prompts("conditional aborted, modal open")
		v.Eval(`prompts[1].close()`, nil)
		other.Reads("[part=note]", notDone)
		other.Click("button")
		v.prompts("conditional aborted, modal closed, modal open")
		armed := 0
		for _, asked := range v.site.take() {
			if strings.HasSuffix(asked, " conditional") {
				armed++
			}
		}
		if armed != 1 {
			v.Errorf("armed %d times; want once", armed)
		}
		v.Eval(`document.querySelector('passkey-sign-in').remove()`, nil)
		v.prompts("conditional aborted, modal closed, modal aborted")
		v.Host = "html"
		v.events(`[["error","cancelled"]]`)
		end()
	}},
	{"an element that is put elsewhere", "Is armed there.", func(v *elementsVisit) {
		end := v.Before(byHand)
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in><section></section>`)
		v.prompts("conditional open")
		v.Eval(`document.querySelector('section').append(document.querySelector('passkey-sign-in'))`, nil)
		v.prompts("conditional aborted, conditional open")
		end()
	}},
	{"a browser without passkeys", "The element says so, and its button does nothing.", func(v *elementsVisit) {
		end := v.Before(`delete window.PublicKeyCredential`)
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		v.says("This browser or device cannot use passkeys here.")
		v.Wait(`$('[part=button]').disabled`)
		v.state("sign-in unsupported")
		end()
	}},
}

// byHand has prompts that a test closes.
const byHand = `
window.prompts = [];
navigator.credentials.get = ({ mediation = 'modal', signal }) => new Promise((_, reject) => {
	const prompt = { mediation, state: 'open', close: () => end('closed', 'NotAllowedError') };
	const end = (state, name) => (document.documentElement.dataset.prompts = prompts.length, prompt.state = state, reject(new DOMException('', name)));
	signal.addEventListener('abort', () => prompt.state === 'open' && end('aborted', 'AbortError'));
	prompts.push(prompt);
	document.documentElement.dataset.prompts = prompts.length;
});`

// prompts waits until these have been opened, and are in these states.
func (v *elementsVisit) prompts(want string) {
	v.Helper()
	v.Tab.Wait(fmt.Sprintf(`prompts.map(({ mediation, state }) => mediation + ' ' + state).join(', ') === %q`, want))
}

// noAutofill is a browser that has none.
const noAutofill = `if (window.PublicKeyCredential) {
	delete PublicKeyCredential.getClientCapabilities;
	PublicKeyCredential.isConditionalMediationAvailable = async () => false;
}`

// register makes a passkey on the devices that are present, by the page's own
// script.
func register(v *elementsVisit) {
	v.Helper()
	v.show("passkey-sign-in", `<passkey-sign-in></passkey-sign-in>`)
	v.Eval(`document.querySelector('passkey-sign-in').passkeys.register()`, nil)
}

// add puts a passkey into the store, which was made 45 days ago and has not been
// used since.
func (s *elementsSite) add(t testing.TB, name string, change func(*passkeys.Credential)) {
	t.Helper()
	c := passkeys.Credential{
		ID: []byte("the id of " + name), UserID: "user-1", RPID: "localhost", DeviceName: name, PublicKey: []byte{1},
		CreatedAt: time.Now().Add(-45 * 24 * time.Hour).UTC(),
	}
	if change != nil {
		change(&c)
	}
	if err := s.store.Add(context.Background(), c); err != nil {
		t.Fatal(err)
	}
}

// empty takes all passkeys out of the store.
func (s *elementsSite) empty(t testing.TB) {
	t.Helper()
	all, err := s.store.ListByUser(context.Background(), "user-1")
	for _, c := range all {
		if err == nil {
			err = s.store.Delete(context.Background(), c.UserID, c.ID)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

const (
	manager  = "passkey-manager"
	onlyHint = "This is the only passkey that works, so it cannot be removed. Add another one first, on another device."
)

var managerRows = []elementsRow{
	{"a list that is on its way", "Is said to be.", func(v *elementsVisit) {
		release := make(chan struct{})
		v.site.answer("/credentials", func(w http.ResponseWriter, r *http.Request) {
			<-release
			v.site.routes.ServeHTTP(w, r)
		})
		v.show(manager, `<passkey-manager>This needs JavaScript.</passkey-manager>`)
		v.Reads("[part=body]", "Loading your passkeys…")
		v.reads("group Your passkeys", "status", "button Add a passkey", "status", "alert")
		v.state("manager loading")
		v.site.answer("/credentials", nil)
		close(release)
	}},
	{"no passkeys", "What one is good for, and a way to add it.", func(v *elementsVisit) {
		v.Reads("[part=empty]", "You have no passkeys yet. A passkey signs you in without a password: you unlock your device, and that is all.")
		v.state("manager empty")
	}},
	{"a list that cannot be had", "Why; and Try again, after which the focus is at the list.", func(v *elementsVisit) {
		v.site.answer("/credentials", refusal(passkeys.ErrUnauthenticated))
		v.show(manager, `<passkey-manager></passkey-manager>`)
		v.Reads("[part=body] [role=alert]", "You are not signed in. Please sign in first.")
		v.Wait(`!shown('[part=button]')`)
		v.events(`[["error","unauthenticated"]]`)
		v.state("manager error")
		v.site.answer("/credentials", nil)
		v.Click("[part=retry]")
		v.Wait(`focused('[part=body]') && shown('[part=empty]') && shown('[part=button]')`)
	}},
	{"a prompt that is open", "The element says so.", func(v *elementsVisit) {
		v.phone = v.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		v.phone.Present(false)
		v.Click("[part=button]")
		v.says(promptOpen)
		v.state("manager busy")
		v.Click("[part=cancel]")
		v.says("")
		v.Wait(`focused('[part=button]')`)
		v.events(`[]`)
	}},
	{"Add", "The new passkey has a name by the browser, which the server has too; the focus is where it was.", func(v *elementsVisit) {
		v.phone.Present(true)
		v.Click("[part=button]")
		v.says("Chrome on Linux is added.")
		v.Wait(`focused('[part=button]')`)
		v.Reads("li", "Chrome on Linux Synced Added today Not used yet "+onlyHint+" Rename Remove")
		var id string
		v.Eval(`new URLSearchParams({ id: events[0][1].id }).get('id')`, &id)
		v.events(`[["added",{"id":"` + id + `"}]]`)
		v.Open()
		v.Reads("bdi", "Chrome on Linux")
		v.state("manager one")
	}},
	{"the only passkey", "Cannot be removed, and why is said beforehand, and again.", func(v *elementsVisit) {
		v.reads("list", "listitem", "button Rename Chrome on Linux", "button Remove Chrome on Linux | "+onlyHint)
		v.Wait(`$('#remove0').getAttribute('aria-disabled') === 'true'`)
		v.Click("#remove0")
		v.wrong("This is the only way into your account. Please add another passkey first.")
		v.Wait(`!$('dialog').open`)
		v.state("manager only one")
	}},
	{"a device that has one already", "Nothing is wrong.", func(v *elementsVisit) {
		v.Click("[part=button]")
		v.says("This device has a passkey for this account already.")
		v.events(`[["error","already_registered"]]`)
	}},
	{"a prompt that the person closes", "Is no error, and adds nothing.", func(v *elementsVisit) {
		v.phone.Present(false)
		v.key = v.NewAuthenticator(webauthn.AuthenticatorTransportUsb, false)
		v.key.Verifies(false)
		v.Click("[part=button]")
		v.says(notDone)
		v.events(`[["error","cancelled"]]`)
		v.key.Verifies(true)
	}},
	{"a second one", "Is named by what keeps it; now the first can be removed.", func(v *elementsVisit) {
		v.Click("[part=button]")
		v.says("Security key is added.")
		v.Reads("li:nth-child(2)", "Security key On one device only Added today Not used yet Rename Remove")
		v.Wait(`!$('#remove0[aria-disabled]')`)
		v.Eval(`events.splice(0), 0`, nil)
	}},
	{"the dialog to rename", "Has the name in it, selected; Escape leads back.", func(v *elementsVisit) {
		v.Click("#rename1")
		v.Wait(`$('dialog').open && focused('#field') && $('#field').value === 'Security key' && $('#field').selectionEnd === 12`)
		v.reads("dialog Rename passkey", "heading Rename passkey", "textbox Name", "button Cancel", "button Save")
		v.state("manager rename")
		v.Keys("#field", "Not this"+kb.Escape)
		v.Wait(`!$('dialog').open && focused('#rename1')`)
		v.Reads("li:nth-child(2) bdi", "Security key")
	}},
	{"a blank name", "Is refused at the field, and is no new name.", func(v *elementsVisit) {
		for _, blank := range []string{"", "   ", "\u200b \u00a0"} {
			v.Click("#rename1")
			v.Wait(`focused('#field')`)
			v.Eval(fmt.Sprintf(`document.querySelector('passkey-manager').shadowRoot.querySelector('#field').value = %q`, blank), nil)
			v.Press(kb.Enter)
			v.Wait(`text('#why') === 'Please enter a name.' && focused('#field[aria-invalid=true]') && $('dialog').open`)
			v.reads("textbox Name | Please enter a name.")
			if blank == "" {
				v.state("manager rename error")
			}
			v.Press(kb.Escape)
			v.Wait(`!$('dialog').open`)
		}
		v.events(`[]`)
	}},
	{"a server that does not rename", "The dialog says so, and stays.", func(v *elementsVisit) {
		v.site.answer("/credentials/"+v.id(1), refusal(passkeys.ErrStorageUnavailable))
		v.Click("#rename1")
		v.Keys("#field", "Ann's key\r")
		v.Wait(`text('#why') === 'The service is unavailable for the moment. Please try again soon.' && $('dialog').open`)
		v.site.answer("/credentials/"+v.id(1), nil)
		v.Press(kb.Enter)
		v.says("The new name is Ann's key.")
		v.Wait(`!$('dialog').open && focused('#rename1') && text('#name1') === "Ann's key"`)
		v.events(`[["error","storage_unavailable"],["renamed",{"id":"` + v.id(1) + `","name":"Ann's key"}]]`)
	}},
	{"the same name", "Is no news.", func(v *elementsVisit) {
		v.Click("#rename1")
		v.Wait(`focused('#field')`)
		v.Press(kb.Enter)
		v.Wait(`!$('dialog').open && focused('#rename1')`)
		v.events(`[]`)
	}},
	{"the question before a removal", "The focus is on keeping it, which keeps it.", func(v *elementsVisit) {
		v.Click("#remove0")
		v.Reads("dialog", "Remove Chrome on Linux? It will not sign you in any more. Keep it Remove")
		v.Wait(`focused('dialog [part=cancel]')`)
		v.reads("dialog Remove Chrome on Linux?", "button Keep it", "button Remove")
		v.state("manager remove")
		v.Press(kb.Enter)
		v.Wait(`!$('dialog').open && focused('#remove0') && $('#rename1')`)
		v.events(`[]`)
	}},
	{"Remove", "Removes it, on the device too; the focus is at its neighbour.", func(v *elementsVisit) {
		id := v.id(0)
		v.Click("#remove0")
		v.Click("dialog .danger")
		v.says("Chrome on Linux is removed.")
		v.Wait(`!$('dialog').open && focused('#rename0') && !$('#rename1')`)
		v.events(`[["removed",{"id":"` + id + `"}]]`)
		if n := v.phone.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
	}},
	{"a browser that cannot be told", "Its user is asked to delete it there.", func(v *elementsVisit) {
		end := v.Before(`delete PublicKeyCredential.signalAllAcceptedCredentials`)
		v.site.add(v, "Old telephone", nil)
		v.Open()
		v.Click("#remove0")
		v.Reads("dialog p", "It will not sign you in any more. Please delete it on your device too.")
		end()
	}},
	{"one that has been removed elsewhere", "Is gone from the list, which says why.", func(v *elementsVisit) {
		v.Open()
		v.Click("#rename0")
		v.Wait(`focused('#field')`)
		if err := v.site.store.Delete(context.Background(), "user-1", []byte("the id of Old telephone")); err != nil {
			v.Fatal(err)
		}
		v.Keys("#field", "New telephone\r")
		v.wrong("This passkey has been removed already.")
		v.Wait(`!$('dialog').open && !$('#rename1') && text('#name0') === "Ann's key"`)
	}},
	{"a page that knows another way to sign in", "Leaves it to the server, whose refusal the dialog explains.", func(v *elementsVisit) {
		v.show(manager, `<passkey-manager other-sign-in></passkey-manager>`)
		v.Click("#remove0")
		v.Click("dialog .danger")
		v.Reads("#why", "This is the only way into your account. Please add another passkey first.")
		v.Wait(`$('dialog').open`)
		v.site.mu.Lock()
		v.site.other = true
		v.site.mu.Unlock()
		v.Click("dialog .danger")
		v.says("Ann's key is removed.")
		v.Wait(`shown('[part=empty]') && focused('[part=button]')`)
	}},
	{"a passkey that may have been copied", "Says so, and how to get help; it can be removed, and is no way in.", func(v *elementsVisit) {
		blocked := func(c *passkeys.Credential) { c.QuarantinedAt = time.Now().UTC() }
		v.site.add(v, "Old telephone", blocked)
		v.site.add(v, "New telephone", nil)
		v.show(manager, `<passkey-manager><a slot="help" href="/help">Ask Ann’s team.</a></passkey-manager>`)
		v.Reads("li:nth-child(1) [part~=blocked]", "Blocked")
		v.reads("link Ask Ann’s team.", "button Remove Old telephone", "button Remove New telephone | "+onlyHint)
		v.state("manager quarantined")
		v.Click("#remove0")
		v.Click("dialog .danger")
		v.says("Old telephone is removed.")
		v.site.add(v, "Older telephone", blocked)
		v.show(manager, `<passkey-manager></passkey-manager>`)
		v.Reads("slot", "If you do not know why, ask this site for help.")
	}},
	{"many", "With what is known of each; names are text, whatever is in them.", func(v *elementsVisit) {
		v.site.empty(v)
		v.site.add(v, "", func(c *passkeys.Credential) {
			c.ID = []byte("1")
			c.AAGUID = aaguid("fbfc3007-154e-4ecc-8c0b-6e020557d7bd")
			c.BackupEligible, c.BackupState = true, true
			c.CreatedAt = time.Date(2024, time.March, 3, 12, 0, 0, 0, time.UTC)
			c.LastUsedAt = time.Now().Add(-24 * time.Hour).UTC()
		})
		v.site.add(v, "Work laptop", func(c *passkeys.Credential) {
			c.AAGUID = aaguid("bada5566-a7aa-401f-bd96-45619a55120d")
			c.BackupEligible, c.BackupState = true, true
			c.LastUsedAt = time.Now().UTC()
		})
		v.site.add(v, "", func(c *passkeys.Credential) { c.ID = []byte("3") })
		v.site.add(v, `<img src=x onerror="console.error(1)">`, nil)
		v.site.add(v, strings.Repeat("W", 64), nil)
		v.show(manager, `<passkey-manager current="`+passkeys.EncodeID([]byte("the id of Work laptop"))+`"></passkey-manager>`)
		v.Reads("li:nth-child(1) [part=about]", "iCloud Keychain Synced Added Mar 3, 2024 Last used yesterday")
		v.Reads("li:nth-child(2) [part=about]", "Work laptop This session 1Password Synced Added "+longAgo()+" Last used today")
		v.Reads("li:nth-child(3) bdi", "Passkey")
		v.Reads("li:nth-child(4) bdi", `<img src=x onerror="console.error(1)">`)
		v.state("manager many")
	}},
	{"refresh", "Shows what the page has changed by itself.", func(v *elementsVisit) {
		v.site.empty(v)
		v.Eval(`document.querySelector('passkey-manager').refresh()`, nil)
		v.Wait(`shown('[part=empty]')`)
	}},
	{"next", "Is where it leads when a passkey has been added, as after a sign-up.", func(v *elementsVisit) {
		v.show(manager, `<passkey-manager next="/welcome"></passkey-manager>`)
		v.Click("[part=button]")
		v.Wait(`location.pathname === '/welcome'`)
	}},
}

// id is that of a passkey in the list, by its place.
func (v *elementsVisit) id(i int) string {
	v.Helper()
	all, err := v.site.store.ListByUser(context.Background(), "user-1")
	if err != nil || i >= len(all) {
		v.Fatalf("%d passkeys, %v", len(all), err)
	}
	return passkeys.EncodeID(all[i].ID)
}

// longAgo is when the passkeys of add were made, in words.
func longAgo() string { return time.Now().Add(-45 * 24 * time.Hour).Format("Jan 2, 2006") }

func aaguid(text string) (a passkeys.AAGUID) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		panic(err)
	}
	copy(a[:], b)
	return a
}

var bothRows = []elementsRow{
	{"without a mouse", "All of it can be done, in the order in which it is read.", func(v *elementsVisit) {
		v.key = v.NewAuthenticator(webauthn.AuthenticatorTransportUsb, false)
		v.site.add(v, "Old telephone", nil)
		v.show(manager, `<passkey-manager></passkey-manager>`)
		v.Wait(`$('#rename0')`)
		for _, step := range []struct{ key, then string }{
			{kb.Tab, `focused('#rename0')`},
			{kb.Enter, `focused('#field')`},
			{"Telephone" + kb.Enter, `focused('#rename0') && text('#name0') === 'Telephone'`},
			{kb.Tab, `focused('#remove0')`},
			{kb.Tab, `focused('[part=button]')`},
			{" ", `text('[part=note]') === 'Security key is added.' && focused('[part=button]')`},
		} {
			v.Press(step.key)
			v.Wait(step.then)
		}
		v.Open()
		v.Wait(`$('#rename1')`)
		for _, step := range []struct{ key, then string }{
			{kb.Tab, `focused('#rename0')`},
			{kb.Tab, `focused('#remove0')`},
			{kb.Enter, `focused('dialog [part=cancel]')`},
			{kb.Tab, `focused('dialog .danger')`},
			{kb.Enter, `text('[part=note]') === 'Telephone is removed.' && focused('#rename0')`},
		} {
			v.Press(step.key)
			v.Wait(step.then)
		}
		v.key.Present(false)
		v.show("passkey-sign-in", `<passkey-sign-in username></passkey-sign-in>`)
		for _, step := range []struct{ key, then string }{
			{kb.Tab, `focused('#field')`},
			{kb.Tab, `focused('[part=button]')`},
			{kb.Enter, `shown('[part=cancel]')`},
			{kb.Tab, `focused('[part=cancel]')`},
			{kb.Enter, `focused('[part=button]')`},
		} {
			v.Press(step.key)
			v.Wait(step.then)
		}
		v.key.Present(true)
		v.Press(kb.Enter)
		v.says("You are signed in.")
	}},
	{"another language", "All texts can be replaced, before the element is there or after; dates follow the page.", func(v *elementsVisit) {
		end := v.Before(`document.addEventListener('readystatechange', () => {
			const one = document.querySelector('passkey-manager');
			if (document.readyState === 'interactive') one.texts = { added: '{date} hinzugefügt', used: 'Zuletzt {date} benutzt', rename: 'Umbenennen' };
		})`)
		v.show(manager, `<passkey-manager></passkey-manager>`, "lang", "de")
		v.Reads("[part=details]", "On one device only heute hinzugefügt Zuletzt heute benutzt")
		v.reads("button Umbenennen Security key")
		end()
		v.site.answer("/credentials", refusal(passkeys.ErrStorageUnavailable))
		v.Eval(`Object.assign(document.querySelector('passkey-manager'), { words: { storage_unavailable: 'Gerade nicht.' }, texts: { retry: 'Nochmal' } }), 0`, nil)
		v.Reads("[part=body]", "Gerade nicht. Nochmal")
		v.site.answer("/credentials", nil)
		v.show(manager, `<passkey-manager></passkey-manager>`, "lang", "not a language")
		v.Reads("[part=details]", "On one device only Added today Last used today")
	}},
	{"from right to left", "Everything is mirrored.", func(v *elementsVisit) {
		v.Do("widen the window", chromedp.EmulateViewport(640, 560))
		v.show(manager, `<passkey-manager></passkey-manager>`, "lang", "ar", "dir", "rtl")
		v.Wait(`$('#rename0') && $('#remove0').getBoundingClientRect().right < $('#rename0').getBoundingClientRect().left
			&& $('#rename0').getBoundingClientRect().right < $('#name0').getBoundingClientRect().left`)
		v.Do("narrow the window", chromedp.EmulateViewport(320, 560))
	}},
	{"people who want no motion, or few colours", "Nothing turns; what is filled has an edge.", func(v *elementsVisit) {
		v.key.Present(false)
		v.show("passkey-sign-in", `<passkey-sign-in></passkey-sign-in>`)
		v.Click("button")
		v.says(promptOpen)
		for motion, turns := range map[string]string{"reduce": "none", "no-preference": "turn"} {
			browser.Call(v.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
				{Name: "prefers-reduced-motion", Value: motion}, {Name: "forced-colors", Value: "active"},
			}})
			v.Wait(fmt.Sprintf(`getComputedStyle($('[part=button]'), '::before').animationName === %q`, turns))
		}
		v.Wait(`getComputedStyle($('[part=button]')).borderTopWidth === '1px' && !/, 0\)|transparent/.test(getComputedStyle($('[part=button]')).borderTopColor)`)
		browser.Call(v.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	}},
	{"a page of another look", "Custom properties and parts reach in.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in></passkey-sign-in>`)
		v.Eval(`(() => {
			const sheet = new CSSStyleSheet();
			sheet.replaceSync('passkey-sign-in { --passkey-accent: rgb(1, 2, 3) } passkey-sign-in::part(button) { border-radius: 7px }');
			document.adoptedStyleSheets = [sheet];
		})()`, nil)
		v.Wait(`getComputedStyle($('[part=button]')).backgroundColor === 'rgb(1, 2, 3)' && getComputedStyle($('[part=button]')).borderRadius === '7px'`)
	}},
	{"where there is no page", "As on a server, the file can be imported, and does nothing.", func(v *elementsVisit) {
		v.site.take()
		v.show("main", ``)
		var said string
		v.Eval(`new Promise((done, failed) => {
			const policy = trustedTypes.createPolicy('test', { createScriptURL: (url) => url });
			const worker = new Worker(policy.createScriptURL('/worker.js'), { type: 'module' });
			worker.onmessage = (e) => done(e.data);
			worker.onerror = failed;
		})`, &said)
		if said != "Add a passkey" {
			v.Errorf("it says %q", said)
		}
		for _, asked := range v.site.take() {
			if !strings.HasSuffix(asked, ".js") {
				v.Errorf("it asks for %s", asked)
			}
		}
	}},
	{"two versions in one page", "The first is there, and the second no mishap.", func(v *elementsVisit) {
		v.show("passkey-sign-in", `<passkey-sign-in></passkey-sign-in>`)
		v.Eval(`import('/auth/passkeys/elements.js?v=other').then(() => 0)`, nil)
		v.Reads("button", "Sign in with a passkey")
	}},
}

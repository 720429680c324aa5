// Package examples_test drives the example programs as a user does: each runs as
// a process of its own, and a real browser with virtual authenticators opens its
// page.
package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/glebarez/sqlite"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
)

func TestEndToEnd(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./gin", "./echo", "./chi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the examples: %v\n%s", err, out)
	}
	chromium := browser.StartChromium(t)
	t.Run("bad configuration", func(t *testing.T) {
		for _, framework := range []string{"gin", "echo", "chi"} {
			program := exec.Command(filepath.Join(programs, framework))
			program.Env = append(os.Environ(), "ADDR=nowhere")
			out, err := program.CombinedOutput()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("ADDR")) {
				t.Errorf("%s: %v, %q; want status 1, and the variable's name", framework, err, out)
			}
		}
	})
	for _, framework := range []string{"gin", "echo", "chi"} {
		t.Run(framework, func(t *testing.T) {
			program := start(t, filepath.Join(programs, framework))
			b := chromium.Blank(t)
			b.URL, b.Ready = program.url, knows
			v := &visit{Tab: b, chromium: chromium, program: program, autofill: b.Before(withoutAutofill)}
			for _, step := range story {
				ok := t.Run(step.name, func(t *testing.T) {
					v.TB = t
					step.do(v)
				})
				if !ok {
					t.Fatalf("%s: %s", step.name, step.sentence)
				}
			}
		})
	}
}

// What one browser begins no other finishes: each example says which of them a request
// is from.
func TestCeremoniesStayInTheirBrowser(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./gin", "./echo", "./chi", "./templates")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the examples: %v\n%s", err, out)
	}
	for _, framework := range []string{"gin", "echo", "chi", "templates"} {
		t.Run(framework, func(t *testing.T) {
			program := start(t, filepath.Join(programs, framework))
			authenticator := passkeytest.New(program.url)
			anns, anothers := &site{t, program.url, jar(t)}, &site{t, program.url, jar(t)}
			if framework == "templates" {
				anns.post("/sign-up", "application/x-www-form-urlencoded", "username=ann", http.StatusOK)
			} else {
				anns.post("/api/signup", "application/json", `{"username":"ann"}`, http.StatusNoContent)
			}
			anns.finish("register", anns.begin("register", authenticator.Create), http.StatusOK)
			signIn := anns.begin("authenticate", authenticator.Get)
			if got := anothers.finish("authenticate", signIn, http.StatusBadRequest); !strings.Contains(got, "challenge_not_found") {
				t.Errorf("in another browser: %s", got)
			}
			anns.finish("authenticate", signIn, http.StatusOK)
		})
	}
}

// site is an example's, as one browser without scripts sees it.
type site struct {
	t      *testing.T
	url    string
	client *http.Client
}

func jar(t *testing.T) *http.Client {
	t.Helper()
	cookies, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: cookies}
}

func (s *site) post(path, mediaType, body string, want int) string {
	s.t.Helper()
	response, err := s.client.Post(s.url+path, mediaType, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		s.t.Fatalf("POST %s: %d, %v: %s", path, response.StatusCode, err, answer)
	}
	return string(answer)
}

// begin returns the body that finishes what it has begun.
func (s *site) begin(ceremony string, respond func(options []byte) (json.RawMessage, error)) string {
	s.t.Helper()
	var begun struct {
		PublicKey json.RawMessage
		State     string
	}
	if err := json.Unmarshal([]byte(s.post("/auth/passkeys/"+ceremony+"/begin", "", "", http.StatusOK)), &begun); err != nil {
		s.t.Fatal(err)
	}
	credential, err := respond(begun.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf(`{"state":%q,"credential":%s}`, begun.State, credential)
}

func (s *site) finish(ceremony, body string, want int) string {
	s.t.Helper()
	return s.post("/auth/passkeys/"+ceremony+"/finish", "application/json", body, want)
}

// TestFloodIsStemmed sends more begins than one address may, each with another
// address of its own making, and sees that they are refused while the rest of the
// application goes on.
func TestFloodIsStemmed(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./gin", "./echo", "./chi", "./templates")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the examples: %v\n%s", err, out)
	}
	for _, framework := range []string{"gin", "echo", "chi", "templates"} {
		t.Run(framework, func(t *testing.T) {
			program := start(t, filepath.Join(programs, framework))
			const most = 200
			for _, row := range []struct {
				path, body string
				most       int
			}{{"/auth/passkeys/authenticate/begin", "", most}, {"/api/signup", `{"username":"ann"}`, 20}} {
				if framework == "templates" && row.body != "" {
					continue // it has a form, of which the same is tested in package app
				}
				status := map[int]int{}
				for i := range 2 * most {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, program.url+row.path, strings.NewReader(row.body))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Content-Type", "application/json")
					for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"} {
						r.Header.Set(header, fmt.Sprintf("198.51.%d.%d", i/256, i%256))
					}
					answer, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					_ = answer.Body.Close()
					status[answer.StatusCode]++
				}
				if passed := status[http.StatusOK] + status[http.StatusNoContent]; passed < row.most || status[http.StatusTooManyRequests] < 10 || passed+status[http.StatusTooManyRequests] != 2*most {
					t.Errorf("%s: answers by status: %v", row.path, status)
				}
			}
			r, err := http.Get(program.url + "/")
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != http.StatusOK {
				t.Errorf("the page: %d", r.StatusCode)
			}
		})
	}
}

// visit is what the steps of the story have in common.
type visit struct {
	*browser.Tab
	chromium *browser.Chromium
	program  *process
	autofill func()                 // lets the browser have it
	phone    *browser.Authenticator // has the first passkey
	key      *browser.Authenticator // has the second
}

// open opens the page, and waits until it knows who is signed in.
func open(t testing.TB, chromium *browser.Chromium, url string) *browser.Tab {
	t.Helper()
	return chromium.Open(t, url, knows)
}

// knows is when the page does.
const knows = `shown('#signed-in') || shown('#signed-out')`

// says waits until the page says how what it was doing has gone.
func says(b *browser.Tab, want string) {
	b.Helper()
	b.Reads("#status", want)
}

func (v *visit) says(want string) {
	v.Helper()
	says(v.Tab, want)
}

// refuses waits until the field is marked as wrong, with this text beside it that
// a screen reader has for it too, and the keyboard in it.
func (v *visit) refuses(field, want string) {
	v.Helper()
	v.Reads(field+"-error", want)
	v.Wait(fmt.Sprintf(`((field) => field.ariaInvalid === 'true' && field === document.activeElement &&
		document.getElementById(field.getAttribute('aria-describedby')) === document.querySelector(%q))(document.querySelector(%q))`, field+"-error", field))
	v.says("")
}

func (v *visit) signOut() {
	v.Helper()
	v.Click("#sign-out")
	v.says(signedOut)
}

// withoutAutofill is a browser that has no such thing. Virtual devices answer to it
// at once, as no person does, who would be signed in again wherever they sign out.
const withoutAutofill = `{
	const all = PublicKeyCredential.getClientCapabilities();
	PublicKeyCredential.getClientCapabilities = async () => ({ ...await all, conditionalGet: false });
}`

const (
	ready     = "Your account is ready, and you are signed in."
	signedIn  = "You are signed in."
	signedOut = "You are signed out."
	asking    = "Your browser is asking for a passkey."
	cancelled = "Nothing has changed: the prompt was closed, ran out of time, or found no passkey. Try again when you are ready."
	taken     = "This username is taken. Please choose another one."
	wrongSite = "Passkeys do not work at this address. Open the page at the address that the demo showed when it started."
	badName   = "A username has 1 to 64 visible characters."
	onlyOne   = "This is the only passkey that lets you in, so it stays. Add another one first."
)

// story is what every program must tell in the same words. Each step begins
// where the one before it ended.
var story = []struct {
	name     string
	sentence string
	do       func(*visit)
}{
	{"a browser without WebAuthn", "The page says so, and its buttons do nothing.", func(v *visit) {
		restore := v.Before(`delete window.PublicKeyCredential`)
		v.Open()
		v.says("This browser cannot use passkeys here. Use a current Chrome, Edge, Firefox or Safari, over https or on localhost.")
		v.Wait(`document.querySelectorAll('form button:disabled').length === 2`)
		v.Fits("unsupported")
		restore()
		v.Open()
	}},
	{"the wrong address", "127.0.0.1 is not localhost: the page says at once that it is the address, and the console which and which.", func(v *visit) {
		b := v.chromium.Blank(v.TB)
		b.Before(`const { error } = console; console.error = (...all) => error(all.join(' '))`)
		b.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		b.URL = strings.Replace(v.URL, "localhost", "127.0.0.1", 1)
		b.Open()
		says(b, wrongSite)
		b.Click("#sign-in button")
		says(b, wrongSite)
		b.Wait(`document.querySelector('#notice').className === 'error'`)
		b.Fits("wrong-site")
		errors := b.Errors()
		if len(errors) == 0 {
			v.Error("the console says nothing")
		}
		for _, said := range errors {
			if !strings.Contains(said, b.URL) || !strings.Contains(said, v.URL) {
				v.Errorf("the console says %q; want both addresses", said)
			}
		}
	}},
	{"a sign-up without a name", "Nothing, blanks, or too much: the field says what is wrong with it until it is put right.", func(v *visit) {
		for _, name := range []string{"\r", " \r", strings.Repeat("x", 65) + "\r"} {
			v.Keys("#sign-up-name", name)
			v.refuses("#sign-up-name", badName)
		}
		v.Fits("field")
		v.Keys("#sign-up-name", "x")
		v.Wait(`!document.querySelector('[aria-invalid]') && text('#sign-up-name-error') === ''`)
	}},
	{"sign-up", "Name, Enter, and the account exists with its first passkey, signed in.", func(v *visit) {
		v.phone = v.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		v.Fits("signed-out")
		v.Keys("#sign-up-name", "  Ann Example \r")
		v.says(ready)
		v.Reads("#signed-in-title", "Hello, Ann Example")
		v.Wait(`document.activeElement.id === 'signed-in-title'`)
		v.Reads("#passkeys", "Passkey Synced Added today · not used yet Rename Remove")
		if n := v.phone.Passkeys(); n != 1 {
			v.Errorf("the device keeps %d passkeys; want 1", n)
		}
	}},
	{"the session", "Its cookie is out of reach of scripts and other sites, and a reload keeps it.", func(v *visit) {
		c := v.Cookie("passkeys_demo")
		if c == nil || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			v.Fatalf("cookie = %+v; want HttpOnly, SameSite=Lax", c)
		}
		v.Open()
		v.Reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"sign-out", "The session ends on both sides.", func(v *visit) {
		v.signOut()
		if v.Cookie("passkeys_demo") != nil {
			v.Error("the browser still has the session's cookie")
		}
		v.Open()
		v.Wait(`shown('#signed-out') && !shown('#signed-in')`)
	}},
	{"a username that is taken", "In any case of letters; and no passkey is made in vain.", func(v *visit) {
		v.Keys("#sign-up-name", "ANN example\r")
		v.refuses("#sign-up-name", taken)
		if n := v.phone.Passkeys(); n != 1 {
			v.Errorf("the device keeps %d passkeys; want 1", n)
		}
	}},
	{"two who want one name at the same time", "One gets it, with the first passkey; the other's device forgets the passkey that it made.", func(v *visit) {
		slow, fast := open(v, v.chromium, v.URL), open(v, v.chromium, v.URL)
		device := slow.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		fast.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		arrived, release := slow.Hold("/register/finish")
		slow.Keys("#sign-up-name", "Bob\r")
		arrived()
		fast.Keys("#sign-up-name", "bob\r")
		says(fast, ready)
		release()
		slow.Reads("#sign-up-name-error", taken)
		if n := device.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
	}},
	{"a prompt that is open", "The page says that the browser is asking, and Cancel takes it back, with the keyboard where it was.", func(v *visit) {
		v.phone.Present(false)
		v.Click("#sign-in button")
		v.says(asking)
		v.Fits("asking")
		v.Click("#cancel")
		v.says("Cancelled. Nothing has changed.")
		v.Wait(`!shown('#cancel') && document.activeElement.matches('#sign-in button') && document.querySelector('#notice').className === 'note'`)
		v.phone.Present(true)
	}},
	{"another button while a prompt is open", "Does what it is for: the old prompt is called off, and heard of no more.", func(v *visit) {
		b := open(v, v.chromium, v.URL)
		device := b.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		device.Present(false)
		b.Click("#sign-in button")
		says(b, asking)
		device.Present(true)
		b.Keys("#sign-up-name", "Carol\r")
		says(b, ready)
		b.Reads("#signed-in-title", "Hello, Carol")
	}},
	{"a cancelled sign-in", "Is no error of anybody's, and says what to do.", func(v *visit) {
		v.phone.Verifies(false)
		v.Click("#sign-in button")
		v.says(cancelled)
		v.Wait(`document.querySelector('#notice').className === 'note'`)
		v.Fits("cancelled")
		v.phone.Verifies(true)
	}},
	{"an old message", "Goes when the next thing is tried, even where that comes to nothing at once.", func(v *visit) {
		v.Keys("#sign-up-name", "\r")
		v.refuses("#sign-up-name", badName)
	}},
	{"sign-in without a username", "The passkey says who it is.", func(v *visit) {
		v.Click("#sign-in button")
		v.says(signedIn)
		v.Reads("#signed-in-title", "Hello, Ann Example")
		v.Reads("#passkeys", "Passkey Synced Added today · last used just now Rename Remove")
	}},
	{"sign-in by username", "In any case of letters.", func(v *visit) {
		v.signOut()
		v.Keys("#sign-in-name", "ann EXAMPLE\r")
		v.says(signedIn)
		v.Reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"sign-in by nobody's username", "Looks like that of a user whose passkeys are elsewhere: who has an account is not told.", func(v *visit) {
		v.signOut()
		v.Keys("#sign-in-name", "nobody\r")
		v.says(cancelled)
		v.Keys("#sign-in-name", "\r")
		v.says(signedIn)
	}},
	{"sign-in from the field's suggestions", "No button is pressed: the browser offers the passkey where a username is typed.", func(v *visit) {
		v.signOut()
		v.autofill()
		v.Open()
		v.says(signedIn)
		v.Reads("#signed-in-title", "Hello, Ann Example")
		v.Wait(`document.querySelector('#sign-in-name').autocomplete === 'username webauthn'`)
		v.Click("#sign-out") // and the page offers it again
		v.says(signedIn)
		v.autofill = v.Before(withoutAutofill)
		v.Open()
	}},
	{"rename", "The new name is there after a reload too; Cancel and Escape change nothing.", func(v *visit) {
		v.Click(".rename")
		v.Fits("rename")
		v.Keys("#new-name", "Not this one")
		v.Click("#rename .cancel")
		v.Wait(`!shown('#rename')`)
		v.Click(".rename")
		v.Wait(`document.querySelector('#new-name').value === ''`)
		v.Keys("#new-name", "Nor this one\x1b")
		v.Wait(`!shown('#rename')`)
		v.Click(".rename")
		v.Keys("#new-name", "Ann's phone\r")
		v.says("The passkey has a new name.")
		v.Wait(`document.activeElement.matches('.rename')`)
		v.Open()
		v.Reads("#passkeys .name", "Ann's phone")
	}},
	{"a rename to nothing", "Blanks are no name, and a name has an end: the dialog stays, and the name.", func(v *visit) {
		v.Click(".rename")
		v.Keys("#new-name", "   \r")
		v.refuses("#new-name", "Please enter a name.")
		v.Fits("rename-blank")
		v.Keys("#new-name", strings.Repeat("x", 65)+"\r")
		v.refuses("#new-name", "A name has at most 64 characters.")
		v.Wait(`shown('#rename')`)
		v.Press("\x1b")
		v.Wait(`!shown('#rename')`)
		v.Open()
		v.Reads("#passkeys .name", "Ann's phone")
	}},
	{"a device that has a passkey already", "Gets no second one for the same account.", func(v *visit) {
		v.Click("#add")
		v.says("This device has a passkey for your account already. To add another one, use another device.")
	}},
	{"a cancelled registration", "Adds nothing.", func(v *visit) {
		v.key = v.NewAuthenticator(webauthn.AuthenticatorTransportUsb, false)
		v.phone.Present(false)
		v.key.Verifies(false)
		v.Click("#add")
		v.says(cancelled)
		v.Wait(`document.querySelectorAll('#passkeys li').length === 1`)
		v.key.Verifies(true)
	}},
	{"a second passkey", "On another device, for the same account.", func(v *visit) {
		v.Click("#add")
		v.says("The passkey is added.")
		v.Reads("#passkeys li:nth-child(2)", "Security key On one device Added today · not used yet Rename Remove")
		v.Reads("#signed-in-title", "Hello, Ann Example")
		v.Fits("signed-in")
	}},
	{"remove", "Asks first; Keep it keeps it. The device forgets the passkey, so the person need not see to that.", func(v *visit) {
		v.Click("li:first-child .remove")
		v.Reads("#remove-text", "“Ann's phone” will no longer sign you in.")
		v.Fits("remove")
		v.Press("\r") // the focus is on Keep it
		v.Wait(`!shown('#remove') && document.querySelectorAll('#passkeys li').length === 2`)
		v.Click("li:first-child .remove")
		v.Click("#remove .primary")
		v.says("The passkey is removed.")
		if n := v.phone.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
		v.Open()
		v.Wait(`document.querySelectorAll('#passkeys li').length === 1`)
		v.Reads("#passkeys .name", "Security key")
	}},
	{"the last passkey", "Stays, because there would be no way back: the page says so, and the server insists.", func(v *visit) {
		v.Click(".remove")
		v.says(onlyOne)
		v.Wait(`!shown('#remove')`)
		v.Fits("last")
		if code := v.removesElsewhere("li"); code != "last_credential" {
			v.Errorf("the server answers %q", code)
		}
		v.Open()
		v.Wait(`document.querySelectorAll('#passkeys li').length === 1`)
	}},
	{"sign-in with a removed passkey", "Is refused, and the device forgets the passkey, so that it is not offered again.", func(v *visit) {
		v.key.Present(false)
		v.phone.Present(true)
		v.Click("#add")
		v.says("The passkey is added.")
		v.Wait(`document.querySelectorAll('#passkeys li').length === 2`)
		if code := v.removesElsewhere("li:nth-child(2)"); code != "" { // where this browser hears nothing of it
			v.Errorf("the server answers %q", code)
		}
		v.signOut()
		v.Click("#sign-in button")
		v.says("This passkey is not known here: it may have been removed. Please use another one.")
		v.Wait(`shown('#signed-out') && !shown('#signed-in')`)
		v.Fits("not-known")
		if n := v.phone.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
	}},
	{"sign-in with the other passkey", "It opens the same account.", func(v *visit) {
		v.phone.Present(false)
		v.key.Present(true)
		v.Click("#sign-in button")
		v.says(signedIn)
		v.Reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"a browser that cannot be told", "The person is asked to see to the device themselves.", func(v *visit) {
		v.key.Present(false)
		v.phone.Present(true)
		v.Click("#add")
		v.says("The passkey is added.")
		restore := v.Before(`delete PublicKeyCredential.signalAllAcceptedCredentials`)
		v.Open()
		v.Click("li:last-child .remove")
		v.Reads("#remove-text", "“Passkey” will no longer sign you in. Delete it on your device too.")
		v.Press("\r")
		v.Wait(`!shown('#remove')`)
		restore()
		v.Open()
	}},
	{"a passkey that was copied", "Signs nobody in any more; its owner reads where to ask, and may remove it, but not the one that is left.", func(v *visit) {
		v.signOut()
		v.phone.Present(false)
		v.key.Rewind()
		v.key.Present(true)
		v.Click("#sign-in button")
		v.says("This passkey may have been copied and cannot be used. Please use another one.")
		v.key.Present(false)
		v.phone.Present(true)
		v.Click("#sign-in button")
		v.says(signedIn)
		v.Reads("li:first-child .badge", "Switched off")
		v.Wait(`shown('li:first-child .help') && text('li:first-child .help').includes('help@example.com') && !shown('li:last-child .help')`)
		v.Fits("copied")
		v.Click("li:last-child .remove")
		v.says(onlyOne)
		v.Click("li:first-child .remove")
		v.Click("#remove .primary")
		v.says("The passkey is removed.")
		v.Wait(`document.querySelectorAll('#passkeys li').length === 1`)
	}},
	{"a deletion that is not confirmed", "Keep it keeps it, a dismissed prompt deletes nothing, and no request passes by itself.", func(v *visit) {
		v.Click("#delete")
		v.Fits("delete")
		v.Press("\r") // the focus is on Keep it
		v.Wait(`!shown('#deletion')`)
		var refusal string
		v.Eval(`fetch('/api/account', { method: 'DELETE', headers: { 'Content-Type': 'application/json' } })
			.then(async (r) => [r.status, (await r.json()).error.code].join(' '))`, &refusal)
		if refusal != "403 confirmation_required" {
			v.Errorf("a request without a proof is answered %s", refusal)
		}
		v.phone.Present(false)
		v.Click("#delete")
		v.Click("#deletion .primary")
		v.says(asking)
		v.Fits("confirming")
		v.Click("#cancel")
		v.says("Cancelled. Nothing has changed.")
		v.phone.Present(true)
		v.phone.Verifies(false)
		v.Click("#delete")
		v.Click("#deletion .primary")
		v.says(cancelled)
		v.phone.Verifies(true)
		v.Open()
		v.Reads("#signed-in-title", "Hello, Ann Example")
		v.Wait(`document.querySelectorAll('#passkeys li').length === 1`)
	}},
	{"deletion", "One prompt, and the account is gone with its passkeys and sessions; nobody else's is.", func(v *visit) {
		other := open(v, v.chromium, v.URL)
		other.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		other.Keys("#sign-up-name", "Dora\r")
		says(other, ready)

		there := v.chromium.Blank(v.TB) // another browser of Ann's, with the same passkey
		there.URL, there.Ready = v.URL, knows
		there.Before(withoutAutofill)
		there.Before(`{
			const get = CredentialsContainer.prototype.get;
			CredentialsContainer.prototype.get = function (options) { globalThis.prompts = (globalThis.prompts ?? 0) + 1; return get.call(this, options); };
		}`)
		device := there.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		device.Add(v.phone.Credentials()[0])
		there.Open()
		there.Click("#sign-in button")
		says(there, signedIn)
		ann, dora := userID(there), userID(other)
		there.Eval(`prompts = 0`, nil)
		there.Click("#delete")
		there.Click("#deletion .primary")
		says(there, "Your account is deleted.")
		there.Wait(`prompts === 1 && shown('#signed-out') && !shown('#signed-in') && document.activeElement.id === 'sign-in-title'`)
		there.Fits("deleted")
		if n := device.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
		for id, want := range map[string]int{ann: 0, dora: 1} {
			if n := v.program.passkeys(v.TB, id); n != want {
				v.Errorf("the store keeps %d passkeys; want %d", n, want)
			}
		}

		v.Click("#add")
		v.says("You have been signed out. Please sign in again.")
		v.Click("#sign-in button")
		v.says("This passkey is not known here: it may have been removed. Please use another one.")
		if n := v.phone.Passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
		v.Keys("#sign-up-name", "Ann Example\r")
		v.says(ready)

		other.Click("#sign-out") // and its browser, which suggests passkeys, has one to suggest
		says(other, signedIn)
		other.Reads("#signed-in-title", "Hello, Dora")
	}},
	{"a session that has ended elsewhere", "Leads back to the sign-in, with a word of why.", func(v *visit) {
		browser.Call(v.Tab, network.ClearBrowserCookies, struct{}{})
		v.Click("#add")
		v.says("You have been signed out. Please sign in again.")
		v.Wait(`shown('#signed-out') && !shown('#signed-in')`)
	}},
	{"a server that is gone", "Is told apart from a passkey that does not work; the program itself ends in order.", func(v *visit) {
		v.program.interrupt(v.TB)
		v.Click("#sign-in button")
		v.says("The server cannot be reached. Please check your connection and try again.")
		v.Fits("gone")
	}},
}

// removesElsewhere has the passkey of a row removed without a word to the browser,
// and returns the code of the server's refusal, if it refuses.
func (v *visit) removesElsewhere(row string) (code string) {
	v.Helper()
	v.Eval(fmt.Sprintf("fetch(`/auth/passkeys/credentials/${document.querySelector('#passkeys %s').dataset.id}`, { method: 'DELETE' }).then((r) => r.status === 204 ? '' : r.json().then((body) => body.error.code))", row), &code)
	return code
}

// userID is the id of who is signed in.
func userID(b *browser.Tab) string {
	b.Helper()
	var encoded string
	b.Eval(`fetch('/auth/passkeys/signals').then((r) => r.json()).then((all) => all.currentUserDetails[0].userId)`, &encoded)
	id, err := passkeys.DecodeID(encoded)
	if err != nil {
		b.Fatal(err)
	}
	return string(id)
}

// process is a running example.
type process struct {
	url    string
	cmd    *exec.Cmd
	exited chan error
}

var opened = regexp.MustCompile(`^Open (http://localhost:\d+) `)

// start runs a program with an empty database until the test ends, and returns
// when it answers.
func start(t *testing.T, path string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path), exited: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(os.Environ(), "ADDR=localhost:0", "DATABASE_URL=", "REDIS_URL=",
		"PASSKEYS_RP_ID=", "PASSKEYS_RP_NAME=", "PASSKEYS_EXPECTED_ORIGINS=",
		"PASSKEYS_SIGN_COUNT_POLICY=flag-disable",
		"PASSKEYS_TIMEOUT=5s") // in which a prompt ends that nobody answers
	var stderr bytes.Buffer
	p.cmd.Stderr = &stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // if it has not ended yet
		<-p.exited
		if t.Failed() {
			t.Logf("the program's log:\n%s", &stderr)
		}
	})
	url := make(chan string, 1)
	go func() {
		defer close(p.exited)
		defer close(url)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if m := opened.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	select {
	case p.url = <-url:
	case <-time.After(browser.Patience):
	}
	if p.url == "" {
		_ = p.cmd.Process.Kill()
		<-p.exited
		t.Fatalf("%s did not start:\n%s", filepath.Base(path), &stderr)
	}
	return p
}

// passkeys returns how many the program's store has of a user.
func (p *process) passkeys(t testing.TB, userID string) int {
	t.Helper()
	db, err := gorm.Open(sqlite.Open(filepath.Join(p.cmd.Dir, "passkeys-demo.db")), &gorm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := gormstore.NewCredentials(db).ListByUser(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	if pool, err := db.DB(); err == nil {
		_ = pool.Close()
	}
	return len(list)
}

// interrupt stops the program as Ctrl+C does.
func (p *process) interrupt(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			t.Fatalf("the program ended with %v; want status 0", err)
		}
	case <-time.After(browser.Patience):
		t.Fatalf("the program is still there %v after SIGINT", browser.Patience)
	}
}

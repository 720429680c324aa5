// Package examples_test drives the example programs as a user does: each runs as
// a process of its own, and a real browser with virtual authenticators opens its
// page.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/passkeys-go/passkeys/examples/internal/app"
)

func TestEndToEnd(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./gin", "./echo", "./chi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the examples: %v\n%s", err, out)
	}
	browser := startBrowser(t)
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
			v := &visit{tab: openTab(t, browser, program.url), browser: browser, program: program}
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

// TestFloodIsStemmed sends more begins than one address may, and sees that they
// are refused while the rest of the application goes on.
func TestFloodIsStemmed(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./gin", "./echo", "./chi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the examples: %v\n%s", err, out)
	}
	for _, framework := range []string{"gin", "echo", "chi"} {
		t.Run(framework, func(t *testing.T) {
			program := start(t, filepath.Join(programs, framework))
			status := map[int]int{}
			for range 2 * app.RateLimit {
				r, err := http.Post(program.url+"/auth/passkeys/authenticate/begin", "application/json", nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = r.Body.Close()
				status[r.StatusCode]++
			}
			if status[http.StatusOK] < app.RateLimit/2 || status[http.StatusTooManyRequests] < 10 || len(status) != 2 {
				t.Errorf("answers by status: %v", status)
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
	*tab
	browser context.Context
	program *process
	phone   *authenticator // has the first passkey
	key     *authenticator // has the second
}

const (
	ready     = "Your account is ready, and you are signed in."
	signedIn  = "You are signed in."
	signedOut = "You are signed out."
	cancelled = "The prompt was cancelled, timed out, or found no passkey. Nothing has changed: try again when you are ready."
)

// story is what every program must tell in the same words. Each step begins
// where the one before it ended.
var story = []struct {
	name     string
	sentence string
	do       func(*visit)
}{
	{"a browser without WebAuthn", "The page says so, and its buttons do nothing.", func(v *visit) {
		v.withoutWebAuthn(func() {
			v.says("This browser cannot use passkeys here. Use a current Chrome, Edge, Firefox or Safari, over https or on localhost.")
			v.wait(`document.querySelectorAll('form button:disabled').length === 2`)
		})
	}},
	{"sign-up", "Name, Enter, and the account exists with its first passkey, signed in.", func(v *visit) {
		v.phone = v.newAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		v.fits("signed-out")
		v.keys("#sign-up-name", "  Ann Example \r")
		v.says(ready)
		v.reads("#signed-in-title", "Hello, Ann Example")
		v.reads("#passkeys", "Chrome on Linux Synced Added today · not used yet Rename Remove")
		if n := v.phone.passkeys(); n != 1 {
			v.Errorf("the device keeps %d passkeys; want 1", n)
		}
	}},
	{"the session", "Its cookie is out of reach of scripts and other sites, and a reload keeps it.", func(v *visit) {
		c := v.cookie()
		if c == nil || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			v.Fatalf("cookie = %+v; want HttpOnly, SameSite=Lax", c)
		}
		v.open()
		v.reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"sign-out", "The session ends on both sides.", func(v *visit) {
		v.click("#sign-out")
		v.says(signedOut)
		if v.cookie() != nil {
			v.Error("the browser still has the session's cookie")
		}
		v.open()
		v.wait(`shown('#signed-out') && !shown('#signed-in')`)
	}},
	{"a username that is taken", "In any case of letters; and no passkey is made in vain.", func(v *visit) {
		v.keys("#sign-up-name", "ANN example\r")
		v.says("This username is taken. Please choose another one.")
		if n := v.phone.passkeys(); n != 1 {
			v.Errorf("the device keeps %d passkeys; want 1", n)
		}
	}},
	{"two who want one name at the same time", "One gets it, with the first passkey; the other's device forgets the passkey that it made.", func(v *visit) {
		slow, fast := openTab(v, v.browser, v.url), openTab(v, v.browser, v.url)
		device := slow.newAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		fast.newAuthenticator(webauthn.AuthenticatorTransportInternal, true)
		arrived, release := slow.hold("/register/finish")
		slow.keys("#sign-up-name", "Bob\r")
		arrived()
		fast.keys("#sign-up-name", "bob\r")
		fast.says(ready)
		release()
		slow.says("This username is taken. Please choose another one.")
		if n := device.passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
	}},
	{"a cancelled sign-in", "Is no error of anybody's, and says what to do.", func(v *visit) {
		v.phone.verifies(false)
		v.click("#sign-in button")
		v.says(cancelled)
		v.fits("cancelled")
		v.phone.verifies(true)
	}},
	{"sign-in without a username", "The passkey says who it is.", func(v *visit) {
		v.click("#sign-in button")
		v.says(signedIn)
		v.reads("#signed-in-title", "Hello, Ann Example")
		v.reads("#passkeys", "Chrome on Linux Synced Added today · last used just now Rename Remove")
	}},
	{"sign-in by username", "In any case of letters.", func(v *visit) {
		v.click("#sign-out")
		v.says(signedOut)
		v.keys("#sign-in-name", "ann EXAMPLE\r")
		v.says(signedIn)
		v.reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"sign-in by nobody's username", "Looks like that of a user whose passkeys are elsewhere: who has an account is not told.", func(v *visit) {
		v.click("#sign-out")
		v.says(signedOut)
		v.keys("#sign-in-name", "nobody\r")
		v.says(cancelled)
		v.keys("#sign-in-name", "\r")
		v.says(signedIn)
	}},
	{"rename", "The new name is there after a reload too; Cancel and Escape change nothing.", func(v *visit) {
		v.click(".rename")
		v.fits("rename")
		v.keys("#new-name", "Not this one")
		v.click("#rename .cancel")
		v.wait(`!shown('#rename')`)
		v.click(".rename")
		v.wait(`document.querySelector('#new-name').value === 'Chrome on Linux'`)
		v.keys("#new-name", "Nor this one\x1b")
		v.wait(`!shown('#rename')`)
		v.click(".rename")
		v.keys("#new-name", "Ann's phone\r")
		v.says("The passkey has a new name.")
		v.open()
		v.reads("#passkeys .name", "Ann's phone")
	}},
	{"a device that has a passkey already", "Gets no second one for the same account.", func(v *visit) {
		v.click("#add")
		v.says("This device has a passkey for your account already. To add another one, use another device.")
	}},
	{"a cancelled registration", "Adds nothing.", func(v *visit) {
		v.key = v.newAuthenticator(webauthn.AuthenticatorTransportUsb, false)
		v.phone.present(false)
		v.key.verifies(false)
		v.click("#add")
		v.says(cancelled)
		v.wait(`document.querySelectorAll('#passkeys li').length === 1`)
		v.key.verifies(true)
	}},
	{"a second passkey", "On another device, for the same account.", func(v *visit) {
		v.click("#add")
		v.says("The passkey is added.")
		v.reads("#passkeys li:nth-child(2)", "Security key This device only Added today · not used yet Rename Remove")
		v.reads("#signed-in-title", "Hello, Ann Example")
		v.fits("signed-in")
	}},
	{"remove", "Asks first; Keep it keeps it.", func(v *visit) {
		v.click("li:first-child .remove")
		v.reads("#remove-text", "“Ann's phone” will no longer sign you in. Delete it on your device too.")
		v.fits("remove")
		v.press("\r") // the focus is on Keep it
		v.wait(`!shown('#remove') && document.querySelectorAll('#passkeys li').length === 2`)
		v.click("li:first-child .remove")
		v.click("#remove .primary")
		v.says("The passkey is removed.")
		v.open()
		v.wait(`document.querySelectorAll('#passkeys li').length === 1`)
		v.reads("#passkeys .name", "Security key")
	}},
	{"the last passkey", "Stays, because there would be no way back: the page says so, and the server insists.", func(v *visit) {
		v.click(".remove")
		v.says("This is your only passkey. Without it there would be no way back into your account: add another one first.")
		v.wait(`!shown('#remove')`)
		must(v.tab, v.within(func(ctx context.Context) error {
			code, err := chromedp.Run(ctx, chromedp.Evaluate[string](
				"fetch(`/auth/passkeys/credentials/${document.querySelector('#passkeys li').dataset.id}`, { method: 'DELETE' }).then((r) => r.json()).then((body) => body.error.code)",
				chromedp.EvalAwaitPromise))
			if err == nil && code != "last_credential" {
				v.Errorf("the server answers %q", code)
			}
			return err
		}))
		v.open()
		v.wait(`document.querySelectorAll('#passkeys li').length === 1`)
	}},
	{"sign-in with a removed passkey", "Is refused, and the device forgets the passkey, so that it is not offered again.", func(v *visit) {
		v.click("#sign-out")
		v.says(signedOut)
		v.phone.present(true)
		v.key.present(false)
		v.click("#sign-in button")
		v.says("This passkey is not known here. It may have been removed from its account. Use another one.")
		v.wait(`shown('#signed-out') && !shown('#signed-in')`)
		if n := v.phone.passkeys(); n != 0 {
			v.Errorf("the device keeps %d passkeys; want none", n)
		}
	}},
	{"sign-in with the other passkey", "It opens the same account.", func(v *visit) {
		v.phone.present(false)
		v.key.present(true)
		v.click("#sign-in button")
		v.says(signedIn)
		v.reads("#signed-in-title", "Hello, Ann Example")
	}},
	{"a session that has ended elsewhere", "Leads back to the sign-in, with a word of why.", func(v *visit) {
		call(v.tab, network.ClearBrowserCookies, struct{}{})
		v.click("#add")
		v.says("You have been signed out. Please sign in again.")
		v.wait(`shown('#signed-out') && !shown('#signed-in')`)
	}},
	{"a server that is gone", "Is told apart from a passkey that does not work; the program itself ends in order.", func(v *visit) {
		v.program.interrupt(v.TB)
		v.click("#sign-in button")
		v.says("The server cannot be reached. Check your connection and try again.")
	}},
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
	case <-time.After(patience):
	}
	if p.url == "" {
		_ = p.cmd.Process.Kill()
		<-p.exited
		t.Fatalf("%s did not start:\n%s", filepath.Base(path), &stderr)
	}
	return p
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
	case <-time.After(patience):
		t.Fatalf("the program is still there %v after SIGINT", patience)
	}
}

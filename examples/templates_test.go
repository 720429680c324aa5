package examples_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
)

// TestTemplates visits the program that has no script of its own. Its pages come
// from the server, so what it is at is told by the element that is there.
func TestTemplates(t *testing.T) {
	program := filepath.Join(t.TempDir(), "templates")
	if out, err := exec.Command("go", "build", "-o", program, "./templates").CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, out)
	}
	running := start(t, program)
	v := browser.StartChromium(t).Open(t, running.url, `shown('passkey-sign-in')`)
	signIn, manager := v.Inside("passkey-sign-in"), v.Inside("passkey-manager")
	var phone *browser.Authenticator
	for _, step := range []struct {
		name     string
		sentence string
		do       func()
	}{
		{"the page of a visitor", "Fits a telephone.", func() {
			signIn.Wait(`shown('[part=button]')`)
			v.Fits("templates-signed-out")
		}},
		{"a name that is none", "The form says so, and keeps it.", func() {
			v.Keys("#name", "  \r")
			signIn.Wait(`document.querySelector('#problem')?.textContent === 'A username has 1 to 64 visible characters.' && document.querySelector('#name').value === '  '`)
			v.Fits("templates-problem")
		}},
		{"sign-up", "A form, the button of the manager, and the account is there.", func() {
			phone = v.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
			v.Keys("#name", "Ann <i>Example</i>\r")
			manager.Wait(`document.querySelector('h1')?.textContent === 'Welcome, Ann <i>Example</i>' && shown('[part=empty]')`)
			v.Fits("templates-signing-up")
			manager.Click("[part=button]")
			manager.Wait(`document.querySelector('h1')?.textContent === 'Hello, Ann <i>Example</i>' && text('bdi') === 'Chrome on Linux'`)
			if n := phone.Passkeys(); n != 1 {
				t.Errorf("the device keeps %d passkeys; want 1", n)
			}
			v.Fits("templates-signed-in")
		}},
		{"sign-out", "By a form.", func() {
			phone.Present(false) // or autofill would sign in at once
			v.Click("form button")
			signIn.Wait(`shown('[part=button]')`)
		}},
		{"sign-in", "By autofill, at once; leads to the account, where the passkey that was used is marked.", func() {
			phone.Present(true)
			v.Eval(`setTimeout(() => location.reload())`, nil)
			manager.Wait(`document.querySelector('h1')?.textContent === 'Hello, Ann <i>Example</i>' && text('[part=badge]') === 'This session'`)
		}},
		{"a name that is taken", "Cannot be had again.", func() {
			phone.Present(false)
			v.Click("form button")
			signIn.Wait(`shown('[part=button]')`)
			v.Keys("#name", "ANN <i>example</i>\r")
			signIn.Wait(`document.querySelector('#problem')?.textContent === 'This username is taken.'`)
		}},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			v.TB = t
			step.do()
		})
		if !ok {
			t.Fatalf("%s: %s", step.name, step.sentence)
		}
	}
}

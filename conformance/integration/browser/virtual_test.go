package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// virtual is a page in Chromium, whose own navigator.credentials it uses, with a
// virtual authenticator.
type virtual struct {
	*browser.Tab
	site  *site
	phone *browser.Authenticator
}

func newVirtual(t testing.TB, chromium *browser.Chromium, config func(*passkeys.Config)) *virtual {
	t.Helper()
	v := &virtual{site: newSite(t, config), Tab: chromium.Blank(t)}
	v.Load(v.site.local)
	v.phone = v.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)
	return v
}

// run runs a script, as that of a row.
func (v *virtual) run(script string) {
	v.Helper()
	v.Eval("(async () => {\n"+script+"\n})()", nil)
}

// keeps fails unless the device has passkeys with just these users' names.
func (v *virtual) keeps(names ...string) {
	v.Helper()
	var got []string
	for _, c := range v.phone.Credentials() {
		got = append(got, c.UserName)
	}
	if !slices.Equal(got, names) {
		v.Errorf("the device has passkeys of %q; want %q", got, names)
	}
}

// virtualRows are what the browser itself has a part in. Conditional create is not
// among them: with a virtual authenticator, headless Chromium leaves it pending for
// ever, so that the rows about upgrade have to do with the authenticator in the page.
var virtualRows = []struct {
	name, sentence string
	config         func(*passkeys.Config)
	run            func(*virtual)
}{
	{"register and sign in", "What the browser itself makes is what the server takes.", nil, func(v *virtual) {
		v.run(`
			equal((await pk.register({ name: 'Phone' })).status, 'ok');
			equal((await pk.signIn()).status, 'ok');
			equal((await pk.signIn({ username: 'ann' })).status, 'ok');
			equal((await pk.prepare().signIn()).status, 'ok');
			await fails(pk.register(), 'already_registered');`)
		v.keeps("ann")
	}},
	{"a prompt over autofill", "The browser takes the button's after autofill's, and autofill's after the button's.", nil, func(v *virtual) {
		v.run(`await pk.register();`)
		v.phone.Present(false)
		v.run(`
			globalThis.done = pk.autofill();
			while ((await posted('/authenticate/begin')).length < 1);
			globalThis.button = fails(pk.signIn(), 'aborted');
			while ((await posted('/authenticate/begin')).length < 2);`)
		v.phone.Present(true) // for the prompts that come now
		v.run(`
			equal((await pk.signIn()).status, 'ok');
			await button;
			equal((await done) ?? 'nothing', 'nothing');`)
	}},
	{"autofill", "The browser signs in whoever chooses a suggestion.", nil, func(v *virtual) {
		v.run(`await pk.register(); equal((await pk.autofill()).status, 'ok');`)
	}},
	{"immediate", "Signs in where there is a passkey, and shows nothing where there is none.", nil, func(v *virtual) {
		v.run(`
			equal((await pk.capabilities()).immediateGet, true);
			await fails(pk.immediate(), 'none_available');
			await pk.register();
			equal((await pk.immediate()).status, 'ok');`)
	}},
	{"a revoked passkey", "Is gone from the device too.", nil, func(v *virtual) {
		v.run(`await pk.register(); await pk.revoke((await pk.list())[0].id);`)
		v.keeps()
	}},
	{"a passkey that nobody knows", "Is gone from the device after it was tried.", nil, func(v *virtual) {
		v.run(`await pk.register(); await control('forget'); await fails(pk.signIn(), 'credential_not_found');`)
		v.keeps()
	}},
	{"a passkey that was refused", "Is not left on the device.", nil, func(v *virtual) {
		v.run(`await control('refuse', { code: 'name_taken', status: 409 }); await fails(pk.register(), 'name_taken');`)
		v.keeps()
	}},
	{"a passkey whose answer was lost", "Stays, and signs in.", nil, func(v *virtual) {
		v.run(`
			await fault('/register/finish', { lost: true });
			await fault('/register/finish', { gone: true });
			await fails(pk.register(), 'network');
			equal((await pk.signIn()).status, 'ok');`)
		v.keeps("ann")
	}},
	{"a new name of the account", "Is what the device shows.", nil, func(v *virtual) {
		v.run(`await pk.register(); await control('session', { name: 'ann.example' }); await pk.signals();`)
		v.keeps("ann.example")
	}},
	{"a quarantined passkey", "Stays on the device.", nil, func(v *virtual) {
		v.run(`await pk.register(); await control('quarantine'); await fails(pk.signIn(), 'clone_detected'); await pk.signals();`)
		v.keeps("ann")
	}},
	{"prf", "The results that the browser gives to the page never leave it.", nil, func(v *virtual) {
		v.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
			o.HasPrf, o.Transport = true, webauthn.AuthenticatorTransportUsb
		})
		v.phone.Present(false)
		v.run(`
			let results;
			for (const kind of ['create', 'get']) {
				const native = navigator.credentials[kind].bind(navigator.credentials);
				navigator.credentials[kind] = async ({ publicKey, ...options }) => {
					const credential = await native({ publicKey: { ...publicKey, extensions: { prf: { eval: { first: new Uint8Array(32) } } } }, ...options });
					({ results } = credential.getClientExtensionResults().prf);
					return credential;
				};
			}
			await pk.register();
			await pk.signIn({ username: 'ann' });
			const secret = base64url(results.first);
			equal(secret.length, 43);
			const bodies = [await posted('/register/finish'), await posted('/authenticate/finish')].flat();
			equal(bodies[0].credential.clientExtensionResults.prf, { enabled: true });
			equal(JSON.stringify(bodies).includes(secret), false);`)
	}},
	{"another client", "@simplewebauthn/browser registers and signs in against the routes.", nil, func(v *virtual) {
		v.run(`
			await new Promise((loaded, failed) => {
				const script = document.createElement('script');
				Object.assign(script, { src: '/simplewebauthn.js', onload: loaded, onerror: failed });
				document.head.append(script);
			});
			const { startRegistration, startAuthentication } = SimpleWebAuthnBrowser;
			const ask = async (path, body) => {
				const response = await fetch('/auth/passkeys' + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
				return response.json();
			};
			const made = await ask('/register/begin', {});
			const created = await startRegistration({ optionsJSON: made.publicKey });
			equal((await ask('/register/finish', { credential: created, state: made.state })).status, 'ok');
			for (const body of [{}, { username: 'ann' }]) {
				const asked = await ask('/authenticate/begin', body);
				const credential = await startAuthentication({ optionsJSON: asked.publicKey });
				equal(await ask('/authenticate/finish', { credential, state: asked.state }), { status: 'ok', userId: 'user-1' });
			}`)
		v.keeps("ann")
	}},
	{"an address that is not the server's", "The console has both addresses.", nil, func(v *virtual) {
		v.Load(strings.Replace(v.site.local, "localhost", "127.0.0.1", 1))
		v.run(`await fails(pk.signIn(), 'wrong_site');`)
		said := fmt.Sprint(v.Errors())
		for _, want := range []string{"http://127.0.0.1:", v.site.local} {
			if !strings.Contains(said, want) {
				v.Errorf("the console says %s; want %s", said, want)
			}
		}
	}},
}

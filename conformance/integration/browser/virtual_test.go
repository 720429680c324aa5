package browser_test

import (
	"context"
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
	{"a key of a passkey", "Survives the end of the session, and opens what it closed; another passkey has another.", func(c *passkeys.Config) {
		c.Extensions.PRF = true
	}, func(v *virtual) {
		plug := func() *browser.Authenticator {
			return v.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
				o.HasPrf, o.Transport = true, webauthn.AuthenticatorTransportUsb
			})
		}
		v.phone.Present(false)
		first := plug()
		const keyed = `
			let key, whose;
			const keyed = passkeys({ container: extensions({ async outputs({ prf }, id) {
				if (prf?.results) [key, whose] = [await deriveKey(prf.results.first, 'notes'), id];
			} }) });
			const algorithm = { name: 'AES-GCM', iv: new Uint8Array(12) };
			const note = new TextEncoder().encode('for nobody else');
		`
		v.run(keyed + `
			const { credentialId } = await keyed.register({ name: 'One' });
			equal((await keyed.signIn()).status, 'ok');
			equal(whose, credentialId);
			localStorage.note = base64url(await crypto.subtle.encrypt(algorithm, key, note));`)
		for _, how := range []string{`keyed.signIn()`, `keyed.signIn({ username: 'ann' })`, `keyed.autofill()`, `keyed.confirm()`} {
			v.Load(v.site.local) // nothing is left of the page before
			v.run(keyed + `
				await ` + how + `;
				equal(base64url(await crypto.subtle.encrypt(algorithm, key, note)), localStorage.note);
				const sealed = Uint8Array.from(atob(localStorage.note.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt());
				equal(new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, key, sealed)), 'for nobody else');
				const bodies = await Promise.all(['/register/finish', '/authenticate/finish', '/confirm/finish'].map(posted));
				equal(bodies.flat().every((b) => !b.credential.clientExtensionResults.prf?.results), true, 'they stay');`)
		}
		first.Present(false)
		plug()
		v.run(keyed + `
			await keyed.register({ name: 'Two' });
			await keyed.signIn();
			if (base64url(await crypto.subtle.encrypt(algorithm, key, note)) === localStorage.note) throw new Error('one key for both');`)
		stored, err := v.site.store.ListByUser(v.Context(), user.ID)
		if err != nil || len(stored) != 2 || !stored[0].PRFEnabled || !stored[1].PRFEnabled {
			v.Errorf("stored %+v, %v", stored, err)
		}
	}},
	{"salts of passkeys", "Each is asked with its own, and a passkey that has no prf signs in without.", func(c *passkeys.Config) {
		c.Extensions = passkeys.Extensions{PRF: true, PRFSalts: func(_ context.Context, _ string, id []byte) (passkeys.PRFSalts, error) {
			if id == nil {
				return passkeys.PRFSalts{}, nil
			}
			return passkeys.PRFSalts{First: id, Second: []byte("the next")}, nil
		}}
	}, func(v *virtual) {
		v.run(`equal((await pk.register()).status, 'ok'); equal((await pk.signIn({ username: 'ann' })).status, 'ok');`)
		v.phone.Present(false)
		v.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
			o.HasPrf, o.Transport = true, webauthn.AuthenticatorTransportUsb
		})
		v.run(`
			const heard = [];
			const keyed = passkeys({ container: extensions({ outputs: ({ prf }) => heard.push(prf) }) });
			await keyed.register();
			await keyed.signIn({ username: 'ann' });
			await keyed.signIn();
			equal(heard.map((prf) => [prf.enabled, prf.results?.first.byteLength, prf.results?.second.byteLength]), [[true, null, null], [null, 32, 32], [null, null, null]]);`)
		stored, err := v.site.store.ListByUser(v.Context(), user.ID)
		if err != nil || len(stored) != 2 || stored[0].PRFEnabled || !stored[1].PRFEnabled {
			v.Errorf("stored %+v, %v", stored, err)
		}
	}},
	{"a large blob", "Is written at one sign-in, and read at the next; where it is required there is no passkey without.", func(c *passkeys.Config) {
		c.Extensions.LargeBlob = passkeys.LargeBlobRequired
	}, func(v *virtual) {
		v.run(`await fails(pk.register(), 'cancelled');`) // on what has no room
		v.keeps()
		v.phone.Unplug()
		v.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
			o.HasLargeBlob, o.Transport = true, webauthn.AuthenticatorTransportUsb
		})
		v.run(`
			const heard = [];
			let ask;
			const keeper = passkeys({ container: extensions({
				inputs(publicKey, kind) {
					if (kind === 'get') return { largeBlob: ask };
				},
				outputs: ({ largeBlob }) => heard.push(largeBlob),
			}) });
			await keeper.register();
			ask = { write: new TextEncoder().encode('a note') };
			await keeper.signIn({ username: 'ann' });
			ask = { read: true };
			await keeper.signIn();
			const [made, wrote, { blob }] = heard;
			equal([made.supported, wrote.written, new TextDecoder().decode(blob)], [true, true, 'a note']);
			equal(JSON.stringify(await posted('/authenticate/finish')).includes(base64url(blob)), false);`)
	}},
	{"a protected passkey", "The authenticator says that it is, and answers whoever was verified.", func(c *passkeys.Config) {
		c.UserVerification = passkeys.UserVerificationRequired
		c.Extensions.CredentialProtection, c.Extensions.EnforceCredentialProtection = passkeys.CredentialProtectionRequired, true
	}, func(v *virtual) {
		v.run(`await fails(pk.register(), 'cancelled');`) // on what cannot
		v.keeps()
		v.phone.Unplug()
		// Chromium's virtual authenticators can where they have credBlob too.
		v.NewAuthenticatorWith(func(o *webauthn.VirtualAuthenticatorOptions) {
			o.HasCredBlob, o.Transport = true, webauthn.AuthenticatorTransportUsb
		})
		v.run(`equal((await pk.register()).status, 'ok'); equal((await pk.signIn()).status, 'ok');`)
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

package browser_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// row is a sentence about client.js, and a script that throws where it is not
// true: the body of an async function, with all that testdata/page.js offers.
type row struct {
	name, sentence string
	script         string

	config func(*passkeys.Config)
	before string   // a script that comes before the page's own
	errors []string // what the page says on its console, each a part of it
}

// in runs the row in a page of a site of its own.
func (r row) in(page browser.Page) {
	page.Helper()
	s := newSite(page, r.config)
	if r.before != "" {
		defer page.Before(r.before)()
	}
	page.Load(s.local)
	page.Eval("(async () => {\n"+r.script+"\n})()", nil)
	said := page.Errors()
	for i, want := range r.errors {
		if i >= len(said) || !strings.Contains(said[i], want) {
			page.Errorf("the console says %q; want %q", said, r.errors)
		}
	}
	if len(said) > len(r.errors) {
		page.Errorf("the console says %q", said)
	}
}

// TestClient is the contract of client.js: of its own logic, with an authenticator
// in the page and a clock that the test moves, in both browsers; and of what only
// a browser can do, with virtual authenticators, in Chromium.
func TestClient(t *testing.T) {
	t.Run("firefox", func(t *testing.T) {
		t.Parallel()
		firefox := browser.StartFirefox(t)
		page := firefox.Blank(t)
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				page.TB = t
				r.told(page)
			})
		}
	})
	t.Run("chromium", func(t *testing.T) {
		t.Parallel()
		chromium := browser.StartChromium(t)
		page := chromium.Blank(t)
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				page.TB = t
				r.told(page)
			})
		}
		for _, r := range virtualRows {
			t.Run(r.name, func(t *testing.T) {
				defer sentence(t, r.sentence)
				r.run(newVirtual(t, chromium, r.config))
			})
		}
	})
}

// told runs the row, and says what it is about where it fails.
func (r row) told(page browser.Page) {
	page.Helper()
	defer sentence(page, r.sentence)
	start := "device.install(); fake();\n"
	if strings.HasPrefix(r.script, "'real';") {
		start = "device.install();\n"
	}
	r.script = start + r.script
	r.in(page)
}

func sentence(t testing.TB, text string) {
	if t.Failed() {
		t.Log(text)
	}
}

// asksForKeys has two salts, the same for all.
func asksForKeys(c *passkeys.Config) {
	c.Extensions = passkeys.Extensions{PRF: true, PRFSalts: func(context.Context, string, []byte) (passkeys.PRFSalts, error) {
		return passkeys.PRFSalts{First: []byte{0xfb, 0xff}, Second: []byte{1}}, nil
	}}
}

// registered is how most rows begin.
const registered = `await pk.register(); device.signalled = [];` + "\n"

var rows = []row{
	{name: "register and sign in", sentence: "A passkey that was made signs in, without and with a username; both answers are the server's.", script: `
		const made = await pk.register({ name: 'Phone' });
		equal(made, { status: 'ok', credentialId: base64url(device.passkeys[0].id) });
		equal(await pk.signIn(), { status: 'ok', userId: 'user-1' });
		equal(await pk.signIn({ username: 'ann' }), { status: 'ok', userId: 'user-1' });
		equal(device.calls.at(-1).options.publicKey.allowCredentials.length, 1, 'listed');
		equal((await pk.list()).map((p) => p.deviceName), ['Phone']);`},

	// One at a time.
	{name: "one at a time", sentence: "A new ceremony ends the old one and waits until it is over; the old one rejects with aborted and posts no finish.", script: registered + `
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		equal((await pk.signIn()).status, 'ok');
		await first;
		equal(device.calls.map((c) => c.overlaps), [false, false, false], 'overlaps');
		equal((await posted('/authenticate/finish')).length, 1, 'finishes');`},
	{name: "three at a time", sentence: "Of three in a row the last is shown, the second never.", script: registered + `
		let prepared;
		const second = passkeys({ fetch: (...a) => (prepared = fetch(...a).then(async (r) => new Response(await r.text()))) }).prepare();
		await prepared;
		await turn();
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		const skipped = fails(second.signIn(), 'aborted');
		equal((await pk.signIn()).status, 'ok');
		await Promise.all([first, skipped]);
		equal(asked(), 3, 'prompts');
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "one page, two clients", sentence: "They share the one prompt that a page has.", script: registered + `
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		await passkeys({ base: '/auth/passkeys' }).signIn();
		await first;
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "one page, two modules", sentence: "So do those that come of loading the file under two URLs.", script: registered + `
		const other = await import('/auth/passkeys/client.js?v=other');
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		equal((await other.passkeys().signIn()).status, 'ok');
		await first;
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "begin in flight", sentence: "A ceremony that is still asking for its options is ended too, and shows nothing.", script: registered + `
		await fault('/authenticate/begin', { held: true });
		const first = fails(pk.signIn(), 'aborted');
		while (!(await posted('/authenticate/begin')).length);
		await pk.signIn();
		await first;
		equal(asked(), 2, 'prompts');`},
	{name: "a late credential", sentence: "What comes back from a prompt after it was called off is not sent.", script: registered + `
		let answer;
		device.next.push((well) => new Promise((resolve) => (answer = () => well().then(resolve))));
		const late = fails(pk.signIn(), 'aborted');
		await device.called(2);
		answer();
		pk.cancel();
		await late;
		equal(await posted('/authenticate/finish'), [], 'finishes');`},
	{name: "a late new passkey", sentence: "One that was made although the prompt was called off is not registered, and the browser is told to forget it.", script: `
		device.next.push(async (well) => { const made = await well(); pk.cancel(); return made; });
		await fails(pk.register(), 'aborted');
		equal(await posted('/register/finish'), [], 'finishes');
		equal(signalled(), ['UnknownCredential ' + base64url(device.passkeys[0].id)]);`},
	{name: "a prompt that does not listen", sentence: "One that a password manager keeps open is given up after a second, so that the next button works.", script: registered + `
		const deaf = device.call;
		device.call = (kind, { signal, ...options }) => deaf.call(device, kind, options);
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		const second = pk.signIn();
		await later(1000);
		await first;
		equal((await second).status, 'ok');`},
	{name: "cancel", sentence: "Ends what is under way, with aborted; where nothing is, nothing happens.", script: registered + `
		pk.cancel();
		device.next.push(hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		pk.cancel();
		await first;
		equal((await pk.signIn()).status, 'ok');`},
	{name: "signal", sentence: "An AbortSignal ends its ceremony, with aborted; one that is aborted already starts none.", script: registered + `
		const controller = new AbortController();
		device.next.push(hangs);
		const first = fails(pk.signIn({ signal: controller.signal }), 'aborted');
		await device.called(2);
		controller.abort();
		await first;
		await fails(pk.signIn({ signal: controller.signal }), 'aborted');
		await fails(pk.register({ signal: controller.signal }), 'aborted');
		equal(asked(), 2, 'prompts');`},

	// Autofill.
	{name: "autofill", sentence: "Signs in whoever chooses a passkey of the suggestions, and asks for a state that is made for it.", script: registered + `
		const done = pk.autofill();
		const { options } = await device.called(2);
		equal([options.mediation, options.publicKey.allowCredentials?.length ?? 0], ['conditional', 0]);
		equal((await posted('/authenticate/begin')), [{ mode: 'conditional' }]);
		device.choose();
		equal(await done, { status: 'ok', userId: 'user-1' });
		equal(asked(), 2, 'prompts');`},
	{name: "autofill in its own time", sentence: "With the machine's clock it is armed again before its state has expired.",
		config: func(c *passkeys.Config) { c.ConditionalTTL = time.Second }, script: `'real';` + registered + `
		const done = pk.autofill();
		await device.called(4);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill lives", sentence: "It is armed again at three quarters of its state's life, not before: a person who returns after three lives signs in.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		await later(1400);
		equal(armed(), true, 'armed, before its time');
		await later(200);
		for (const n of [3, 4, 5, 6]) {
			await device.called(n);
			await later(1600);
		}
		await device.called(7);
		device.choose();
		equal((await done).status, 'ok');
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "autofill sleeps", sentence: "Where timers slept, it is armed again when the page is seen.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		await later(1400, { asleep: true });
		woken();
		equal(armed(), true, 'armed, before its time');
		await later(4600, { asleep: true });
		woken();
		await device.called(3);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill refused", sentence: "A passkey that the server refuses ends nothing: onError hears why, and autofill is armed again.", script: registered + `
		const heard = [];
		const done = pk.autofill({ onError: (error) => heard.push(error) });
		await device.called(2);
		await fault('/authenticate/finish', { status: 401, body: '{"error":{"code":"clone_detected","message":"no"}}' });
		device.choose();
		await device.called(3);
		equal(heard.map((e) => [e instanceof PasskeyError, e.code]), [[true, 'clone_detected']]);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill without onError", sentence: "Goes on without a word.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		await fault('/authenticate/finish', { status: 503 });
		device.choose();
		await device.called(3);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill dies at once", sentence: "It is tried once again, as iOS fails every other time; the second time it rejects.", script: registered + `
		device.next.push(throws('NotAllowedError'));
		const done = pk.autofill();
		await device.called(3);
		device.choose();
		equal((await done).status, 'ok');
		device.next.push(throws('NotAllowedError'), throws('NotAllowedError'));
		await fails(pk.autofill(), 'cancelled');
		equal(asked(), 5, 'prompts');`},
	{name: "autofill dies now and then", sentence: "What died at once long after the first time is tried again too.", script: registered + `
		device.next.push(throws('NotAllowedError'));
		const done = pk.autofill();
		await device.called(3);
		device.next.push(throws('NotAllowedError'));
		await later(1600);
		await device.called(5);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill dies late", sentence: "A prompt of autofill that the browser ends after a while is made anew, as often as it takes, after longer and longer pauses.", script: registered + `
		let end;
		const dies = () => new Promise((_, reject) => (end = () => reject(new DOMException('', 'NotAllowedError'))));
		device.next.push(dies, dies, dies);
		const done = pk.autofill();
		for (const n of [2, 3, 4]) {
			await device.called(n);
			await later(600);
			end();
			if (n === 2) continue;
			while ((await waiting()) < 1);
			await later((2 ** (n - 2) - 1) * 4000);
		}
		await device.called(5);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill of a device that fails", sentence: "Of that nobody knows the cause either: it is tried again, and onError hears of passkeys only.", script: registered + `
		device.next.push(throws('UnknownError'));
		const heard = [];
		const done = pk.autofill({ onError: (error) => heard.push(error.code) });
		await device.called(3);
		device.choose();
		equal((await done).status, 'ok');
		equal(heard, []);`},
	{name: "autofill at another site", sentence: "What will never do is not tried again.", errors: []string{"passkeys: expected localhost"}, script: registered + `
		device.next.push(throws('SecurityError'));
		await fails(pk.autofill(), 'wrong_site');
		equal(asked(), 2, 'prompts');`},
	{name: "autofill dies after a long life", sentence: "Then the pauses begin anew: the next prompt comes at once.", config: func(c *passkeys.Config) { c.ConditionalTTL = 10 * time.Minute }, script: registered + `
		let end;
		const dies = () => new Promise((_, reject) => (end = () => reject(new DOMException('', 'NotAllowedError'))));
		device.next.push(dies, dies, dies);
		const done = pk.autofill();
		await device.called(2);
		await later(600);
		end();
		await device.called(3);
		await later(600);
		end();
		while ((await waiting()) < 1);
		await later(6000);
		await device.called(4);
		await later(61e3);
		end();
		await device.called(5);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill and a button", sentence: "A button's prompt takes the place of autofill, and its sign-in ends it.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		equal((await pk.signIn()).status, 'ok');
		equal(await done ?? 'nothing', 'nothing');
		equal(asked(), 3, 'prompts');
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "autofill after a button", sentence: "When the button's prompt fails, autofill is armed again.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		let end;
		device.next.push(() => new Promise((_, reject) => (end = () => reject(new DOMException('', 'NotAllowedError')))));
		const button = fails(pk.signIn(), 'cancelled');
		await device.called(3);
		await later(5000);
		equal(asked(), 3, 'prompts while the button has its own');
		end();
		await button;
		await device.called(4);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill during a button", sentence: "What starts while a button's prompt is shown waits for its end.", script: registered + `
		let end;
		device.next.push(() => new Promise((_, reject) => (end = () => reject(new DOMException('', 'NotAllowedError')))));
		const button = fails(pk.signIn(), 'cancelled');
		await device.called(2);
		const done = pk.autofill();
		await later(1);
		end();
		await button;
		await device.called(3);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill anew", sentence: "A second one takes the place of the first, which resolves with nothing.", script: registered + `
		const first = pk.autofill();
		await device.called(2);
		const second = passkeys().autofill();
		equal(await first ?? 'nothing', 'nothing');
		await device.called(3);
		device.choose();
		equal((await second).status, 'ok');
		equal(asked(), 3, 'prompts');`},
	{name: "autofill without a server", sentence: "A begin that fails for 503, 429, a lost connection or HTML in its place is tried again after a few seconds, or after what the server says.", script: registered + `
		for (const [answer, wait] of [
			[{ status: 503, body: '{"error":{"code":"storage_unavailable","message":"m"}}' }, 4],
			[{ status: 429, headers: { 'Retry-After': '7' }, body: '{}' }, 7],
			[{ gone: true }, 4],
			[{ status: 502, body: '<html>' }, 4],
			[{ status: 503, headers: { 'Retry-After': '-1' } }, 4],
			[{ status: 503, headers: { 'Retry-After': '2592000' } }, 3600],
		]) {
			await fault('/authenticate/begin', answer);
			const was = asked();
			const done = pk.autofill();
			while ((await waiting()) < 1);
			await control('mend');
			await later(wait * 1000 - 1);
			equal(await waiting(), 1, 'too soon');
			await later(1);
			await device.called(was + 1);
			device.choose();
			equal((await done).status, 'ok');
		}`},
	{name: "autofill online", sentence: "When the connection is back it does not wait.", script: registered + `
		await fault('/authenticate/begin', { status: 503 });
		const done = pk.autofill();
		while ((await waiting()) < 1);
		dispatchEvent(new Event('online'));
		await device.called(2);
		device.choose();
		equal((await done).status, 'ok');`},
	{name: "autofill waits, a button signs in", sentence: "It is not armed for who is signed in, and does not disturb the button.", script: registered + `
		await fault('/authenticate/begin', { status: 503 });
		const done = pk.autofill();
		while ((await waiting()) < 1);
		let end;
		device.next.push((well) => new Promise((resolve) => (end = () => well().then(resolve))));
		const button = pk.signIn();
		await device.called(2);
		dispatchEvent(new Event('online'));
		await later(20000);
		end();
		equal((await button).status, 'ok');
		equal(await done ?? 'nothing', 'nothing');
		equal(asked(), 2, 'prompts');`},
	{name: "autofill refused at begin", sentence: "What trying again does not change rejects at once.", script: `
		await fault('/authenticate/begin', { status: 403, body: '{"error":{"code":"forbidden","message":"no"}}' });
		await fails(pk.autofill(), 'forbidden');
		equal(asked(), 0, 'prompts');`},
	{name: "autofill called off", sentence: "cancel and its signal end it, also while it waits for the server: it resolves with nothing.", script: registered + `
		const nothing = async (promise) => equal((await promise) ?? 'nothing', 'nothing');
		const first = pk.autofill();
		await device.called(2);
		pk.cancel();
		await nothing(first);

		const controller = new AbortController();
		const second = pk.autofill({ signal: controller.signal });
		await device.called(3);
		controller.abort();
		await nothing(second);
		await nothing(pk.autofill({ signal: controller.signal }));

		for (const [i, off] of [pk.cancel, (c) => c.abort()].entries()) {
			await fault('/authenticate/begin', { status: 503 });
			const c = new AbortController();
			const waits = pk.autofill({ signal: c.signal });
			while ((await waiting()) <= i);
			off(c);
			await nothing(waits);
		}

		const early = pk.autofill();
		pk.cancel();
		await nothing(early);
		equal(asked(), 3, 'prompts');`},
	{name: "autofill nowhere", sentence: "Where the browser has no such thing, it resolves with nothing and asks nobody.", script: `
		device.capabilities.conditionalGet = false;
		equal((await pk.autofill()) ?? 'nothing', 'nothing');
		equal(await posted('/authenticate/begin'), []);`},

	// Immediate and upgrade.
	{name: "immediate", sentence: "Signs in with a passkey that is there, with uiMode immediate.", script: registered + `
		equal((await pk.immediate()).status, 'ok');
		equal(device.calls.at(-1).options.uiMode, 'immediate');
		equal(await posted('/authenticate/begin'), [{ mode: 'immediate' }]);`},
	{name: "immediate without a passkey", sentence: "Rejects at once with none_available; a person who closes the prompt has cancelled it.", script: `
		await fails(pk.immediate(), 'none_available');
		device.next.push(async () => { await later(600); throw new DOMException('', 'NotAllowedError'); });
		await fails(pk.immediate(), 'cancelled');
		device.next.push(throws('SecurityError'));
		await fails(pk.immediate(), 'wrong_site');`, errors: []string{"localhost"}},
	{name: "immediate nowhere", sentence: "Where the browser has no such thing there is nothing either, and nobody is asked.", script: `
		device.capabilities.immediateGet = undefined;
		await fails(pk.immediate(), 'none_available');
		equal([asked(), await posted('/authenticate/begin')], [0, []]);`},
	{name: "upgrade", sentence: "With a grant the browser makes a passkey unasked, and the answer is that of a registration.", script: `
		const grant = await control('grant');
		const made = await pk.upgrade({ grant, name: 'Made for you' });
		equal(made, { status: 'ok', credentialId: base64url(device.passkeys[0].id) });
		equal(device.calls[0].options.mediation, 'conditional');
		equal(await posted('/register/begin'), [{ mediation: 'conditional', grant }]);
		equal((await pk.list()).map((p) => p.deviceName), ['Made for you']);`},
	{name: "upgrade is silent", sentence: "Where the browser is not ready, or has a passkey already, it resolves with nothing.", script: `
		for (const name of ['NotAllowedError', 'InvalidStateError', 'AbortError', 'UnknownError']) {
			device.next.push(throws(name));
			equal((await pk.upgrade({ grant: await control('grant') })) ?? 'nothing', 'nothing', name);
		}
		device.capabilities.conditionalCreate = undefined;
		equal((await pk.upgrade({ grant: 'none' })) ?? 'nothing', 'nothing');
		equal(asked(), 4, 'prompts');`},
	{name: "upgrade called off", sentence: "It resolves with nothing when a button takes its place.", script: `
		device.next.push(hangs);
		const up = pk.upgrade({ grant: await control('grant') });
		await device.called(1);
		await pk.register();
		equal(await up ?? 'nothing', 'nothing');`},
	{name: "upgrade without a grant", sentence: "The server refuses one that it has not granted, and a server that cannot be reached is said so.", script: `
		await fails(pk.upgrade({ grant: 'made.up' }), 'challenge_not_found');
		equal(asked(), 0, 'prompts');
		await fault('/register/begin', { gone: true });
		await fails(pk.upgrade({ grant: await control('grant') }), 'network');`},

	// Prepare.
	{name: "prepare", sentence: "Begin is asked before the click and not after it; once used, the next click asks again.", script: registered + `
		const ready = pk.prepare();
		while (!(await posted('/authenticate/begin')).length);
		equal((await ready.signIn()).status, 'ok');
		equal((await posted('/authenticate/begin')).length, 1, 'begins');
		equal((await ready.signIn()).status, 'ok');
		equal(await posted('/authenticate/begin'), [{}, {}]);`},
	{name: "prepare for a name", sentence: "The name is that of prepare, also where it asks again.", script: registered + `
		const ready = pk.prepare({ username: 'ann' });
		await ready.signIn();
		await ready.signIn();
		equal(await posted('/authenticate/begin'), [{ username: 'ann' }, { username: 'ann' }]);`},
	{name: "prepare is stale", sentence: "What was asked too long ago is asked again, so that the prompt does not outlive its state.", script: registered + `
		const [fresh, stale] = [pk.prepare(), pk.prepare()];
		while ((await posted('/authenticate/begin')).length < 2);
		await later(224000);
		equal((await fresh.signIn()).status, 'ok');
		equal((await posted('/authenticate/begin')).length, 2, 'begins');
		await later(2000);
		equal((await stale.signIn()).status, 'ok');
		equal((await posted('/authenticate/begin')).length, 3, 'begins');`},
	{name: "prepare fails", sentence: "Is no matter: the click asks again.", script: registered + `
		await fault('/authenticate/begin', { status: 503 });
		equal((await pk.prepare().signIn()).status, 'ok');
		equal((await posted('/authenticate/begin')).length, 2, 'begins');`},

	// What goes to the server.
	{name: "hostile objects", sentence: "A password manager's credential whose toJSON, rawId and all optional getters throw registers and signs in.", script: `
		device.bad = true;
		await pk.register();
		equal((await pk.signIn()).status, 'ok');
		const [{ credential }] = await posted('/authenticate/finish');
		equal(Object.keys(credential).sort(), ['clientExtensionResults', 'id', 'rawId', 'response', 'type']);`},
	{name: "a device without a user handle", sentence: "A security key that is asked for by name may give none.", script: registered + `
		device.next.push(async (well) => { const c = await well(); c.response.userHandle = null; return c; });
		equal((await pk.signIn({ username: 'ann' })).status, 'ok');
		equal('userHandle' in (await posted('/authenticate/finish'))[0].credential.response, false);`},
	{name: "transports and credProps", sentence: "What the server has a use for arrives.", script: `
		await pk.register();
		const [{ credential }] = await posted('/register/finish');
		equal([credential.response.transports, credential.clientExtensionResults, credential.authenticatorAttachment], [['internal'], { credProps: { rk: true } }, 'platform']);
		equal((await pk.list())[0].transports, ['internal']);`},
	{name: "prf", sentence: "The results of the prf extension never leave the page; whether there is one does.", script: `
		const secret = crypto.getRandomValues(new Uint8Array(32));
		device.extensions = () => ({ prf: { enabled: true, results: { first: secret.buffer, second: base64url(secret) } }, largeBlob: { blob: base64url(secret) }, other: base64url(secret) });
		await pk.register();
		await pk.signIn();
		const bodies = await Promise.all(['/register/finish', '/authenticate/finish'].map(posted));
		equal(bodies.flat().map((b) => b.credential.clientExtensionResults), [{ prf: { enabled: true } }, { prf: { enabled: true } }]);
		const all = JSON.stringify(bodies);
		equal([all.includes(base64url(secret)), all.includes('results')], [false, false]);`},
	{name: "prf by another page", sentence: "A page that sends the results anyway is refused, and told what it did.", script: registered + `
		const careless = passkeys({ fetch: (url, init) => {
			if (url.endsWith('finish')) {
				const body = JSON.parse(init.body);
				body.credential.clientExtensionResults = { prf: { results: { first: 'AAAA' } } };
				init = { ...init, body: JSON.stringify(body) };
			}
			return fetch(url, init);
		} });
		await fails(careless.signIn(), 'prf_results_present');`},
	{name: "a container", sentence: "It adds the page's inputs to the server's, and the page gets what comes out, and whose it is.", config: asksForKeys, script: `
		const first = crypto.getRandomValues(new Uint8Array(32)).buffer;
		device.extensions = () => ({ prf: { enabled: true, results: { first } } });
		const heard = [];
		const own = passkeys({ container: extensions({
			inputs: async (publicKey, kind) => ({ largeBlob: kind === 'get' ? { read: true } : undefined, minPinLength: publicKey.rp?.id === 'localhost' }),
			outputs: (...all) => heard.push(all),
		}) });
		await own.register();
		await own.signIn();
		const [created, got] = device.calls.map((c) => c.options.publicKey.extensions);
		equal([created.credProps, !!created.prf, created.minPinLength], [true, true, true]);
		equal([!!got.prf, got.largeBlob, got.minPinLength], [true, { read: true }, false]);
		equal(heard.map(([results, id, kind]) => [results.prf.results.first === first, id, kind]), ['create', 'get'].map((kind) => [true, base64url(device.passkeys[0].id), kind]));
		const bodies = await Promise.all(['/register/finish', '/authenticate/finish'].map(posted));
		equal(JSON.stringify(bodies).includes(base64url(first)), false, 'leaked');`},
	{name: "a container of nothing", sentence: "Without inputs and outputs it asks as the browser would be asked, and another may be behind it.", script: `
		const { credentials } = navigator;
		const kinds = [];
		const behind = { create: (o) => (kinds.push('create'), credentials.create(o)), get: (o) => (kinds.push('get'), credentials.get(o)) };
		const own = passkeys({ container: extensions({ container: behind }) });
		await own.register();
		await own.signIn();
		equal(kinds, ['create', 'get']);
		await passkeys({ container: extensions() }).signIn();
		equal(device.calls.at(-1).options.publicKey.extensions, {});`},
	{name: "outputs that throw", sentence: "What a page makes of them ends no ceremony: the passkey is there. Nor does a password manager without any.", errors: []string{"mine", "Illegal"}, script: `
		const own = passkeys({ container: extensions({ outputs: async () => { throw new Error('mine'); } }) });
		equal((await own.register()).status, 'ok');
		device.bad = true;
		equal((await passkeys({ container: extensions({ outputs: () => 0 }) }).signIn()).status, 'ok');`},
	{name: "outputs after an abort", sentence: "A passkey that answers when nobody waits any more gives no keys.", script: registered + `
		let answer;
		device.next.push(async (does) => { const late = await does(); await new Promise((resolve) => (answer = resolve)); return late; });
		let heard = 0;
		const own = passkeys({ container: extensions({ outputs: () => heard++ }) });
		const ended = fails(own.signIn(), 'aborted');
		await device.called(2);
		while (!answer) await turn();
		own.cancel();
		answer();
		await ended;
		await own.signIn();
		equal(heard, 1);`},
	{name: "inputs that throw", sentence: "There is no prompt then.", script: registered + `
		await fails(passkeys({ container: extensions({ inputs: () => { throw new Error('mine'); } }) }).signIn(), 'authenticator_failed');
		equal(asked(), 1);`},
	{name: "keys", sentence: "One secret is good for many keys, none of which can be taken out.", script: `
		const secret = new Uint8Array(32).fill(7);
		const [a, b, again] = await Promise.all(['a', 'b', 'a'].map((purpose) => deriveKey(secret, purpose)));
		const iv = new Uint8Array(12);
		const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, a, secret);
		equal(base64url(sealed), '8ZzOO0TFFEJ0z7i1brS0dLZxNNbO3MKzyNdnjaszQuHSDmQvd6cR-kvsufzz7RFl'); // by another HKDF
		equal(base64url(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, again, sealed)), base64url(secret));
		for (const refused of [() => crypto.subtle.decrypt({ name: 'AES-GCM', iv }, b, sealed), () => crypto.subtle.exportKey('raw', a)]) {
			if (await refused().then(() => true, () => false)) throw new Error('not refused');
		}`},
	{name: "salts by hand", sentence: "They too are read where the browser cannot.", config: asksForKeys, script: `
		PublicKeyCredential.parseCreationOptionsFromJSON = PublicKeyCredential.parseRequestOptionsFromJSON = undefined;
		await pk.register();
		await pk.signIn({ username: 'ann' });
		const [created, got] = device.calls.map((c) => c.options.publicKey.extensions.prf);
		const [[id, { first, second }], ...more] = Object.entries(got.evalByCredential);
		equal([id, base64url(first), base64url(second), more.length], [base64url(device.passkeys[0].id), base64url(Uint8Array.of(0xfb, 0xff)), base64url(Uint8Array.of(1)), 0]);
		equal(base64url(created.eval.first), base64url(first));`},
	{name: "parsing by hand", sentence: "Where the browser cannot read options from JSON, or fails at it, they are read by hand.", script: `
		PublicKeyCredential.parseCreationOptionsFromJSON = throws('EncodingError');
		PublicKeyCredential.parseCreationOptionsFromJSON = () => { throw new DOMException('', 'EncodingError'); };
		await pk.register();
		PublicKeyCredential.parseCreationOptionsFromJSON = undefined;
		await fails(pk.register(), 'already_registered');
		const { publicKey } = device.calls.at(-1).options;
		equal([publicKey.rp.id, base64url(publicKey.user.id), publicKey.excludeCredentials.map((c) => base64url(c.id))], ['localhost', base64url(new TextEncoder().encode('user-1')), [base64url(device.passkeys[0].id)]]);
		PublicKeyCredential.parseRequestOptionsFromJSON = () => { throw new DOMException('', 'EncodingError'); };
		equal((await pk.signIn()).status, 'ok');
		PublicKeyCredential.parseRequestOptionsFromJSON = undefined;
		equal((await pk.signIn({ username: 'ann' })).status, 'ok');
		equal(device.calls.at(-1).options.publicKey.allowCredentials.map((c) => base64url(c.id)), [base64url(device.passkeys[0].id)]);`},
	{name: "parsing by the browser", sentence: "Where the browser can, it does, so that members which it knows and we do not are read.", script: registered + `
		const native = PublicKeyCredential.parseRequestOptionsFromJSON;
		let seen;
		PublicKeyCredential.parseRequestOptionsFromJSON = (json) => (seen = native.call(PublicKeyCredential, json));
		await pk.signIn();
		equal(device.calls.at(-1).options.publicKey === seen, true, 'parsed');`},

	// Codes.
	{name: "what browsers say", sentence: "Each exception is a code, at sign-in and at registration, with its cause and how long the prompt was there.", script: `
		for (const [name, get, create = get] of [
			['NotAllowedError', 'cancelled'],
			['AbortError', 'cancelled'], // Firefox, where the person closed the prompt
			['InvalidStateError', 'authenticator_failed', 'already_registered'],
			['ConstraintError', 'authenticator_unsuitable'],
			['NotSupportedError', 'unsupported'],
			['TypeError', 'bad_options'],
			['EncodingError', 'bad_options'],
			['UnknownError', 'authenticator_failed'],
			['NotReadableError', 'authenticator_failed'],
		]) {
			for (const [start, code] of [[pk.signIn, get], [pk.register, create]]) {
				device.next.push(async () => { await later(70); return throws(name)(); });
				const error = await fails(start(), code);
				equal([error.cause.name, error.ms, error.name, error.status], [name, 70, 'PasskeyError', undefined], name);
			}
		}
		device.next.push(() => Promise.reject());
		await fails(pk.signIn(), 'authenticator_failed');`},
	{name: "wrong site, by the browser", sentence: "A SecurityError is a developer's: the console has where the page is, and what was expected.", script: `
		device.next.push(throws('SecurityError'));
		await fails(pk.signIn(), 'wrong_site');
		device.next.push(throws('SecurityError'));
		await fails(pk.register(), 'wrong_site');`, errors: []string{"http://localhost:", "http://localhost:"}},
	{name: "no passkeys", sentence: "A browser without WebAuthn says so, in every function, and asks nobody.", before: `delete window.PublicKeyCredential`, script: `
		equal(pk.supported(), false);
		await fails(pk.signIn(), 'unsupported');
		await fails(pk.register(), 'unsupported');
		await fails(pk.confirm(), 'unsupported');
		await fails(pk.prepare().signIn(), 'unsupported');
		await fails(pk.immediate(), 'unsupported');
		equal([await pk.autofill() ?? 'nothing', await pk.upgrade({ grant: '' }) ?? 'nothing'], ['nothing', 'nothing']);
		await pk.signals();
		equal((await pk.capabilities()).signalUnknownCredential ?? 'unknown', 'unknown');`},
	{name: "capabilities", sentence: "Where the browser is silent of itself, what can be seen is said; what cannot stays unknown.", script: `
		equal(pk.supported(), true);
		PublicKeyCredential.getClientCapabilities = undefined;
		PublicKeyCredential.isConditionalMediationAvailable = async () => true;
		PublicKeyCredential.signalUnknownCredential = undefined;
		const all = await pk.capabilities();
		equal([all.conditionalGet, all.signalAllAcceptedCredentials, all.signalUnknownCredential], [true, true, false]);
		equal('conditionalCreate' in all, false);
		PublicKeyCredential.getClientCapabilities = async () => ({ conditionalGet: false, signalAllAcceptedCredentials: false });
		equal((await pk.capabilities()).conditionalGet, false);
		equal((await pk.capabilities()).signalAllAcceptedCredentials, true); // Safari, which has it`},
	{name: "offline", sentence: "A connection that cannot be had is network, with its cause, at begin and at finish.", script: registered + `
		const gone = (path) => fault(path, { gone: true });
		await gone('/authenticate/begin');
		equal((await fails(pk.signIn(), 'network')).cause instanceof TypeError, true);
		await control('mend');
		await gone('/authenticate/finish');
		await fails(pk.signIn(), 'network');
		await control('mend');
		await gone('/credentials');
		await fails(pk.list(), 'network');
		await control('mend');
		await fails(passkeys({ headers: () => { throw new Error('no token'); } }).list(), 'network');`},
	{name: "too many", sentence: "429 is rate_limited, whatever says it, with the seconds to wait if it tells them.", script: `
		await fault('/authenticate/begin', { status: 429, headers: { 'Retry-After': '17' }, body: 'slow down' });
		equal((await fails(pk.signIn(), 'rate_limited')).retryAfter, 17);
		await fault('/authenticate/begin', { status: 429, headers: { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' }, body: '{}' });
		equal((await fails(pk.signIn(), 'rate_limited')).retryAfter, undefined);
		await fault('/authenticate/begin', { status: 429, body: '{"error":{"code":"custom","message":"m","id":"r-1"}}' });
		const { message, id, status } = await fails(pk.signIn(), 'rate_limited');
		equal([message, id, status], ['m', 'r-1', 429]);`},
	{name: "no answer of ours", sentence: "HTML in an answer's place is bad_answer; from a gateway that has lost the server it is network.", script: `
		for (const [status, code] of [[200, 'bad_answer'], [404, 'bad_answer'], [500, 'bad_answer'], [501, 'bad_answer'], [502, 'network'], [503, 'network'], [504, 'network']]) {
			await fault('/authenticate/begin', { status, body: '<html>' });
			equal((await fails(pk.signIn(), code)).status, status);
		}
		await fault('/authenticate/begin', { status: 404, body: '{"error":"Not Found"}' });
		await fails(pk.signIn(), 'bad_answer');
		await fault('/authenticate/begin', { status: 200, body: '' });
		await fails(pk.signIn(), 'bad_answer');`},
	{name: "what hooks say", sentence: "An application's own code and message pass through, with status and id; words has nothing better to say than the message.", script: `
		await control('refuse', { code: 'name_taken', status: 409 });
		const error = await fails(pk.register(), 'name_taken');
		equal([error.message, error.status, typeof error.id], ['The hook says no.', 409, 'string']);
		equal([explain(error), explain({ code: 'cancelled' }), explain(new Error('x')), explain(undefined)], ['The hook says no.', words.cancelled, words.internal_error, words.internal_error]);
		await control('session', { nobody: true });
		equal(explain(await fails(pk.list(), 'unauthenticated')), words.unauthenticated);`},
	{name: "headers, credentials, fetch, base", sentence: "What the application sets goes with every request; a function is asked each time.", script: `
		let n = 0;
		const seen = [];
		const client = passkeys({ base: '/auth/passkeys/', headers: () => ({ 'X-Token': String(++n) }), credentials: 'include', fetch: (url, init) => (seen.push([url, init.headers.get('X-Token'), init.headers.get('Content-Type'), init.credentials]), fetch(url, init)) });
		await client.register();
		await passkeys({ headers: { 'X-Token': 'fixed' }, fetch: (url, init) => (seen.push(init.headers.get('X-Token')), fetch(url, init)) }).list();
		equal(seen, [
			['/auth/passkeys/register/begin', '1', 'application/json', 'include'],
			['/auth/passkeys/register/finish', '2', 'application/json', 'include'],
			['/auth/passkeys/signals', '3', null, 'include'],
			'fixed',
		]);`},

	// Management and signals.
	{name: "management", sentence: "list, rename and revoke are the routes, and revoke tells the browser.", script: registered + `
		const [{ id }] = await pk.list();
		await pk.rename(id, 'Work');
		equal((await pk.list())[0].deviceName, 'Work');
		equal(signalled(), []);
		equal(await pk.revoke(id) ?? 'nothing', 'nothing');
		equal(await pk.list(), []);
		equal(device.signalled[0], ['signalAllAcceptedCredentials', { rpId: 'localhost', userId: base64url(new TextEncoder().encode('user-1')), allAcceptedCredentialIds: [] }]);
		device.signalled = [];
		await fails(pk.revoke(id), 'not_found');
		await fails(pk.rename(id, 'x'), 'not_found');
		equal(signalled(), []);`},
	{name: "signals", sentence: "The browser is told what is registered and how its owner is called: after a registration, a sign-in, and a new name of the account.", script: `
		const ids = () => device.signalled.filter(([name]) => name.includes('All')).map(([, a]) => a.allAcceptedCredentialIds);
		const names = () => device.signalled.filter(([name]) => name.includes('User')).map(([, a]) => a.name);
		await pk.register();
		const id = base64url(device.passkeys[0].id);
		equal([ids(), names()], [[[id]], ['ann']]);
		device.signalled = [];
		await pk.signIn();
		equal([ids(), names()], [[[id]], ['ann']]);
		await control('session', { name: 'ann.example' });
		device.signalled = [];
		await pk.signals();
		equal([ids(), names()], [[[id]], ['ann.example']]);`},
	{name: "signals of a quarantine", sentence: "A passkey that is disabled stays in the list: a browser that hid it could not be told otherwise.", script: registered + `
		await control('quarantine');
		await fails(pk.signIn(), 'clone_detected');
		equal(signalled(), []);
		await pk.signals();
		equal(device.signalled[0][1].allAcceptedCredentialIds, [base64url(device.passkeys[0].id)]);`},
	{name: "signals unread", sentence: "Where the list cannot be read, nothing is said; nor does the sign-in fail for it, or for what the browser makes of it.", script: registered + `
		for (const answer of [{ status: 503, body: '{"error":{"code":"storage_unavailable"}}' }, { status: 401 }, { status: 200, body: '<html>' }, { status: 200, body: '{"error":1}' }, { gone: true }]) {
			await fault('/signals', answer);
			equal((await pk.signIn()).status, 'ok');
			equal(signalled(), []);
			await control('mend');
		}
		PublicKeyCredential.signalAllAcceptedCredentials = throws('NotAllowedError');
		equal((await pk.signIn()).status, 'ok');
		equal(signalled(), ['CurrentUserDetails']);`},
	{name: "signals that are late", sentence: "A list that was asked for before a passkey was registered is not told after: the browser would hide the new one.", script: `
		let release;
		const held = new Promise((resolve) => (release = resolve));
		const late = passkeys({ fetch: async (...a) => { const response = await fetch(...a); await held; return response; } }).signals();
		while (!(await posted('/signals')).length);
		await pk.register();
		equal(signalled(), ['AllAcceptedCredentials', 'CurrentUserDetails']);
		release();
		await late;
		equal(signalled(), ['AllAcceptedCredentials', 'CurrentUserDetails'], 'late');`},
	{name: "signals while a passkey is stored", sentence: "Nor is one that arrives after the server has stored it, and before the page knows.", script: `
		const held = () => { let release; const until = new Promise((resolve) => (release = resolve)); return { until, release }; };
		const list = held(), stored = held(), answered = held();
		const late = passkeys({ fetch: async (...a) => { const response = await fetch(...a); await list.until; return response; } }).signals();
		while (!(await posted('/signals')).length);
		const made = passkeys({ fetch: async (...a) => {
			const response = await fetch(...a);
			if (/finish$/.test(a[0])) { stored.release(); await answered.until; }
			return response;
		} }).register();
		await stored.until;
		list.release();
		await late;
		equal(signalled(), [], 'late');
		answered.release();
		await made;
		equal(signalled(), ['AllAcceptedCredentials', 'CurrentUserDetails']);`},
	{name: "signals that hang", sentence: "A sign-in does not wait for them for longer than a few seconds.", script: registered + `
		await fault('/signals', { held: true });
		equal((await pk.signIn()).status, 'ok');
		equal(signalled(), []);`},
	{name: "signals nowhere", sentence: "Where the browser cannot be told, the server is not asked.", script: registered + `
		PublicKeyCredential.signalAllAcceptedCredentials = undefined;
		const was = (await posted('/signals')).length;
		await pk.signIn();
		equal((await posted('/signals')).length, was);`},
	{name: "a passkey that is gone", sentence: "One that the server does not know is told to the browser as unknown; nothing else of a sign-in is.", script: registered + `
		const id = base64url(device.passkeys[0].id);
		await fault('/authenticate/finish', { status: 401, body: '{"error":{"code":"assertion_verification_failed"}}' });
		await fails(pk.signIn(), 'assertion_verification_failed');
		equal(signalled(), []);
		await control('forget');
		await fails(pk.signIn(), 'credential_not_found');
		equal(device.signalled, [['signalUnknownCredential', { rpId: 'localhost', credentialId: id }]]);`},
	{name: "a new passkey that is refused for good", sentence: "The browser is told to forget what the server does not have.", script: `
		const refused = async (code, what) => {
			device.signalled = [];
			await fails(pk.register(), code);
			equal(signalled(), ['UnknownCredential ' + base64url(device.passkeys.at(-1).id)], what ?? code);
			equal(await control('stored'), [], 'stored');
		};
		const meanwhile = (f) => device.next.push(async (well) => { const made = await well(); await f(); return made; });
		meanwhile(() => control('later', { ms: 400000 }));
		await refused('challenge_expired');
		await control('refuse', { code: 'name_taken', status: 409 });
		await refused('name_taken');
		await control('refuse', { code: 'forbidden', status: 403 });
		await refused('forbidden');`},
	{name: "a new passkey that may be stored", sentence: "Where the server failed, something in front of it answered, or its answer was lost, so that what it says now may be of the request sent again, the browser keeps the passkey.", script: `
		for (const [code, answer] of [
			['storage_unavailable', { status: 503, body: '{"error":{"code":"storage_unavailable"}}' }],
			['internal_error', { status: 500, body: '{"error":{"code":"internal_error"}}' }],
			['network', { status: 504, body: '<html>' }],
			['credential_already_exists', { status: 409, body: '{"error":{"code":"credential_already_exists"}}' }],
			['bad_answer', { status: 200, body: '<html>' }],
			['bad_answer', { status: 403, body: '<html>' }],
			['rate_limited', { status: 429 }],
			['challenge_not_found', { status: 400, body: '{"error":{"code":"challenge_not_found"}}' }],
			['unauthenticated', { status: 401, body: '{"error":{"code":"unauthenticated"}}' }],
		]) {
			await fault('/register/finish', answer);
			await fails(pk.register(), code);
			equal(signalled(), [], code);
		}
		await fault('/register/finish', { lost: true });
		await fault('/register/finish', { gone: true });
		await fails(pk.register(), 'network');
		equal(signalled(), [], 'lost');
		equal(await control('stored'), [base64url(device.passkeys.at(-1).id)]);`},
	{name: "a new passkey that the browser sent twice", sentence: "Browsers try again by themselves where a connection broke: what the server has by then seen once is not to be forgotten.", script: `
		await fault('/register/finish', { lost: true });
		await fails(pk.register());
		equal(signalled(), []);
		equal(await control('stored'), [base64url(device.passkeys[0].id)]);`},

	// Confirmations.
	{name: "confirm", sentence: "What a guard asked for is confirmed with a passkey of who is signed in; its proof lets the request pass, once.", script: registered + `
		const transfer = (headers) => fetch('/transfer', { method: 'POST', body: 'all', headers });
		const { error, confirm } = await (await transfer()).json();
		equal([error.code, confirm.operation, confirm.maxAge], ['confirmation_required', 'POST /transfer', 300]);
		const { proof, expiresAt } = await pk.confirm(confirm);
		equal(Date.parse(expiresAt) > Date.now(), true, 'in the future');
		equal(device.calls[1].options.publicKey.allowCredentials.length, 1, 'listed');
		equal([await posted('/confirm/begin'), Object.keys((await posted('/confirm/finish'))[0])], [[{ request: confirm.request }], ['credential', 'state']]);
		const response = await transfer({ 'Passkey-Proof': proof });
		equal([response.status, await response.json()], [200, { operation: 'POST /transfer' }]);
		equal((await transfer({ 'Passkey-Proof': proof })).status, 403, 'the second time');`},
	{name: "confirm nothing in particular", sentence: "Without a request it is confirmed that it is still them, which is no proof of an operation. Nothing is signed in, and the browser is told nothing.", script: registered + `
		const { proof } = await pk.confirm();
		const statuses = [];
		for (const path of ['/settings', '/settings', '/api', '/transfer']) statuses.push((await fetch(path, { method: 'POST', headers: { 'Passkey-Proof': proof } })).status);
		equal(statuses, [200, 200, 200, 403]);
		equal([await posted('/confirm/begin'), await posted('/authenticate/finish'), signalled()], [[{}], [], []]);`},
	{name: "confirm for a form", sentence: "With cookie no script sees the proof: the browser sends it by itself.", script: registered + `
		equal(Object.keys(await pk.confirm({ cookie: true })), ['expiresAt']);
		equal((await posted('/confirm/finish'))[0].cookie, true);
		equal([(await fetch('/settings', { method: 'POST' })).status, document.cookie], [200, '']);`},
	{name: "confirm and what can go wrong", sentence: "It fails as every ceremony does, and says so when there is no passkey.", script: `
		await fails(pk.confirm(), 'no_credentials');
		await pk.register();
		device.signalled = [];
		await fails(pk.confirm({ request: 'made-up' }), 'challenge_not_found');
		device.next.push(throws('NotAllowedError'), throws('InvalidStateError'));
		await fails(pk.confirm(), 'cancelled');
		await fails(pk.confirm(), 'authenticator_failed');
		await control('quarantine');
		await fails(pk.confirm(), 'no_credentials');
		await control('session', { nobody: true });
		await fails(pk.confirm(), 'unauthenticated');
		equal([asked(), signalled()], [3, []]);`},
	{name: "confirm, by a passkey that is not theirs", sentence: "The server does not say why it does not verify, and the browser keeps the passkey.", script: registered + `
		device.next.push(async (does) => { const credential = await does(); await control('forget'); return credential; });
		await fails(pk.confirm(), 'confirmation_failed');
		equal(signalled(), []);`},
	{name: "confirm, one at a time", sentence: "It ends what is under way, is ended by what comes next, by cancel and by its signal, and posts no finish then.", script: registered + `
		const controller = new AbortController();
		device.next.push(hangs, hangs, hangs, hangs);
		const first = fails(pk.signIn(), 'aborted');
		await device.called(2);
		const second = fails(pk.confirm({ signal: controller.signal }), 'aborted');
		await device.called(3);
		await first;
		controller.abort();
		await second;
		const third = fails(pk.confirm(), 'aborted');
		await device.called(4);
		pk.cancel();
		await third;
		const fourth = fails(pk.confirm(), 'aborted');
		await device.called(5);
		await pk.signIn();
		await fourth;
		equal(await posted('/confirm/finish'), []);
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "confirm and autofill", sentence: "Autofill makes way for it, and is armed again: who confirms is signed in already, but perhaps not here.", script: registered + `
		const done = pk.autofill();
		await device.called(2);
		await pk.confirm();
		await device.called(4);
		device.choose();
		equal((await done).status, 'ok');
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},

	// The fetch that confirms.
	{name: "fetch", sentence: "What needs a confirmation is confirmed, with one prompt, and sent again to the last byte, whatever its body, its headers too.", script: registered + `
		const form = new FormData();
		form.set('to', 'Bob');
		form.set('invoice', new Blob([new Uint8Array([0, 13, 10, 255])]), 'invoice.pdf');
		for (const init of [
			{ body: '{"to":"Bob"}', headers: { 'Content-Type': 'application/json', 'X-Token': 't' } },
			{ body: form },
			{ body: new URLSearchParams({ to: 'Bob' }) },
			{ body: new Blob([new Uint8Array([0, 13, 10, 255])]) },
			{},
		]) {
			const was = asked();
			const response = await pk.fetch('/transfer?now', { method: 'POST', ...init });
			equal([response.status, await response.json()], [200, { operation: 'POST /transfer' }]);
			equal(asked() - was, 1, 'prompts');
		}
		const sent = await control('posted', { path: '/transfer' });
		equal(sent.length, 10);
		for (let i = 0; i < 10; i += 2) equal(sent[i + 1], sent[i], 'again');
		equal([sent[0], sent[8], sent[2].includes('invoice.pdf')], ['{"to":"Bob"}', '', true]);
		const request = new Request('/api', { method: 'POST', body: 'x', headers: { 'X-Token': 't' } });
		const response = await pk.fetch(request); // which is refused with 401
		equal([response.status, await response.json(), request.bodyUsed], [200, { operation: '' }, true]);`},
	{name: "fetch, by the page's own", sentence: "The function that asks in fetch's place is used, with the page's own headers and none of the options'.", script: registered + `
		const seen = [];
		const client = passkeys({ headers: { 'X-Option': 'o' }, credentials: 'include', fetch: (input, init) => {
			if (input instanceof Request) seen.push([new URL(input.url).pathname, input.method, input.headers.get('X-Option'), input.headers.get('X-Token'), input.credentials, !!input.headers.get('Passkey-Proof')]);
			return fetch(input, init);
		} });
		equal((await client.fetch('/settings', { method: 'POST', headers: { 'X-Token': 't' } })).status, 200);
		equal(seen, [['/settings', 'POST', null, 't', 'same-origin', false], ['/settings', 'POST', null, 't', 'same-origin', true]]);`},
	{name: "fetch of all else", sentence: "Every other answer is the page's own, unread, without a prompt; so is what fetch rejects with.", script: registered + `
		for (const [status, body] of [
			[200, '{"error":{"code":"confirmation_required"},"confirm":{"operation":"","maxAge":300}}'],
			[401, '{"error":{"code":"unauthenticated","message":"m"}}'],
			[403, '<html>'],
			[403, ''],
			[403, 'null'],
			[403, '{"error":"no","confirm":{"request":"r"}}'],
			[404, 'Not Found'],
			[500, '{"error":{"code":"internal_error"}}'],
		]) {
			await fault('/settings', { status, body, headers: { 'X-Token': 't' } });
			const response = await pk.fetch('/settings', { method: 'POST' });
			equal([response.status, response.headers.get('X-Token'), response.bodyUsed, await response.text()], [status, 't', false, body]);
		}
		const rejects = (promise) => promise.then(() => 'well', (error) => error.name);
		equal(await rejects(pk.fetch('/settings', { method: 'POST', signal: AbortSignal.abort() })), 'AbortError');
		equal(await rejects(pk.fetch('http://:80:80')), 'TypeError');
		await fault('/settings', { gone: true });
		equal(await rejects(pk.fetch('/settings', { method: 'POST' })), 'TypeError');
		equal(asked(), 1, 'prompts');`},
	{name: "fetch, refused again", sentence: "It is asked for once: what is answered then is the answer, even if that asks once more.", script: registered + `
		const refusal = { status: 403, body: '{"error":{"code":"confirmation_required"},"confirm":{"operation":"","maxAge":300}}' };
		await fault('/settings', refusal);
		await fault('/settings', refusal);
		const response = await pk.fetch('/settings', { method: 'POST' });
		equal([response.status, await response.text()], [403, refusal.body]);
		equal([asked(), (await control('posted', { path: '/settings' })).length], [2, 2]);`},
	{name: "fetch, not confirmed", sentence: "Where the prompt is closed, or there is none, that is why it rejects, and nothing is sent again.", script: `
		const send = (code) => fails(pk.fetch('/transfer', { method: 'POST', body: 'all' }), code);
		await send('no_credentials');
		await pk.register();
		device.next.push(throws('NotAllowedError'));
		await send('cancelled');
		await fault('/confirm/finish', { status: 403, body: '{"error":{"code":"confirmation_failed","message":"m"}}' });
		await send('confirmation_failed');
		await fault('/confirm/begin', { status: 503 });
		await send('network');
		equal((await control('posted', { path: '/transfer' })).length, 4);`},
	{name: "fetch, called off", sentence: "The request's own signal, or that of the Request, ends its prompt, and so does cancel.", script: registered + `
		const path = '/settings', method = 'POST';
		for (const start of [({ signal }) => pk.fetch(path, { method, signal }), ({ signal }) => pk.fetch(new Request(path, { method, signal }))]) {
			const controller = new AbortController();
			device.next.push(hangs);
			const was = asked();
			const sent = fails(start(controller), 'aborted');
			await device.called(was + 1);
			controller.abort();
			await sent;
		}
		device.next.push(hangs);
		const sent = fails(pk.fetch(path, { method }), 'aborted');
		await device.called(4);
		pk.cancel();
		await sent;
		equal((await control('posted', { path })).length, 3);`},

	// Our own routes, where the hook Authorize wants to know that it is still them.
	{name: "our own routes are confirmed", sentence: "Once, and not again for as long as that is fresh: register at both its ends, rename and revoke.", script: registered + `
		await control('strict', { ms: 300000 });
		device.next.push(well, another);
		equal((await pk.register({ name: 'Phone' })).status, 'ok');
		equal([kinds(1), (await posted('/register/begin')).length, (await posted('/register/finish')).length], [['get', 'create'], 3, 2]);
		const [{ id }, phone] = await pk.list();
		equal(phone.deviceName, 'Phone');
		await pk.rename(id, 'Work');
		await pk.revoke(id);
		equal((await pk.list()).length, 1);
		equal(asked(), 3, 'prompts while it is fresh');
		await later(301000);
		await pk.rename(phone.id, 'Tablet');
		equal([asked(), (await pk.list())[0].deviceName], [4, 'Tablet']);
		equal((await posted('/confirm/begin')).map((b) => Object.keys(b)), [['request'], ['request']]);`},
	{name: "our own routes, each first", sentence: "rename and revoke ask as well as register does, in a client that has no proof yet.", script: registered + `
		await control('strict', { ms: 300000 });
		const [{ id }] = await pk.list();
		await passkeys().rename(id, 'Work');
		equal([asked(), (await pk.list())[0].deviceName], [2, 'Work']);
		await passkeys().revoke(id);
		equal([asked(), await pk.list(), device.calls.some((c) => c.overlaps)], [3, [], false]);`},
	{name: "our own routes, refused again", sentence: "They ask once: if that does not do either, they say what is still asked for.", script: registered + `
		const [{ id }] = await pk.list();
		const refusal = { status: 403, body: '{"error":{"code":"confirmation_required"},"confirm":{"operation":"","maxAge":300}}' };
		for (const [path, start] of [['/register/begin', pk.register], ['/credentials/' + id, () => pk.revoke(id)]]) {
			await fault(path, refusal);
			await fault(path, refusal);
			const was = asked();
			equal((await fails(start(), 'confirmation_required')).confirm, { operation: '', maxAge: 300 });
			equal([asked() - was, signalled()], [1, []]);
		}`},
	{name: "our own routes, not confirmed", sentence: "Who closes the prompt has cancelled what they wanted.", script: registered + `
		await control('strict', { ms: 300000 });
		const [{ id }] = await pk.list();
		for (const start of [pk.register, () => pk.rename(id, 'Work'), () => pk.revoke(id)]) {
			device.next.push(throws('NotAllowedError'));
			await fails(start(), 'cancelled');
		}
		equal([asked(), signalled(), (await pk.list())[0].deviceName], [4, [], '']);`},
	{name: "a registration that is confirmed", sentence: "Has one place among the prompts: what comes next ends it as a whole, while it is confirmed too.", script: registered + `
		await control('strict', { ms: 300000 });
		device.next.push(hangs);
		const first = fails(pk.register(), 'aborted');
		await device.called(2);
		equal((await pk.signIn()).status, 'ok');
		await first;
		const controller = new AbortController();
		device.next.push(hangs);
		const second = fails(pk.register({ signal: controller.signal }), 'aborted');
		await device.called(4);
		controller.abort();
		await second;
		equal([kinds(1), (await posted('/register/begin')).length], [['get', 'get', 'get'], 3]);
		equal(device.calls.some((c) => c.overlaps), false, 'overlaps');`},
	{name: "a registration that takes long", sentence: "Where the proof is too old when the passkey is made, it is confirmed anew and not made anew; who does not has a passkey that must be forgotten.", script: registered + `
		await control('strict', { ms: 60000 });
		const slow = async (does, options) => { await later(61000); return another(does, options); };
		device.next.push(well, slow);
		equal((await pk.register()).status, 'ok');
		equal([kinds(1), (await control('stored')).length], [['get', 'create', 'get'], 2]);
		device.signalled = [];
		device.next.push(slow, throws('NotAllowedError'));
		await fails(pk.register(), 'cancelled');
		equal([kinds(4), signalled()], [['create', 'get'], ['UnknownCredential ' + base64url(device.passkeys.at(-1).id)]]);`},
	{name: "an upgrade is not confirmed", sentence: "It shows nothing: it is refused, and the page, which is told what is asked for, can go on by itself.", script: registered + `
		await control('strict', { ms: 300000 });
		const { confirm, status } = await fails(pk.upgrade({ grant: await control('grant') }), 'confirmation_required');
		equal([asked(), status, confirm.operation, confirm.maxAge], [1, 403, '', 300]);
		const { proof } = await pk.confirm(confirm);
		equal((await fetch('/settings', { method: 'POST', headers: { 'Passkey-Proof': proof } })).status, 200);
		equal((await fails(pk.list().then(() => pk.signIn({ username: 'nobody' })))).confirm, undefined);`},

	// Beacons.
	{name: "beacon", sentence: "A prompt that the browser ended is told to the server's observer, with how long it was there.", script: `
		const client = passkeys({ beacon: true });
		device.next.push(async () => { await later(2500); throw new DOMException('', 'NotAllowedError'); });
		await fails(client.signIn(), 'cancelled');
		device.next.push(throws('ConstraintError'));
		await fails(client.register(), 'authenticator_unsuitable');
		await fails(client.immediate(), 'none_available');
		await client.register();
		device.next.push(throws('NotAllowedError'));
		await fails(client.confirm(), 'cancelled');
		while ((await control('outcomes')).length < 4);
		equal((await control('outcomes')).map((o) => [o.Ceremony, o.Mode, o.Code, o.Duration].join(' ')).sort(), [
			'authentication immediate none_available lt_2s',
			'authentication usernameless cancelled lt_20s',
			'confirmation confirmation cancelled lt_2s',
			'registration registration authenticator_unsuitable lt_2s',
		]);`},
	{name: "no beacon", sentence: "Of what was called off, and by default of anything, nobody hears; nor does a page without beacons fail.", script: `
		device.next.push(throws('NotAllowedError'));
		await fails(pk.signIn(), 'cancelled');
		const client = passkeys({ beacon: true });
		device.next.push(hangs);
		const first = fails(client.signIn(), 'aborted');
		await device.called(2);
		client.cancel();
		await first;
		const sent = navigator.sendBeacon;
		navigator.sendBeacon = undefined;
		device.next.push(throws('NotAllowedError'));
		await fails(client.signIn(), 'cancelled');
		navigator.sendBeacon = sent;
		device.next.push(throws('NotAllowedError'));
		await fails(client.signIn({ username: 'ann' }), 'cancelled');
		while (!(await control('outcomes')).length);
		equal((await control('outcomes')).map((o) => o.Mode), ['username']);`},
}

// What the rows of client_test.go can use. The time is the test's: see later.
import { base64url, device } from './authenticator.js';
import { PasskeyError, passkeys } from '/auth/passkeys/client.js';
import { deriveKey, extensions } from '/auth/passkeys/extensions.js';
import { explain, words } from '/auth/passkeys/words.js';

document.addEventListener('securitypolicyviolation', (e) => console.error('policy violated:', e.violatedDirective, e.blockedURI));

// The clock.
const real = { now: Date.now.bind(Date), fetch: fetch.bind(globalThis) };
let now = real.now();
let lastTimer = 0;
const timers = new Map();
const start = (every) => (f, ms = 0) => (timers.set(++lastTimer, { f, ms, due: now + ms, every }), lastTimer);
const stop = (id) => void timers.delete(id);
function fake() {
  Date.now = () => now;
  Math.random = () => 0.5;
  Object.assign(globalThis, { setTimeout: start(false), setInterval: start(true), clearTimeout: stop, clearInterval: stop });
}

// later lets time pass, on both sides. The page's timers do not run while it is
// asleep.
async function later(ms, { asleep } = {}) {
  await control('later', { ms });
  for (const end = now + ms; ; ) {
    const [id, next] = [...timers].filter(([, t]) => !asleep && t.due <= end).sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
    if (!next) {
      now = end;
      return;
    }
    now = Math.max(now, next.due);
    if (next.every) next.due += next.ms;
    else timers.delete(id);
    next.f();
  }
}

// woken is the page, seen again.
const woken = () => document.dispatchEvent(new Event('visibilitychange'));

// control tells the test's server something.
async function control(what, body) {
  const response = await real.fetch('/control/' + what, { method: 'POST', body: JSON.stringify(body ?? {}) });
  if (!response.ok) throw new Error(`control ${what}: ${await response.text()}`);
  return response.json();
}

// fault has the next request to a route answered in another way.
const fault = (path, answer) => control('fault', { path, ...answer });

// turn lets the page get on with what needs no answer.
const turn = () => control('posted');

// waiting is how many waits for a server to be back there are.
const waiting = async () => {
  await turn();
  return [...timers.values()].filter((t) => !t.every && t.ms >= 3000).length;
};

// posted are the bodies of the requests to a route, so far.
const posted = async (path) => (await control('posted', { path })).map((body) => body && JSON.parse(body));

function equal(got, want, what) {
  const text = (value) => JSON.stringify(value) ?? 'undefined';
  if (text(got) !== text(want)) throw new Error(`${what ?? 'got'}: ${text(got)}; want ${text(want)}`);
}

// fails is the error of a promise, which must have this code, if one is given.
async function fails(promise, code) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    if (!(error instanceof PasskeyError)) throw new Error(`not a PasskeyError: ${error.stack}`);
    if (code) equal(error.code, code, 'the code');
    return error;
  }
  throw new Error(`it resolved with ${JSON.stringify(value)}; want ${code}`);
}

// throws is a prompt that ends in a DOMException.
const throws = (name, message = '') => async () => {
  throw name === 'TypeError' ? new TypeError(message) : new DOMException(message, name);
};

// armed says that the last prompt was not called off.
const armed = () => !device.calls.at(-1).options.signal.aborted;

const hangs = () => new Promise(() => {});

// well is a prompt that nothing is special about; another, one that makes a passkey
// although there is one.
const well = (does) => does();
const another = (does, { publicKey }) => {
  publicKey.excludeCredentials = [];
  return does();
};

// kinds are what was asked since, in order.
const kinds = (since = 0) => device.calls.slice(since).map((c) => c.kind);

// asked is the number of prompts; signalled, what the browser was told.
const asked = () => device.calls.length;
const signalled = () => device.signalled.map(([name, argument]) => name.replace('signal', '') + (name === 'signalUnknownCredential' ? ' ' + argument.credentialId : ''));

Object.assign(globalThis, {
  base64url, deriveKey, device, extensions, PasskeyError, passkeys, explain, words, fake, later, woken, control, fault, posted, turn, waiting, armed, equal, fails, throws, hangs, well, another, asked, kinds, signalled,
  pk: passkeys(),
});
globalThis.loaded = true;

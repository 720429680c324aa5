// The browser's half of passkeys: it asks the routes that serve this file for
// options, has the browser ask the person, and sends back what comes of it.
//
//   import { passkeys } from '/auth/passkeys/client.js';
//   import { explain } from '/auth/passkeys/words.js';
//
//   const pk = passkeys();
//   button.onclick = () => pk.signIn().then(welcome, (error) => say(explain(error)));
//
// client.d.ts beside it describes what there is. Nothing here needs a page before
// a function is called.

// PasskeyError is all that the functions reject with.
export class PasskeyError extends Error {
  name = 'PasskeyError';
  constructor(code, more) {
    super(code);
    Object.assign(this, more, { code });
  }
}

// A browser shows one prompt at a time, so this is one for the whole page, however
// often the file is loaded: the ceremony under way, the autofill that is armed again
// and again, and the latest thing that was asked about what is registered.
const page = (globalThis['passkeys-go'] ??= {});

const codes = {
  AbortError: 'cancelled', // in Firefox, where the person closed the prompt
  ConstraintError: 'authenticator_unsuitable',
  EncodingError: 'bad_options',
  NotAllowedError: 'cancelled', // or timed out, or nothing was found: no browser tells
  NotSupportedError: 'unsupported',
  SecurityError: 'wrong_site',
  TypeError: 'bad_options',
};

export function passkeys({ base = new URL('.', import.meta.url).href, headers, credentials, beacon, fetch: send, container } = {}) {
  base = base.replace(/\/*$/, '');
  let fresh; // the proof that it was still them, not long ago: it names no operation

  // call asks one route; and where that wants to know first that it is still them, has
  // them confirm it in again, a ceremony, and asks once more.
  async function call(method, path, again, body, signal) {
    let response, answer;
    try {
      const head = new Headers(headers?.call ? headers() : headers);
      if (body) head.set('Content-Type', 'application/json');
      if (fresh) head.set('Passkey-Proof', fresh);
      response = await (send ?? fetch)(base + path, { signal, credentials, body: JSON.stringify(body), method, headers: head });
      answer = await response.text();
    } catch (cause) {
      throw new PasskeyError(signal?.aborted ? 'aborted' : 'network', { cause });
    }
    const { ok, status } = response;
    answer = await quietly(() => JSON.parse(answer));
    if (ok && (answer !== undefined || status === 204)) return answer;
    const { error, confirm: wanted } = answer ?? {};
    let code = error?.code ?? (status > 501 ? 'network' : 'bad_answer');
    if (again && wanted) {
      fresh = (await again('/confirm', 'confirmation', {}, { request: wanted.request })).proof;
      return call(method, path, 0, body, signal);
    }
    if (status === 429) code = 'rate_limited';
    if (code === 'wrong_origin') {
      code = 'wrong_site';
      complain(error.expected);
    }
    throw new PasskeyError(code, { ...error, confirm: wanted, retryAfter: +response.headers.get('Retry-After') || undefined, status });
  }

  // ceremony gives perform the page's one prompt, as soon as whoever had it lets go.
  async function ceremony(path, mode, o = {}, body = { mode }) {
    const before = page.prompt;
    const mine = (page.prompt = follow(o.signal));
    let over;
    mine.over = new Promise((resolve) => (over = resolve));
    before?.abort();
    try {
      await before?.over; // Safari refuses one that overlaps
      return await perform(mine, path, mode, o, body);
    } finally {
      mine.abort(); // nobody need listen any more
      if (page.prompt === mine) page.prompt = undefined;
      over();
    }
  }

  // perform is begin, the prompt and finish. The browser must be capable of what needs
  // says; begun, if given, is what begin has answered already; and armed hears of the
  // prompt.
  async function perform(mine, path, mode, { name, cookie, begun, needs, armed, mediation, uiMode }, body) {
    const { signal } = mine;
    const create = path === '/register';
    // A registration that must be confirmed first has the prompt already.
    const again = mode === 'registration' && perform.bind(null, mine);
    if (!supported()) throw new PasskeyError('unsupported');
    if (needs && !(await capabilities())[needs]) throw new PasskeyError('none_available');
    const asked = (await begun) || (await call('POST', path + '/begin', again, body, signal));
    const from = Date.now();
    let rpId, credential;
    try {
      const { publicKey } = asked;
      rpId = publicKey.rp?.id ?? publicKey.rpId;
      signal.throwIfAborted();
      armed?.(mine, publicKey.timeout);
      credential = await serialize(
        await Promise.race([
          (container ?? navigator.credentials)[create ? 'create' : 'get']({ publicKey: await parse(create, publicKey), signal, mediation, uiMode }),
          // Where a password manager has taken the prompt's place, it may not listen.
          new Promise((_, reject) => signal.addEventListener('abort', () => setTimeout(reject, 1e3))),
        ]),
      );
    } catch (cause) {
      const ms = Date.now() - from;
      let code = codes[cause?.name] ?? (create && cause?.name === 'InvalidStateError' ? 'already_registered' : 'authenticator_failed');
      if (mode === 'immediate' && code === 'cancelled' && ms < 500) code = 'none_available';
      if (code === 'wrong_site') complain(rpId);
      if (signal.aborted) code = 'aborted';
      else if (beacon) {
        quietly(() =>
          navigator.sendBeacon(base + '/outcome', new Blob([JSON.stringify({ mode, outcome: code, ms })], { type: 'application/json' })),
        );
      }
      throw new PasskeyError(code, { cause, ms });
    }
    try {
      if (signal.aborted) throw new PasskeyError('aborted');
      if (create) page.signals = 0; // what is being read does not have it
      const answer = await call('POST', path + '/finish', again, { deviceName: name, cookie, credential, state: asked.state });
      if (path !== '/confirm') {
        page.autofill?.abort();
        await signals();
      }
      return answer;
    } catch (error) {
      // What the server will never know must not be offered again. It may know it
      // where it failed, where something in front of it answered, or where its answer
      // was lost and the browser has sent the request once more: then the state is
      // used, and the session may be another. What stays by mistake goes when it is
      // tried; what goes by mistake may have been the only way in.
      const { code, status } = error;
      if (create ? !(status > 499 || /bad|net|rate|unauth|exist|found/.test(code)) : code === 'credential_not_found') {
        await signalTo('UnknownCredential', { rpId, credentialId: credential.id });
      }
      throw error;
    }
  }

  // signals tells the browser what is registered, where it can be told: not for long,
  // and not what something newer was asked after.
  async function signals() {
    const mine = (page.signals = {});
    if (!globalThis.PublicKeyCredential?.signalAllAcceptedCredentials) return;
    await quietly(async () => {
      const all = await call('GET', '/signals', 0, undefined, AbortSignal.timeout(3e3));
      if (page.signals !== mine) return;
      for (const name in all) for (const one of all[name]) await signalTo(name[0].toUpperCase() + name.slice(1), one);
    });
  }

  const signIn = ({ username, ...o } = {}) => ceremony('/authenticate', username ? 'username' : 'usernameless', o, { username });

  return {
    supported,
    capabilities,
    signals,
    signIn,
    register: (o) => ceremony('/register', 'registration', o, {}),
    confirm: (o) => ceremony('/confirm', 'confirmation', o, { request: o?.request }),

    // fetch sends one request, twice if need be: what is confirmed may be its very bytes.
    // Of its own, a ceremony has the signal.
    async fetch(input, init) {
      const request = new Request(input, init);
      const response = await (send ?? fetch)(request.clone());
      const refusal = response.ok || (await quietly(() => response.clone().json()));
      if (refusal?.error?.code !== 'confirmation_required') return response;
      request.headers.set('Passkey-Proof', (await ceremony('/confirm', 'confirmation', request, { request: refusal.confirm?.request })).proof);
      return (send ?? fetch)(request);
    },

    upgrade: (o) =>
      ceremony('/register', 'upgrade', { ...o, needs: 'conditionalCreate', mediation: 'conditional' }, { mediation: 'conditional', grant: o?.grant }).catch(
        (error) => {
          if (error.status ?? error.code === 'network') throw error;
        },
      ),

    // prepare asks begin before the click: in some browsers the prompt must follow
    // that at once.
    prepare({ username } = {}) {
      const at = Date.now();
      let asked = quietly(() => call('POST', '/authenticate/begin', 0, { username }));
      return {
        signIn(o) {
          // Where it failed, or is too old, it is asked again.
          const begun = asked?.then((answer) => answer?.publicKey?.timeout * 0.75 > Date.now() - at && answer);
          asked = undefined; // its state is good for one sign-in
          return signIn({ ...o, username, begun });
        },
      };
    },

    immediate: (o) => ceremony('/authenticate', 'immediate', { ...o, needs: 'immediateGet', uiMode: 'immediate' }),

    async autofill({ onError, signal: outer } = {}) {
      page.autofill?.abort();
      const mine = (page.autofill = follow(outer));
      const { signal } = mine;
      if (!(await capabilities()).conditionalGet) mine.abort();
      for (let failures = 0; !signal.aborted; ) {
        if (page.prompt) {
          await page.prompt.over; // a button wins
          continue;
        }
        const from = Date.now();
        let watch;
        const armed = (prompt, life = 3e5) => {
          // It looks at the clock, since no timer runs while a machine sleeps.
          const look = () => Date.now() - from < life * 0.75 || prompt.abort();
          watch = setInterval(look, life / 8);
          document.addEventListener('visibilitychange', look, prompt);
        };
        try {
          return await ceremony('/authenticate', 'conditional', { signal, armed, mediation: 'conditional' });
        } catch (error) {
          const { code, ms, retryAfter = 0, status } = error;
          if (code === 'aborted' || Date.now() - from > 6e4) failures = 0;
          if (code === 'aborted') continue; // its time had come, or a button was pressed
          if (watch ? (ms < 500 && failures) || (ms >= 0 && !/cancelled|failed/.test(code)) : status < 500 && status !== 429) {
            mine.abort();
            throw error;
          }
          if (watch && !(ms >= 0)) onError?.(error); // the passkey that was chosen would not do
          // A prompt is made anew at once, since every other dies so on iOS; but no
          // browser and no server is asked again and again without a pause.
          const pause = Math.max(retryAfter, Math.min(2 ** failures++ * 4 - (watch ? 4 : 0), 300) * (0.5 + Math.random()));
          if (pause) {
            await new Promise((resolve) => {
              setTimeout(resolve, Math.min(pause, 3600) * 1e3);
              addEventListener('online', resolve, { signal });
              signal.addEventListener('abort', resolve);
            });
          }
        } finally {
          clearInterval(watch);
        }
      }
    },

    list: () => call('GET', '/credentials'),
    rename: (id, deviceName) => call('PATCH', '/credentials/' + id, ceremony, { deviceName }),
    revoke: (id) => call('DELETE', '/credentials/' + id, ceremony).then(signals),

    cancel() {
      page.autofill?.abort();
      page.prompt?.abort();
    },
  };
}

const supported = () => !!globalThis.PublicKeyCredential;

// follow is a controller that aborts when outer does.
function follow(outer) {
  const mine = new AbortController();
  const abort = () => mine.abort();
  outer?.addEventListener('abort', abort, mine);
  if (outer?.aborted) abort();
  return mine;
}

// quietly is undefined where f fails.
async function quietly(f) {
  try {
    return await f();
  } catch {}
}

// parse reads the options by hand where the browser cannot.
async function parse(create, options) {
  const { rp, ...rest } = options;
  return (
    (await quietly(() => PublicKeyCredential[create ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON'](options))) ?? {
      ...JSON.parse(JSON.stringify(rest), (key, value) => (/^(id|challenge|first|second)$/.test(key) ? bytes(value) : value)),
      rp,
    }
  );
}

// capabilities are what the browser says of itself (WebAuthn L3 §5.1.7), and where
// it is silent, what can be seen: Safari does not report its signals.
async function capabilities() {
  const api = globalThis.PublicKeyCredential;
  const all = { ...(await quietly(() => api.getClientCapabilities())) };
  all.conditionalGet ??= await quietly(() => api.isConditionalMediationAvailable());
  for (const name in { ...all, ...api }) if (/^signal/.test(name)) all[name] = !!api[name];
  return all;
}

// serialize does not trust the credential's own toJSON: password managers put
// objects in its place whose methods and getters throw, and it would send the
// results of the prf extension, which are the person's keys.
async function serialize(credential) {
  const { id, response } = credential;
  const { credProps, prf } = (await quietly(() => credential.getClientExtensionResults())) ?? {};
  const read = { transports: await quietly(() => response.getTransports()) };
  for (const name of ['userHandle', 'authenticatorData', 'attestationObject', 'signature', 'clientDataJSON']) {
    read[name] = await quietly(() => text(response[name]));
  }
  return {
    authenticatorAttachment: await quietly(() => credential.authenticatorAttachment),
    id,
    rawId: id,
    response: read,
    type: 'public-key',
    clientExtensionResults: { credProps, prf: prf && { enabled: prf.enabled } },
  };
}

// text and bytes are base64url without padding.
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '') || undefined;

const complain = (expected = 'another origin') => console.error('passkeys: expected', String(expected), 'not', location.origin);

const signalTo = (name, what) => quietly(() => PublicKeyCredential['signal' + name](what));

const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt());

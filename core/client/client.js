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
const page = (globalThis[Symbol.for('passkeys-go')] ??= {});

const codes = {
  AbortError: 'cancelled', // in Firefox, where the person closed the prompt
  ConstraintError: 'authenticator_unsuitable',
  EncodingError: 'bad_options',
  NotAllowedError: 'cancelled', // or timed out, or nothing was found: no browser tells
  NotSupportedError: 'unsupported',
  SecurityError: 'wrong_site',
  TimeoutError: 'cancelled',
  TypeError: 'bad_options',
};

export function passkeys({ base = new URL('.', import.meta.url).href, credentials, headers, fetch: send, beacon } = {}) {
  base = base.replace(/\/*$/, '');

  // call asks one route.
  async function call(method, path, body, signal) {
    let response, answer;
    try {
      const head = new Headers(headers?.call ? headers() : headers);
      if (body) head.set('Content-Type', 'application/json');
      response = await (send ?? fetch)(base + path, { method, headers: head, credentials, body: JSON.stringify(body), signal });
      answer = await response.text();
    } catch (cause) {
      throw new PasskeyError(signal?.aborted ? 'aborted' : 'network', { cause });
    }
    const { ok, status } = response;
    answer = attempt(() => JSON.parse(answer));
    if (ok && (answer !== undefined || status === 204)) return answer;
    let { code = status > 501 ? 'network' : 'bad_answer', message = code, id, expected } = answer?.error ?? {};
    if (status === 429) code = 'rate_limited';
    if (code === 'wrong_origin') {
      code = 'wrong_site';
      complain(expected);
    }
    throw new PasskeyError(code, { message, status, id, retryAfter: +response.headers.get('Retry-After') || undefined });
  }

  // ceremony is begin, the prompt and finish. more is for the browser alone, which
  // must be capable of what needs says; begun, if given, is what begin has answered
  // already; and armed hears of the prompt.
  async function ceremony(create, mode, body, { name, signal: outer }, { needs, begun, armed, ...more } = {}) {
    if (!supported()) throw new PasskeyError('unsupported');
    const path = create ? '/register' : '/authenticate';
    const before = page.prompt;
    const mine = (page.prompt = follow(outer));
    const { signal } = mine;
    let over;
    mine.over = new Promise((resolve) => (over = resolve));
    before?.abort();
    try {
      await before?.over; // Safari refuses one that overlaps
      if (needs && !(await capabilities())[needs]) throw new PasskeyError('none_available');
      const asked = (await begun) ?? (await call('POST', path + '/begin', body, signal));
      const from = Date.now();
      let rpId, credential, finished;
      try {
        const { publicKey, state } = asked;
        rpId = publicKey.rpId ?? publicKey.rp?.id;
        signal.throwIfAborted();
        armed?.(mine, publicKey.timeout);
        credential = await Promise.race([
          navigator.credentials[create ? 'create' : 'get']({ publicKey: parse(create, publicKey), signal, ...more }),
          // Where a password manager has taken the prompt's place, it may not listen.
          new Promise((_, reject) => signal.addEventListener('abort', () => setTimeout(reject, 1e3))),
        ]);
        if (!credential) throw { name: 'NotAllowedError' };
        finished = { credential: serialize(credential), state, deviceName: name };
      } catch (cause) {
        const ms = Date.now() - from;
        let code = codes[cause?.name] ?? (create && cause?.name === 'InvalidStateError' ? 'already_registered' : 'authenticator_failed');
        if (mode === 'immediate' && code === 'cancelled' && ms < 500) code = 'none_available';
        if (code === 'wrong_site') complain(rpId);
        if (signal.aborted) code = 'aborted';
        else if (beacon) {
          const outcome = JSON.stringify({ ceremony: create ? 'registration' : 'authentication', mode, outcome: code, ms });
          attempt(() => navigator.sendBeacon(base + '/outcome', new Blob([outcome], { type: 'application/json' })));
        }
        throw new PasskeyError(code, { cause, ms });
      }
      let answer;
      try {
        if (signal.aborted) throw new PasskeyError('aborted');
        if (create) page.reading = 0; // what is being read does not have it
        answer = await call('POST', path + '/finish', finished);
      } catch (error) {
        // What the server will never know must not be offered again. It may know it
        // where it failed, where something in front of it answered, or where its answer
        // was lost and the browser has sent the request once more: then the state is
        // used, and the session may be another. What stays by mistake goes when it is
        // tried; what goes by mistake may have been the only way in.
        const { code, status } = error;
        const kept = /^(bad|rate|unauth)|exists|not_found/;
        if (create ? code === 'aborted' || (status >= 400 && status < 500 && !kept.test(code)) : code === 'credential_not_found') {
          await signalTo('UnknownCredential', { rpId, credentialId: credential.id });
        }
        throw error;
      }
      page.filling?.abort();
      await signals();
      return answer;
    } finally {
      mine.abort(); // nobody need listen any more
      if (page.prompt === mine) page.prompt = undefined;
      over();
    }
  }

  // signals tells the browser what is registered, where it can be told: not for long,
  // and not what something newer was asked after.
  async function signals() {
    const mine = (page.reading = {});
    if (!globalThis.PublicKeyCredential?.signalAllAcceptedCredentials) return;
    await quietly(async () => {
      const all = await call('GET', '/signals', undefined, AbortSignal.timeout(3e3));
      if (page.reading !== mine) return;
      for (const name in all) for (const one of all[name]) await signalTo(name[0].toUpperCase() + name.slice(1), one);
    });
  }

  const signIn = ({ username, ...o } = {}, more) =>
    ceremony(false, username ? 'username' : 'usernameless', { username }, o, more);

  return {
    supported,
    capabilities,
    signals,
    signIn: (o) => signIn(o),
    register: (o = {}) => ceremony(true, 'registration', {}, o),

    upgrade: ({ grant, ...o } = {}) =>
      ceremony(true, 'upgrade', { mediation: 'conditional', grant }, o, { mediation: 'conditional', needs: 'conditionalCreate' }).catch((error) => {
        if (error.status ?? error.code === 'network') throw error;
      }),

    // prepare asks begin before the click: in some browsers the prompt must follow
    // that at once.
    prepare({ username } = {}) {
      const at = Date.now();
      let asked = call('POST', '/authenticate/begin', { username });
      asked.catch(() => {}); // it is asked again
      return {
        signIn(o) {
          const mine = asked;
          asked = undefined; // its state is good for one sign-in
          const begun = quietly(async () => {
            const answer = await mine;
            if (Date.now() - at < answer.publicKey.timeout * 0.75) return answer;
          });
          return signIn({ ...o, username }, { begun });
        },
      };
    },

    immediate: (o = {}) => ceremony(false, 'immediate', { mode: 'immediate' }, o, { uiMode: 'immediate', needs: 'immediateGet' }),

    async autofill({ onError, signal: outer } = {}) {
      page.filling?.abort();
      const mine = (page.filling = follow(outer));
      const { signal } = mine;
      if (!(await capabilities()).conditionalGet) mine.abort();
      let failures = 0;
      while (!signal.aborted) {
        if (page.prompt) {
          await page.prompt.over; // a button wins
          continue;
        }
        const from = Date.now();
        let watch;
        const armed = (prompt, life) => {
          // It looks at the clock, since no timer runs while a machine sleeps.
          const look = () => Date.now() - from < life * 0.75 || prompt.abort();
          watch = setInterval(look, Math.min((life ||= 3e5) / 8, 1e4));
          document.addEventListener('visibilitychange', look, prompt);
        };
        try {
          return await ceremony(false, 'conditional', { mode: 'conditional' }, mine, { mediation: 'conditional', armed });
        } catch (error) {
          const { code, ms, status, retryAfter } = error;
          if (code === 'aborted' || Date.now() - from > 6e4) failures = 0;
          if (code === 'aborted') continue; // its time had come, or a button was pressed
          if (ms >= 0 ? (ms < 500 && failures) || !/cancelled|failed/.test(code) : !watch && status < 500 && status !== 429) {
            mine.abort();
            throw error;
          }
          if (watch && !(ms >= 0)) onError?.(error); // the passkey that was chosen would not do
          // A prompt is made anew at once, since every other dies so on iOS; but no
          // browser and no server is asked again and again without a pause.
          const pause = Math.max(retryAfter ?? 0, Math.min(2 ** failures++ * 4 - (watch ? 4 : 0), 300) * (0.5 + Math.random()));
          if (pause) {
            await new Promise((resolve) => {
              setTimeout(resolve, Math.min(pause, 3600) * 1e3);
              addEventListener('online', resolve, { signal, once: true });
              signal.addEventListener('abort', resolve);
            });
          }
        } finally {
          clearInterval(watch);
        }
      }
    },

    list: () => call('GET', '/credentials'),
    rename: (id, deviceName) => call('PATCH', '/credentials/' + id, { deviceName }),
    async revoke(id) {
      await call('DELETE', '/credentials/' + id);
      await signals();
    },

    cancel() {
      page.filling?.abort();
      page.prompt?.abort();
    },
  };
}

function supported() {
  return !!globalThis.PublicKeyCredential;
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

const signalTo = (name, what) => quietly(() => PublicKeyCredential['signal' + name](what));

const complain = (expected = 'another, which its log names') => console.error('passkeys: this page is at', location.origin, 'and not', String(expected));

// follow is a controller that aborts when outer does.
function follow(outer) {
  const mine = new AbortController();
  const abort = () => mine.abort();
  outer?.addEventListener('abort', abort, mine);
  if (outer?.aborted) abort();
  return mine;
}

// attempt and quietly are undefined where f fails.
function attempt(f) {
  try {
    return f();
  } catch {}
}

async function quietly(f) {
  try {
    return await f();
  } catch {}
}

// parse reads the options by hand where the browser cannot.
function parse(create, options) {
  const list = (all) => all?.map((one) => ({ ...one, id: bytes(one.id) }));
  const { challenge, user, excludeCredentials, allowCredentials } = options;
  return (
    attempt(() => PublicKeyCredential[create ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON'](options)) ?? {
      ...options,
      challenge: bytes(challenge),
      user: user && { ...user, id: bytes(user.id) },
      excludeCredentials: list(excludeCredentials),
      allowCredentials: list(allowCredentials),
    }
  );
}

// serialize does not trust the credential's own toJSON: password managers put
// objects in its place whose methods and getters throw, and it would send the
// results of the prf extension, which are the person's keys.
function serialize(credential) {
  const { id, response } = credential;
  const { credProps, prf } = attempt(() => credential.getClientExtensionResults()) ?? {};
  const json = {
    id,
    rawId: id,
    type: 'public-key',
    authenticatorAttachment: attempt(() => credential.authenticatorAttachment) ?? undefined,
    clientExtensionResults: { credProps, prf: prf && { enabled: prf.enabled } },
    response: { transports: attempt(() => response.getTransports()) },
  };
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    json.response[name] = attempt(() => text(response[name]));
  }
  return json;
}

// text and bytes are base64url without padding.
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer ?? undefined)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '') || undefined;

const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt());

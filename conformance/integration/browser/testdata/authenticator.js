// A browser's navigator.credentials and an authenticator behind it, in the page:
// its keys and signatures are real (ES256), and it does what a test says. What it
// returns is as bad as what password managers return: toJSON throws, and so does
// whatever is optional.

const { setTimeout } = globalThis; // the clock of the test is not ours
const bytes = (...parts) => {
  const all = parts.map((part) => (typeof part === 'string' ? new TextEncoder().encode(part) : new Uint8Array(part.buffer ?? part)));
  const joined = new Uint8Array(all.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
};
const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes(data)));
export const base64url = (data) => btoa(String.fromCharCode(...bytes(data))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
const fromBase64url = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt());
const uint16 = (n) => [n >> 8, n & 255];
const uint32 = (n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];

// der is the form that WebAuthn has ECDSA signatures in; WebCrypto has r and s.
function der(signature) {
  const integer = (part) => {
    let digits = [...part];
    while (digits.length > 1 && digits[0] === 0 && digits[1] < 128) digits.shift();
    if (digits[0] > 127) digits = [0, ...digits];
    return [2, digits.length, ...digits];
  };
  const raw = bytes(signature);
  const both = [...integer(raw.slice(0, 32)), ...integer(raw.slice(32))];
  return Uint8Array.from([0x30, both.length, ...both]);
}

class Device {
  passkeys = []; // { id, rpId, user, key, counter }
  calls = []; // { kind, options, overlaps }, each navigator.credentials call
  signalled = []; // [function's name, argument]
  next = []; // what the next calls do, instead of well
  counts = true;
  hides = false; // autofill: shows nothing until choose is called
  pending = 0;
  #waiting = [];

  // called resolves with the call that is the nth of all, when it has been made.
  called(n) {
    if (this.calls.length >= n) return Promise.resolve(this.calls[n - 1]);
    return new Promise((resolve) => this.#waiting.push([n, resolve]));
  }

  // then has the next call do f, which is given what would have been done.
  then_(f) {
    this.next.push(f);
  }

  async call(kind, options) {
    const call = { kind, options, overlaps: this.pending > 0, id: undefined };
    this.pending++;
    this.calls.push(call);
    this.#waiting = this.#waiting.filter(([n, resolve]) => this.calls.length < n || resolve(call));
    const { signal } = options;
    try {
      return await new Promise((resolve, reject) => {
        // As with a real one, it takes a while until an abort is heard of.
        const stop = () => setTimeout(() => reject(signal.reason), 20);
        if (signal?.aborted) stop();
        signal?.addEventListener('abort', stop);
        const well = () => (kind === 'create' ? this.create(options) : this.get(options, call));
        const f = this.next.shift();
        (f ? f(well, options) : well()).then(resolve, reject);
      });
    } finally {
      this.pending--;
    }
  }

  // choose is the person, choosing a passkey of the suggestions.
  choose() {
    this.calls.at(-1).choose();
  }

  clientData(type, challenge) {
    return bytes(JSON.stringify({ type, challenge: base64url(challenge), origin: location.origin, crossOrigin: false }));
  }

  async create({ publicKey }) {
    const { rp, user, challenge, excludeCredentials = [] } = publicKey;
    if (!(bytes(challenge).length >= 16) || !bytes(user.id).length) throw new TypeError('no buffers');
    const mine = this.passkeys.map(({ id }) => base64url(id));
    if (excludeCredentials.some(({ id }) => mine.includes(base64url(id)))) throw new DOMException('excluded', 'InvalidStateError');
    const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
    const raw = bytes(await crypto.subtle.exportKey('raw', key.publicKey));
    const id = crypto.getRandomValues(new Uint8Array(16));
    const cose = bytes([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], raw.slice(1, 33), [0x22, 0x58, 32], raw.slice(33));
    const authData = bytes(await sha256(rp.id), [0x45], uint32(0), new Uint8Array(16), uint16(id.length), id, cose);
    const attestationObject = bytes([0xa3, 0x63], 'fmt', [0x64], 'none', [0x67], 'attStmt', [0xa0, 0x68], 'authData', [0x59], uint16(authData.length), authData);
    this.passkeys.push({ id, rpId: rp.id, user: bytes(user.id), key: key.privateKey, counter: 0 });
    return this.credential(id, { clientDataJSON: this.clientData('webauthn.create', challenge), attestationObject, getTransports: () => ['internal'] });
  }

  async get({ publicKey, mediation }, call) {
    const { rpId, challenge, allowCredentials = [] } = publicKey;
    if (!(bytes(challenge).length >= 16)) throw new TypeError('no buffer');
    if (mediation === 'conditional') await new Promise((resolve) => (call.choose = resolve));
    const wanted = allowCredentials.map(({ id }) => base64url(id));
    const found = this.passkeys.find((p) => p.rpId === rpId && (!wanted.length || wanted.includes(base64url(p.id))));
    if (!found) throw new DOMException('none', 'NotAllowedError');
    const clientDataJSON = this.clientData('webauthn.get', challenge);
    const authenticatorData = bytes(await sha256(rpId), [0x05], uint32(++found.counter));
    const signed = bytes(authenticatorData, await sha256(clientDataJSON));
    const signature = der(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, found.key, signed));
    return this.credential(found.id, { clientDataJSON, authenticatorData, signature, userHandle: found.user });
  }

  extensions = () => ({ credProps: { rk: true } });

  credential(id, response) {
    const device = this;
    const illegal = () => {
      throw new TypeError('Illegal invocation');
    };
    for (const name in response) if (response[name] instanceof Uint8Array) response[name] = response[name].buffer;
    return {
      id: base64url(id),
      type: 'public-key',
      get rawId() { illegal(); },
      get authenticatorAttachment() { return device.bad ? illegal() : 'platform'; },
      response: device.bad ? { ...response, getTransports: illegal, get publicKey() { illegal(); } } : response,
      getClientExtensionResults: () => (device.bad ? illegal() : device.extensions()),
      toJSON: illegal,
    };
  }

  // install puts the device in the place of the browser's own.
  install() {
    for (const kind of ['get', 'create']) {
      Object.defineProperty(navigator.credentials, kind, { configurable: true, value: (options) => this.call(kind, options) });
    }
    if (!globalThis.PublicKeyCredential) return;
    this.capabilities = { conditionalGet: true, conditionalCreate: true, immediateGet: true };
    PublicKeyCredential.getClientCapabilities = async () => this.capabilities;
    for (const name of ['signalAllAcceptedCredentials', 'signalCurrentUserDetails', 'signalUnknownCredential']) {
      PublicKeyCredential[name] = async (argument) => void this.signalled.push([name, argument]);
    }
  }
}

export const device = new Device();

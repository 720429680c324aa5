// Extensions of passkeys that are the page's business: keys that only it gets to
// see, and data that a passkey keeps (WebAuthn L3 §10.1.4, §10.1.5).
//
//   import { passkeys } from '/auth/passkeys/client.js';
//   import { deriveKey, extensions } from '/auth/passkeys/extensions.js';
//
//   let key;
//   const pk = passkeys({
//     container: extensions({
//       async outputs({ prf }) {
//         if (prf?.results) key = await deriveKey(prf.results.first, 'notes');
//       },
//     }),
//   });
//
// extensions.d.ts beside it describes what there is.

// extensions stands in for navigator.credentials: what it sees goes no further.
export function extensions({ inputs, outputs, container } = {}) {
  const ask = (kind) => async (options) => {
    const { publicKey } = options;
    const more = await inputs?.(publicKey, kind);
    const credential = await (container ?? navigator.credentials)[kind]({
      ...options,
      publicKey: { ...publicKey, extensions: { ...publicKey.extensions, ...more } },
    });
    try {
      // What comes after an abort is nobody's any more.
      if (!options.signal?.aborted) await outputs?.(credential.getClientExtensionResults(), credential.id, kind);
    } catch (error) {
      reportError(error); // the passkey is there, whatever the page makes of its outputs
    }
    return credential;
  };
  return { create: ask('create'), get: ask('get') };
}

// deriveKey is HKDF with SHA-256, by which one secret is good for many keys.
export async function deriveKey(secret, purpose) {
  const material = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const info = new TextEncoder().encode(purpose);
  return crypto.subtle.deriveKey({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }, material, { name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
    'wrapKey',
    'unwrapKey',
  ]);
}

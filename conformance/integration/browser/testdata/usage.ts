// Every function of client.js, words.js and extensions.js, used as it should be and as it should
// not. TypeScript compiles this file; nobody runs it.
import { passkeys, PasskeyError } from '../../../../core/client/client.js';
import { deriveKey, extensions } from '../../../../core/client/extensions.js';
import type { Code, Confirm, Confirmed, Container, Options, Passkey, Passkeys, Registered, SignedIn } from '../../../../core/client/client.js';
import { explain, words } from '../../../../core/client/words.js';
import type { Words } from '../../../../core/client/words.js';

const options: Options = { base: '/auth/passkeys', credentials: 'include', headers: { 'X-Token': 't' }, fetch, beacon: true };
const pk: Passkeys = passkeys(options);
passkeys();
passkeys({ headers: () => new Headers() });
// @ts-expect-error: no such option
passkeys({ url: '/auth' });
// @ts-expect-error: what fetch takes, and nothing else
passkeys({ credentials: 'always' });

const container: Container = extensions({
  inputs: (publicKey, kind) => (kind === 'create' ? undefined : { largeBlob: { read: true }, prf: { eval: { first: new Uint8Array(1) } } }),
  async outputs({ prf, largeBlob }, id, kind) {
    const key: CryptoKey | undefined = prf?.results && (await deriveKey(prf.results.first, 'notes'));
    // @ts-expect-error: for what?
    await deriveKey(prf!.results!.first);
    void [key, largeBlob?.blob, id.length, kind === 'get'];
  },
  container: navigator.credentials,
});
passkeys({ container });
passkeys({ container: extensions() });
// @ts-expect-error: no such option
extensions({ results: () => {} });
// @ts-expect-error: half of one
passkeys({ container: { get: navigator.credentials.get } });

export async function everything(controller: AbortController): Promise<void> {
  const yes: boolean = pk.supported();
  const can: boolean | undefined = (await pk.capabilities()).conditionalGet;

  const made: Registered = await pk.register();
  await pk.register({ name: 'Phone', signal: controller.signal });
  // @ts-expect-error: it is called name
  await pk.register({ deviceName: 'Phone' });

  const upgraded: Registered | undefined = await pk.upgrade({ grant: 'g', name: 'Phone', signal: controller.signal });
  // @ts-expect-error: it may have made none
  const sure: Registered = await pk.upgrade({ grant: 'g' });
  // @ts-expect-error: it needs a grant
  await pk.upgrade();
  // @ts-expect-error: it needs a grant
  await pk.upgrade({});

  const who: SignedIn = await pk.signIn();
  const own: { token: string } = await pk.signIn<{ token: string }>({ username: 'ann', signal: controller.signal });
  // @ts-expect-error: an id is none of the page's business
  await pk.signIn({ userId: '1' });

  const ready = pk.prepare({ username: 'ann' });
  const prepared: SignedIn = await ready.signIn({ signal: controller.signal });
  // @ts-expect-error: the name was prepare's
  await ready.signIn({ username: 'bob' });
  await pk.prepare().signIn<{ token: string }>();

  const at: SignedIn = await pk.immediate({ signal: controller.signal });
  // @ts-expect-error: whoever has a passkey on this device
  await pk.immediate({ username: 'ann' });

  const filled: SignedIn | undefined = await pk.autofill({ signal: controller.signal, onError: (error) => console.log(error.code) });
  await pk.autofill<{ token: string }>();
  // @ts-expect-error: it may have been called off
  const surely: SignedIn = await pk.autofill();

  const confirmed: Confirmed = await pk.confirm();
  await pk.confirm({ request: 'r', signal: controller.signal });
  const { expiresAt }: { expiresAt: string } = await pk.confirm({ request: 'r', cookie: true });
  // @ts-expect-error: it is in the cookie
  const { proof } = await pk.confirm({ cookie: true });
  // @ts-expect-error: the request says what
  await pk.confirm({ payload: 'all' });
  const response: Response = await pk.fetch('/transfer', { method: 'POST', body: new FormData(), signal: controller.signal });
  await pk.fetch(new Request('/transfer'));
  await pk.fetch(new URL('https://example.org/transfer'));
  const like: typeof fetch = pk.fetch;
  void [confirmed, expiresAt, proof, response, like];

  const all: Passkey[] = await pk.list();
  for (const one of all) {
    const { id, deviceName, provider, aaguid, transports, backupEligible, backupState, createdAt, lastUsedAt, quarantinedAt } = one;
    const used: Date | null = lastUsedAt === null ? null : new Date(lastUsedAt);
    // @ts-expect-error: it may never have been used
    const when: string = lastUsedAt;
    const said: string = [id, deviceName, provider, aaguid, ...transports, backupEligible, backupState, createdAt, quarantinedAt].join();
    const nothing: void = await pk.rename(id, 'Work');
    await pk.revoke(id);
    // @ts-expect-error: to what?
    await pk.rename(id);
    void [used, when, said, nothing];
  }
  const told: void = await pk.signals();
  const off: void = pk.cancel();
  void [yes, can, made, upgraded, sure, who, own, prepared, at, filled, surely, told, off];
}

export function failed(error: unknown): string {
  if (error instanceof PasskeyError) {
    const { name, message, cause, status, id, ms, retryAfter, confirm } = error;
    const asked: Confirm | undefined = confirm;
    if (confirm) void pk.confirm(confirm).then(({ proof }) => [proof, confirm.operation, confirm.maxAge, asked]);
    const seconds: number | undefined = retryAfter ?? ms ?? status;
    if (error.code === 'already_registered' || error.code === 'last_credential') return '';
    if (error.code === 'a_code_of_a_hook') return `${name} ${message} ${id} ${seconds} ${cause}`;
    // @ts-expect-error: an error is as it came
    error.code = 'cancelled';
  }
  const german: Words = { ...words, cancelled: 'Abgebrochen.' };
  // @ts-expect-error: a table has all codes
  const some: Words = { cancelled: 'Abgebrochen.' };
  const code: Code = 'wrong_site';
  // @ts-expect-error: no such code
  const typo: Code = 'canceled';
  void [some, typo, words[code], new PasskeyError('network', { status: 503 })];
  // @ts-expect-error: no such code
  new PasskeyError('canceled');
  return explain(error, german) || explain(error);
}

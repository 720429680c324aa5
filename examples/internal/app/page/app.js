// The page's script. The first half is what any front end of these routes needs:
// the two ceremonies and words for what can go wrong. The second half is this
// page.

const routes = '/auth/passkeys';

// ServerError is an answer {"error": {"code", "message"}}.
class ServerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new ServerError('unreachable');
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new ServerError(answer.error?.code ?? `http_${response.status}`, answer.error?.message);
}

// register makes a passkey for whoever is signed in, or signing up.
async function register() {
  const { publicKey, state } = await call('POST', `${routes}/register/begin`, {});
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
  });
  try {
    await call('POST', `${routes}/register/finish`, {
      credential: credential.toJSON(),
      state,
      deviceName: deviceName(credential),
    });
  } catch (error) {
    // The passkey was made, and the server does not have it.
    if (error.code === 'username_taken') await forget(publicKey.rp.id, credential.id);
    throw error;
  }
}

// signIn returns what the hook OnAuthenticated returned. Without a username the
// browser offers the passkeys it has.
async function signIn(username) {
  const { publicKey, state } = await call('POST', `${routes}/authenticate/begin`, username ? { username } : {});
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
  });
  try {
    return await call('POST', `${routes}/authenticate/finish`, { credential: credential.toJSON(), state });
  } catch (error) {
    if (error.code === 'credential_not_found') await forget(publicKey.rpId, credential.id);
    throw error;
  }
}

// forget tells the browser's password manager that a passkey leads nowhere, so
// that it stops offering it. Not every browser can be told.
async function forget(rpId, credentialId) {
  try {
    await PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId });
  } catch {
    // It stays in the list, then.
  }
}

// deviceName is how a new passkey is called until its owner renames it.
function deviceName(credential) {
  if (credential.authenticatorAttachment === 'cross-platform') {
    return credential.response.getTransports().includes('hybrid') ? 'Phone or tablet' : 'Security key';
  }
  const agent = navigator.userAgent;
  const find = (names) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = find([
    [/Edg/, 'Edge'], [/OPR/, 'Opera'], [/Firefox|FxiOS/, 'Firefox'], [/Chrome|CriOS/, 'Chrome'], [/Safari/, 'Safari'],
  ]) ?? 'Browser';
  const system = find([
    [/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/Mac OS X/, 'Mac'],
    [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux'],
  ]);
  return system ? `${browser} on ${system}` : browser;
}

const words = {
  // From the server.
  unreachable: 'The server cannot be reached. Check your connection and try again.',
  credential_not_found: 'This passkey is not known here. It may have been removed from its account. Use another one.',
  credential_already_exists: 'This passkey is registered already.',
  assertion_verification_failed: 'The sign-in could not be verified. Please try again, or use another passkey.',
  attestation_verification_failed: 'The passkey could not be verified. Please try again, or use another device.',
  clone_detected: 'This passkey may have been copied, so it cannot be used. Sign in with another one and remove it.',
  last_credential: 'This is your only passkey. Without it there would be no way back into your account: add another one first.',
  too_many_credentials: 'You have as many passkeys as are allowed. Remove one first.',
  challenge_expired: 'That took too long. Please try again.',
  challenge_not_found: 'That did not work out. Please try again.',
  forbidden: 'Somebody else has signed in meanwhile. Please reload the page.',
  not_found: 'This passkey has been removed already.',
  unauthenticated: 'You have been signed out. Please sign in again.',
  username_taken: 'This username is taken. Please choose another one.',
  storage_unavailable: 'The service is not available for the moment. Please try again soon.',
  http_429: 'Too many attempts. Please wait a minute and try again.',
  // From the browser, by the error's name.
  NotAllowedError: 'The prompt was cancelled, timed out, or found no passkey. Nothing has changed: try again when you are ready.',
  InvalidStateError: 'This device has a passkey for your account already. To add another one, use another device.',
  SecurityError: 'Passkeys do not work at this address. Open the page at the address it was set up for.',
  NotSupportedError: 'This device cannot make a passkey of the kind that is needed here.',
};

function explain(error) {
  const text = words[error.code] ?? words[error.name];
  if (text) return text;
  if (error instanceof ServerError && error.message) return error.message;
  console.error(error);
  return 'Something went wrong. Please try again.';
}

// From here on: this page.

const $ = (id) => document.getElementById(id);

function say(text, isError = false) {
  $('status').textContent = text;
  $('status').classList.toggle('error', isError);
  if (text) $('status').scrollIntoView({ block: 'nearest' });
}

// attempt runs one task at a time and reports how it went. Its button stays
// enabled, because a disabled one loses the keyboard's focus.
let busy = false;
async function attempt(button, task) {
  if (busy) return;
  busy = true;
  document.body.dataset.busy = '';
  button.ariaBusy = 'true';
  say('');
  try {
    say((await task()) ?? '');
  } catch (error) {
    if (error.code === 'unauthenticated') showSignedOut();
    say(explain(error), true);
  } finally {
    busy = false;
    delete document.body.dataset.busy;
    button.ariaBusy = null;
  }
}

function showSignedOut() {
  $('signed-in').hidden = $('sign-out').hidden = true;
  $('signed-out').hidden = false;
  $('passkeys').replaceChildren();
  focusOn('sign-in-title');
}

async function showSignedIn() {
  const { username } = await call('GET', '/api/me');
  $('username').textContent = username;
  await listPasskeys();
  $('signed-out').hidden = true;
  $('signed-in').hidden = $('sign-out').hidden = false;
  for (const form of [$('sign-in'), $('sign-up')]) form.reset();
  focusOn('signed-in-title');
}

// focusOn moves the keyboard and the screen reader along when something they
// were at goes away. A page that has only just loaded leaves them alone.
function focusOn(id) {
  if (busy) $(id).focus();
}

async function listPasskeys() {
  const list = await call('GET', `${routes}/credentials`);
  $('passkeys').replaceChildren(...list.map((passkey) => row(passkey, list.length === 1)));
}

// row is one passkey of the list.
function row(passkey, isOnly) {
  const name = passkey.deviceName || 'Passkey without a name';
  const item = $('passkey').content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  item.dataset.id = passkey.id;
  part('.name').textContent = name;
  part('.badges').append(badge(passkey.backupState ? 'Synced' : 'This device only'));
  if (passkey.quarantinedAt) part('.badges').append(badge('Disabled: may have been copied', 'danger'));
  part('.created').append('Added ', time(passkey.createdAt, day));
  if (passkey.lastUsedAt) part('.used').append('last used ', time(passkey.lastUsedAt, ago));
  else part('.used').append('not used yet');
  part('.rename').ariaLabel = `Rename ${name}`;
  part('.remove').ariaLabel = `Remove ${name}`;
  part('.rename').onclick = (event) => rename(event.target, passkey);
  part('.remove').onclick = (event) => remove(event.target, passkey, name, isOnly);
  return item;
}

function badge(text, kind = '') {
  const element = document.createElement('span');
  element.className = `badge ${kind}`;
  element.textContent = text;
  return element;
}

// ask opens a dialog, and calls confirmed if that is how it is closed.
function ask(dialog, confirmed) {
  dialog.querySelector('form').onsubmit = confirmed;
  dialog.querySelector('.cancel').onclick = () => dialog.close();
  dialog.showModal();
}

function rename(button, passkey) {
  $('new-name').value = passkey.deviceName;
  ask($('rename'), () => attempt(button, async () => {
    await call('PATCH', `${routes}/credentials/${passkey.id}`, { deviceName: $('new-name').value.trim() });
    await listPasskeys();
    document.querySelector(`[data-id="${passkey.id}"] .rename`)?.focus();
    return 'The passkey has a new name.';
  }));
  $('new-name').select();
}

function remove(button, passkey, name, isOnly) {
  // The server would say the same; it is better said before asking.
  if (isOnly) return say(words.last_credential, true);
  $('remove-text').textContent = `“${name}” will no longer sign you in. Delete it on your device too.`;
  ask($('remove'), () => attempt(button, async () => {
    await call('DELETE', `${routes}/credentials/${passkey.id}`);
    await listPasskeys();
    focusOn('add');
    return 'The passkey is removed.';
  }));
}

// time is a date in words, with the exact one on hover.
function time(iso, inWords) {
  const element = document.createElement('time');
  const date = new Date(iso);
  element.dateTime = iso;
  element.title = date.toLocaleString('en', { dateStyle: 'long', timeStyle: 'short' });
  element.textContent = inWords(date);
  return element;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

// day is "today", "yesterday", "12 days ago" or "March 3, 2026".
function day(date) {
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  return days > -30 ? relative.format(days, 'day') : date.toLocaleDateString('en', { dateStyle: 'long' });
}

// ago is day, and for less than a day "just now", "5 minutes ago" or "3 hours ago".
function ago(date) {
  const minutes = Math.round((date - Date.now()) / 60_000);
  if (minutes > -1) return 'just now';
  if (minutes > -60) return relative.format(minutes, 'minute');
  if (minutes > -24 * 60) return relative.format(Math.round(minutes / 60), 'hour');
  return day(date);
}

$('sign-in').onsubmit = (event) => {
  event.preventDefault();
  attempt(event.submitter, async () => {
    await signIn($('sign-in-name').value.trim());
    await showSignedIn();
    return 'You are signed in.';
  });
};

$('sign-up').onsubmit = (event) => {
  event.preventDefault();
  attempt(event.submitter, async () => {
    await call('POST', '/api/signup', { username: $('sign-up-name').value });
    await register();
    await showSignedIn();
    return 'Your account is ready, and you are signed in.';
  });
};

$('add').onclick = (event) => attempt(event.target, async () => {
  await register();
  await listPasskeys();
  return 'The passkey is added.';
});

$('sign-out').onclick = (event) => attempt(event.target, async () => {
  await call('POST', '/api/signout', {});
  showSignedOut();
  return 'You are signed out.';
});

async function start() {
  try {
    await showSignedIn();
  } catch (error) {
    showSignedOut();
    if (error.code !== 'unauthenticated') say(explain(error), true);
  }
  if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
    for (const button of document.querySelectorAll('#sign-in button, #sign-up button, #add')) button.disabled = true;
    say('This browser cannot use passkeys here. Use a current Chrome, Edge, Firefox or Safari, over https or on localhost.', true);
  }
}

start();

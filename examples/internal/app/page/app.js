// The page's script. What is hard about passkeys is in client.js, which the routes
// serve; this is what remains for an application to write.

import { PasskeyError, passkeys } from '/auth/passkeys/client.js';
import { explain, words } from '/auth/passkeys/words.js';

const pk = passkeys();
const $ = (id) => document.getElementById(id);

// The words that come along, and what this page can say better.
const table = {
  ...words,
  aborted: 'Cancelled. Nothing has changed.',
  already_registered: 'This device has a passkey for your account already. To add another one, use another device.',
  cancelled: 'Nothing has changed: the prompt was closed, ran out of time, or found no passkey. Try again when you are ready.',
  last_credential: 'This is the only passkey that lets you in, so it stays. Add another one first.',
  unauthenticated: 'You have been signed out. Please sign in again.',
  username_taken: 'This username is taken. Please choose another one.',
  wrong_site: 'Passkeys do not work at this address. Open the page at the address that the demo showed when it started.',
};

// api asks the application's own routes, whose errors look like those of the passkeys'.
// pk.fetch is fetch, but for a route that wants a passkey's word first: then it asks.
async function api(method, path, body, signal) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await pk.fetch(path, { method, headers, body: JSON.stringify(body), signal }).catch((cause) => {
    throw cause instanceof PasskeyError ? cause : new PasskeyError(signal?.aborted ? 'aborted' : 'network', { cause });
  });
  const answer = await response.json().catch(() => ({})); // a 204 has none
  if (response.ok) return answer;
  throw new PasskeyError(answer.error?.code ?? 'bad_answer', { message: answer.error?.message, status: response.status });
}

// say fills the line at the top. Its kind is good, note, error or asking.
function say(text, kind = 'note') {
  $('status').textContent = text;
  $('notice').className = kind;
  $('cancel').hidden = kind !== 'asking';
}

// mark ties what is wrong with a field to it, or says that nothing is.
function mark(field, text = '') {
  field.ariaInvalid = text ? 'true' : null;
  $(`${field.id}-error`).textContent = text;
  if (text) field.focus();
}

// These are nobody's error.
const notes = ['aborted', 'cancelled', 'last_credential'];

// complain says it at the field, if it is about one.
function complain(error) {
  const { code } = error;
  if (code === 'unauthenticated') showSignedOut();
  const atField = code === 'username_taken' || code === 'invalid_username';
  if (atField) mark($('sign-up-name'), explain(error, table));
  say(atField ? '' : explain(error, table), notes.includes(code) ? 'note' : 'error');
}

// newTurn calls off what is under way, and forgets what was said of it: the last
// press counts. No button is ever disabled meanwhile, because that would take the
// keyboard's focus from it.
let turn;
function newTurn() {
  turn?.abort();
  document.querySelectorAll('[aria-invalid]').forEach((field) => mark(field));
  say('');
  return (turn = new AbortController());
}

// attempt does what a button is for, and says how that went.
async function attempt(button, task, asking) {
  const mine = newTurn();
  if (asking) say(asking, 'asking');
  $('cancel').onclick = () => {
    mine.abort();
    button.focus(); // Cancel goes away
  };
  try {
    const done = await task(mine.signal);
    if (turn === mine) say(done, 'good');
  } catch (error) {
    if (turn === mine) complain(error);
  }
}

const asksForPasskey = 'Your browser is asking for a passkey.';
const asksToSave = 'Your browser is asking to save a passkey.';

function showSignedOut() {
  if (!$('signed-out').hidden) return;
  show('signed-out', 'sign-in-title');
  $('passkeys').replaceChildren();
  // From now on the browser offers passkeys in the username's suggestions.
  pk.autofill({ onError: complain })
    .then(async (signedIn) => {
      if (!signedIn) return; // by a button, then
      await showSignedIn();
      say('You are signed in.', 'good');
    })
    .catch((error) => error.code === 'cancelled' || complain(error));
}

async function showSignedIn() {
  const { username } = await api('GET', '/api/me');
  $('username').textContent = username;
  await listPasskeys();
  show('signed-in', 'signed-in-title');
  for (const form of [$('sign-in'), $('sign-up')]) form.reset();
}

// show takes the keyboard and the screen reader along. A page that has only just
// loaded leaves them alone.
function show(part, title) {
  const first = $('signed-out').hidden && $('signed-in').hidden;
  for (const id of ['signed-out', 'signed-in']) $(id).hidden = id !== part;
  $('sign-out').hidden = part !== 'signed-in';
  if (!first) $(title).focus();
}

async function listPasskeys() {
  const list = await pk.list();
  $('passkeys').replaceChildren(...list.map((passkey) => row(passkey, list)));
}

// row is one passkey of the list.
function row(passkey, list) {
  const { id, deviceName, provider, transports, backupState, quarantinedAt, createdAt, lastUsedAt } = passkey;
  const name = deviceName || provider || (transports.includes('usb') || transports.includes('nfc') ? 'Security key' : 'Passkey');
  const item = $('passkey').content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  item.dataset.id = id;
  part('.name').textContent = name;
  part('.badge').textContent = quarantinedAt ? 'Switched off' : backupState ? 'Synced' : 'On one device';
  part('.badge').classList.toggle('danger', quarantinedAt);
  if (!quarantinedAt) part('.help').remove();
  part('.facts').append(provider && !name.startsWith(provider) ? `${provider} · ` : '', 'Added ', time(createdAt, day), ' · ');
  part('.facts').append(lastUsedAt ? 'last used ' : 'not used yet', lastUsedAt ? time(lastUsedAt, ago) : '');
  part('.rename').ariaLabel = `Rename ${name}`;
  part('.remove').ariaLabel = `Remove ${name}`;
  part('.rename').onclick = (event) => rename(event.target, id, deviceName);
  const isLast = list.every((other) => other.quarantinedAt || other === passkey) && !quarantinedAt;
  part('.remove').onclick = (event) => remove(event.target, id, name, isLast);
  return item;
}

// ask opens a dialog. confirmed may keep it open with preventDefault.
function ask(dialog, confirmed) {
  newTurn();
  dialog.querySelector('form').onsubmit = confirmed;
  dialog.querySelector('.cancel').onclick = () => dialog.close();
  dialog.showModal();
}

function rename(button, id, oldName) {
  const field = $('new-name');
  field.value = oldName;
  ask($('rename'), (event) => {
    const name = field.value.trim();
    mark(field, !name ? 'Please enter a name.' : [...name].length > 64 ? 'A name has at most 64 characters.' : '');
    if (field.ariaInvalid) return event.preventDefault();
    attempt(button, async () => {
      await pk.rename(id, name);
      await listPasskeys();
      document.querySelector(`[data-id="${id}"] .rename`)?.focus();
      return 'The passkey has a new name.';
    });
  });
  field.select();
}

async function remove(button, id, name, isLast) {
  newTurn();
  // The server would say the same; it is better said before asking.
  if (isLast) return complain(new PasskeyError('last_credential'));
  // Where the browser can be told, client.js does.
  const { signalAllAcceptedCredentials: told } = await pk.capabilities();
  $('remove-text').textContent = `“${name}” will no longer sign you in.${told ? '' : ' Delete it on your device too.'}`;
  ask($('remove'), () => attempt(button, async () => {
    await pk.revoke(id);
    await listPasskeys();
    $('add').focus();
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
  return minutes > -24 * 60 ? relative.format(Math.round(minutes / 60), 'hour') : day(date);
}

// Who comes near the button may press it: Safari wants the prompt right after that.
let prepared;
for (const near of ['pointerenter', 'focusin']) $('sign-in').addEventListener(near, () => (prepared ??= pk.prepare()));

$('sign-in').onsubmit = (event) => {
  event.preventDefault();
  const username = $('sign-in-name').value.trim();
  const { signIn } = username ? pk : (prepared ?? pk);
  prepared = undefined;
  attempt(event.submitter, async (signal) => {
    await signIn({ username, signal });
    await showSignedIn();
    return 'You are signed in.';
  }, asksForPasskey);
};

$('sign-up').onsubmit = (event) => {
  event.preventDefault();
  attempt(event.submitter, async (signal) => {
    await api('POST', '/api/signup', { username: $('sign-up-name').value });
    await pk.register({ signal });
    await showSignedIn();
    return 'Your account is ready, and you are signed in.';
  }, asksToSave);
};

$('add').onclick = (event) => attempt(event.target, async (signal) => {
  await pk.register({ signal });
  await listPasskeys();
  return 'The passkey is added.';
}, asksToSave);

$('sign-out').onclick = (event) => attempt(event.target, async () => {
  await api('POST', '/api/signout', {});
  showSignedOut();
  return 'You are signed out.';
});

$('delete').onclick = ({ target }) => ask($('deletion'), () => attempt(target, async (signal) => {
  const { allAcceptedCredentials } = await api('DELETE', '/api/account', undefined, signal);
  const { signalAllAcceptedCredentials: told } = await pk.capabilities();
  // There are none any more, and no session in which client.js could ask for them.
  if (told) for (const none of allAcceptedCredentials) await PublicKeyCredential.signalAllAcceptedCredentials(none).catch(console.warn);
  showSignedOut();
  return `Your account is deleted.${told ? '' : ' Delete its passkeys on your device too.'}`;
}, asksForPasskey));

document.oninput = ({ target }) => target.ariaInvalid && mark(target); // it is being put right

showSignedIn().catch((error) => {
  showSignedOut();
  if (!pk.supported()) {
    for (const button of document.querySelectorAll('#sign-in button, #sign-up button')) button.disabled = true;
    say('This browser cannot use passkeys here. Use a current Chrome, Edge, Firefox or Safari, over https or on localhost.', 'error');
  } else if (error.code !== 'unauthenticated') complain(error);
});

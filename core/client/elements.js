// Two custom elements that are a whole front end of passkeys:
//
//   <script type="module" src="/auth/passkeys/elements.js"></script>
//   <passkey-sign-in username next="/account">This needs JavaScript.</passkey-sign-in>
//   <passkey-manager>This needs JavaScript.</passkey-manager>
//
// elements.d.ts beside it describes them. They ask the server for nothing before
// they are in a page, and set no style but by a sheet that scripts construct, which
// a strict Content-Security-Policy lets pass.
import { passkeys } from './client.js';
import { explain, words } from './words.js';

// All that the elements say but of errors. What is in {braces} is put in.
export const texts = {
  prompt: 'Continue in the prompt that your browser shows.',
  cancel: 'Cancel',
  // <passkey-sign-in>
  username: 'Username',
  signIn: 'Sign in with a passkey',
  signedIn: 'You are signed in.',
  // <passkey-manager>
  list: 'Your passkeys',
  loading: 'Loading your passkeys…',
  retry: 'Try again',
  empty: 'You have no passkeys yet. A passkey signs you in without a password: you unlock your device, and that is all.',
  only: 'This is the only passkey that works, so it cannot be removed. Add another one first, on another device.',
  session: 'This session',
  blocked: 'Blocked',
  copied: 'This passkey may have been copied, so nobody can sign in with it any more. Remove it if you do not need it.',
  help: 'If you do not know why, ask this site for help.',
  synced: 'Synced',
  unsynced: 'On one device only',
  added: 'Added {date}',
  used: 'Last used {date}',
  unused: 'Not used yet',
  add: 'Add a passkey',
  addedOne: '{name} is added.',
  rename: 'Rename',
  renameTitle: 'Rename passkey',
  name: 'Name',
  blank: 'Please enter a name.',
  save: 'Save',
  renamedOne: 'The new name is {name}.',
  remove: 'Remove',
  removeTitle: 'Remove {name}?',
  removeText: 'It will not sign you in any more.',
  removeToo: 'Please delete it on your device too.',
  keep: 'Keep it',
  removedOne: '{name} is removed.',
  // What a passkey is called until its owner says so.
  unnamed: 'Passkey',
  device: '{browser} on {system}',
  phone: 'Phone or tablet',
  securityKey: 'Security key',
};

const css = `
:host {
  --_accent: var(--passkey-accent, light-dark(#3554d1, #9db2ff));
  --_on-accent: var(--passkey-on-accent, light-dark(#fff, #10173a));
  --_danger: var(--passkey-danger, light-dark(#b3261e, #ff9d94));
  --_on-danger: var(--passkey-on-danger, light-dark(#fff, #3b0906));
  --_soft: var(--passkey-soft, color-mix(in srgb, currentColor 72%, transparent));
  --_line: var(--passkey-line, color-mix(in srgb, currentColor 20%, transparent));
  --_edge: var(--passkey-edge, color-mix(in srgb, currentColor 55%, transparent));
  --_radius: var(--passkey-radius, .6rem);
  display: block;
  line-height: 1.5;
  overflow-wrap: anywhere;
}
@supports not (color: light-dark(red, red)) {
  :host {
    --_accent: var(--passkey-accent, #3554d1);
    --_on-accent: var(--passkey-on-accent, #fff);
    --_danger: var(--passkey-danger, #b3261e);
    --_on-danger: var(--passkey-on-danger, #fff);
  }
}
:host([hidden]), [hidden] { display: none !important; }
*, ::before { box-sizing: border-box; }
h2, p, ul { margin: 0; padding: 0; }
h2 { font-size: 1.125em; line-height: 1.35; }
label { display: block; font-weight: 600; }
input {
  inline-size: 100%;
  min-block-size: 2.75rem;
  margin-block-start: .25rem;
  padding: .5rem .75rem;
  border: 1px solid var(--_edge);
  border-radius: var(--_radius);
  background: transparent;
  color: inherit;
  font: inherit;
  font-size: max(1em, 16px);
}
[aria-invalid] { border-color: var(--_danger); }
button {
  min-block-size: 2.75rem;
  padding: .5rem 1rem;
  border: 1px solid var(--_edge);
  border-radius: var(--_radius);
  background: transparent;
  color: inherit;
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
button:hover { border-color: currentColor; }
.main { border-color: transparent; background: var(--_accent); color: var(--_on-accent); }
.danger { border-color: transparent; background: var(--_danger); color: var(--_on-danger); }
.small { min-block-size: 2.5rem; padding-inline: .75rem; border-color: var(--_line); font-size: .875em; }
:disabled, [aria-disabled] { opacity: .55; cursor: not-allowed; }
[aria-busy] { opacity: 1; cursor: progress; }
button[aria-busy]::before {
  content: "";
  display: inline-block;
  inline-size: .9em;
  block-size: .9em;
  margin-inline-end: .5em;
  border: 2px solid;
  border-block-start-color: transparent;
  border-radius: 50%;
  vertical-align: -.1em;
}
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
[tabindex]:focus { outline: none; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; }
.row > * { flex: 1 1 auto; }
.row .main { flex-grow: 99; }
.more { margin-block-start: 1rem; }
.note, .error { padding-inline-start: .75rem; border-inline-start: 3px solid var(--_line); color: var(--_soft); }
.error { border-color: var(--_danger); color: var(--_danger); }
.note:not(:empty), .error:not(:empty) { margin-block-start: .75rem; }
.note:empty, .error:empty { border: 0; }
ul { list-style: none; }
li {
  display: flex;
  flex-wrap: wrap;
  align-items: start;
  justify-content: space-between;
  gap: .625rem 1rem;
  padding-block: .875rem;
  border-block-end: 1px solid var(--_line);
}
li:first-child { border-block-start: 1px solid var(--_line); }
li > :first-child { flex: 1 1 14rem; }
li .row > * { flex-grow: 0; }
dialog .row .main { flex-grow: 1; }
#only { margin-block-start: .25rem; }
[part=name] { font-weight: 600; }
.badge {
  display: inline-block;
  margin-inline-start: .5em;
  padding-inline: .6em;
  border: 1px solid var(--_edge);
  border-radius: 1rem;
  color: var(--_soft);
  font-size: .75em;
  white-space: nowrap;
}
.blocked { border-color: currentColor; color: var(--_danger); }
.soft { color: var(--_soft); font-size: .875em; }
.soft > span { display: inline-block; }
.soft > span:not(:last-child)::after { content: " ·"; content: " ·" / ""; }
dialog {
  inline-size: min(26rem, 100vw - 2rem);
  padding: 1.5rem;
  border: 1px solid var(--_line);
  border-radius: calc(var(--_radius) * 1.5);
  background: var(--passkey-surface, Canvas);
  color: var(--passkey-text, CanvasText);
}
dialog::backdrop { background: rgb(0 0 0 / .5); }
dialog h2 + * { margin-block-start: 1rem; }
dialog .row { margin-block-start: 1.25rem; }
@media (prefers-reduced-motion: no-preference) {
  button[aria-busy]::before { animation: turn 1s linear infinite; }
  @keyframes turn { to { rotate: 1turn; } }
}
@media (forced-colors: active) {
  :disabled, [aria-disabled] { border-color: GrayText; color: GrayText; opacity: 1; }
}
`;

// el makes an element. Data become text and attributes here, and never markup.
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value?.call) made[name] = value;
    else set(made, name, value);
  }
  made.append(...children.filter((child) => child || child === 0));
  return made;
}

// set sets an attribute; false, null and undefined take it away.
function set(element, name, value = false) {
  if (value === false || value === null) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? '' : value);
}

// fill puts values, which may be elements, where a text names them.
const fill = (text, values) => text.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? values[part] : part));

const emit = (host, type, detail) =>
  host.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable: true }));

// proceed leads to where the page says, but to no other site and to no script,
// since pages copy what is to come next from their own address.
function proceed(host) {
  const next = host.getAttribute('next');
  if (!host.isConnected || !next?.startsWith('/')) return;
  const url = new URL(next, location.origin); // which reads /\ and a slash, a tab and a slash as //
  if (url.origin === location.origin) location.assign(url);
}

// prompter is a button that has the browser ask the person, a way to end that, and
// what there is to say of it. task gets a signal, and gives what to say at its end.
function prompter(host, label, type, task) {
  const { texts, passkeys } = host;
  const able = passkeys.supported();
  let asking;
  const button = el('button', { class: 'main', part: 'button', type, disabled: !able }, label);
  const cancel = el('button', { part: 'cancel', type: 'button', hidden: true, onclick: () => stop() }, texts.cancel);
  const note = el('p', { class: 'note', part: 'note', role: 'status' });
  const alert = el('p', { class: 'error', part: 'error', role: 'alert', id: 'error' });
  const row = el('div', { class: 'row more', part: 'buttons' }, button, cancel);
  let blamed = button;

  const stop = () => asking?.abort();

  function say(...text) {
    set(blamed, 'aria-invalid');
    set(blamed, 'aria-describedby');
    alert.replaceChildren();
    note.replaceChildren(...text);
  }

  // complain blames the button, unless it is about a field.
  function complain(text, field) {
    say();
    alert.textContent = text;
    blamed = field ?? button;
    set(blamed, 'aria-describedby', 'error');
    if (field) set(field, 'aria-invalid', 'true');
  }

  function fail(error, field) {
    const { code } = error;
    const text = explain(error, host.words);
    if (!code) console.error(error); // nobody's but ours, or that of a hook of the page
    if (code === 'aborted' || !emit(host, 'passkey-error', error)) say();
    else if (code === 'cancelled' || code === 'already_registered') say(text); // nothing is wrong
    else complain(text, field);
  }

  async function press(blame) {
    if (asking || !able) return;
    const { signal } = (asking = new AbortController());
    // It is not disabled, which would lose the keyboard's focus.
    for (const name of ['aria-busy', 'aria-disabled']) set(button, name, 'true');
    cancel.hidden = false;
    say(texts.prompt);
    // What is cancelled is over here at once, whatever it still waits for.
    const cancelled = new Promise((_, no) => (signal.onabort = () => no({ code: 'aborted' })));
    try {
      say(...(await Promise.race([task(signal), cancelled])));
    } catch (error) {
      fail(error, blame?.(error));
    }
    asking = undefined;
    if (host.shadowRoot.activeElement === cancel) button.focus();
    cancel.hidden = true;
    for (const name of ['aria-busy', 'aria-disabled']) set(button, name);
  }

  if (!able) say(explain({ code: 'unsupported' }, host.words));
  return { button, row, note, alert, say, complain, fail, press, stop };
}

// define makes an element of a view: show draws it, stop ends what is under way.
function define(tag, attributes, view) {
  if (!globalThis.customElements || customElements.get(tag)) return;
  let sheet;
  customElements.define(tag, class extends HTMLElement {
    static observedAttributes = ['base', ...attributes];
    #texts; #words; #given; #made; #due; #view;

    constructor() {
      super();
      if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(css);
      this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [sheet];
      this.#view = view(this, this.shadowRoot);
      for (const name of ['passkeys', 'texts', 'words']) { // set before this file was there
        if (!Object.hasOwn(this, name)) continue;
        const value = this[name];
        delete this[name];
        this[name] = value;
      }
    }

    get passkeys() {
      return this.#given ?? (this.#made ??= passkeys({ base: this.getAttribute('base') ?? undefined }));
    }
    set passkeys(client) {
      this.#given = client;
      this.#draw();
    }
    get texts() {
      return { ...texts, ...this.#texts };
    }
    set texts(table) {
      this.#texts = table;
      this.#draw();
    }
    get words() {
      return { ...words, ...this.#words };
    }
    set words(table) {
      this.#words = table;
      this.#draw();
    }

    connectedCallback() {
      this.#draw();
    }
    disconnectedCallback() {
      this.#view.stop();
    }
    attributeChangedCallback(name) {
      if (name === 'base') this.#made = undefined;
      this.#draw();
    }
    focus(options) {
      this.#view.target()?.focus(options);
    }
    async refresh() {
      await this.#view.refresh?.();
    }

    // Once, for all that a script sets in a row.
    #draw() {
      this.#due ??= queueMicrotask(() => {
        this.#due = undefined;
        if (!this.isConnected) return;
        this.#view.stop();
        this.#view.show();
      }) ?? true;
    }
  });
}

define('passkey-sign-in', ['username'], (host, root) => {
  let ui, field, armed, prepared;

  function show() {
    const { texts } = host;
    const preset = host.getAttribute('username');
    const typed = field?.value;
    field = preset === null ? undefined : el('input', {
      id: 'field', part: 'field', name: 'username', autocomplete: 'username webauthn', autocapitalize: 'none',
      spellcheck: 'false', value: typed || preset, onfocus: arm, oninput: () => ui.say(),
    });
    ui = prompter(host, texts.signIn, 'submit', async (signal) => {
      prepare();
      const { asked } = prepared;
      prepared = undefined;
      return done(await asked.signIn({ signal }));
    });
    // In some browsers the prompt must follow the click at once, so what it needs is
    // asked for when the click is near.
    ui.button.onfocus = ui.button.onpointerenter = prepare;
    root.replaceChildren(
      el('form', { part: 'form', onsubmit },
        field && el('label', { part: 'label', for: 'field' }, texts.username), field, ui.row, ui.note, ui.alert),
    );
    if (!field) ui.row.classList.remove('more');
    arm();
  }

  function onsubmit(event) {
    event.preventDefault();
    ui.press((error) => (name() ? accused(error) : undefined));
  }

  const name = () => field?.value.trim() ?? '';

  // accused is the field where it is about what was chosen there.
  const accused = ({ code }) =>
    ['assertion_verification_failed', 'clone_detected', 'credential_not_found', 'invalid_request'].includes(code) ? field : undefined;

  function prepare() {
    if (ui.button.disabled) return;
    const username = name();
    if (prepared?.username !== username) prepared = { username, asked: host.passkeys.prepare({ username }) };
  }

  function done(answer) {
    if (emit(host, 'passkey-sign-in', answer)) proceed(host);
    return [host.texts.signedIn];
  }

  function arm() {
    if (!field || armed) return;
    const mine = (armed = new AbortController());
    host.passkeys
      .autofill({ signal: mine.signal, onError: (error) => ui.fail(error, accused(error)) })
      .then((answer) => answer && ui.say(...done(answer)))
      .catch(() => {}) // nobody has asked for it: the button says what is wrong
      .then(() => {
        if (armed === mine) armed = undefined;
      });
  }

  return {
    show,
    target: () => field ?? ui?.button,
    stop() {
      ui?.stop();
      armed?.abort();
      armed = prepared = undefined;
    },
  };
});

define('passkey-manager', ['current', 'other-sign-in'], (host, root) => {
  let ui, body, dialog, list, failure, turn, told;

  function show() {
    const { texts } = host;
    ui = prompter(host, texts.add, 'button', add);
    ui.button.onclick = () => ui.press();
    body = el('div', { part: 'body', role: 'group', 'aria-label': texts.list, tabindex: -1 });
    dialog = el('dialog', { part: 'dialog', 'aria-labelledby': 'title' });
    root.replaceChildren(body, ui.row, ui.note, ui.alert, dialog);
    list = failure = undefined;
    draw();
    load();
    host.passkeys.capabilities().then((all) => (told = all.signalAllAcceptedCredentials));
  }

  async function load(made) {
    const mine = (turn = {});
    set(body, 'aria-busy', 'true');
    try {
      const all = await host.passkeys.list();
      if (made) await christen(all.find(({ id }) => id === made));
      if (turn !== mine) return;
      list = all;
      failure = undefined;
    } catch (error) {
      if (turn !== mine) return;
      failure = error;
      emit(host, 'passkey-error', error);
    }
    draw();
  }

  // christen names a new passkey that neither its user nor the server has a name for.
  async function christen(passkey) {
    if (!passkey || passkey.deviceName) return;
    const name = guess(host.texts, passkey.transports);
    await host.passkeys.rename(passkey.id, name).then(() => (passkey.deviceName = name), () => {});
  }

  function draw() {
    const { texts } = host;
    set(body, 'aria-busy');
    ui.row.hidden = failure;
    if (failure) {
      const retry = () => {
        failure = list = undefined;
        body.focus(); // this button is about to go
        draw();
        load();
      };
      body.replaceChildren(
        el('p', { class: 'error', part: 'error', role: 'alert' }, explain(failure, host.words)),
        el('div', { class: 'row more' }, el('button', { part: 'retry', onclick: retry }, texts.retry)),
      );
    } else if (!list) {
      body.replaceChildren(el('p', { class: 'soft', part: 'loading', role: 'status' }, texts.loading));
    } else if (!list.length) {
      body.replaceChildren(el('p', { part: 'empty' }, texts.empty));
    } else {
      const sole = list.filter((one) => !one.quarantinedAt).length < 2 && !host.hasAttribute('other-sign-in');
      body.replaceChildren(
        // The role is for Safari, to which a list without bullets is none.
        el('ul', { part: 'list', role: 'list' }, ...list.map((one, i) => item(one, i, sole && !one.quarantinedAt))),
      );
    }
  }

  // item is one passkey of the list.
  function item(passkey, i, sole) {
    const { texts } = host;
    const { id, provider, quarantinedAt, lastUsedAt } = passkey;
    const called = title(passkey);
    const labelled = (what) => `${what}${i} name${i}`; // "Rename", and which
    return el('li', { part: 'item' },
      el('div', { part: 'about' },
        el('div', {},
          el('bdi', { id: 'name' + i, part: 'name' }, called),
          ' ', id === host.getAttribute('current') && el('span', { class: 'badge', part: 'badge' }, texts.session), ' ',
          quarantinedAt && el('span', { class: 'badge blocked', part: 'badge blocked' }, texts.blocked)),
        el('div', { class: 'soft', part: 'details' },
          ...[
            provider && !called.startsWith(provider) && [el('bdi', {}, provider)],
            [passkey.backupState ? texts.synced : texts.unsynced],
            fill(texts.added, { date: when(host, passkey.createdAt) }),
            lastUsedAt ? fill(texts.used, { date: when(host, lastUsedAt) }) : [texts.unused],
          ].flatMap((detail) => detail && [el('span', {}, ...detail), ' '])),
        quarantinedAt && el('p', { class: 'error soft', part: 'copied' }, texts.copied, ' ', el('slot', { name: 'help' }, texts.help)),
        sole && el('p', { class: 'soft', part: 'only', id: 'only' }, texts.only)),
      el('div', { class: 'row', part: 'actions' },
        el('button', { id: 'rename' + i, class: 'small', part: 'rename', 'aria-labelledby': labelled('rename'), onclick: () => rename(passkey, i) }, texts.rename),
        el('button', {
          id: 'remove' + i, class: 'small', part: 'remove', 'aria-labelledby': labelled('remove'),
          'aria-disabled': sole && 'true', 'aria-describedby': sole && 'only',
          onclick: () => (sole ? ui.complain(explain({ code: 'last_credential' }, host.words)) : remove(passkey, i)),
        }, texts.remove)));
  }

  const title = (passkey) => passkey.deviceName || passkey.provider || host.texts.unnamed;
  const named = (passkey) => ({ name: el('bdi', {}, title(passkey)) });
  const at = (id) => (root.getElementById(id) ?? ui.button).focus();

  async function add(signal) {
    const { credentialId } = await host.passkeys.register({ signal });
    await load(credentialId);
    if (emit(host, 'passkey-added', { id: credentialId })) proceed(host);
    const made = list?.find(({ id }) => id === credentialId);
    return made ? fill(host.texts.addedOne, named(made)) : [];
  }

  function rename(passkey, i) {
    const { texts } = host;
    const field = el('input', { id: 'field', part: 'field', value: title(passkey), maxlength: 64, autocomplete: 'off', autofocus: true, 'aria-describedby': 'why' });
    ask([texts.renameTitle], [el('label', { part: 'label', for: 'field' }, texts.name), field], texts.cancel, texts.save, 'main', async (no) => {
      const name = field.value.trim();
      const blank = !/[^\s\p{Cc}\p{Cf}]/u.test(name);
      set(field, 'aria-invalid', blank && 'true');
      if (blank) {
        field.focus();
        return no(texts.blank);
      }
      const changed = name !== title(passkey);
      if (changed) await host.passkeys.rename(passkey.id, name);
      dialog.close(); // first: behind it nothing is read out, and nothing gets the focus
      if (!changed) return;
      passkey.deviceName = name;
      draw();
      at('rename' + i);
      ui.say(...fill(texts.renamedOne, named(passkey)));
      emit(host, 'passkey-renamed', { id: passkey.id, name });
    });
    field.select();
  }

  function remove(passkey, i) {
    const { texts } = host;
    const text = el('p', {}, texts.removeText, !told && ' ' + texts.removeToo);
    ask(fill(texts.removeTitle, named(passkey)), [text], texts.keep, texts.remove, 'danger', async () => {
      await host.passkeys.revoke(passkey.id);
      turn = undefined; // a list on its way may still have it
      list = list.filter((one) => one.id !== passkey.id);
      dialog.close();
      draw();
      at('rename' + Math.min(i, list.length - 1));
      ui.say(...fill(texts.removedOne, named(passkey)));
      emit(host, 'passkey-removed', { id: passkey.id });
    });
  }

  // ask puts a question; act is done when the answer is yes, and calls no with why it
  // is not.
  function ask(title, content, keep, yes, kind, act) {
    const why = el('p', { id: 'why', class: 'error', part: 'error', role: 'alert' });
    const no = (text) => (why.textContent = text);
    let busy;
    dialog.replaceChildren(
      el('form', {
        async onsubmit(event) {
          event.preventDefault();
          if (busy) return;
          busy = true;
          no('');
          try {
            await act(no);
          } catch (error) {
            if (error.code === 'not_found') {
              // Removed elsewhere, which the list does not know yet.
              dialog.close();
              ui.fail(error);
              at('');
              load();
            } else if (emit(host, 'passkey-error', error)) {
              no(explain(error, host.words));
            }
          }
          busy = false;
        },
      },
      el('h2', { id: 'title', part: 'title' }, ...title), ...content, why,
      el('div', { class: 'row', part: 'actions' },
        el('button', { part: 'cancel', type: 'button', autofocus: kind === 'danger', onclick: () => dialog.close() }, keep),
        el('button', { class: kind, part: kind === 'danger' ? 'confirm danger' : 'confirm' }, yes))),
    );
    dialog.showModal();
  }

  return {
    show,
    refresh: () => list && load(), // otherwise it is on its way
    target: () => ui?.button,
    stop() {
      ui?.stop();
      turn = undefined;
    },
  };
});

// guess is the name of a passkey by where it is kept: on a device beside this one, or
// in this browser.
function guess(texts, transports) {
  const agent = navigator.userAgent;
  const find = (names) => names.split(' ').find((name) => agent.includes(name.split('=')[0]))?.split('=').pop();
  const browser = find('Edg=Edge OPR=Opera Firefox FxiOS=Firefox Chrome CriOS=Chrome Safari');
  const system = find('iPhone iPad Android Windows Macintosh=Mac CrOS=ChromeOS Linux');
  if (transports.length && !transports.includes('internal')) return transports.includes('hybrid') ? texts.phone : texts.securityKey;
  return browser && system ? fill(texts.device, { browser, system }).join('') : texts.unnamed;
}

// when is a date in words, in the language of the page around.
function when(host, iso) {
  const date = new Date(iso);
  const language = (host.closest('[lang]') ?? document.documentElement).lang || undefined;
  const midnight = (of) => new Date(of).setHours(0, 0, 0, 0);
  const days = Math.min(0, Math.round((midnight(date) - midnight(Date.now())) / 864e5));
  const say = (lang) =>
    days > -30 ? new Intl.RelativeTimeFormat(lang, { numeric: 'auto' }).format(days, 'day') : date.toLocaleDateString(lang, { dateStyle: 'medium' });
  let text;
  try {
    text = say(language);
  } catch {
    text = say(); // of a language that is none
  }
  return el('time', { datetime: iso }, text);
}

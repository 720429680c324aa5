/**
 * Two custom elements that are a whole front end of passkeys. Importing this file defines them, where there is a page.
 *
 *     <script type="module" src="/auth/passkeys/elements.js"></script>
 *     <passkey-sign-in username next="/account"></passkey-sign-in>
 *     <passkey-manager current="…"></passkey-manager>
 *
 * What is written between an element's tags is for those without JavaScript.
 *
 * They take the font, the colours and the color-scheme of the page around them. To change more, set custom properties:
 * --passkey-accent, --passkey-on-accent, --passkey-danger, --passkey-on-danger, --passkey-soft (text of less weight),
 * --passkey-line, --passkey-edge (of fields and buttons), --passkey-radius, and for dialogs --passkey-surface and
 * --passkey-text; or style the parts that each element names below.
 */
import type { PasskeyError, Passkeys, SignedIn } from './client.js';
import type { Words } from './words.js';

/** What both elements have. */
interface PasskeyElement extends HTMLElement {
  /** The client to use. Default: one for the attribute base, or else for the routes that served this file. */
  passkeys: Passkeys;
  /** What the element says, as a whole or in part; the rest is in English. */
  get texts(): Texts;
  set texts(table: Partial<Texts> | undefined);
  /** What it says of errors, likewise. */
  get words(): Words;
  set words(table: Partial<Words> | undefined);
}

/**
 * `<passkey-sign-in>`: a button that signs in.
 *
 * Attributes:
 * - username: with a field for it, in whose suggestions the browser offers passkeys. Its value is what the field starts with.
 * - next: where to go when signed in, a path of this site that starts with a slash. Anything else is ignored.
 * - base: where the routes are mounted.
 *
 * Events: passkey-sign-in, after which it goes on to next unless the event's default is prevented; passkey-error.
 *
 * Parts: form, label, field, buttons, button, cancel, note, error.
 */
export interface PasskeySignInElement extends PasskeyElement {}

/**
 * `<passkey-manager>`: the passkeys of who is signed in, or signing up, to add, rename and remove. Dates are in the
 * language of the page (lang).
 *
 * Attributes:
 * - current: the id of the passkey that this session was signed in with, to mark it.
 * - other-sign-in: there is a way to sign in without passkeys, so that the only one that works can be removed.
 * - next: where to go when a passkey has been added, as for passkey-sign-in.
 * - base: where the routes are mounted.
 *
 * Slot help: what someone can do whose passkey is blocked because it may have been copied, such as a link.
 *
 * Events: passkey-added, after which it goes on to next unless the event's default is prevented; passkey-renamed;
 * passkey-removed; passkey-error.
 *
 * Parts: body, list, item, about, name, badge, blocked, details, copied, only, actions, rename, remove, empty, loading,
 * retry, buttons, button, cancel, note, error, dialog, title, label, field, confirm, danger.
 */
export interface PasskeyManagerElement extends PasskeyElement {
  /** Asks the server for the list again, after the page has changed it by itself. */
  refresh(): Promise<void>;
}

/** The texts of both elements. What is in braces is put in. */
export type Texts = Record<
  | 'prompt' | 'cancel' | 'username' | 'signIn' | 'signedIn'
  | 'list' | 'loading' | 'retry' | 'empty' | 'only' | 'session' | 'blocked' | 'copied' | 'help'
  | 'synced' | 'unsynced' | 'added' | 'used' | 'unused' | 'add' | 'addedOne'
  | 'rename' | 'renameTitle' | 'name' | 'blank' | 'save' | 'renamedOne'
  | 'remove' | 'removeTitle' | 'removeText' | 'removeToo' | 'keep' | 'removedOne'
  | 'unnamed' | 'device' | 'phone' | 'securityKey',
  string
>;

/** In English. */
export declare const texts: Texts;

/** All of them bubble, out of shadow trees too. */
export interface PasskeyEvents {
  /** Signed in: what the hook OnAuthenticated answered. */
  'passkey-sign-in': CustomEvent<SignedIn | any>;
  'passkey-added': CustomEvent<{ id: string }>;
  'passkey-renamed': CustomEvent<{ id: string; name: string }>;
  'passkey-removed': CustomEvent<{ id: string }>;
  /** What the element is about to explain, unless the event's default is prevented: a page may know better. */
  'passkey-error': CustomEvent<PasskeyError>;
}

declare global {
  interface HTMLElementTagNameMap {
    'passkey-sign-in': PasskeySignInElement;
    'passkey-manager': PasskeyManagerElement;
  }
  interface GlobalEventHandlersEventMap extends PasskeyEvents {}
}

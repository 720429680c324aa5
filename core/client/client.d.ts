/**
 * The browser's half of passkeys, served beside the routes it speaks to.
 *
 * Every function rejects with a PasskeyError and with nothing else, but for fetch.
 */
export declare function passkeys(options?: Options): Passkeys;

export interface Options {
  /** Where the routes are mounted. Default: where this file was loaded from, so give it where a bundler has moved the file. */
  base?: string;
  /** Of every request to the routes. Default: "same-origin". */
  credentials?: RequestCredentials;
  /** Go with every request to the routes but the beacon, such as a token against forged ones; a function is asked each time. */
  headers?: HeadersInit | (() => HeadersInit);
  /** Asks in place of the page's own fetch. The function fetch gives it a Request, everything else a URL and its init. */
  fetch?: typeof fetch;
  /** Tells the server's observer how a prompt ended of which it would hear nothing otherwise. Default: false. */
  beacon?: boolean;
  /** Takes the place of navigator.credentials, such as what extensions.js makes for keys and data that a passkey keeps. */
  container?: Container;
}

/** What is used of navigator.credentials. */
export type Container = Pick<CredentialsContainer, 'create' | 'get'>;

export interface Passkeys {
  /** Whether the browser knows of passkeys at all. */
  supported(): boolean;

  /**
   * What the browser says that it can do (WebAuthn L3 §5.1.7), with gaps filled where something can be seen.
   * undefined is "unknown", not "no".
   */
  capabilities(): Promise<Record<string, boolean | undefined>>;

  /**
   * Makes a passkey for who is signed in, or signing up. Where the server wants to know first that it is still them, it
   * has them confirm that, as do rename and revoke; for a while it does not ask again.
   */
  register(options?: RegisterOptions): Promise<Registered>;

  /**
   * Has the browser make a passkey without asking, after a sign-in with a password, if it and the person's password
   * manager are ready to. The grant is what the server's Passkeys.GrantUpgrade gave for that sign-in. undefined where
   * they are not, or when it was ended: it rejects only for what the server refuses, or when it cannot be reached.
   */
  upgrade(options: RegisterOptions & { grant: string }): Promise<Registered | undefined>;

  /** Signs in. T is what the hook OnAuthenticated answers, which must be JSON. */
  signIn<T = SignedIn>(options?: SignInOptions): Promise<T>;

  /**
   * Asks the server for what a sign-in needs before it is wanted: Safari may refuse a prompt that comes long after the
   * click. Make it when the click is near, such as when the button has the focus, and call its signIn in the click.
   */
  prepare(options?: { username?: string }): { signIn<T = SignedIn>(options?: CallOptions): Promise<T> };

  /**
   * Signs in with a passkey that this device has, and where there is none rejects at once with "none_available",
   * without anything to see. Needs a click.
   */
  immediate<T = SignedIn>(options?: CallOptions): Promise<T>;

  /**
   * Offers the passkeys in the suggestions of a field that says autocomplete="username webauthn". It stays armed for
   * as long as the page is there: a button wins, and when its prompt has failed, this goes on. It resolves with the
   * sign-in, or with undefined when it was called off, another ceremony succeeded, another autofill took its place or
   * the browser has no such thing. Call it once the page has its session, where the server ties ceremonies to one.
   */
  autofill<T = SignedIn>(options?: CallOptions & {
    /** Hears why a passkey that was chosen would not do. */
    onError?(error: PasskeyError): void;
  }): Promise<T | undefined>;

  /**
   * Has who is signed in confirm with a passkey what the server asks for. The proof of it goes into the header
   * Passkey-Proof of the request that was refused; with cookie it is in a cookie that no script sees, for a form.
   */
  confirm(options: ConfirmOptions & { cookie: true }): Promise<{ expiresAt: string }>;
  confirm(options?: ConfirmOptions): Promise<Confirmed>;

  /**
   * The page's own fetch, of which it takes the arguments, for requests to your own server. One that is refused with
   * "confirmation_required" is confirmed, and then sent once more with the proof, the same to the last byte; what is
   * answered to that is the answer, as is every other. It rejects with a PasskeyError where the confirmation fails,
   * "aborted" where the request's own signal ends it meanwhile, and else as fetch does. The options credentials and
   * headers are not for these requests: they are as the page makes them.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;

  /** The passkeys of who is signed in, the oldest first. */
  list(): Promise<Passkey[]>;

  /** Gives a passkey another name, of at most 64 characters. */
  rename(id: string, name: string): Promise<void>;

  /** Removes a passkey, from the browser's list too if it can be told. */
  revoke(id: string): Promise<void>;

  /**
   * Tells the browser which passkeys are registered and how their owner is called (WebAuthn L3 §5.1.10), where it can
   * be told. That is done after each sign-in, registration and removal: call it when a person's name has changed.
   */
  signals(): Promise<void>;

  /** Ends whatever is under way in the whole page, and rejects it with "aborted"; autofill too, which resolves. */
  cancel(): void;
}

export interface CallOptions {
  /** Ends the ceremony: it rejects with "aborted". */
  signal?: AbortSignal;
}

export interface SignInOptions extends CallOptions {
  /** Whose passkeys to offer. Default: all that the browser has for this site. */
  username?: string;
}

export interface RegisterOptions extends CallOptions {
  /** The passkey's name, of at most 64 characters. Default: none. */
  name?: string;
}

export interface ConfirmOptions extends CallOptions {
  /** That of a PasskeyError's confirm, or of a page that the server rendered. Default: none, which confirms that it is still them. */
  request?: string;
}

export interface Confirmed {
  proof: string;
  /** In RFC 3339. */
  expiresAt: string;
}

export interface Registered {
  status: 'ok';
  credentialId: string;
}

/** What the server answers where the hook OnAuthenticated has nothing to say. */
export interface SignedIn {
  status: 'ok';
  userId: string;
}

export interface Passkey {
  id: string;
  /** The person's name for it, or where they gave none its provider's; "" for none. */
  deviceName: string;
  /** What keeps it, by the name that people know, "" where that is not known. */
  provider: string;
  /** The model of what keeps it, as a UUID; all zeros where that does not say. */
  aaguid: string;
  transports: string[];
  /** Whether it may be copied to other devices, and whether it is. */
  backupEligible: boolean;
  backupState: boolean;
  /** In RFC 3339. */
  createdAt: string;
  lastUsedAt: string | null;
  /** Since when it cannot be used because it may have been copied; null for one that can. */
  quarantinedAt: string | null;
}

export declare class PasskeyError extends Error {
  constructor(code: Code, more?: Partial<Omit<PasskeyError, 'code'>>);
  readonly name: 'PasskeyError';
  /** Which of the closed set it is, or what a hook of the application answered. */
  readonly code: Code | (string & {});
  /** What the browser, or fetch, rejected with. */
  readonly cause?: unknown;
  /** The HTTP status, where the server answered. */
  readonly status?: number;
  /** The request's id, which the server's log has too. */
  readonly id?: string;
  /** How long the prompt was there, in milliseconds, where it was the browser that said no. */
  readonly ms?: number;
  /** After how many seconds to try again, where the server says so. */
  readonly retryAfter?: number;
  /** With "confirmation_required": what is to be confirmed. */
  readonly confirm?: Readonly<Confirm>;
}

export interface Confirm {
  /** For the function confirm. Default: none is needed. */
  request?: string;
  /** The operation's name, "" where it is only asked whether it is still them. */
  operation: string;
  /** How old the confirmation may be, in seconds. */
  maxAge: number;
}

/** What the browser says, or this module. */
export type LocalCode =
  /** Ended by its signal, by cancel, or by another ceremony: say nothing. */
  | 'aborted'
  /** There is a passkey for this account on this authenticator. */
  | 'already_registered'
  | 'authenticator_failed'
  /** It cannot verify its user, or not keep a passkey, as asked. */
  | 'authenticator_unsuitable'
  /** The server, or something in front of it, answered what no route answers. */
  | 'bad_answer'
  | 'bad_options'
  /** The person closed the prompt, it timed out, or there was nothing to choose: no browser tells which. */
  | 'cancelled'
  | 'network'
  /** immediate found nothing. */
  | 'none_available'
  /** Whoever it was that had the client wait, the server or something in front of it. */
  | 'rate_limited'
  | 'unsupported'
  /** A developer's mistake, of which the console says more: the page's address is not one of the server's. */
  | 'wrong_site';

/** What the server says. */
export type ServerCode =
  | 'assertion_verification_failed'
  | 'attestation_verification_failed'
  | 'challenge_expired'
  | 'challenge_not_found'
  | 'clone_detected'
  | 'configuration_error'
  | 'confirmation_failed'
  /** Something must be confirmed first: see the error's confirm. */
  | 'confirmation_required'
  | 'credential_already_exists'
  | 'credential_not_found'
  | 'forbidden'
  | 'internal_error'
  | 'invalid_request'
  | 'last_credential'
  /** There is no passkey that works, so that nothing can be confirmed. */
  | 'no_credentials'
  | 'not_found'
  | 'payload_too_large'
  | 'prf_results_present'
  | 'rate_limited'
  | 'storage_unavailable'
  | 'too_many_credentials'
  | 'unauthenticated'
  | 'unsupported_media_type';

export type Code = LocalCode | ServerCode;

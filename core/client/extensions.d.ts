import type { Container } from './client.js';

/**
 * Stands in for navigator.credentials, as the option container of passkeys. It adds inputs to what the server asks for,
 * and gives the page the outputs, of every ceremony: a sign-in by autofill too.
 */
export declare function extensions(options?: ExtensionsOptions): Container;

export interface ExtensionsOptions {
  /**
   * What to ask for in addition, each extension in the place of the server's. It may change the rest of the options too:
   * to write a large blob, allowCredentials must have one entry.
   */
  inputs?(publicKey: CreationOptions | RequestOptions, kind: 'create' | 'get'): Inputs | undefined | Promise<Inputs | undefined>;
  /**
   * Gets what the passkey of this id, in base64url, answered, before the server has verified it, unless the ceremony was
   * aborted. The ceremony waits for it. What it throws is reported as an error that nobody has caught, and ends nothing.
   */
  outputs?(results: AuthenticationExtensionsClientOutputs, id: string, kind: 'create' | 'get'): unknown;
  /** What it stands in for. Default: navigator.credentials. */
  container?: Container;
}

export type Inputs = AuthenticationExtensionsClientInputs;
export type CreationOptions = PublicKeyCredentialCreationOptions;
export type RequestOptions = PublicKeyCredentialRequestOptions;

/**
 * Makes an AES-GCM key from one of prf's results, by HKDF with SHA-256: another for each purpose. It encrypts and wraps
 * other keys, and cannot be taken out of the browser.
 */
export declare function deriveKey(secret: BufferSource, purpose: string): Promise<CryptoKey>;

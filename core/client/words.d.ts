import type { Code } from './client.js';

/** Words for people, by code, an application's own among them. "" is nothing to say. */
export type Words = Record<Code, string> & Record<string, string>;

/** In English. */
export declare const words: Words;

/**
 * What to say of an error, "" for nothing. Of a code that is not in the table the server's own message is used, and
 * for anything else that was thrown, the table's internal_error.
 */
export declare function explain(error: unknown, table?: Words): string;

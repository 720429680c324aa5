// Words for people, in English, by the code of a PasskeyError. Whoever speaks to
// them in another language has a table of their own with these names in it.
export const words = {
  // What the browser says, or client.js.
  aborted: '',
  already_registered: 'This device has a passkey for this account already.',
  authenticator_failed: 'The device could not do this. Please try again.',
  authenticator_unsuitable: 'This device cannot be used: it may need a PIN or a screen lock first. Please try another one.',
  bad_answer: 'The server’s answer makes no sense. Please try again later.',
  bad_options: 'This browser does not understand what the server asks for.',
  cancelled: 'That was not completed. Try again when you are ready.',
  network: 'The server cannot be reached. Please check your connection and try again.',
  none_available: 'There is no passkey for this site on this device.',
  rate_limited: 'Too many attempts. Please wait a moment and try again.',
  unsupported: 'This browser or device cannot use passkeys here.',
  wrong_site: 'Passkeys do not work at this address.',
  // What the server says.
  assertion_verification_failed: 'The sign-in could not be verified. Please try again, or use another passkey.',
  attestation_verification_failed: 'The passkey could not be verified. Please try another device.',
  challenge_expired: 'That took too long. Please try again.',
  challenge_not_found: 'That did not work out. Please try again.',
  clone_detected: 'This passkey may have been copied and cannot be used. Please use another one.',
  configuration_error: 'Something is wrong with this site. Please try again later.',
  confirmation_failed: 'That could not be confirmed. Please try again, with a passkey of this account.',
  confirmation_required: 'Please confirm with your passkey that it is you.',
  credential_already_exists: 'This passkey is registered already.',
  credential_not_found: 'This passkey is not known here: it may have been removed. Please use another one.',
  forbidden: 'This is not allowed here.',
  internal_error: 'Something went wrong. Please try again later.',
  invalid_request: 'Something went wrong. Please reload the page and try again.',
  last_credential: 'This is the only way into your account. Please add another passkey first.',
  no_credentials: 'There is no passkey in your account to confirm this with. Please add one first.',
  not_found: 'This passkey has been removed already.',
  payload_too_large: 'This passkey cannot be used here.',
  prf_results_present: 'Something went wrong. Please reload the page and try again.',
  storage_unavailable: 'The service is unavailable for the moment. Please try again soon.',
  too_many_credentials: 'You have as many passkeys as are allowed. Please remove one first.',
  unauthenticated: 'You are not signed in. Please sign in first.',
  unsupported_media_type: 'Something went wrong. Please reload the page and try again.',
};

// explain says what went wrong, "" for nothing. What an application's own hook
// answered has its own message, which is for people too.
export function explain(error, table = words) {
  if (Object.hasOwn(table, error?.code)) return table[error.code];
  return (error?.status && error.message) || table.internal_error;
}

package main

import passkeys "github.com/passkeys-go/passkeys/core"

// words are what a reason means, and what to do: for whoever runs the site.
func words(r passkeys.Reason) (means, then string) {
	switch r {
	case passkeys.ReasonRequestMalformed:
		return "the body is not what the route takes", "send {\"credential\":…,\"state\":…}, with the credential as client.js or toJSON makes it; a middleware may have read the body before"
	case passkeys.ReasonPRFResultsPresent:
		return "the page sent keys that the prf extension gave it", "take clientExtensionResults.prf.results out before sending, as client.js does"
	case passkeys.ReasonChallengeNotFound:
		return "the state is none that this server can have made", "see that all servers have one PASSKEYS_SECRET, and that the page sends back the state of its begin"
	case passkeys.ReasonChallengeExpired:
		return "it took longer than ChallengeTTL from begin to finish", "begin again; see that the servers' clocks agree"
	case passkeys.ReasonChallengePurpose:
		return "the state is of another ceremony", "finish a registration with a registration's state, and a sign-in with a sign-in's"
	case passkeys.ReasonChallengeSpent:
		return "the state was used before", "begin again; a page that sends a finish twice sees this for the second"
	case passkeys.ReasonSessionMismatch:
		return "begin and finish were in two browser sessions", "have a session before the first begin, and let SessionID return the same at both"
	case passkeys.ReasonUserInvalid:
		return "the user breaks the rules of a user", "let the id have 1 to 64 bytes, and the names be UTF-8"
	case passkeys.ReasonUserChanged:
		return "begin and finish were by two users", "let GetUser name the same user at both ends"
	case passkeys.ReasonClientDataMalformed:
		return "the client data is no JSON of WebAuthn's", "send clientDataJSON as the browser gave it, in base64url"
	case passkeys.ReasonCeremonyTypeMismatch:
		return "a response to create was sent to sign in, or one to get to register", "send it to the finish of its own ceremony"
	case passkeys.ReasonChallengeMismatch:
		return "the response is to another challenge", "send the response with the state of the same begin, and give the browser the challenge as it came"
	case passkeys.ReasonOriginMismatch:
		return "the page is none of the origins", "add its origin to PASSKEYS_EXPECTED_ORIGINS, exactly as the browser shows it"
	case passkeys.ReasonCrossOrigin:
		return "the page was in a frame of another site", "name that site in PASSKEYS_TOP_ORIGINS, if it may; an upgrade is never made in a frame"
	case passkeys.ReasonTopOriginMismatch:
		return "the site around the frame is none of PASSKEYS_TOP_ORIGINS", "add its origin, if it may"
	case passkeys.ReasonAuthenticatorDataMalformed:
		return "the authenticator data cannot be read", "send it as the browser gave it, in base64url"
	case passkeys.ReasonRPIDMismatch:
		return "the passkey, or the state, is for another RP id", "see PASSKEYS_RP_ID: passkeys are bound to the one that they were made for"
	case passkeys.ReasonUserPresenceMissing:
		return "nobody touched the authenticator", "only an upgrade, begun with a grant, may be made without"
	case passkeys.ReasonUserVerificationMissing:
		return "the user was not verified, by PIN or biometrics", "have them use a device that can, or ask for less with PASSKEYS_USER_VERIFICATION"
	case passkeys.ReasonBackupFlagsInvalid:
		return "the passkey says that it is backed up and cannot be", "nothing: an authenticator that contradicts itself is broken"
	case passkeys.ReasonAttestationMalformed:
		return "the attestation object cannot be read", "send it as the browser gave it, in base64url"
	case passkeys.ReasonAttestationInvalid:
		return "the attestation statement does not verify", "ask for none, with PASSKEYS_ATTESTATION, unless you need to know the model"
	case passkeys.ReasonAttestationMissing:
		return "the authenticator made no statement about itself", "PASSKEYS_ATTESTATION_POLICY asks for one: synced passkeys have none"
	case passkeys.ReasonAttestationUntrusted:
		return "the statement does not lead to FIDO's metadata", "give New metadata that has the model, and see Metadata.Skipped"
	case passkeys.ReasonAAGUIDNotAllowed:
		return "the model is not one of those allowed", "see PASSKEYS_ALLOWED_AAGUIDS and PASSKEYS_DENIED_AAGUIDS"
	case passkeys.ReasonProtectionMissing:
		return "the authenticator did not protect the passkey as asked", "do not enforce PASSKEYS_CREDENTIAL_PROTECTION where browsers and keys do not know it"
	case passkeys.ReasonAlgorithmNotAllowed:
		return "the key is of an algorithm that is not allowed", "see PASSKEYS_ALGORITHMS"
	case passkeys.ReasonPublicKeyInvalid:
		return "the public key could never verify a signature", "nothing: the authenticator is broken"
	case passkeys.ReasonCredentialIDInvalid:
		return "the id outside the response is not the one inside", "send id, rawId and response as the browser gave them"
	case passkeys.ReasonSignatureInvalid:
		return "the signature is not of this passkey's key", "send clientDataJSON, authenticatorData and signature as the browser gave them"
	case passkeys.ReasonCredentialExists:
		return "a passkey with this id is registered already", "send excludeCredentials as begin gave them, and a device does not offer it again"
	case passkeys.ReasonCredentialUnknown:
		return "no passkey with this id is stored", "nothing: it was revoked, or is of another database. client.js tells the browser to drop it"
	case passkeys.ReasonCredentialDecoy:
		return "the id is one of those shown for a name that nobody has", "nothing: somebody tries names"
	case passkeys.ReasonCredentialLimit:
		return "the user has as many passkeys as MaxCredentials", "let them remove one, or set PASSKEYS_MAX_CREDENTIALS"
	case passkeys.ReasonCredentialQuarantined:
		return "the passkey is disabled, since it may have been copied", "ask the user, then Restore or Revoke it"
	case passkeys.ReasonUserMismatch:
		return "the passkey is another user's than the one who was named", "let them pick one of the account that they named"
	case passkeys.ReasonUserHandleMismatch:
		return "the passkey says that it is another user's than the database", "see that User.ID never changes for a user; of imported passkeys, see UserHandle"
	case passkeys.ReasonUserHandleMissing:
		return "a sign-in without a name brought no user handle", "ask for the name first: the passkey is not discoverable"
	case passkeys.ReasonBackupEligibilityChanged:
		return "the passkey can be backed up now and could not before, or the reverse", "see PASSKEYS_BACKUP_ELIGIBILITY"
	case passkeys.ReasonSignCountRegressed:
		return "the passkey's counter went back: it may have been copied", "ask the user; see PASSKEYS_SIGN_COUNT_POLICY"
	case passkeys.ReasonSignCountRaced:
		return "another sign-in with the same passkey came in between", "nothing: they try again"
	case passkeys.ReasonOperationMismatch:
		return "the proof is of another operation", "let the guard and the confirmation have the same name"
	case passkeys.ReasonPayloadMismatch:
		return "what arrived is not what was confirmed", "let nothing change the request between confirming and sending"
	case passkeys.ReasonOperationInvalid:
		return "the operation is none", "let its name have 1 to 64 characters, and its payload 64 KiB at most"
	case passkeys.ReasonRateLimited:
		return "the client asks too often", "see Config.Limiter, and Hooks.ClientIP behind a proxy"
	case passkeys.ReasonHookFailed:
		return "one of the application's hooks failed", "the log has its error, under the id of the answer"
	case passkeys.ReasonStorageFailed:
		return "a store failed", "see that the database, or Redis, answers; the log has its error"
	case passkeys.ReasonRandomFailed:
		return "there is no randomness", "see Config.Rand, which belongs into tests alone"
	case passkeys.ReasonMetadataOutdated:
		return "FIDO's metadata is past its date", "fetch it again, and give it to Metadata.Update"
	case passkeys.ReasonMetadataIncomplete:
		return "some of FIDO's metadata cannot be read", "see Metadata.Skipped"
	case passkeys.ReasonSecretMissing:
		return "there is no secret that outlives the process", "set PASSKEYS_SECRET, or Config.Secret"
	case passkeys.ReasonVariableUnknown:
		return "a variable begins with PASSKEYS_ and is none that is read", "look for a typing error"
	}
	return "", ""
}

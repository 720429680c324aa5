// Package passkeys signs users of a web application in with passkeys (WebAuthn
// Level 3). It performs the two ceremonies, keeps their challenges honest,
// watches the signature counters and manages what is registered. What a user and
// a session are stays the application's business: it gives a store, a secret and
// two hooks, and gets JSON routes.
//
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: store,
//		Secret:      secret, // 32 random bytes, the same on all servers
//	})
//	...
//	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
//		GetUser:         currentUser,  // who is signed in, or signing up
//		OnAuthenticated: startSession, // the passkey is verified: sign its owner in
//	})
//	...
//	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler))
//
// The modules ginpasskeys, echo5, echopasskeys (for Echo 4) and chipasskeys mount the
// same routes on those frameworks, and their hooks get the framework's own context.
// [Routes] is the table that they are made from, should yours not be among them. Each
// takes a function in place of the *Passkeys, for applications of many tenants.
//
// # The routes
//
//	POST   /register/begin       {}, or {"mediation", "grant"}; options for navigator.credentials.create
//	POST   /register/finish      {"credential", "state", "deviceName"?}
//	POST   /authenticate/begin   {}, {"userId"}, {"username"} or {"mode"}; options for navigator.credentials.get
//	POST   /authenticate/finish  {"credential", "state"}
//	GET    /credentials          the user's passkeys
//	PATCH  /credentials/{id}     {"deviceName"}
//	DELETE /credentials/{id}
//	GET    /signals              what the browser must know of the user's passkeys
//	POST   /confirm/begin        {}, or {"request"}; options for navigator.credentials.get
//	POST   /confirm/finish       {"credential", "state", "cookie"?}
//	POST   /outcome              {"mode", "outcome", "ms"}; where [ClientObserver] listens
//	GET    /client.js            the browser's half, with /words.js, /elements.js, /extensions.js and the types of each
//
// Each begin answers {"publicKey": options, "state": text}. The options are the
// JSON forms of WebAuthn L3 §5.4 and §5.5, which the browser's own
// PublicKeyCredential.parseCreationOptionsFromJSON and parseRequestOptionsFromJSON
// read; a credential is what its toJSON method returns, without the results of the
// prf extension, which are keys of the user's and refused. The mode is
// "conditional" for autofill, or "immediate". Errors are
// {"error":{"code","message","id"}}: the codes are those of the Err variables, and
// the id is the request's, which log records and audit events carry too; an
// application's own routes answer alike with [WriteError]. A hook's own failure is
// a 500 internal_error that says nothing.
//
// A page that is none of Config.Origins is answered wrong_origin. Where all of
// these are http://localhost, the error lists them as "expected".
//
// A body is one JSON object of at most 64 KiB, in UTF-8. Each member that is read
// occurs at most once, under its exact name; base64url has no padding. Members
// that are not known are skipped.
//
// # The page
//
// The module client.js that the routes serve does all that a page has to do, and
// elements.js has two elements that are a whole front end: see package client.
//
//	import { passkeys } from '/auth/passkeys/client.js';
//	const who = await passkeys().signIn();
//
// They do by themselves what the next three sections ask of a page, for whoever
// writes their own.
//
// # Autofill
//
// A sign-in of mode "conditional" is begun by every page view, and most are never
// finished. Its state lives for Config.ConditionalTTL. Its options have that as
// their timeout, in milliseconds, which browsers ignore there: it tells the page
// when to begin anew.
//
// # Passkey upgrades
//
// After a sign-in with a password that the browser has kept, some make a passkey
// without asking (conditional create, WebAuthn L3 §5.1.3): no user touches anything,
// and the response says so. [Passkeys.GrantUpgrade] gives the right to one, where
// the password has been verified; the page begins with
// {"mediation":"conditional","grant":"…"}, and hands "publicKey" and "mediation" of
// the answer to the browser. A browser that does not want to fails, and nothing is
// to be shown of it. Without a grant, for another user, in another session, after
// two minutes or a second time there is no upgrade: at no other time does a browser
// make a passkey behind its user's back. Hooks.Authorize is asked as of any other
// registration, and is what stops whoever has stolen a session: an authenticator of
// their own says that it was touched whether it was or not.
//
// # Signals
//
// Browsers offer passkeys that were revoked, and show names that have changed,
// until they are told (WebAuthn L3 §5.1.10). GET /signals, or [Passkeys.Signals],
// has what to tell them after every sign-in, registration, revocation and change of
// the user's name:
//
//	for (const s of signals.allAcceptedCredentials) PublicKeyCredential.signalAllAcceptedCredentials(s);
//	for (const s of signals.currentUserDetails) PublicKeyCredential.signalCurrentUserDetails(s);
//
// After the error credential_not_found, signalUnknownCredential takes the id of the
// passkey that the page has sent.
//
// # Extensions
//
// [Extensions] asks passkeys for more than a signature: for keys that only the page
// gets to see, which open what the server keeps and cannot read; for room to keep a
// little data; and to hide from whoever was not verified. On the page that is
// extensions.js. What a browser or an authenticator answers without having been asked
// is ignored.
//
// # Confirmed operations
//
// Some things ask for more than a session: a transfer, another e-mail address, the
// end of the account. There the user confirms with a passkey what they are about to
// do. That is a ceremony of its own: it signs nobody in, and no sign-in confirms
// anything. Its challenge is a hash of the relying party, the user, and the
// [Operation], so it is this operation that the passkey signs, and no other.
//
// A [Guard] in front of a route says what must be confirmed, and how long ago that may
// be:
//
//	confirmed := passkeys.Require(p, hooks, passkeys.Guard[passkeys.Exchange]{Operation: operation})
//	mux.Handle("POST /transfer", confirmed(transfer))
//
// What it refuses is 403 confirmation_required, with a sealed request. The page has it
// confirmed at /confirm/begin and /confirm/finish, gets a [Proof], sealed too, and
// sends the same again with that in the header Passkey-Proof. The client's fetch does
// all of this: in the page one word changes.
//
//	await pk.fetch('/transfer', { method: 'POST', body });
//
// A proof is of one user, one session if Hooks.SessionID is set, one operation and one
// payload. Of an operation it is used once, on any number of servers: the passkey
// remembers it, as it does a challenge, in the two statements that a check costs. A
// guard without an Operation asks only that it is still the user, by any proof of that
// or a sign-in as fresh; it costs no statement, and [FreshWithin] asks it of the
// routes for passkeys themselves. Where nothing is HTTP, [Passkeys.BeginConfirmation],
// [Passkeys.FinishConfirmation] and [Passkeys.VerifyProof] are the same by hand.
//
// [Evidence], which Hooks.OnConfirmed gets, lets others check years later what was
// confirmed. It does not show what the page had said: no browser shows the payload.
//
// # A support desk
//
// [Passkeys.Admin] is what staff does to the passkeys of others, each act of which is
// audited with who did it: to see them, revoke one or all, end a quarantine, count, and
// export. [AdminRoutes] are the same as routes, behind an Authorize of the
// application's; the adapters' MountAdmin mount them, apart from the others:
//
//	POST   /credentials          {"userId"}
//	POST   /revoke               {"userId", "id"}
//	POST   /revoke-all           {"userId"}
//	POST   /restore              {"userId", "id"}
//	POST   /count                {}
//	POST   /export               {}, or {"after"}
//
// # Other domains and applications
//
// Config.WellKnown names the pages of other domains and the applications for Android
// and iOS that may use the passkeys. [MountWellKnown] tells browsers and phones, and the
// origins that follow are accepted.
//
// # Without a router
//
// [Passkeys.BeginRegistration], [Passkeys.FinishRegistration],
// [Passkeys.BeginAuthentication] and [Passkeys.FinishAuthentication] are the same
// ceremonies, driven by hand, as are those of a confirmation; [Passkeys.Credentials], [Passkeys.Rename],
// [Passkeys.Revoke], [Passkeys.RevokeAll] and [Passkeys.Restore] manage what is
// registered, and [Passkeys.Provider] names whose it is.
//
// # One table and one secret
//
// A [CredentialRepository] keeps the passkeys. Its doc comment is a contract of
// five methods, to which the module conformance holds every implementation, as to
// the one of [CredentialScanner], which counting and exporting take;
// [MemoryCredentials] is for tests and first steps, and the module gormstore keeps
// them in a database. A store may keep [Credential] as columns, or whole, as the
// JSON record that it marshals to. Package importer fills one with the passkeys of
// another system.
//
// Between begin and finish nothing is stored. The state is the challenge itself,
// with what it is for, sealed under Config.Secret, so that any server that shares
// the secret can finish what another began. Begin writes nothing, and neither does
// a finish that fails: floods of both cost no memory.
//
// A state is used once all the same. A credential remembers the challenges that it
// was used with, in [Credential].Spent: finish refuses one that is remembered, and
// stores the memory of it in the same compare-and-set as the sign-in. So of any
// number of finishes with one state and one passkey, on any number of servers,
// exactly one succeeds. It remembers at most 16 that have not expired, one by one;
// of more, it counts as used whatever was issued no later than the earliest. What
// fails does not use a state up, and may be tried again until it expires. A user who
// finishes one registration several times at the same moment with as many new
// passkeys gets one of them, or none. One thing follows: a registration's state is
// good again, for the same user until it expires, after its passkey was revoked. Both
// hold for a grant, of which all that was begun with it is one use. Whoever needs
// more sets Config.Challenges to a [ChallengeStore], whose states are spent by the
// first attempt: [MemoryChallenges] for one process, or those of gormstore and
// redisstore.
//
// Everything else that only the server may make, such as decoys, is derived from
// the same secret, each under a label of its own. To rotate it, put the new one
// into Secret and the old one in front of OldSecrets, on all servers.
//
// # What it checks
//
// A challenge is 32 random bytes, for one ceremony of one purpose, mode, relying
// party, user and session, and ends by the server's clock after
// Config.ChallengeTTL. Origins match byte for byte. The RP id, user presence, and
// where required user verification are enforced in both ceremonies, and the two
// latter of an upgrade alone are not. A key that could never verify a signature is
// not registered. At registration, finish belongs to the user who began; at
// sign-in, to the owner of the credential that was named. A signature counter that
// goes back is a suspected clone and treated as Config.SignCountPolicy says; a
// backup eligibility that changes is refused. What exactly was wrong goes to
// Config.Audit, Config.Observer and Config.Logger as a [Reason] and never to the
// client.
//
// Two changes of one credential at the same moment both stand: each is decided on
// what is stored, and decided again when that was changed meanwhile. A counter
// never goes back, a rename is never lost, and a quarantine is not overwritten by
// a sign-in that had read before it.
//
// Sessions, TLS, rate limits and the recovery of lost accounts are the
// application's.
package passkeys

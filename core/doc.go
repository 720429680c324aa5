// Package passkeys signs users of a web application in with passkeys (WebAuthn).
// It performs the two ceremonies, keeps their challenges honest, watches the
// signature counters and manages what is registered. What a user and a session
// are stays the application's business: it gives a store and two hooks, and gets
// seven JSON routes.
//
//	p, err := passkeys.New(passkeys.Config{
//		RPID:        "example.org",
//		RPName:      "Example",
//		Origins:     []string{"https://example.org"},
//		Credentials: store,
//	})
//	...
//	handler, err := passkeys.Handler(p, passkeys.Hooks[passkeys.Exchange]{
//		GetUser:         currentUser,  // who is signed in, or signing up
//		OnAuthenticated: startSession, // the passkey is verified: sign him in
//	})
//	...
//	mux.Handle("/auth/passkeys/", http.StripPrefix("/auth/passkeys", handler))
//
// The modules ginpasskeys, echopasskeys and chipasskeys mount the same routes on
// those frameworks, and their hooks get the framework's own context. [Routes] is
// the table that they are made from, should yours not be among them.
//
// # The routes
//
//	POST   /register/begin       options for navigator.credentials.create
//	POST   /register/finish      {"credential", "state", "deviceName"?}
//	POST   /authenticate/begin   {} or {"userId"} or {"username"}; options for navigator.credentials.get
//	POST   /authenticate/finish  {"credential", "state"}
//	GET    /credentials          the user's passkeys
//	PATCH  /credentials/{id}     {"deviceName"}
//	DELETE /credentials/{id}
//
// Both begins answer {"publicKey": options, "state": handle}. The options are the
// JSON forms of WebAuthn L3 §5.1.8 and §5.1.9, which the browser's own
// PublicKeyCredential.parseCreationOptionsFromJSON and parseRequestOptionsFromJSON
// read; a credential is what its toJSON method returns. Errors are
// {"error":{"code","message","id"}}: the codes are those of the Err variables, and
// the id is the request's, which log records and audit events carry too. A hook's
// own failure is a 500 internal_error that says nothing.
//
// # Without a router
//
// [Passkeys.BeginRegistration], [Passkeys.FinishRegistration],
// [Passkeys.BeginAuthentication] and [Passkeys.FinishAuthentication] are the same
// ceremonies, driven by hand; [Passkeys.Credentials], [Passkeys.Rename],
// [Passkeys.Revoke] and [Passkeys.Restore] manage what is registered.
//
// # Stores
//
// A [CredentialRepository] keeps the passkeys, a [ChallengeStore] what lies
// between begin and finish. Their doc comments are contracts, to which the module
// conformance holds every implementation. [MemoryCredentials] is for tests and
// first steps, [MemoryChallenges] for a single process, [StatelessChallenges] for
// any number of them that share a key; the module gormstore puts both into a
// database, redisstore challenges into Redis.
//
// # What it checks
//
// A challenge is 32 random bytes, for one ceremony of one purpose, spent by the
// first attempt to finish it and by the server's clock after Config.ChallengeTTL.
// Origins match byte for byte. The RP id, user presence, and where required user
// verification are enforced in both ceremonies. A key that could never verify a
// signature is not registered. At registration, finish belongs to the user who
// began; at sign-in, to the owner of the credential that was named. A signature
// counter that goes back is a suspected clone and treated as
// Config.SignCountPolicy says; a backup eligibility that changes is refused. What
// exactly was wrong goes to Config.Audit and Config.Logger as a [Reason] and
// never to the client.
//
// Sessions, TLS, rate limits and the recovery of lost accounts are the
// application's.
package passkeys

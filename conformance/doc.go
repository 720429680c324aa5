// Package conformance holds stores and adapters of passkeys to their contracts.
// A contract is a doc comment, [passkeys.CredentialRepository] for one, and a
// suite has a row for each of its sentences: whoever's store passes can put it
// where any other was.
//
// A suite is a function that a test calls with a factory:
//
//	func TestCredentials(t *testing.T) {
//		conformance.TestCredentials(t, func(t testing.TB) passkeys.CredentialRepository {
//			return mystore.New(emptyDatabase(t))
//		})
//	}
//
// Every row is a subtest, named after its rule, and calls the factory for a
// store of its own, so that a single one can be run:
//
//	go test -run TestCredentials/update-concurrent
//
// A row that fails prints the rule, and what the store did instead:
//
//	update-conflict: Update with a Version that is not the stored one, lower or higher, is ErrConflict and changes nothing.
//	Update with Version 3 of one with Version 4: error passkeys: credential_not_found, want passkeys: the credential has changed meanwhile
//
// (This is a store that takes "no row was written" for "there is none".) Rows run
// one after the other, and those about concurrency make their own goroutines: run
// them with -race, and on the real database, since that is where the races are.
//
// [TestCredentials] is for a [passkeys.CredentialRepository], and for the
// [passkeys.CredentialScanner] that it may be besides, [TestChallenges]
// for a [passkeys.ChallengeStore], whose [Features] tell the suite its clock,
// [TestLimiter] for a [passkeys.Limiter], and
// [TestAdapter] for what mounts the routes on a web framework, and its guards in
// front of others. [TestConfirmations] attacks confirmed operations on top of stores.
// The example is a whole credential store, for a document database, with its test.
//
// The package imports the standard library and core alone, so a module that
// tests with it gains no other dependency.
package conformance

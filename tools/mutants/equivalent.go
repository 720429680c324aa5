package main

// equivalent are the conditions that no test can miss, each with why: without it, all that
// anyone can see is the same.
var equivalent = []struct{ rule, why string }{
	{"core/ceremony.go opened: !ok", "what does not open is no bytes, and those are no payload either"},
	{"core/ceremony.go refused: !ok", "the engine returns failures, and nothing else"},
	{"core/config.go New: err != nil (2)", "to draw a key fails only where the system has no random numbers, and then Go ends the program"},
	{"core/decoys.go newDecoys: err != nil", "likewise"},
	{"core/decoys.go newDecoys: err != nil (2)", "a key that was just drawn is on its curve"},
	{"core/options.go withExtra: err != nil", "what did not marshal is no object, which the next condition sees"},
	{"core/options.go withExtra: err != nil (2)", "what was just marshalled is an object"},
	{"core/guard.go guarded: answered(w)", "the next hook's answer is looked for where this one's is, and the guarded handler is not asked either"},
	{"core/record.go MarshalJSON: err != nil", "what Validate lets pass can be marshalled"},
	{"core/record.go MarshalJSON: err != nil (2)", "so can any text"},
	{"core/guard.go freshly: !ok", "what is no error of ours is a nil one there, which the next condition sees"},
	{"core/importer/reader.go readID: err != nil", "what cannot be decoded is no bytes, and those are no id either"},
	{"core/importer/reader.go readKey: err != nil", "likewise, and no key"},
	{"core/importer/reader.go setKey: err != nil", "what is no key has no algorithm, which the next condition sees"},
	{"core/cmd/passkeys/explain.go try: err != nil", "New takes what ConfigFromEnv gives"},
	{"core/cmd/passkeys/explain.go try: err != nil (2)", "to begin takes 32 bytes, which there are"},
	{"core/cmd/passkeys/explain.go try: err != nil (4)", "likewise"},
	{"core/cmd/passkeys/import.go Add: err != nil", "the importer adds what is valid and not there"},
	{"core/importer/source.go each: err != nil (2)", "the rows have just been opened, and know their columns"},
	{"core/importer/source.go each: err != nil (4)", "and the types of these"},
	{"core/importer/source.go each: err != nil (5)", "an any takes whatever a driver returns"},
	{"gormstore/challenges.go deleteBatch: s.dialect != mysql", "the way of MySQL leads to the same elsewhere, and more slowly"},
	{"gormstore/gormstore.go migrate: err != nil", "in a transaction that has failed whatever follows fails"},
	{"core/internal/engine/engine.go checkPublicKey: err != nil", "what the library cannot read has no type, and that is refused"},
	{"core/internal/engine/metadata.go ParseMetadataBLOB: err != nil", "FIDO's root is a constant, in base64"},
	{"core/internal/engine/metadata.go ParseMetadataBLOB: err != nil (2)", "of a certificate"},
	{"core/internal/engine/kept.go ReadPublicKey: err != nil", "what cannot be written again is no bytes, and no key"},
}

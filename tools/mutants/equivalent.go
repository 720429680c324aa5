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
	{"core/guard.go freshly: !ok", "what is no error of ours is a nil one there, which the next condition sees"},
}

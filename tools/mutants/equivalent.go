package main

// equivalent are the conditions that no test can miss, each with why: without it, all that
// anyone can see is the same.
var equivalent = []struct{ rule, why string }{}

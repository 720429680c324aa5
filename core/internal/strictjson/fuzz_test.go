package strictjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// model reads what read reads, with encoding/json, and says which of the kinds of
// the package comment it meets, "" for none. An error is encoding/json's own.
func model(data []byte) (v values, kind string, err error) {
	if !json.Valid(data) {
		return v, "", errors.New("no JSON")
	}
	if bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return v, "no object", nil
	}
	var whole map[string]json.RawMessage
	_ = json.Unmarshal(data, &whole) // valid, and an object
	members := func(object []byte, names ...string) {
		counts := map[string]int{}
		for _, name := range namesIn(object) {
			if halves(name) {
				kind = "half of a surrogate pair"
			}
			var decoded string
			_ = json.Unmarshal(name, &decoded)
			counts[decoded]++
		}
		for _, name := range names {
			if counts[name] > 1 {
				kind = "a member twice"
			}
		}
	}
	decode := func(raw json.RawMessage, to any) bool {
		if raw == nil || string(raw) == "null" {
			return false
		}
		if json.Unmarshal(raw, to) != nil {
			kind = "another type"
		} else if raw[0] == '"' && halves(raw) {
			kind = "half of a surrogate pair"
		}
		return true
	}
	rawValue := func(raw json.RawMessage) []byte {
		if string(raw) == "null" {
			return nil
		}
		return raw
	}
	if !utf8.Valid(data) {
		kind = "no UTF-8"
	}
	if depth(data) > 16 {
		kind = "too deep"
	}
	members(data, "state", "optional", "bytes", "flag", "raw", "nested")
	if !decode(whole["state"], &v.S) {
		kind = "a required member is absent"
	}
	v.Present = decode(whole["optional"], &v.O)
	var text string
	if decode(whole["bytes"], &text) {
		if v.B, err = base64.RawURLEncoding.DecodeString(text); err != nil || base64.RawURLEncoding.EncodeToString(v.B) != text {
			kind = "no base64url"
		}
	}
	decode(whole["flag"], &v.F)
	v.R = rawValue(whole["raw"])
	var nested map[string]json.RawMessage
	if decode(whole["nested"], &nested) {
		members(whole["nested"], "name", "inner")
		if decode(nested["name"], &v.N) && v.N == "root" {
			kind = "refused by a check"
		}
		v.Inner = rawValue(nested["inner"])
	}
	return v, kind, nil
}

// namesIn are the names in an object, as they are written.
func namesIn(object []byte) (names [][]byte) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		start := d.InputOffset()
		if _, err := d.Token(); err != nil {
			return nil
		}
		written := object[start:d.InputOffset()]
		names = append(names, written[bytes.IndexByte(written, '"'):])
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil
		}
	}
	return names
}

var (
	pair = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
	half = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)
)

// halves reports whether half of a surrogate pair is escaped in a string.
func halves(written []byte) bool {
	s := strings.ReplaceAll(string(written), `\\`, "")
	return half.MatchString(pair.ReplaceAllString(s, "-"))
}

// depth is how deep the brackets of valid JSON go.
func depth(data []byte) (deepest int) {
	d, depth := json.NewDecoder(bytes.NewReader(data)), 0
	d.UseNumber() // of which float64 does not hold all
	for {
		t, err := d.Token()
		if err != nil { // the end
			return deepest
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		deepest = max(deepest, depth)
	}
}

// FuzzObject holds the reader to encoding/json: what it accepts has the same
// values there, and what it refuses is no JSON, or of a kind that is listed.
func FuzzObject(f *testing.F) {
	f.Add(signIn())
	for _, seed := range []string{
		`{"state":"s","optional":"\u00e9","flag":true,"bytes":"-_8","raw":[1.5e1,{"a":null}],"nested":{"name":"n","inner":[]}}`,
		`{"st\u0061te":"\ud83d\udd11","STATE":1,"x":{"\ud800":"\udc00"},"optional":null,"raw":"\\ud800"}`,
		`{"state":"\ud83d\ud83d\udd11","nested":{"name":"root","name":null}}`,
		`{"state":"s","x":` + nest(15, "-0.5E+7") + `}`, `{"state":"s","x":` + nest(16, "") + `}`,
		"\ufeff{}", "{\"state\":\"\xff\"}", `{"state":"a","bytes":"-_9"}`, `{"state":"a","bytes":"A\nA"}`, `{"nested":[]}`, `[]`, `null`, `1e5`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got, err := read(string(data))
		want, kind, jsonErr := model(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the input is changed")
		}
		accepts := jsonErr == nil && kind == ""
		switch {
		case err != nil && !errors.Is(err, ErrMalformed):
			t.Errorf("%q: %v", data, err)
		case accepts != (err == nil):
			t.Errorf("%q: %v; encoding/json: %v %s", data, err, jsonErr, kind)
		case accepts && !reflect.DeepEqual(got, want):
			t.Errorf("%q: %+v; encoding/json: %+v", data, got, want)
		}
		// Strings, on whatever is raw.
		list, err := Strings(got.R)
		var reference []*string
		wantList, valid := []string(nil), json.Unmarshal(got.R, &reference) == nil && got.R[0] == '[' && !anyHalves(got.R)
		for _, s := range reference {
			if s != nil {
				wantList = append(wantList, *s)
			}
		}
		if accepts && (valid != (err == nil) || valid && fmt.Sprint(list) != fmt.Sprint(wantList)) {
			t.Errorf("%q: %q, %v; encoding/json: %q, %v", got.R, list, err, wantList, valid)
		}
	})
}

// anyHalves reports whether a string in an array of strings has half a pair.
func anyHalves(array []byte) bool {
	var list []json.RawMessage
	_ = json.Unmarshal(array, &list)
	for _, s := range list {
		if halves(s) {
			return true
		}
	}
	return false
}

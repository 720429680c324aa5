package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// values are what the list of these tests reads.
type values struct {
	S       string // required
	O       string
	Present bool
	B       []byte
	F       bool
	R       []byte
	N       string
	Inner   []byte
}

func read(data string) (v values, err error) {
	err = Read(slices.Clip([]byte(data)), // what is behind the end is nobody's to read
		String("state", &v.S).Required(),
		String("optional", &v.O).Present(&v.Present),
		Base64URL("bytes", &v.B),
		Bool("flag", &v.F),
		Raw("raw", &v.R),
		Object("nested",
			String("name", &v.N).If(func() bool { return v.N != "root" }),
			Raw("inner", &v.Inner)))
	return v, err
}

// nest is s within n arrays.
func nest(n int, s string) string { return strings.Repeat("[", n) + s + strings.Repeat("]", n) }

func TestRead(t *testing.T) {
	is := func(v values) *values { return &v }
	for _, test := range []struct {
		name, data string
		want       *values // nil: malformed
	}{
		// The whole.
		{"an object and nothing else", `{"state":"s"}`, is(values{S: "s"})},
		{"white space around and within is none", " \t\r\n{ \"state\"\t:\r\n\"s\" } ", is(values{S: "s"})},
		{"other white space is malformed", "{\"state\":\u00a0\"s\"}", nil},
		{"nothing is no object", ``, nil},
		{"white space is no object", ` `, nil},
		{"null is no object", `null`, nil},
		{"an array is no object", `[{"state":"s"}]`, nil},
		{"a string is no object", `"state"`, nil},
		{"nothing comes after it", `{"state":"s"}{}`, nil},
		{"not even a NUL", "{\"state\":\"s\"}\x00", nil},
		{"a byte order mark is the caller's to strip", "\ufeff{\"state\":\"s\"}", nil},
		{"invalid UTF-8 in what is read", "{\"state\":\"\xff\"}", nil},
		{"invalid UTF-8 in what is skipped", "{\"state\":\"s\",\"x\":\"\xc0\x80\"}", nil},
		{"a surrogate in UTF-8 is invalid", "{\"state\":\"s\",\"x\":\"\xed\xa0\x80\"}", nil},
		{"a comma too many", `{"state":"s",}`, nil},
		{"a comma too few", `{"state":"s" "x":1}`, nil},
		{"a comma first", `{,"state":"s"}`, nil},
		{"a colon too few", `{"state" "s"}`, nil},
		{"no value", `{"state":"s","x":}`, nil},
		{"no closing brace", `{"state":"s"`, nil},
		{"the other bracket", `{"state":"s"]`, nil},
		{"a name without quotes", `{state:"s"}`, nil},
		{"no name", `{"state":"s",:1}`, nil},
		{"no name in what is skipped", `{"state":"s","x":{:1}}`, nil},
		{"a comment", `{"state":"s"/**/}`, nil},

		// Names.
		{"a name's escapes are decoded", `{"st\u0061te":"s"}`, is(values{S: "s"})},
		{"an escaped slash in an unknown name", `{"state":"s","a\/b":1}`, is(values{S: "s"})},
		{"another case is another name", `{"state":"s","STATE":"t","State":1}`, is(values{S: "s"})},
		{"a name that folds to ours is another name", `{"\u017ftate":"t","state":"s"}`, is(values{S: "s"})},
		{"a longer name is another name", `{"state":"s","states":1,"stat":2,"":3}`, is(values{S: "s"})},
		{"half a pair in a name", `{"state":"s","\ud800":1}`, nil},
		{"half a pair in a name of a nested list", `{"state":"s","nested":{"\udc00":1}}`, nil},
		{"half a pair in a name that is skipped", `{"state":"s","x":{"\ud800":1}}`, is(values{S: "s"})},
		{"a member twice", `{"state":"s","state":"s"}`, nil},
		{"a member twice, once escaped", `{"state":"s","\u0073tate":"s"}`, nil},
		{"a member twice, the second null", `{"state":"s","state":null}`, nil},
		{"a member twice, the first null", `{"state":null,"state":"s"}`, nil},
		{"a nested member twice", `{"state":"s","nested":{"name":"a","name":"a"}}`, nil},
		{"one name in two objects", `{"state":"s","name":"x","nested":{"state":1,"name":"a"}}`, is(values{S: "s", N: "a"})},
		{"an unknown member twice", `{"state":"s","x":1,"x":2}`, is(values{S: "s"})},

		// Presence.
		{"a required member is absent", `{}`, nil},
		{"a required member is null", `{"state":null}`, nil},
		{"a required member is empty", `{"state":""}`, is(values{})},
		{"null is as good as absent", `{"state":"s","optional":null,"bytes":null,"flag":null,"raw":null,"nested":null}`, is(values{S: "s"})},
		{"presence of the empty string", `{"state":"s","optional":""}`, is(values{S: "s", Present: true})},
		{"a check that passes", `{"state":"s","nested":{"name":"user"}}`, is(values{S: "s", N: "user"})},
		{"a check that fails", `{"state":"s","nested":{"name":"root"}}`, nil},
		{"a check of what is absent is none", `{"state":"s","nested":{}}`, is(values{S: "s"})},

		// Types.
		{"a number for a string", `{"state":1}`, nil},
		{"an object for a string", `{"state":{}}`, nil},
		{"true for a string", `{"state":true}`, nil},
		{"a string for a bool", `{"state":"s","flag":"true"}`, nil},
		{"a number for a bool", `{"state":"s","flag":1}`, nil},
		{"true", `{"state":"s","flag":true}`, is(values{S: "s", F: true})},
		{"false", `{"state":"s","flag":false}`, is(values{S: "s"})},
		{"an array for an object", `{"state":"s","nested":[]}`, nil},
		{"a string for an object", `{"state":"s","nested":"{}"}`, nil},
		{"a number for bytes", `{"state":"s","bytes":7}`, nil},
		{"an array for bytes", `{"state":"s","bytes":[7]}`, nil},

		// Strings.
		{"every escape", `{"state":"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\udd11"}`, is(values{S: "\"\\/\b\f\n\r\té€🔑"})},
		{"characters of every length", `{"state":"aé€🔑` + "\x7f" + `"}`, is(values{S: "aé€🔑\x7f"})},
		{"an escaped NUL", `{"state":"\u0000"}`, is(values{S: "\x00"})},
		{"the replacement character is one like any", `{"state":"\ufffd` + "\ufffd" + `"}`, is(values{S: "\ufffd\ufffd"})},
		{"a high half alone", `{"state":"\ud83d"}`, nil},
		{"a high half before a character", `{"state":"\ud83dabcdef"}`, nil},
		{"a high half before another escape", `{"state":"\ud83d\u0041"}`, nil},
		{"a high half before another escape's letter", `{"state":"\ud83d\ndd11"}`, nil},
		{"a high half before a high half", `{"state":"\ud83d\ud83d\udd11"}`, nil},
		{"a low half alone", `{"state":"\udd11"}`, nil},
		{"the halves the wrong way round", `{"state":"\udd11\ud83d"}`, nil},
		{"a half in what is skipped", `{"state":"s","x":"\ud83d"}`, is(values{S: "s"})},
		{"a half in what is raw", `{"state":"s","raw":"\ud83d"}`, is(values{S: "s", R: []byte(`"\ud83d"`)})},
		{"an unknown escape", `{"state":"\x41"}`, nil},
		{"an unknown escape in what is skipped", `{"state":"s","x":"\'"}`, nil},
		{"an escape of three digits", `{"state":"\u041"}`, nil},
		{"an escape of other digits", `{"state":"\u00g1"}`, nil},
		{"an escape of other digits in what is skipped", `{"state":"s","x":"\u00g1"}`, nil},
		{"an escape that the end cuts short", `{"state":"\u04`, nil},
		{"a backslash at the end", `{"state":"\`, nil},
		{"a line break", "{\"state\":\"a\nb\"}", nil},
		{"a control character in what is skipped", "{\"state\":\"s\",\"x\":\"\x1f\"}", nil},
		{"a control character in a name", "{\"state\":\"s\",\"\t\":1}", nil},
		{"no closing quote", `{"state":"s`, nil},

		// Bytes.
		{"base64url", `{"state":"s","bytes":"-_8"}`, is(values{S: "s", B: []byte{0xfb, 0xff}})},
		{"base64url of nothing", `{"state":"s","bytes":""}`, is(values{S: "s", B: []byte{}})},
		{"base64url, escaped", `{"state":"s","bytes":"\u002d_8"}`, is(values{S: "s", B: []byte{0xfb, 0xff}})},
		{"half a pair in base64url", `{"state":"s","bytes":"\ud800"}`, nil},
		{"the other alphabet", `{"state":"s","bytes":"+/8"}`, nil},
		{"padding", `{"state":"s","bytes":"-_8="}`, nil},
		{"bits that mean nothing", `{"state":"s","bytes":"-_9"}`, nil},
		{"a character too many", `{"state":"s","bytes":"-_8-_"}`, nil},
		{"an escaped line break", `{"state":"s","bytes":"-_\n8"}`, nil},
		{"a blank", `{"state":"s","bytes":" -_8"}`, nil},

		// What is skipped, and what is raw.
		{"unknown members of every type", `{"x":[1,"a",{"b":[]},{},null,true,false],"state":"s","y":{"state":[2]}}`, is(values{S: "s"})},
		{"raw is the text as it is", `{"state":"s","raw": [ 1, "\u0041" ] }`, is(values{S: "s", R: []byte(`[ 1, "\u0041" ]`)})},
		{"raw and invalid", `{"state":"s","raw":[1,]}`, nil},
		{"raw within the nested object", `{"state":"s","nested":{"inner":{"a":1,"a":2}}}`, is(values{S: "s", Inner: []byte(`{"a":1,"a":2}`)})},
		{"numbers", `{"state":"s","x":[0,-0,10,1.5,-1.50e1,1E+9,1e-9,123456789012345678901234567890,1e999]}`, is(values{S: "s"})},
		{"a leading zero", `{"state":"s","x":01}`, nil},
		{"a leading plus", `{"state":"s","x":+1}`, nil},
		{"a leading point", `{"state":"s","x":.5}`, nil},
		{"a trailing point", `{"state":"s","x":1.}`, nil},
		{"an exponent without digits", `{"state":"s","x":1e}`, nil},
		{"an exponent with a sign only", `{"state":"s","x":1e+}`, nil},
		{"a minus alone", `{"state":"s","x":-}`, nil},
		{"a hexadecimal number", `{"state":"s","x":0x1}`, nil},
		{"not a number", `{"state":"s","x":NaN}`, nil},
		{"a literal in capitals", `{"state":"s","x":TRUE}`, nil},
		{"a literal cut short", `{"state":"s","x":tru}`, nil},
		{"a literal too long", `{"state":"s","x":nulls}`, nil},
		{"a null cut short", `{"state":"s","optional":nul}`, nil},

		// Depth.
		{"16 deep", `{"state":"s","x":` + nest(15, "1") + `}`, is(values{S: "s"})},
		{"17 deep", `{"state":"s","x":` + nest(16, "1") + `}`, nil},
		{"17 deep with nothing in it", `{"state":"s","x":` + nest(16, "") + `}`, nil},
		{"17 deep in objects", `{"state":"s","x":` + strings.Repeat(`{"x":`, 16) + "1" + strings.Repeat("}", 17), nil},
		{"16 deep twice", `{"state":"s","x":` + nest(15, "1") + `,"y":` + nest(15, "1") + `}`, is(values{S: "s"})},
		{"16 deep in a nested list", `{"state":"s","nested":{"x":` + nest(14, "1") + `}}`, is(values{S: "s"})},
		{"17 deep in a nested list", `{"state":"s","nested":{"x":` + nest(15, "1") + `}}`, nil},
		{"17 deep in what is raw", `{"state":"s","raw":` + nest(16, "1") + `}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(test.data)
			switch {
			case test.want == nil && !errors.Is(err, ErrMalformed):
				t.Errorf("%s: %v, want ErrMalformed", test.data, err)
			case test.want != nil && err != nil:
				t.Errorf("%s: %v", test.data, err)
			case test.want != nil && !reflect.DeepEqual(got, *test.want):
				t.Errorf("%s: %+v, want %+v", test.data, got, *test.want)
			}
		})
	}
}

// A sign-in's body, one byte cut off or changed, is the same body or malformed.
func TestReadTruncated(t *testing.T) {
	body := `{"state":"s","optional":"\u00e9","flag":true,"bytes":"-_8","raw":[1.5e1],"nested":{"name":"n"}}`
	if _, err := read(body); err != nil {
		t.Fatal(err)
	}
	for n := range body {
		if _, err := read(body[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

func TestErrorsSayNothing(t *testing.T) {
	_, err := read(`{"state":"secret"`)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// A raw value cannot be grown into its neighbours.
func TestRawIsClipped(t *testing.T) {
	data := []byte(`{"raw":1,"x":2}`)
	var raw []byte
	if err := Read(data, Raw("raw", &raw)); err != nil {
		t.Fatal(err)
	}
	_ = append(raw, "000"...)
	if string(data) != `{"raw":1,"x":2}` {
		t.Errorf("the input has become %s", data)
	}
}

func TestTooManyFields(t *testing.T) {
	fields := make([]Field, 65)
	for i := range fields {
		fields[i] = Bool(fmt.Sprint(i), new(bool))
	}
	if err := Read([]byte(`{"63":true}`), fields[:64]...); err != nil {
		t.Error(err)
	}
	if err := Read([]byte(`{"63":true,"63":true}`), fields[:64]...); err == nil {
		t.Error("the last of 64 fields may occur twice")
	}
	defer func() {
		if recover() == nil {
			t.Error("65 fields: the last could occur twice")
		}
	}()
	_ = Read([]byte(`{}`), fields...)
}

func TestStrings(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       []string
		malformed  bool
	}{
		{"none", ` [ ] `, nil, false},
		{"some", `["usb", "\u006efc"]`, []string{"usb", "nfc"}, false},
		{"null among them", `[null,"usb"]`, []string{"usb"}, false},
		{"a number among them", `["usb",1]`, nil, true},
		{"an array among them", `["usb",["nfc"]]`, nil, true},
		{"half a pair", `["\ud800"]`, nil, true},
		{"invalid UTF-8", "[\"\xff\"]", nil, true},
		{"a comma too many", `["usb",]`, nil, true},
		{"something after it", `["usb"]]`, nil, true},
		{"no array", `"usb"`, nil, true},
		{"null", `null`, nil, true},
		{"nothing", ``, nil, true},
	} {
		got, err := Strings([]byte(test.data))
		if test.malformed != errors.Is(err, ErrMalformed) || !test.malformed && (err != nil || !reflect.DeepEqual(got, test.want)) {
			t.Errorf("%s, %s: %q, %v", test.name, test.data, got, err)
		}
	}
}

func TestDecodeBase64URL(t *testing.T) {
	for text, want := range map[string]string{"": "", "AA": "\x00", "-_8": "\xfb\xff", "AAAA": "\x00\x00\x00"} {
		if got, err := DecodeBase64URL(text); err != nil || string(got) != want {
			t.Errorf("%q: %x, %v", text, got, err)
		}
		if got, err := DecodeBase64URL([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%q in bytes: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"A", "AAAAA", "AA==", "AB", "AAB", "+/8", "A A", "AA\n", "\nAA", "A\r\nA", "\n", "AA\x00", "é"} {
		if got, err := DecodeBase64URL(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}

// Nothing is taken from the heap but the values, and for skipping nothing.
func TestAllocations(t *testing.T) {
	skipped := []byte(`{"x":[` + strings.Repeat(`{"a":"\u0041","b":[1,2,3,null]},`, 1000) + `0]}`)
	if n := testing.AllocsPerRun(10, func() {
		if err := Read(skipped, Bool("flag", new(bool))); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for what is skipped", n)
	}
	if !json.Valid(skipped) {
		t.Error("this is no JSON")
	}
}

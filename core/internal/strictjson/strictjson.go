// Package strictjson reads the JSON that comes from outside: the bodies of
// requests, the browser's responses and the client data. A caller lists the
// members it wants of an object, and gets these or [ErrMalformed]; there is no
// second reading of the same bytes that could find something else in them.
//
// What it accepts encoding/json accepts too, and reads to the same values. Of
// what encoding/json accepts, it refuses
//
//   - a value that is not an object;
//   - bytes that are not UTF-8, which encoding/json replaces;
//   - objects and arrays more than 16 deep, counting the outermost as one;
//   - a member of the list that occurs twice in its object;
//   - half of a surrogate pair, as \ud800, in a string of the list or in a name in
//     an object with a list, which encoding/json replaces;
//   - what the list rules out: a value of another type, a required member that is
//     absent, text that is not base64url in its one spelling, and what a check
//     refuses.
//
// Names are compared exactly, after their escapes are decoded, where encoding/json
// folds case. A member that is not in the list is skipped, whatever it holds and
// however often it occurs, but must be JSON. A member that is null is as good as
// absent, but has occurred.
//
// The size of the input is the caller's to bound. What is allocated are the
// values of the list, none larger than its text.
package strictjson

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrMalformed is the one error of this package. [Read] names the member of the list at
// which it is, as far as it is at one.
var ErrMalformed = errors.New("malformed JSON")

const (
	maxDepth  = 16
	maxFields = 64 // as many as a word has bits
)

// Field is a member to be read, and where its value goes. A destination keeps
// what it holds if the member is absent or null.
type Field struct {
	name     string
	required bool
	present  *bool
	check    func() bool

	// One of these, by the type of the member.
	text   *string
	base64 *[]byte
	flag   *bool
	raw    *[]byte
	fields []Field
}

// String is a member that is a string.
func String(name string, to *string) Field { return Field{name: name, text: to} }

// Base64URL is a member that is a string in base64url: see [DecodeBase64URL].
func Base64URL(name string, to *[]byte) Field { return Field{name: name, base64: to} }

// Bool is a member that is true or false.
func Bool(name string, to *bool) Field { return Field{name: name, flag: to} }

// Raw is a member of any type but null. What goes to its destination is its text,
// a part of the input.
func Raw(name string, to *[]byte) Field { return Field{name: name, raw: to} }

// Object is a member that is an object, and its own list.
func Object(name string, fields ...Field) Field { return Field{name: name, fields: fields} }

// Required is f, which must be there and not be null.
func (f Field) Required() Field {
	f.required = true
	return f
}

// Present is f, and to becomes true if it is there and not null.
func (f Field) Present(to *bool) Field {
	f.present = to
	return f
}

// If is f, which is refused unless ok, which is called once it is read.
func (f Field) If(ok func() bool) Field {
	f.check = ok
	return f
}

// Read reads the fields of the object that data holds. If it fails, some
// destinations may have been written to. There are at most 64 fields.
func Read(data []byte, fields ...Field) error {
	r := reader{data: data}
	if !utf8.Valid(data) || r.peek() != '{' || !r.object(fields) || !r.end() {
		if r.where != "" {
			return fmt.Errorf("%w: %s", ErrMalformed, r.where)
		}
		return ErrMalformed
	}
	return nil
}

// Strings reads an array of strings, and drops what is null.
func Strings(data []byte) ([]string, error) {
	r := reader{data: data}
	var list []string
	if !utf8.Valid(data) || r.peek() != '[' || !r.strings(&list) || !r.end() {
		return nil, ErrMalformed
	}
	return list, nil
}

var encoding = base64.RawURLEncoding.Strict()

// DecodeBase64URL decodes base64url without padding, strictly: each value has one
// spelling. The standard library's strict decoder still skips line breaks, which
// the length of the result gives away.
func DecodeBase64URL[T string | []byte](text T) ([]byte, error) {
	out := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(out, []byte(text))
	if err != nil || encoding.EncodedLen(n) != len(text) {
		return nil, ErrMalformed
	}
	return out[:n], nil
}

// reader is a recursive descent through data, which is valid UTF-8. Its methods
// report whether they found what they are for; after a false there is no more.
type reader struct {
	data  []byte
	at    int
	depth int
	where string // the member of the list that is not as it should be
}

// fault is a false that says where.
func (r *reader) fault(f *Field) bool {
	if r.where != "" {
		r.where = "." + r.where
	}
	r.where = f.name + r.where
	return false
}

// peek returns the next byte that is not white space; 0, which is never in its
// place there, stands for the end.
func (r *reader) peek() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take steps over the next byte that is not white space, if it is c.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) end() bool {
	r.peek()
	return r.at == len(r.data)
}

// object reads an object. Without fields it is one that is skipped.
func (r *reader) object(fields []Field) bool {
	if len(fields) > maxFields {
		panic("strictjson: too many fields")
	}
	var occurred, present uint64
	if !r.list('{', '}', func() bool {
		name, escaped, ok := r.quoted()
		if !ok {
			return false
		}
		if escaped && fields != nil {
			if name, ok = unescape(name); !ok {
				return false
			}
		}
		if !r.take(':') {
			return false
		}
		i := find(fields, name)
		if i < 0 {
			return r.skip()
		}
		bit := uint64(1) << i
		if occurred&bit != 0 {
			return r.fault(&fields[i])
		}
		occurred |= bit
		if r.peek() == 'n' {
			return r.literal("null")
		}
		present |= bit
		return r.value(&fields[i]) || r.fault(&fields[i])
	}) {
		return false
	}
	for i := range fields {
		if fields[i].required && present&(1<<i) == 0 {
			return r.fault(&fields[i])
		}
	}
	return true
}

func find(fields []Field, name []byte) int {
	for i := range fields {
		if fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// list reads what is between two brackets, element by element.
func (r *reader) list(open, closing byte, element func() bool) bool {
	if r.depth == maxDepth || !r.take(open) {
		return false
	}
	r.depth++
	defer func() { r.depth-- }()
	if r.take(closing) {
		return true
	}
	for element() {
		switch {
		case r.take(closing):
			return true
		case !r.take(','):
			return false
		}
	}
	return false
}

// value reads a value that is not null.
func (r *reader) value(f *Field) bool {
	var ok bool
	switch {
	case f.text != nil:
		*f.text, ok = r.text()
	case f.base64 != nil:
		*f.base64, ok = r.decoded()
	case f.flag != nil:
		*f.flag, ok = r.bool()
	case f.raw != nil:
		start := r.at
		ok = r.skip()
		*f.raw = r.data[start:r.at:r.at]
	default:
		ok = r.object(f.fields)
	}
	if f.present != nil {
		*f.present = true
	}
	return ok && (f.check == nil || f.check())
}

// skip steps over a value of any type.
func (r *reader) skip() bool {
	switch r.peek() {
	case '{':
		return r.object(nil)
	case '[':
		return r.list('[', ']', r.skip)
	case '"':
		_, _, ok := r.quoted()
		return ok
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	}
	return r.number()
}

func (r *reader) literal(word string) bool {
	if !bytes.HasPrefix(r.data[r.at:], []byte(word)) {
		return false
	}
	r.at += len(word)
	return true
}

func (r *reader) bool() (value, ok bool) {
	if r.peek() == 't' {
		return true, r.literal("true")
	}
	return false, r.literal("false")
}

// number steps over a number (RFC 8259 §6). What may not follow it, as a digit
// after a leading zero, is found by whoever expects a comma or a bracket.
func (r *reader) number() bool {
	r.skipByte("-")
	if !r.skipByte("0") && !r.digits() {
		return false
	}
	if r.skipByte(".") && !r.digits() {
		return false
	}
	if r.skipByte("eE") {
		r.skipByte("+-")
		return r.digits()
	}
	return true
}

// skipByte steps over the next byte if it is one of these.
func (r *reader) skipByte(these string) bool {
	if r.at == len(r.data) || bytes.IndexByte([]byte(these), r.data[r.at]) < 0 {
		return false
	}
	r.at++
	return true
}

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.data) && '0' <= r.data[r.at] && r.data[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

func (r *reader) strings(list *[]string) bool {
	return r.list('[', ']', func() bool {
		if r.peek() == 'n' {
			return r.literal("null")
		}
		s, ok := r.text()
		*list = append(*list, s)
		return ok
	})
}

// text reads a string.
func (r *reader) text() (string, bool) {
	raw, escaped, ok := r.quoted()
	if ok && escaped {
		raw, ok = unescape(raw)
	}
	if !ok {
		return "", false
	}
	return string(raw), true
}

// decoded reads a string in base64url.
func (r *reader) decoded() ([]byte, bool) {
	raw, escaped, ok := r.quoted()
	if ok && escaped {
		raw, ok = unescape(raw)
	}
	if !ok {
		return nil, false
	}
	value, err := DecodeBase64URL(raw)
	return value, err == nil
}

// quoted steps over a string and returns what is between its quotes, in which
// every escape is well-formed, and whether there is one.
func (r *reader) quoted() (raw []byte, escaped, ok bool) {
	if !r.take('"') {
		return nil, false, false
	}
	rest := r.data[r.at:]
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			r.at += i + 1
			return rest[:i], escaped, true
		case c < ' ':
			return nil, false, false
		case c == '\\':
			escaped = true
			if i++; i == len(rest) {
				return nil, false, false
			}
			switch rest[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(rest[i+1:]); !ok {
					return nil, false, false
				}
				i += 4
			default:
				return nil, false, false
			}
		}
	}
	return nil, false, false
}

// unescape decodes the escapes of raw, which are well-formed; half of a surrogate
// pair is none.
func unescape(raw []byte) ([]byte, bool) {
	out := make([]byte, 0, len(raw)) // every escape is longer than its character
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			char, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(char) {
				var low rune
				if rest := raw[i+1:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					low, _ = hex4(rest[2:])
				}
				if char = utf16.DecodeRune(char, low); char == utf8.RuneError {
					return nil, false
				}
				i += 6
			}
			out = utf8.AppendRune(out, char)
		default:
			out = append(out, c)
		}
	}
	return out, true
}

// hex4 returns the number that the first four hexadecimal digits of b make.
func hex4(b []byte) (n rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | rune(c)
	}
	return n, true
}

package importer

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// cell is what a row has in one column. The zero value is null, or no such column.
type cell struct {
	text  string          // of text, a number or a truth value
	bytes []byte          // of a database's binary column
	json  json.RawMessage // an array or an object
	at    time.Time
}

func (c cell) empty() bool {
	return c.text == "" && len(c.bytes) == 0 && len(c.json) == 0 && c.at.IsZero()
}

// string is the cell as text, which some drivers return as bytes.
func (c cell) string() string {
	if c.text == "" && utf8.Valid(c.bytes) {
		return string(c.bytes)
	}
	return c.text
}

// cells are a row's, by name.
type cells map[string]cell

// named is a column's name as it is compared: databases fold the case of names, and
// half of all object mappers write userId as user_id.
func named(column string) string {
	return strings.ToLower(strings.ReplaceAll(column, "_", ""))
}

var errColumns = errors.New("two columns of one name")

// put adds a cell.
func (c cells) put(column string, value cell) error {
	name := named(column)
	if _, ok := c[name]; ok {
		return fmt.Errorf("%w: %s", errColumns, column)
	}
	c[name] = value
	return nil
}

// members are the members of a JSON object, as cells.
func members(object []byte) (cells, error) {
	var raw map[string]json.RawMessage
	if _ = json.Unmarshal(object, &raw); raw == nil { // no JSON, no object, or null
		return nil, errValue
	}
	c := make(cells, len(raw))
	for name, value := range raw {
		var v cell
		switch value[0] {
		case 'n':
		case '"':
			_ = json.Unmarshal(value, &v.text) // which has just been read as text
		case '[', '{':
			v.json = value
		default:
			v.text = string(value)
		}
		if err := c.put(name, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

var errValue = errors.New("a value that is not what it should be")

// binary reads a column of bytes: as a driver returns them, or as tools write them,
// in hexadecimal (psql as \x00, mysql as 0x00, sqlite3's quote as X'00') or base64.
func (c cell) binary() ([]byte, error) {
	switch {
	case c.json != nil:
		return c.octets()
	case len(c.bytes) > 0:
		return c.bytes, nil
	}
	s := c.text
	for _, prefix := range []string{`\x`, "0x", "0X"} {
		if digits, ok := strings.CutPrefix(s, prefix); ok {
			return hexadecimal(digits)
		}
	}
	if len(s) >= 3 && (s[0] == 'x' || s[0] == 'X') && s[1] == '\'' && s[len(s)-1] == '\'' {
		return hexadecimal(s[2 : len(s)-1])
	}
	if b, err := hexadecimal(s); err == nil {
		return b, nil
	}
	return decodeBase64(s)
}

// base64 reads a column of text in base64.
func (c cell) base64() ([]byte, error) {
	if c.json != nil {
		return c.octets()
	}
	return decodeBase64(c.string())
}

// octets reads what JavaScript makes of bytes in JSON: an array, or a Buffer.
func (c cell) octets() ([]byte, error) {
	array := []byte(c.json)
	if array[0] == '{' {
		var buffer struct {
			Type string
			Data json.RawMessage
		}
		if _ = json.Unmarshal(array, &buffer); buffer.Type != "Buffer" {
			return nil, errValue
		}
		array = buffer.Data
	}
	var numbers []uint16 // of bytes encoding/json reads base64
	if json.Unmarshal(array, &numbers) != nil {
		return nil, errValue
	}
	b := make([]byte, len(numbers))
	for i, n := range numbers {
		if n > 255 {
			return nil, errValue
		}
		b[i] = byte(n)
	}
	return b, nil
}

func hexadecimal(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, errValue
	}
	return b, nil
}

// decodeBase64 reads base64 in either alphabet, padded or not. A text in both
// alphabets, or with line breaks, or with bits that no encoder leaves over, is
// somebody's damage: two such texts could be one value.
func decodeBase64(s string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	if strings.HasSuffix(s, "=") {
		encoding = encoding.WithPadding('=')
	}
	b, err := encoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errValue
	}
	return b, nil
}

// truth reads a truth value as databases and their tools write it, MySQL's bit(1) as
// a byte.
func (c cell) truth() (bool, error) {
	switch strings.ToLower(c.string()) {
	case "1", "t", "true", "y", "yes", "\x01", "0x01":
		return true, nil
	case "0", "f", "false", "n", "no", "\x00", "0x00":
		return false, nil
	}
	return false, errValue
}

func (c cell) counter() (uint32, error) {
	n, err := strconv.ParseUint(c.string(), 10, 32)
	if err != nil {
		return 0, errValue
	}
	return uint32(n), nil
}

// list reads a list of words: JSON, PostgreSQL's {a,b}, or with commas between.
func (c cell) list() ([]string, error) {
	s := strings.TrimSpace(c.string())
	if c.json != nil {
		s = string(c.json)
	}
	if strings.HasPrefix(s, "[") {
		var words []string
		if json.Unmarshal([]byte(s), &words) != nil {
			return nil, errValue
		}
		return words, nil
	}
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if s == "" { // and not one word that is empty
		return nil, nil
	}
	words := strings.Split(s, ",")
	for i, w := range words {
		words[i] = strings.Trim(strings.TrimSpace(w), `"`)
	}
	return words, nil
}

// aaguid reads a UUID, or 16 bytes in any encoding.
func (c cell) aaguid() (passkeys.AAGUID, error) {
	if a, err := passkeys.ParseAAGUID(c.string()); err == nil {
		return a, nil
	}
	b, err := c.binary()
	if err != nil || len(b) != 16 {
		return passkeys.AAGUID{}, errValue
	}
	return passkeys.AAGUID(b), nil
}

// time reads a point in time: text in the forms of ISO 8601 that databases write, or
// the seconds, milliseconds or microseconds since 1970, whichever gives a year that
// there have been computers in.
func (c cell) time(location *time.Location) (time.Time, error) {
	at := c.at
	s := strings.TrimSpace(c.string())
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n >= 1e14:
			at = time.UnixMicro(n)
		case n >= 1e11:
			at = time.UnixMilli(n)
		default:
			at = time.Unix(n, 0)
		}
	} else if at.IsZero() {
		at = parseTime(s, location)
	}
	at = at.UTC().Truncate(time.Microsecond)
	if at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}, errValue
	}
	return at, nil
}

func parseTime(s string, location *time.Location) time.Time {
	for _, zone := range []string{"Z07:00", "Z07", "Z0700", " Z07:00", " -0700", " -0700 MST", " UTC"} {
		for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime} {
			if at, err := time.Parse(layout+zone, s); err == nil {
				return at
			}
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, location); err == nil {
			return at
		}
	}
	return time.Time{}
}

// name reads what the user calls the passkey, and says whether it had to be changed.
func (c cell) name() (name string, changed bool) {
	s := c.string()
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s))
	if runes := []rune(name); len(runes) > maxName {
		name = strings.TrimSpace(string(runes[:maxName]))
	}
	return name, name != strings.TrimSpace(s)
}

const maxName = 64 // runes, of a Credential's DeviceName

// objectIn returns the JSON object that a column holds, as JSON or as text.
func (c cell) objectIn() []byte {
	if c.json != nil {
		return c.json
	}
	return bytes.TrimSpace([]byte(c.string()))
}

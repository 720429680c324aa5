package importer

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// rows are a source's, from its beginning. A nil row is none of the source's kind;
// an error comes last.
type rows = iter.Seq2[cells, error]

// table is a source that can be read more than once.
type table interface {
	// rows are the table's, each of which has the required columns, unless rows are
	// objects, which have what they have.
	rows(ctx context.Context, required [][]string) rows
	close()
}

func open(source Source) (table, error) {
	switch {
	case source.DB != nil:
		query := source.Query
		if query == "" {
			query = source.System.Query()
		}
		return &database{source.DB, query}, nil
	default:
		return openFile(source.Reader)
	}
}

// file is a Reader, from where it stood.
type file struct {
	io.ReadSeeker
	from int64
	temp *os.File // a copy of what cannot seek
}

func openFile(r io.Reader) (*file, error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if from, err := s.Seek(0, io.SeekCurrent); err == nil { // a pipe is an *os.File too
			return &file{ReadSeeker: s, from: from}, nil
		}
	}
	temp, err := os.CreateTemp("", "passkeys-import-*")
	if err != nil {
		return nil, err
	}
	f := &file{ReadSeeker: temp, temp: temp}
	if _, err := io.Copy(temp, r); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) close() {
	if f.temp != nil {
		_ = f.temp.Close()
		_ = os.Remove(f.temp.Name())
	}
}

func (f *file) rows(ctx context.Context, required [][]string) rows {
	return func(yield func(cells, error) bool) {
		if _, err := f.Seek(f.from, io.SeekStart); err != nil {
			yield(nil, err)
			return
		}
		b := bufio.NewReader(f)
		if mark, _ := b.Peek(3); string(mark) == "\ufeff" {
			_, _ = b.Discard(3)
		}
		first, err := firstByte(b)
		switch {
		case errors.Is(err, io.EOF): // nothing was exported
		case err != nil:
			yield(nil, err)
		case first == '{' || first == '[':
			objects(b, first == '[')(yield)
		default:
			lines(b, required)(yield)
		}
	}
}

// firstByte returns the first byte that is not white space, and leaves it to be read.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, b.UnreadByte()
		}
	}
}

// objects reads JSON: objects, and arrays of them, one after the other. The first
// array is read object by object, for it may be all there is.
func objects(r io.Reader, array bool) rows {
	return func(yield func(cells, error) bool) {
		d := json.NewDecoder(r)
		row := func(raw json.RawMessage) bool {
			row, err := members(raw)
			if err != nil {
				row = nil
			}
			return yield(row, nil)
		}
		var raw json.RawMessage
		if array {
			_, _ = d.Token() // its bracket has been seen
			for d.More() {
				if err := d.Decode(&raw); err != nil {
					yield(nil, err)
					return
				}
				if !row(raw) {
					return
				}
			}
			if _, err := d.Token(); err != nil { // or the file was cut off
				yield(nil, err)
				return
			}
		}
		for {
			err := d.Decode(&raw)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			several := []json.RawMessage{raw}
			if raw[0] == '[' {
				_ = json.Unmarshal(raw, &several) // which Decode has found to be one
			}
			for _, raw := range several {
				if !row(raw) {
					return
				}
			}
		}
	}
}

// lines reads a table with a header: CSV, or what the mysql client writes.
func lines(b *bufio.Reader, required [][]string) rows {
	return func(yield func(cells, error) bool) {
		next := commas(b)
		start, _ := b.Peek(b.Buffered())
		if header, _, _ := strings.Cut(string(start), "\n"); strings.Contains(header, "\t") {
			next = tabs(b)
		}
		columns, err := next()
		if err == nil {
			err = checkColumns(columns, required)
		}
		for err == nil {
			var values []string
			if values, err = next(); errors.Is(err, io.EOF) {
				return
			}
			var row cells
			switch {
			case errors.Is(err, csv.ErrFieldCount):
				err = nil
			case err == nil && len(values) == len(columns):
				row = make(cells, len(columns))
				for i, value := range values {
					row[named(columns[i])] = cell{text: value}
				}
			}
			if err == nil && !yield(row, nil) {
				return
			}
		}
		yield(nil, err)
	}
}

// checkColumns reports whether a table has the columns that it must, and each name
// once.
func checkColumns(columns []string, required [][]string) error {
	row := make(cells, len(columns))
	for _, column := range columns {
		if err := row.put(column, cell{}); err != nil {
			return err
		}
	}
	for _, names := range required {
		if !slices.ContainsFunc(names, func(name string) bool { _, ok := row[named(name)]; return ok }) {
			return fmt.Errorf("no column %s", strings.Join(names, " or "))
		}
	}
	return nil
}

// commas reads CSV (RFC 4180). Null is an empty value, or \N.
func commas(b *bufio.Reader) func() ([]string, error) {
	r := csv.NewReader(b)
	return func() ([]string, error) {
		values, err := r.Read()
		for i, value := range values {
			if value == `\N` {
				values[i] = ""
			}
		}
		return values, err
	}
}

// tabs reads what mysql --batch writes: values between tabs, in which a tab, a line
// break, a backslash and a zero are escaped. Null is NULL.
func tabs(b *bufio.Reader) func() ([]string, error) {
	unescaped := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\0`, "\x00")
	return func() ([]string, error) {
		line, err := b.ReadString('\n')
		if line == "" {
			return nil, err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		values := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		for i, value := range values {
			if values[i] = unescaped.Replace(value); value == "NULL" {
				values[i] = ""
			}
		}
		return values, nil
	}
}

// database is a query of a database.
type database struct {
	db    *sql.DB
	query string
}

func (d *database) close() {}

func (d *database) rows(ctx context.Context, required [][]string) rows {
	return func(yield func(cells, error) bool) {
		if err := d.each(ctx, required, func(row cells) bool { return yield(row, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// each calls f with each row until it returns false.
func (d *database) each(ctx context.Context, required [][]string, f func(cells) bool) error {
	result, err := d.db.QueryContext(ctx, d.query)
	if err != nil {
		return err
	}
	defer func() { _ = result.Close() }()
	columns, err := result.Columns()
	if err != nil {
		return err
	}
	if err := checkColumns(columns, required); err != nil {
		return err
	}
	types, err := result.ColumnTypes()
	if err != nil {
		return err
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	for result.Next() {
		if err := result.Scan(to...); err != nil {
			return err
		}
		row := make(cells, len(columns))
		for i, value := range values {
			row[named(columns[i])] = scanned(value, types[i].DatabaseTypeName())
		}
		if !f(row) {
			return nil
		}
	}
	return result.Err()
}

// scanned is a value that a driver returned for a column of this type.
func scanned(value any, databaseType string) cell {
	switch v := value.(type) {
	case string:
		return cell{text: v}
	case []byte:
		// MySQL's driver returns text as bytes, too, but knows what it is.
		if t := strings.ToUpper(databaseType); t != "" && utf8.Valid(v) &&
			!strings.Contains(t, "BLOB") && !strings.Contains(t, "BINARY") && !strings.Contains(t, "BYTEA") && !strings.Contains(t, "BIT") {
			return cell{text: string(v)}
		}
		return cell{bytes: v}
	case int64:
		return cell{text: strconv.FormatInt(v, 10)}
	case float64:
		return cell{text: strconv.FormatFloat(v, 'f', -1, 64)}
	case bool:
		return cell{text: strconv.FormatBool(v)}
	case time.Time:
		return cell{at: v}
	}
	return cell{}
}

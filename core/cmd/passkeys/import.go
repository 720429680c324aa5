package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

func importRows(flags *flag.FlagSet, args []string, std streams) (int, error) {
	var options importer.Options
	system := flags.String("system", "", "whose rows they are: "+systems())
	flags.StringVar(&options.RPID, "rp-id", "", "the relying party id, such as example.org")
	in := flags.String("in", "", "the rows: CSV, JSON, or what mysql --batch writes; default: standard input")
	columns := flags.String("columns", "", "what columns are called that are called otherwise: cred_id=kid,…")
	users := flags.String("users", "", "CSV without a header: the id of each user there, and here; default: the same")
	location := flags.String("location", "UTC", "where times without a zone are from, such as Europe/Berlin")
	asJSON := flags.Bool("json", false, "write the report's lines as JSON")
	out := flags.String("out", "", "a new file for the records; default: none, a dry run")
	err := parse(flags, args)
	if err != nil {
		return failed, err
	}
	if options.Location, err = time.LoadLocation(*location); err != nil {
		return failed, err
	}
	if *users != "" {
		if options.MapUser, err = readUsers(*users); err != nil {
			return failed, err
		}
	}
	rows, err := input(*in, std.in)
	if err != nil {
		return failed, err
	}
	defer func() { _ = rows.Close() }()
	source := importer.Source{System: importer.System(*system), Reader: rows}
	if source.Columns, err = readColumns(*columns); err != nil {
		return failed, err
	}
	report := bufio.NewWriter(std.out)
	options.Progress = func(l importer.Line) { writeLine(report, l, *asJSON) }

	store := &records{MemoryCredentials: passkeys.NewMemoryCredentials()}
	options.DryRun = *out == ""
	if !options.DryRun {
		if err := store.create(*out); err != nil {
			return failed, err
		}
	}
	result, err := importer.Import(context.Background(), source, store, options)
	if err = errors.Join(err, store.close(err)); err != nil {
		return failed, errors.Join(err, report.Flush())
	}
	if !*asJSON {
		_, _ = fmt.Fprintf(report, "%d imported, %d skipped, %d refused\n", result.Imported, result.Skipped, result.Refused)
	}
	if result.Refused > 0 {
		return refused, report.Flush()
	}
	return ok, report.Flush()
}

func systems() string {
	var names []string
	for _, s := range importer.Systems() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// readUsers reads a map from their users to ours. Who is not in it is not imported.
func readUsers(name string) (func(context.Context, importer.Row) (string, error), error) {
	f, err := os.Open(name) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.FieldsPerRecord = 2
	pairs, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ours := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		if _, ok := ours[pair[0]]; ok {
			return nil, fmt.Errorf("%s: user %q is there twice", name, pair[0])
		}
		ours[pair[0]] = pair[1]
	}
	return func(_ context.Context, r importer.Row) (string, error) { return ours[r.UserID], nil }, nil
}

func readColumns(list string) (map[string]string, error) {
	if list == "" {
		return nil, nil
	}
	columns := map[string]string{}
	for _, pair := range strings.Split(list, ",") {
		name, theirs, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("-columns: %q has no =", pair)
		}
		columns[name] = theirs
	}
	return columns, nil
}

// writeLine writes what became of a row: for people, with tabs between, or as JSON.
func writeLine(w io.Writer, l importer.Line, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(l)
		return
	}
	why := string(l.Reason)
	if l.Column != "" {
		why += " in " + l.Column
	}
	for _, warning := range l.Warnings {
		why += " (" + string(warning) + ")"
	}
	_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%q\t%s\n", l.Row, l.Outcome, l.CredentialID, l.SourceUser, strings.TrimSpace(why))
}

// records are a new file of credentials. It keeps them in memory as well, for what
// the importer asks.
type records struct {
	*passkeys.MemoryCredentials
	file *os.File
	to   *bufio.Writer
}

func (r *records) create(name string) (err error) {
	if r.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil { //nolint:gosec // the user's own file
		return err
	}
	r.to = bufio.NewWriter(r.file)
	return nil
}

// Add implements [passkeys.CredentialRepository].
func (r *records) Add(ctx context.Context, c passkeys.Credential) error {
	if err := r.MemoryCredentials.Add(ctx, c); err != nil {
		return err
	}
	return json.NewEncoder(r.to).Encode(c)
}

// close ends the file, or removes it if it is not whole.
func (r *records) close(err error) error {
	if r.file == nil {
		return nil
	}
	failed := errors.Join(r.to.Flush(), r.file.Close())
	if err != nil || failed != nil {
		failed = errors.Join(failed, os.Remove(r.file.Name()))
	}
	return failed
}

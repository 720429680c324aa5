// Command passkeys looks at a site and at what browsers send it, and brings passkeys
// in and out.
//
//	go run github.com/passkeys-go/passkeys/core/cmd/passkeys@latest doctor https://example.org
//	passkeys doctor -mount /passkeys -connect 10.0.0.7:443 https://example.org/sign-in
//	passkeys explain finish.json
//
// Doctor reads the configuration from the environment, as ConfigFromEnv does, and looks
// at the running site: the certificate, redirects, clock, cookies, Content-Security-Policy
// and Permissions-Policy of the page; the routes below -mount, asked as a page of the site
// would and as none may; proxies that rewrite Origin or cut bodies off; the secret; and
// the well-known documents. What is wrong it names, and says what to do. It asks about a
// dozen times, changes nothing, and prints no secret.
//
// Explain reads what a page sent to a finish, or the credential in it, from the file or
// from its input, says what is in it, and which rule of the configuration it breaks. What
// takes the server's memory it cannot know, and says so: whether the challenge was issued,
// and of a sign-in the signature. Outputs of extensions are neither read nor printed.
//
//	passkeys import -system better-auth -rp-id example.org -in rows.csv
//	passkeys import -system better-auth -rp-id example.org -in rows.csv -users users.csv -out records.jsonl
//	passkeys export -in records.jsonl
//
// Import reads what another system's database has exported, and says of each row
// what would become of it, and why. With -out it also writes the passkeys, as the
// JSON records of package passkeys, one a line. It has no database driver: to write
// into a store takes a program of a few lines, for which see docs/import.md.
//
// Export writes such records as those of c2sp.org/passkey-record, each with its
// user's id and handle, which import -system passkey-record reads. It leaves out what
// was imported and has not signed in since, where a flag or the handle is unknown.
//
// The exit status is 0; 1 where there is a problem, a rule is broken, or a row was refused
// or left out; and 2 where the command failed. Then there is no -out.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// The exit statuses.
const (
	ok = iota
	refused
	failed
)

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command parses its flags and does what they say.
type command func(flags *flag.FlagSet, args []string, std streams) (status int, err error)

func run(args []string, std streams) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	c := map[string]command{"import": importRows, "export": exportRecords, "doctor": doctor, "explain": explain}[name]
	if c == nil {
		_, _ = fmt.Fprintln(std.err, "usage: passkeys doctor|explain|import|export, each with -h for its flags")
		return failed
	}
	flags := flag.NewFlagSet("passkeys "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is written below
	status, err := c(flags, args[1:], std)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(std.err)
		flags.PrintDefaults()
		return ok
	case err != nil:
		_, _ = fmt.Fprintf(std.err, "%s: %v\n", flags.Name(), err)
		return failed
	}
	return status
}

// parse parses the flags, after which there may be nothing.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return nil
}

// input is the file of this name, or stdin where there is none.
func input(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name) //nolint:gosec // the user's own file
}

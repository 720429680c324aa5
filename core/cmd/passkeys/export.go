package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

func exportRecords(flags *flag.FlagSet, args []string, std streams) (int, error) {
	in := flags.String("in", "", "passkeys' own records, one after the other; default: standard input")
	if err := parse(flags, args); err != nil {
		return failed, err
	}
	records, err := input(*in, std.in)
	if err != nil {
		return failed, err
	}
	defer func() { _ = records.Close() }()
	d, out, status := json.NewDecoder(records), bufio.NewWriter(std.out), ok
	for n := 1; ; n++ {
		var c passkeys.Credential
		err := d.Decode(&c)
		if errors.Is(err, io.EOF) {
			return status, out.Flush()
		}
		if err != nil {
			return failed, fmt.Errorf("record %d: %w", n, err)
		}
		record, err := importer.FormatRecord(c)
		if err != nil || c.HandleUnknown {
			_, _ = fmt.Fprintf(std.err, "record %d: left out, for not all of it is known\n", n)
			status = refused
			continue
		}
		line := struct {
			UserID     string `json:"user_id"`
			UserHandle string `json:"user_handle,omitempty"`
			Record     string `json:"record"`
		}{c.UserID, passkeys.EncodeID(c.UserHandle), record}
		_ = json.NewEncoder(out).Encode(line) // what cannot be written, Flush says
	}
}

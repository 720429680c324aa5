package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
	"github.com/passkeys-go/passkeys/core/internal/engine"
)

// kept is a store that says what was added to it.
type kept struct {
	*passkeys.MemoryCredentials
	added []passkeys.Credential
}

func (k *kept) Add(ctx context.Context, c passkeys.Credential) error {
	err := k.MemoryCredentials.Add(ctx, c)
	if err == nil {
		k.added = append(k.added, c.Clone())
	}
	return err
}

// Whatever is in a file, nothing comes in that could not sign in, or twice, and a dry
// run says the same.
func FuzzImport(f *testing.F) {
	d := register(f, "\x01\x02\xff", key)
	special := d.special()
	systems := importer.Systems()
	number := func(s importer.System) (n byte) {
		for i := range systems {
			if systems[i] == s {
				n = byte(i)
			}
		}
		return n
	}
	for _, row := range systemRows {
		f.Add(number(row.system), []byte(d.file(row.file)))
	}
	for _, row := range traps {
		f.Add(number(row.system), []byte(d.file(special.Replace(strings.Replace(row.row, row.old, row.new, 1)))))
	}
	f.Fuzz(func(t *testing.T, system byte, file []byte) {
		source := func() importer.Source {
			return importer.Source{System: systems[int(system)%len(systems)], Reader: bytes.NewReader(file)}
		}
		store := &kept{MemoryCredentials: passkeys.NewMemoryCredentials()}
		dry := options
		dry.DryRun = true
		would, err := importer.Import(t.Context(), source(), store, dry)
		if len(store.added) > 0 {
			t.Fatal("a dry run added something")
		}
		report, err2 := importer.Import(t.Context(), source(), store, options)
		if a, b := jsonOf(t, would), jsonOf(t, report); a != b || (err == nil) != (err2 == nil) {
			t.Errorf("a dry run says %s, %v\nand a run    %s, %v", a, err, b, err2)
		}
		if err2 != nil && (!errors.Is(err2, importer.ErrSource) || len(store.added) > 0) {
			t.Errorf("added %d, then %v", len(store.added), err2)
		}
		if report.Imported+report.Skipped+report.Refused != len(report.Lines) || report.Imported != len(store.added) {
			t.Errorf("%d added: %+v", len(store.added), report)
		}
		for _, l := range report.Lines {
			if (l.Outcome == importer.Imported) != (l.Reason == "") {
				t.Errorf("%+v", l)
			}
		}
		for _, c := range store.added {
			canonical, algorithm, err := engine.ReadPublicKey(c.PublicKey)
			if err != nil || !bytes.Equal(canonical, c.PublicKey) || passkeys.Algorithm(algorithm) != c.Algorithm || c.Algorithm.String() == "unknown" {
				t.Errorf("a key that cannot verify: %x, %v", c.PublicKey, err)
			}
			if c.RPID != rpID || c.BackupState && !c.BackupEligible || c.BackupEligible && c.SignCount > 0 || c.Quarantined() {
				t.Errorf("%+v", c)
			}
			if _, err := json.Marshal(c); err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if again, err := importer.Import(t.Context(), source(), store, options); err == nil && again.Imported > 0 {
			t.Errorf("the second run: %+v", again)
		}
	})
}

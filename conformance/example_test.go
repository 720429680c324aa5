package conformance_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
)

// Documents is a credential store for a document database. It keeps each
// credential whole, as the record that json.Marshal makes of it: a field that
// Credential gains one day needs no migration here, and is not lost by a server
// that does not know it yet.
//
// A sync.Map stands for the database, because it has what the contract needs of
// one: to insert where nothing is, and to replace or delete what has not changed.
// Elsewhere that is If-None-Match and If-Match, or a condition on the version.
type Documents struct{ records sync.Map } // by credential id; both are strings

// Add implements [passkeys.CredentialRepository], as do the other four.
func (d *Documents) Add(ctx context.Context, c passkeys.Credential) error {
	record, err := json.Marshal(c) // which refuses what Validate refuses
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return err
	}
	if _, taken := d.records.LoadOrStore(string(c.ID), string(record)); taken {
		return passkeys.ErrCredentialExists
	}
	return nil
}

func (d *Documents) Get(ctx context.Context, id []byte) (c passkeys.Credential, err error) {
	record, found := d.records.Load(string(id))
	if !found {
		return c, cmp.Or(ctx.Err(), error(passkeys.ErrCredentialNotFound))
	}
	err = cmp.Or(ctx.Err(), json.Unmarshal([]byte(record.(string)), &c))
	return c, err
}

// ListByUser looks at every record; a database has an index on userId.
func (d *Documents) ListByUser(ctx context.Context, userID string) (list []passkeys.Credential, err error) {
	for _, record := range d.records.Range {
		var c passkeys.Credential
		if err = cmp.Or(err, json.Unmarshal([]byte(record.(string)), &c)); c.UserID == userID {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b passkeys.Credential) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID, b.ID))
	})
	return list, cmp.Or(ctx.Err(), err)
}

func (d *Documents) Update(ctx context.Context, c passkeys.Credential) error {
	next := c
	next.Version++
	record, err := json.Marshal(next)
	old, _ := d.records.Load(string(c.ID)) // first: if what Get finds is newer, the swap fails
	stored, missing := d.Get(ctx, c.ID)
	switch err = cmp.Or(c.Validate(), err, missing); {
	case err != nil:
		return err
	case stored.Version != c.Version:
		return passkeys.ErrConflict
	case !d.records.CompareAndSwap(string(c.ID), old, string(record)):
		return d.Update(ctx, c) // which sees who came before
	}
	return nil
}

func (d *Documents) Delete(ctx context.Context, userID string, id []byte) error {
	old, _ := d.records.Load(string(id))
	switch stored, err := d.Get(ctx, id); {
	case err != nil:
		return err
	case stored.UserID != userID:
		return passkeys.ErrCredentialNotFound
	case !d.records.CompareAndDelete(string(id), old):
		return d.Delete(ctx, userID, id)
	}
	return nil
}

// In a test file of its own this is TestDocuments.
func testDocuments(t *testing.T) {
	conformance.TestCredentials(t, func(testing.TB) passkeys.CredentialRepository { return new(Documents) })
}

func Example() {
	ctx, store := context.Background(), new(Documents)
	id := []byte("an id")
	if err := store.Add(ctx, passkeys.Credential{
		ID: id, UserID: "alice", PublicKey: []byte("a key"), Algorithm: passkeys.ES256, DeviceName: "Phone",
		CreatedAt: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC),
	}); err != nil {
		panic(err)
	}
	c, err := store.Get(ctx, id)
	if err != nil {
		panic(err)
	}
	c.DeviceName = "Laptop"
	fmt.Println(store.Update(ctx, c))
	c.DeviceName = "Tablet"
	fmt.Println(store.Update(ctx, c)) // c is not what is stored any more
	record, _ := store.records.Load(string(id))
	fmt.Println(record)

	// Output:
	// <nil>
	// passkeys: the credential has changed meanwhile
	// {"v":1,"id":"YW4gaWQ","userId":"alice","publicKey":"YSBrZXk","algorithm":-7,"signCount":0,"deviceName":"Laptop","createdAt":"2030-01-01T00:00:00.000000Z","version":1}
}

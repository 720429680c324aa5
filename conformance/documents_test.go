package conformance_test

import (
	"encoding/json"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// The example's file holds no test, so that the documentation shows it whole.
func TestDocuments(t *testing.T) { testDocuments(t) }

// What a later version has written survives the Update of this one.
func TestDocumentsKeepWhatTheyDoNotKnow(t *testing.T) {
	store := new(Documents)
	var c passkeys.Credential
	if err := json.Unmarshal([]byte(`{"v":1,"id":"AQ","userId":"alice","publicKey":"AQ","algorithm":-7,"later":{"n":1e2}}`), &c); err != nil {
		t.Fatal(err)
	}
	if err := store.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c, err := store.Get(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c.SignCount++; store.Update(t.Context(), c) != nil {
		t.Fatal("Update failed")
	}
	if record, _ := store.records.Load(string(c.ID)); !strings.Contains(record.(string), `"later":{"n":1e2}`) {
		t.Errorf("lost: %s", record)
	}
}

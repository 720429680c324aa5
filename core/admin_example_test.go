package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// newDesk is a relying party with one passkey of the user 42, in quarantine, and one
// of 43. It prints what is audited.
func newDesk() *passkeys.Passkeys {
	store := passkeys.NewMemoryCredentials()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	manager, _ := passkeys.ParseAAGUID("bada5566-a7aa-401f-bd96-45619a55120d")
	for _, c := range []passkeys.Credential{
		{ID: []byte{1}, UserID: "42", PublicKey: []byte{0xa0}, DeviceName: "Key", CreatedAt: at, QuarantinedAt: at, QuarantineReason: passkeys.ReasonSignCountRegressed},
		{ID: []byte{2}, UserID: "43", PublicKey: []byte{0xa0}, DeviceName: "Laptop", CreatedAt: at, AAGUID: manager, BackupEligible: true, BackupState: true},
	} {
		if err := store.Add(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}, Credentials: store,
		Secret: bytes.Repeat([]byte{1}, 32), // in earnest: 32 random bytes, always the same
		Audit: passkeys.AuditFunc(func(_ context.Context, e passkeys.AuditEvent) {
			fmt.Printf("audit: %s %s %q %q\n", e.Actor, e.Type, e.UserID, e.CredentialID)
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// Somebody calls who has found the key that they had lost: nobody has copied it.
func ExamplePasskeys_Admin() {
	ctx, p := context.Background(), newDesk()
	desk := p.Admin("desk/anna")
	list, err := desk.Credentials(ctx, "42")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range list {
		fmt.Println(c.DeviceName, c.QuarantineReason)
		if err := desk.Restore(ctx, "42", c.ID); err != nil {
			log.Fatal(err)
		}
	}
	// Another has lost their laptop.
	fmt.Println(desk.RevokeAll(ctx, "43"))
	// Output:
	// audit: desk/anna credentials_read "42" ""
	// Key sign_count_regressed
	// audit: desk/anna credential_restored "42" "AQ"
	// audit: desk/anna credentials_read "43" ""
	// audit: desk/anna credential_revoked "43" "Ag"
	// <nil>
}

// How many passkeys are lost with the device that they are on?
func ExampleAdmin_Count() {
	rows, err := newDesk().Admin("report").Count(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range rows {
		fmt.Printf("%q synced: %t quarantined: %t: %d\n", r.Provider, r.BackupState, r.Quarantined, r.Credentials)
	}
	// Output:
	// audit: report credentials_counted "" ""
	// "" synced: false quarantined: true: 1
	// "1Password" synced: true quarantined: false: 1
}

// An export is read line by line, into another store.
func ExampleAdmin_Export() {
	ctx := context.Background()
	var file bytes.Buffer
	if err := newDesk().Admin("nightly").Export(ctx, &file); err != nil {
		log.Fatal(err)
	}
	other := passkeys.NewMemoryCredentials()
	for line := range bytes.Lines(file.Bytes()) {
		var c passkeys.Credential
		if err := json.Unmarshal(line, &c); err != nil {
			log.Fatal(err)
		}
		if err := other.Add(ctx, c); err != nil {
			log.Fatal(err)
		}
	}
	_, _ = file.WriteTo(os.Stdout)
	// Output:
	// audit: nightly credentials_exported "" ""
	// {"v":1,"id":"AQ","userId":"42","publicKey":"oA","algorithm":0,"signCount":0,"deviceName":"Key","createdAt":"2030-01-01T00:00:00.000000Z","quarantinedAt":"2030-01-01T00:00:00.000000Z","quarantineReason":"sign_count_regressed","version":0}
	// {"v":1,"id":"Ag","userId":"43","publicKey":"oA","algorithm":0,"signCount":0,"backupEligible":true,"backupState":true,"aaguid":"bada5566-a7aa-401f-bd96-45619a55120d","deviceName":"Laptop","createdAt":"2030-01-01T00:00:00.000000Z","version":0}
}

// authorize lets the staff look, and anna do what they like.
func authorize(x passkeys.Exchange, a passkeys.Action) (string, error) {
	switch name := x.R.Header.Get("X-Staff"); { // in earnest: who is signed in as staff, by the session
	case name == "":
		return "", passkeys.ErrUnauthenticated
	case name == "anna", a == passkeys.ActionList, a == passkeys.ActionCount:
		return "desk/" + name, nil
	}
	return "", passkeys.ErrForbidden
}

func ExampleAdminHandler() {
	handler, err := passkeys.AdminHandler(newDesk(), passkeys.AdminHooks[passkeys.Exchange]{Authorize: authorize})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/passkeys/", http.StripPrefix("/admin/passkeys", handler))

	for _, staff := range []string{"", "bert", "anna"} {
		r := httptest.NewRequest(http.MethodPost, "/admin/passkeys/revoke", strings.NewReader(`{"userId":"43","id":"Ag"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Staff", staff)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 401
	// 403
	// audit: desk/anna credential_revoked "43" "Ag"
	// 204
}

// The table, for a router that has no adapter.
func ExampleAdminRoutes() {
	routes, err := passkeys.AdminRoutes(newDesk(), passkeys.AdminHooks[passkeys.Exchange]{Authorize: authorize})
	if err != nil {
		log.Fatal(err)
	}
	for _, route := range routes {
		fmt.Println(route.Method, route.Path)
	}
	// Output:
	// POST /credentials
	// POST /revoke
	// POST /revoke-all
	// POST /restore
	// POST /count
	// POST /export
}

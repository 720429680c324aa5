package importer_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/importer"
)

// What better-auth's database exported: a passkey, and one whose key is damaged.
const exported = `id,name,publicKey,userId,credentialID,counter,deviceType,backedUp,transports,createdAt,aaguid
1,Phone,pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlggm6QZeVo629IgVdnFqXIIMO98mVEHadF3eMKRA2dz0rc=,alice,E1LoPm0G-JqaRPwe98JKfA,0,multiDevice,t,"hybrid,internal",2025-06-26 10:28:12.58+00,
2,Laptop,pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlgg,bob,Q2VydGFpbmx5IG5vdA,0,singleDevice,f,internal,2025-06-27 08:00:00+00,
`

func ExampleImport() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	for _, dryRun := range []bool{true, false, false} {
		report, err := importer.Import(ctx,
			importer.Source{System: importer.BetterAuth, Reader: strings.NewReader(exported)},
			store,
			importer.Options{RPID: "example.org", DryRun: dryRun})
		if err != nil {
			log.Fatal(err)
		}
		for _, l := range report.Lines {
			fmt.Printf("%d %s %s %q\n", l.Row, l.SourceUser, l.Outcome, l.Reason)
		}
	}
	// Output:
	// 1 alice imported ""
	// 2 bob refused "key_invalid"
	// 1 alice imported ""
	// 2 bob refused "key_invalid"
	// 1 alice skipped "already_there"
	// 2 bob refused "key_invalid"
}

// Users may have other ids here, and columns other names.
func ExampleOptions() {
	const rows = `{"kid":"E1LoPm0G-JqaRPwe98JKfA","publicKey":"pQECAyYgASFYINyKhPlWgE7mbqt8a2KNOF5E7WDJldqdzDluEGXRSZfDIlggm6QZeVo629IgVdnFqXIIMO98mVEHadF3eMKRA2dz0rc","userId":7,"tenant":"acme"}`
	store := passkeys.NewMemoryCredentials()
	_, err := importer.Import(context.Background(),
		importer.Source{
			System: importer.SimpleWebAuthn, Reader: strings.NewReader(rows),
			Columns: map[string]string{"cred_id": "kid"},
		},
		store,
		importer.Options{
			RPID: "example.org",
			MapUser: func(_ context.Context, r importer.Row) (string, error) {
				return r.Text("tenant") + "/" + r.UserID, nil
			},
			Progress: func(l importer.Line) { fmt.Println(l.Row, l.Outcome, l.UserID) },
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 1 imported acme/7
}

func ExampleSystem_Query() {
	fmt.Println(importer.SpringSecurity.Query())
	// Output: SELECT c.*, e.name AS username FROM user_credentials c JOIN user_entities e ON e.id = c.user_entity_user_id ORDER BY c.credential_id
}

func ExampleSystems() {
	for _, s := range importer.Systems() {
		if s.Query() == "" {
			fmt.Println(s, "is read from a file, or by a query of yours")
		}
	}
	// Output:
	// simplewebauthn is read from a file, or by a query of yours
	// py_webauthn is read from a file, or by a query of yours
	// web-auth is read from a file, or by a query of yours
	// auth0 is read from a file, or by a query of yours
	// go-webauthn is read from a file, or by a query of yours
	// passkey-record is read from a file, or by a query of yours
}

func ExampleFormatRecord() {
	ctx := context.Background()
	store := passkeys.NewMemoryCredentials()
	_, err := importer.Import(ctx,
		importer.Source{System: importer.BetterAuth, Reader: strings.NewReader(exported)},
		store,
		importer.Options{RPID: "example.org"})
	if err != nil {
		log.Fatal(err)
	}
	credentials, err := store.ListByUser(ctx, "alice")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range credentials {
		record, err := importer.FormatRecord(c)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(c.UserID, record)
	}
	// Output: alice $webauthn$v=1$transports=hybrid+internal$v6vDdDKViwYzYNOtZGHJxHNa5/jt1GWSpeDwFFKy5LVZAAAAAAAAAAAAAAAAAAAAAAAAAAAAEBNS6D5tBviamkT8HvfCSnylAQIDJiABIVgg3IqE+VaATuZuq3xrYo04XkTtYMmV2p3MOW4QZdFJl8MiWCCbpBl5Wjrb0iBV2cWpcggw73yZUQdp0Xd4wpEDZ3PStw
}

// Command enrol registers passkeys with whichever version of go-webauthn it is built
// with, signs each in once, and prints what that version makes of them in JSON. It
// speaks as tools/web/enrol.mjs does, but that its third answer is the row.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

type user struct {
	name        string
	credentials []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { h := sha256.Sum256([]byte(u.name)); return h[:] }
func (u user) WebAuthnName() string                       { return u.name }
func (u user) WebAuthnDisplayName() string                { return u.name }
func (u user) WebAuthnIcon() string                       { return "" } // which old versions ask for
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func main() {
	w, err := webauthn.New(&webauthn.Config{RPID: "example.org", RPDisplayName: "Example", RPOrigins: []string{"https://example.org"}})
	check(err)
	lines := bufio.NewReader(os.Stdin)
	read := func() (line []byte, ok bool) {
		line, err := lines.ReadBytes('\n')
		return line, err == nil
	}
	answer := func() *http.Request {
		line, _ := read()
		r, err := http.NewRequest(http.MethodPost, "https://example.org", bytes.NewReader(line))
		check(err)
		return r
	}
	for line, ok := read(); ok; line, ok = read() {
		var u user
		check(json.Unmarshal(line, &u.name))
		creation, session, err := w.BeginRegistration(u, webauthn.WithConveyancePreference(protocol.PreferDirectAttestation))
		check(err)
		write(creation)
		made, err := w.FinishRegistration(u, *session, answer())
		check(err)
		u.credentials = []webauthn.Credential{*made}
		request, session, err := w.BeginLogin(u)
		check(err)
		write(request)
		used, err := w.FinishLogin(u, *session, answer())
		check(err)
		write(map[string]any{"user_id": u.name, "user_handle": u.WebAuthnID(), "credential": used})
	}
}

func write(v any) {
	line, err := json.Marshal(v)
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		if failed, ok := err.(*protocol.Error); ok {
			log.Fatal(failed.Details, ": ", failed.DevInfo)
		}
		log.Fatal(err)
	}
}

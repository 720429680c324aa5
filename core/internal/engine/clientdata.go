package engine

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// clientData is CollectedClientData (WebAuthn L3 §5.8.1). tokenBinding is reserved
// there and read by no step; like what browsers add to keep servers from comparing
// with a template, it is skipped.
type clientData struct {
	ceremony    string
	challenge   string
	origin      string
	crossOrigin bool
	topOrigin   string
	framed      bool // topOrigin is present
}

// parseClientData reads client data that is JSON in UTF-8, behind a byte order mark
// perhaps (§7.1 step 5, §7.2 step 8).
func parseClientData(raw []byte) (c clientData, err error) {
	err = strictjson.Read(bytes.TrimPrefix(raw, []byte("\ufeff")),
		strictjson.String("type", &c.ceremony).Required(),
		strictjson.String("challenge", &c.challenge).Required(),
		strictjson.String("origin", &c.origin).Required(),
		strictjson.Bool("crossOrigin", &c.crossOrigin),
		strictjson.String("topOrigin", &c.topOrigin).Present(&c.framed))
	return c, err
}

// checkClientData reads the client data and judges it (§7.1 steps 5 to 11, §7.2
// steps 8 to 14).
func (rp *RelyingParty) checkClientData(raw []byte, ceremony protocol.CeremonyType, challenge []byte) (clientData, error) {
	c, err := parseClientData(raw)
	expected := base64.RawURLEncoding.EncodeToString(challenge)
	switch {
	case err != nil:
		err = fail(ClientDataMalformed)
	case c.ceremony != string(ceremony):
		err = &Failure{CeremonyTypeMismatch, clip(c.ceremony), string(ceremony)}
	case subtle.ConstantTimeCompare([]byte(c.challenge), []byte(expected)) != 1:
		err = fail(ChallengeMismatch)
	case !slices.Contains(rp.Origins, c.origin):
		err = &Failure{OriginMismatch, clip(c.origin), join(rp.Origins)}
	case c.crossOrigin && len(rp.TopOrigins) == 0:
		err = fail(CrossOrigin)
	case c.framed && (!c.crossOrigin || !slices.Contains(rp.TopOrigins, c.topOrigin)):
		err = &Failure{TopOriginMismatch, clip(c.topOrigin), join(rp.TopOrigins)}
	}
	return c, err
}

// clip keeps what an attacker can make a log write to a line.
func clip(s string) string { return s[:min(len(s), 256)] }

// join lists what was expected, for an operator's log.
func join(origins []string) string {
	b, _ := json.Marshal(origins) // a []string always marshals
	return string(b)
}

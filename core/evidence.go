package passkeys

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/passkeys-go/passkeys/core/internal/engine"
	"github.com/passkeys-go/passkeys/core/internal/strictjson"
)

// Evidence is what an authenticator has signed to confirm an operation, with all
// that it takes to see that it did. Keep it beside what was done, and anyone who has
// the payload can check it later, without this server, its store or its secret.
//
// It proves that the holder of the private key to PublicKey, at a page of the
// relying party that their browser named in the client data, was present, and where
// [Evidence.UserVerified] says so was verified, and approved a challenge that
// commits to this relying party, user, operation and payload. It does not prove
// whose key it is: your records do. It does not prove when: nothing that is signed
// has a time. And it does not prove what the page showed. The browser shows nothing
// of the payload, so a page that lies, or a script in it, gets a confirmation of
// what it did not say; whoever must exclude that needs Secure Payment Confirmation,
// or another device that shows what is confirmed.
type Evidence struct {
	RPID, UserID, Operation string
	PayloadHash             [sha256.Size]byte
	// Nonce made the challenge, which is
	//
	//	SHA-256("passkeys/confirm/v1" ‖ Nonce ‖ lp(RPID) ‖ lp(UserID) ‖ lp(Operation) ‖ PayloadHash)
	//
	// where lp puts the length in front, as four bytes, the highest first.
	Nonce [challengeSize]byte
	// AuthenticatorData, ClientDataJSON and Signature are those of the response
	// (WebAuthn L3 §5.2.2), PublicKey the credential's COSE_Key.
	AuthenticatorData, ClientDataJSON, Signature, PublicKey []byte
}

func (p *Passkeys) evidence(c payload, r *engine.AssertionResponse, publicKey []byte) Evidence {
	e := Evidence{
		RPID: p.cfg.RPID, UserID: c.userID, Operation: c.operation,
		AuthenticatorData: r.AuthenticatorData, ClientDataJSON: r.ClientDataJSON, Signature: r.Signature, PublicKey: publicKey,
	}
	copy(e.PayloadHash[:], c.hash)
	copy(e.Nonce[:], c.challenge)
	return e
}

// Verify reports whether the evidence is of this payload, and sound: everything in it
// is signed, or committed to by what is, but for the signature and the key that verifies
// it. So compare PublicKey with the passkey's in your records: anyone can sign the rest
// with a key of their own. One signature may have two spellings. The error wraps
// [ErrInvalidEvidence].
func (e Evidence) Verify(payload []byte) error {
	if sha256.Sum256(payload) != e.PayloadHash {
		return fmt.Errorf("%w: it is of another payload", ErrInvalidEvidence)
	}
	challenge := commitment(e.Nonce[:], e.RPID, e.UserID, e.Operation, string(e.PayloadHash[:]))
	r := &engine.AssertionResponse{AuthenticatorData: e.AuthenticatorData, Signature: e.Signature}
	r.ClientDataJSON = e.ClientDataJSON
	if err := engine.VerifyAlone(e.RPID, r, challenge, e.PublicKey); err != nil {
		reason := ""
		if f, ok := errors.AsType[*engine.Failure](err); ok {
			reason = f.Reason
		}
		return fmt.Errorf("%w: %s", ErrInvalidEvidence, reason)
	}
	return nil
}

// UserVerified reports whether the authenticator says that it verified its user by
// PIN or biometrics. It means nothing before [Evidence.Verify] has succeeded.
func (e Evidence) UserVerified() bool {
	const flags, uv = 32, 1 << 2 // WebAuthn L3 §6.1
	return len(e.AuthenticatorData) > flags && e.AuthenticatorData[flags]&uv != 0
}

const evidenceVersion = 1

// evidenceJSON is Evidence with its fields in the types of its JSON.
type evidenceJSON struct {
	V                 int       `json:"v"`
	RPID              string    `json:"rpId"`
	UserID            string    `json:"userId,omitempty"`
	UserIDBytes       base64url `json:"userIdBytes,omitempty"`
	Operation         string    `json:"operation"`
	PayloadHash       base64url `json:"payloadHash"`
	Nonce             base64url `json:"nonce"`
	AuthenticatorData base64url `json:"authenticatorData"`
	ClientDataJSON    base64url `json:"clientDataJSON"`
	Signature         base64url `json:"signature"`
	PublicKey         base64url `json:"publicKey"`
}

// MarshalJSON returns one object of
//
//	v                        1
//	rpId, operation          text
//	userId                   text; userIdBytes instead where it is not UTF-8
//	payloadHash, nonce, authenticatorData, clientDataJSON, signature, publicKey
//	                         base64url without padding, as all bytes
func (e Evidence) MarshalJSON() ([]byte, error) {
	j := evidenceJSON{
		V: evidenceVersion, RPID: e.RPID, Operation: e.Operation, PayloadHash: e.PayloadHash[:], Nonce: e.Nonce[:],
		AuthenticatorData: e.AuthenticatorData, ClientDataJSON: e.ClientDataJSON, Signature: e.Signature, PublicKey: e.PublicKey,
	}
	if utf8.ValidString(e.UserID) {
		j.UserID = e.UserID
	} else {
		j.UserIDBytes = base64url(e.UserID)
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what [Evidence.MarshalJSON] wrote: each member once, under its
// exact name; those that are not known are skipped. The error wraps
// [ErrInvalidEvidence]; whether the evidence is sound, [Evidence.Verify] says.
func (e *Evidence) UnmarshalJSON(b []byte) error {
	var read Evidence
	var version, hash, nonce, userID []byte
	err := strictjson.Read(b,
		strictjson.Raw("v", &version).Required(),
		strictjson.String("rpId", &read.RPID),
		strictjson.String("userId", &read.UserID),
		strictjson.Base64URL("userIdBytes", &userID),
		strictjson.String("operation", &read.Operation),
		strictjson.Base64URL("payloadHash", &hash),
		strictjson.Base64URL("nonce", &nonce),
		strictjson.Base64URL("authenticatorData", &read.AuthenticatorData),
		strictjson.Base64URL("clientDataJSON", &read.ClientDataJSON),
		strictjson.Base64URL("signature", &read.Signature),
		strictjson.Base64URL("publicKey", &read.PublicKey))
	switch {
	case err != nil:
		return fmt.Errorf("%w: not as it was written", ErrInvalidEvidence)
	case string(version) != fmt.Sprint(evidenceVersion):
		return fmt.Errorf("%w: a version that cannot be read here", ErrInvalidEvidence)
	case len(hash) != len(read.PayloadHash) || len(nonce) != len(read.Nonce) || read.UserID != "" && len(userID) > 0:
		return fmt.Errorf("%w: not as it was written", ErrInvalidEvidence)
	}
	read.UserID += string(userID)
	copy(read.PayloadHash[:], hash)
	copy(read.Nonce[:], nonce)
	*e = read
	return nil
}

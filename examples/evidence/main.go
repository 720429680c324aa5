// Command evidence checks the evidence of a confirmed operation against the payload
// that was confirmed, with the standard library alone: no server, no store, no secret.
// It reads keys of ES256, which most passkeys have.
//
//	go run ./examples/evidence evidence.json <payload
//
// Sound evidence shows that this key signed this payload, for this operation, user and
// relying party, and its authenticator says that its user was present and verified. It
// does not show what the page said to them, nor when that was, since nothing that is
// signed has a time, nor whose key it is: compare that with your records.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// base64url is bytes as they are in the JSON, whose members have the names below.
type base64url []byte

func (b *base64url) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().DecodeString(string(text))
	return err
}

type sound struct {
	V                                                                             int
	RPID, UserID, Operation                                                       string
	UserIDBytes, PayloadHash, Nonce, AuthenticatorData, ClientDataJSON, Signature base64url
	PublicKey                                                                     base64url
}

func verify(evidence, payload []byte) (e sound, err error) {
	var client struct{ Type, Challenge string }
	if json.Unmarshal(evidence, &e) != nil || json.Unmarshal(e.ClientDataJSON, &client) != nil ||
		e.V != 1 || len(e.Nonce) != 32 || len(e.AuthenticatorData) < 37 {
		return e, errors.New("this is no evidence of version 1")
	}

	// What the challenge commits to; each text has its length in front.
	payloadHash, rpIDHash := sha256.Sum256(payload), sha256.Sum256([]byte(e.RPID))
	commitment := append([]byte("passkeys/confirm/v1"), e.Nonce...)
	for _, text := range []string{e.RPID, e.UserID + string(e.UserIDBytes), e.Operation} {
		commitment = append(binary.BigEndian.AppendUint32(commitment, uint32(len(text))), text...)
	}
	challenge := sha256.Sum256(append(commitment, payloadHash[:]...))

	// A COSE_Key of ES256 is the same for all, but for the two halves of its point.
	k, ok := bytes.CutPrefix(e.PublicKey, []byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"))
	if !ok || len(k) != 32+3+32 || string(k[32:35]) != "\x22\x58\x20" {
		return e, errors.New("the key is none of ES256")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, k[:32], k[35:]))
	if err != nil {
		return e, errors.New("the key is none of ES256")
	}
	clientHash := sha256.Sum256(e.ClientDataJSON)
	signed := sha256.Sum256(slices.Concat(e.AuthenticatorData, clientHash[:]))

	const present, verified = 1 << 0, 1 << 2 // WebAuthn L3 §6.1
	switch flags := e.AuthenticatorData[32]; {
	case !bytes.Equal(e.PayloadHash, payloadHash[:]):
		return e, errors.New("it is of another payload")
	case client.Type != "webauthn.get" || client.Challenge != base64.RawURLEncoding.EncodeToString(challenge[:]):
		return e, errors.New("another challenge was signed")
	case !bytes.Equal(e.AuthenticatorData[:32], rpIDHash[:]):
		return e, errors.New("it was signed for another relying party")
	case flags&present == 0 || flags&verified == 0:
		return e, errors.New("the user was not present, or not verified")
	case !ecdsa.VerifyASN1(key, signed[:], e.Signature):
		return e, errors.New("the signature is not that of this key")
	}
	return e, nil
}

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("which evidence?"))
	}
	evidence, err := os.ReadFile(os.Args[1]) //nolint:gosec // which file is for whoever runs it to say
	payload, errPayload := io.ReadAll(os.Stdin)
	if err := errors.Join(err, errPayload); err != nil {
		fail(err)
	}
	e, err := verify(evidence, payload)
	if err != nil {
		fail(err)
	}
	fmt.Printf("sound: %q of user %q at %q, by the key %x\n", e.Operation, e.UserID+string(e.UserIDBytes), e.RPID, e.PublicKey)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "evidence:", err)
	os.Exit(1)
}

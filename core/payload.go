package passkeys

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// purpose ties what is sealed to the one use that it was made for.
type purpose byte

const (
	forRegistration purpose = iota + 1
	forAuthentication
	forUpgrade // the grant of one; what it begins is forRegistration
	forConfirmation
	forRequest // of a confirmation; what it begins is forConfirmation
	forProof   // of a confirmation
)

// payload is what there is of a challenge between begin and finish: sealed in the
// state, or in a challenge store. What asks for a confirmation, and what proves
// one, are payloads too.
type payload struct {
	purpose   purpose
	mode      Mode
	issuedAt  time.Time // to the microsecond, as is expiresAt
	expiresAt time.Time
	challenge []byte // of a confirmation the nonce, which it is made from; see commitment
	realm     string // of the RP id; see realm
	userID    string // for whom; "" is a usernameless sign-in
	session   string // the hash of the browser session's id; "" is none
	subject          // what is confirmed

	// What a proof knows of the passkey.
	credentialID       string
	key                string // its tag; see keyTag
	verified, reliable bool
}

// subject is what is confirmed, and for how long that is good.
type subject struct {
	operation string // its name; "": it is still you
	hash      string // SHA-256 of the operation's payload
	maxAge    time.Duration
}

const (
	payloadVersion = 2
	maxText        = 1 << 10 // of the longest string, a credential's id
)

var errPayload = errors.New("passkeys: unreadable challenge payload")

// encode writes version, purpose, mode, the two times in microseconds since 1970,
// and the strings behind their lengths; of a confirmation then its subject, and of
// a proof the passkey and its flags. It is a format of our own because it outlives
// a release: a server that is being upgraded must read what its predecessor wrote,
// or see that it cannot.
func (c payload) encode() []byte {
	b := make([]byte, 0, 192)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = append(b, payloadVersion, byte(c.purpose), c.mode.code())
	b = binary.BigEndian.AppendUint64(b, uint64(c.issuedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.expiresAt.UnixMicro()))
	text(string(c.challenge))
	text(c.realm)
	text(c.userID)
	text(c.session)
	if c.purpose >= forConfirmation {
		text(c.operation)
		text(c.hash)
		b = binary.AppendUvarint(b, uint64(c.maxAge/time.Second))
	}
	if c.purpose == forProof {
		text(c.credentialID)
		text(c.key)
		b = append(b, flag(c.verified, 1)|flag(c.reliable, 2))
	}
	return b
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func decodePayload(b []byte) (payload, error) {
	if len(b) < 19 || b[0] != payloadVersion {
		return payload{}, errPayload
	}
	c := payload{purpose: purpose(b[1]), mode: modeOf(b[2]),
		issuedAt:  time.UnixMicro(int64(binary.BigEndian.Uint64(b[3:]))),
		expiresAt: time.UnixMicro(int64(binary.BigEndian.Uint64(b[11:]))),
	}
	rest, fine := b[19:], true
	number := func(most uint64) uint64 {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > most || size > 1 && rest[size-1] == 0 { // a longer spelling of a small one
			fine = false
			return 0
		}
		rest = rest[size:]
		return n
	}
	text := func() string {
		n := number(maxText)
		if n > uint64(len(rest)) {
			fine = false
			return ""
		}
		s := rest[:n]
		rest = rest[n:]
		return string(s)
	}
	c.challenge = []byte(text())
	c.realm, c.userID, c.session = text(), text(), text()
	if c.purpose >= forConfirmation {
		c.operation, c.hash = text(), text()
		c.maxAge = time.Duration(number(uint64(maxProofAge/time.Second))) * time.Second
	}
	if c.purpose == forProof {
		c.credentialID, c.key = text(), text()
		flags := number(3)
		c.verified, c.reliable = flags&1 != 0, flags&2 != 0
	}
	if !fine || len(rest) != 0 || len(c.challenge) == 0 || !c.mode.of(c.purpose, c.userID != "") {
		return payload{}, errPayload
	}
	return c, nil
}

// realm is what a payload keeps of the relying party: one server may be several.
func realm(rpID string) string {
	sum := sha256.Sum256([]byte(rpID))
	return string(sum[:16])
}

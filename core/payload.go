package passkeys

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// purpose ties a challenge to the ceremony it was issued for.
type purpose byte

const (
	forRegistration purpose = iota + 1
	forAuthentication
	forUpgrade // the grant of one; what it begins is forRegistration
)

// payload is what there is of a challenge between begin and finish: sealed in the
// state, or in a challenge store.
type payload struct {
	purpose   purpose
	mode      Mode
	issuedAt  time.Time // to the microsecond, as is expiresAt
	expiresAt time.Time
	challenge []byte
	realm     string // of the RP id; see realm
	userID    string // for whom; "" is a usernameless sign-in
	session   string // the hash of the browser session's id; "" is none
}

const payloadVersion = 2

var errPayload = errors.New("passkeys: unreadable challenge payload")

// encode writes version, purpose, mode, the two times in microseconds since 1970,
// and the four strings behind a length byte each. It is a format of our own
// because it outlives a release: a server that is being upgraded must read what
// its predecessor wrote, or see that it cannot.
func (c payload) encode() []byte {
	b := make([]byte, 0, 23+len(c.challenge)+len(c.realm)+len(c.userID)+len(c.session))
	b = append(b, payloadVersion, byte(c.purpose), c.mode.code())
	b = binary.BigEndian.AppendUint64(b, uint64(c.issuedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.expiresAt.UnixMicro()))
	for _, s := range []string{string(c.challenge), c.realm, c.userID, c.session} {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	return b
}

func decodePayload(b []byte) (payload, error) {
	if len(b) < 19 || b[0] != payloadVersion {
		return payload{}, errPayload
	}
	c := payload{purpose: purpose(b[1]), mode: modeOf(b[2]),
		issuedAt:  time.UnixMicro(int64(binary.BigEndian.Uint64(b[3:]))),
		expiresAt: time.UnixMicro(int64(binary.BigEndian.Uint64(b[11:]))),
	}
	rest := b[19:]
	for _, s := range []*string{nil, &c.realm, &c.userID, &c.session} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return payload{}, errPayload
		}
		n := 1 + int(rest[0])
		if s == nil {
			c.challenge = rest[1:n]
		} else {
			*s = string(rest[1:n])
		}
		rest = rest[n:]
	}
	if len(rest) != 0 || len(c.challenge) == 0 || !c.mode.of(c.purpose, c.userID != "") {
		return payload{}, errPayload
	}
	return c, nil
}

// realm is what a payload keeps of the relying party: one server may be several.
func realm(rpID string) string {
	sum := sha256.Sum256([]byte(rpID))
	return string(sum[:16])
}

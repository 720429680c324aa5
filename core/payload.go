package passkeys

import (
	"encoding/binary"
	"errors"
	"time"
)

// purpose ties a challenge to the ceremony it was issued for.
type purpose byte

const (
	forRegistration purpose = iota + 1
	forAuthentication
)

// payload is what a challenge store keeps between begin and finish.
type payload struct {
	purpose   purpose
	expiresAt time.Time // to the millisecond
	challenge []byte
	userID    string // for whom; "" is a usernameless sign-in
	session   string // the hash of the browser session's id; "" is none
}

const payloadVersion = 1

var errPayload = errors.New("passkeys: unreadable challenge payload")

// encode writes version, purpose, milliseconds since 1970, and the three strings
// behind a length byte each. It is a format of our own because it outlives a
// release: a server that is being upgraded must read what its predecessor wrote.
func (c payload) encode() []byte {
	b := make([]byte, 0, 13+len(c.challenge)+len(c.userID)+len(c.session))
	b = append(b, payloadVersion, byte(c.purpose))
	b = binary.BigEndian.AppendUint64(b, uint64(c.expiresAt.UnixMilli()))
	for _, s := range []string{string(c.challenge), c.userID, c.session} {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	return b
}

func decodePayload(b []byte) (payload, error) {
	if len(b) < 10 || b[0] != payloadVersion {
		return payload{}, errPayload
	}
	c := payload{purpose: purpose(b[1]), expiresAt: time.UnixMilli(int64(binary.BigEndian.Uint64(b[2:10])))}
	challenge, rest, ok := cutString(b[10:])
	userID, rest, ok2 := cutString(rest)
	session, rest, ok3 := cutString(rest)
	if !ok || !ok2 || !ok3 || len(rest) != 0 || len(challenge) == 0 {
		return payload{}, errPayload
	}
	c.challenge, c.userID, c.session = challenge, string(userID), string(session)
	return c, nil
}

// cutString takes a string behind its length byte off the front of b.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

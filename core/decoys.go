package passkeys

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/passkeys-go/passkeys/core/internal/seal"
	"golang.org/x/text/unicode/norm"
)

// DecoyShape is one kind of passkey that decoys are made to look like: what the
// same authenticator would leave in allowCredentials.
type DecoyShape struct {
	Weight     int      // how often, in relation to the other shapes; at least 1
	IDLength   int      // bytes of the credential id: 16 to 1,023
	Transports []string // in the order in which browsers report them
}

// decoyShapes are the commonest passkeys: Apple's, Google's, Windows Hello's and
// those of security keys.
func decoyShapes() []DecoyShape {
	return []DecoyShape{
		{40, 20, []string{"hybrid", "internal"}},
		{35, 16, []string{"hybrid", "internal"}},
		{15, 32, []string{"internal"}},
		{10, 48, []string{"nfc", "usb"}},
	}
}

// decoys answers for users that do not exist, or have no passkey, with passkeys
// that do not exist either. A decoy is a function of the secret and the name, so
// it is the same each time; its id ends in a tag that only the secret can check.
type decoys struct {
	secret []byte
	shapes []DecoyShape
	weighs []int  // the weights of the shapes
	counts []int  // the weights of having one passkey, two, …
	key    []byte // a COSE key that nobody holds: what a decoy's signature is verified with
}

const (
	decoyTag  = 8  // bytes
	maxDecoys = 50 // for one name
)

// decoyCounts are how many passkeys users have: most have one, and of those with
// n about a third have more. There is no number up to most, or 14, that only a
// user can have.
func decoyCounts(most int) (weights []int) {
	for weight := 1 << 20; weight > 0 && len(weights) != most; weight = weight * 35 / 100 {
		weights = append(weights, weight)
	}
	return weights
}

func newDecoys(secret []byte, cfg Config) (*decoys, error) {
	d := &decoys{secret: seal.Derive(secret, "decoys"), shapes: slices.Clone(cfg.DecoyShapes), counts: slices.Clone(cfg.DecoyCounts)}
	if len(d.shapes) == 0 {
		d.shapes = decoyShapes()
	}
	if len(d.counts) == 0 {
		d.counts = decoyCounts(cfg.MaxCredentials)
	}
	for i, s := range d.shapes {
		d.shapes[i].Transports = slices.Clone(s.Transports)
		d.weighs = append(d.weighs, s.Weight)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	// EC2, ES256, P-256 (RFC 9053 §7.1)
	d.key = append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	d.key = append(append(d.key, 0x22, 0x58, 32), point[33:]...)
	return d, nil
}

// draw is a pseudo-random function of the secret, for one use of one name.
func (d *decoys) draw(use string, name []byte, n int) []byte {
	mac := hmac.New(sha256.New, d.secret)
	mac.Write([]byte(use))
	mac.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(n)))
	mac.Write(name)
	return mac.Sum(nil)
}

// nobody is the user whom a sign-in by an unknown name is for: an id that no
// user can have, being longer than theirs.
func (d *decoys) nobody(name string) string {
	return "-" + hex.EncodeToString(d.draw("nobody", []byte(name), 0))
}

// somebody reports whether a challenge is for a user, not for nobody.
func somebody(userID string) bool { return len(userID) <= maxUserID }

// credentials are the passkeys of the user who does not exist.
func (d *decoys) credentials(name string) []Credential {
	credentials := make([]Credential, 1+pick(d.counts, d.draw("count", []byte(name), 0)))
	for i := range credentials {
		shape := d.shapes[pick(d.weighs, d.draw("shape", []byte(name), i))]
		id := make([]byte, 0, shape.IDLength+sha256.Size)
		for n := 0; len(id) < shape.IDLength-decoyTag; n++ {
			id = append(id, d.draw("id", []byte(name), i<<8|n)...)
		}
		id = id[:shape.IDLength-decoyTag]
		credentials[i] = Credential{ID: append(id, d.tag(id)...), Transports: shape.Transports}
	}
	return credentials
}

// pick returns one of the indexes, as often as its weight says.
func pick(weights []int, random []byte) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	at := int(binary.BigEndian.Uint64(random) % uint64(total)) // the same where int has 32 bits
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return 0 // not reached
}

func (d *decoys) tag(id []byte) []byte { return d.draw("tag", id, 0)[:decoyTag] }

// made reports whether id is a decoy's.
func (d *decoys) made(id []byte) bool {
	n := len(id) - decoyTag
	return n > 0 && hmac.Equal(id[n:], d.tag(id[:n]))
}

// canonicalName folds the spellings that applications take for one name: were
// they told apart here, a decoy would give itself away by them.
func canonicalName(name string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(name)))
}

// allowed returns the passkeys that a sign-in by name or id lists, and the user
// that it is for. Where there are none it takes the same way to the same kind of
// answer, which is for nobody: an id that has no passkey need not be a user's.
func (p *Passkeys) allowed(ctx context.Context, name, userID string) (string, []Credential, error) {
	nobody, decoys := p.decoys.nobody(name), p.decoys.credentials(name)
	credentials, err := p.cfg.Credentials.ListByUser(ctx, cmp.Or(userID, nobody))
	if err != nil {
		return "", nil, storeError(err)
	}
	if len(credentials) == 0 {
		return nobody, decoys, nil
	}
	return userID, credentials, nil
}

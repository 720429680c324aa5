package engine

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
)

// go-webauthn's own reading and full validation of a sign-in is the oracle of ours:
// the verdicts are the same, both ways, but for the differences listed here.

// oracle is the library's verdict.
func oracle(rp *RelyingParty, r *AssertionResponse, challenge, publicKey []byte, verifyUser bool) error {
	parsed, err := protocol.CredentialAssertionResponse{
		PublicKeyCredential: protocol.PublicKeyCredential{
			Credential: protocol.Credential{ID: encode(r.RawID), Type: "public-key"},
			RawID:      protocol.URLEncodedBase64(r.RawID),
		},
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(r.ClientDataJSON)},
			AuthenticatorData:     protocol.URLEncodedBase64(r.AuthenticatorData),
			Signature:             protocol.URLEncodedBase64(r.Signature),
			UserHandle:            protocol.URLEncodedBase64(r.UserHandle),
		},
	}.Parse()
	if err != nil {
		return err
	}
	return parsed.Verify(encode(challenge), rp.ID, "", rp.Origins, nil, rp.TopOrigins,
		protocol.TopOriginExplicitVerificationMode, len(rp.TopOrigins) > 0, verifyUser, true, publicKey, protocol.SignaturePolicy{})
}

var clientDataNames = []string{"type", "challenge", "origin", "crossOrigin", "topOrigin"}

// written is a member of client data: its name, its name as written, and its value.
type written struct {
	name           string
	rawName, value []byte
}

// membersOf reads the members of client data, all of them, with encoding/json.
func membersOf(clientData []byte) (members []written) {
	clientData = bytes.TrimPrefix(clientData, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(clientData))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		start := d.InputOffset()
		t, err := d.Token()
		if err != nil {
			return members
		}
		m := written{rawName: clientData[start:d.InputOffset()]}
		m.name, _ = t.(string)
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return members
		}
		m.value = value
		members = append(members, m)
	}
	return members
}

// folded reports whether a name is that of a member only to encoding/json.
func folded(clientData []byte, names ...string) bool {
	return slices.ContainsFunc(membersOf(clientData), func(m written) bool {
		return slices.ContainsFunc(names, func(name string) bool { return m.name != name && strings.EqualFold(m.name, name) })
	})
}

var surrogate = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)

// differences are what one of the two accepts and the other refuses, recognised by
// checks of their own.
var differences = []struct {
	name string
	ours bool // it is ours that accepts
	is   func(rp *RelyingParty, r *AssertionResponse) bool
}{
	{"a byte order mark is stripped", true, func(_ *RelyingParty, r *AssertionResponse) bool {
		return bytes.HasPrefix(r.ClientDataJSON, []byte("\ufeff"))
	}},
	{"names are case-sensitive: what folds to ours is skipped", true, func(_ *RelyingParty, r *AssertionResponse) bool {
		return folded(r.ClientDataJSON, clientDataNames...)
	}},
	{"members that no step reads are skipped", true, func(_ *RelyingParty, r *AssertionResponse) bool {
		return slices.ContainsFunc(membersOf(r.ClientDataJSON), func(m written) bool {
			return strings.EqualFold(m.name, "tokenBinding") || strings.EqualFold(m.name, "new_keys_may_be_added_here")
		})
	}},
	{"names are case-sensitive: what folds to ours is not read", false, func(_ *RelyingParty, r *AssertionResponse) bool {
		return folded(r.ClientDataJSON, clientDataNames...)
	}},
	{"a member occurs once", false, func(_ *RelyingParty, r *AssertionResponse) bool {
		counts := map[string]int{}
		for _, m := range membersOf(r.ClientDataJSON) {
			counts[m.name]++
		}
		return slices.ContainsFunc(clientDataNames, func(name string) bool { return counts[name] > 1 })
	}},
	{"client data is UTF-8", false, func(_ *RelyingParty, r *AssertionResponse) bool { return !utf8.Valid(r.ClientDataJSON) }},
	{"client data is not more than 16 deep", false, func(_ *RelyingParty, r *AssertionResponse) bool {
		return bytes.Count(r.ClientDataJSON, []byte("["))+bytes.Count(r.ClientDataJSON, []byte("{")) > 16
	}},
	{"a surrogate half is no character", false, func(_ *RelyingParty, r *AssertionResponse) bool {
		return slices.ContainsFunc(membersOf(r.ClientDataJSON), func(m written) bool {
			return surrogate.Match(m.rawName)
		})
	}},
	{"origins match byte for byte", false, func(rp *RelyingParty, r *AssertionResponse) bool {
		for _, m := range membersOf(r.ClientDataJSON) {
			var value string
			_ = json.Unmarshal(m.value, &value)
			if m.name == "origin" && !slices.Contains(rp.Origins, value) || m.name == "topOrigin" && !slices.Contains(rp.TopOrigins, value) {
				return true // an empty topOrigin too
			}
		}
		return false
	}},
	{"backup state needs eligibility", false, func(_ *RelyingParty, r *AssertionResponse) bool {
		return len(r.AuthenticatorData) > 32 && r.AuthenticatorData[32]&(flagBE|flagBS) == flagBS
	}},
}

// compare fails if the verdicts differ otherwise than listed, and returns ours.
func compare(t *testing.T, rp *RelyingParty, r *AssertionResponse, publicKey []byte, verifyUser bool) bool {
	t.Helper()
	_, err := rp.VerifyAssertion(r, challenge, publicKey, verifyUser)
	why := reason(t, err)
	theirs := oracle(rp, r, challenge, publicKey, verifyUser)
	if (err == nil) == (theirs == nil) {
		return err == nil
	}
	for _, d := range differences {
		if d.ours == (err == nil) && d.is(rp, r) {
			return err == nil
		}
	}
	t.Errorf("%q, the library: %v\nclient data %q\nauthenticator data %x\nsignature %x\nkey %x",
		why, theirs, r.ClientDataJSON, r.AuthenticatorData, r.Signature, publicKey)
	return err == nil
}

// TestOracle compares the verdicts on valid responses of each kind of key, and on
// each with one bit flipped in what the client sends or in the stored key.
func TestOracle(t *testing.T) {
	flips := 0
	for _, key := range keyPairs() {
		t.Run(key.name, func(t *testing.T) {
			extended := authData(flagUP|flagUV|flagBE|flagED, 0xa1, 0x61, 'x', 0x01)
			attested := authData(flagUP|flagAT, slices.Concat(make([]byte, 16), []byte{0, 2, 'i', 'd'}, key.cose)...)
			for _, auth := range [][]byte{authData(flagUP), authData(flagUP | flagUV | flagBE | flagBS), extended, attested} {
				r := key.assert(clientDataJSON(), auth)
				if !compare(t, &party, r, key.cose, false) {
					t.Fatal("it is not accepted as it is")
				}
				if len(auth) != len(authData(0)) && key.name != "ES256" {
					continue // the flips below are slow, and of no other kind
				}
				for i, part := range []*[]byte{&r.ClientDataJSON, &r.AuthenticatorData, &r.Signature, &key.cose} {
					valid := *part
					for bit := range len(valid) * 8 {
						if key.name != "ES256" && bit%8 != bit/8%8 {
							continue // one bit of each byte
						}
						mutant := slices.Clone(valid)
						mutant[bit/8] ^= 1 << (bit % 8)
						*part = mutant
						flips++
						if compare(t, &party, r, key.cose, false) && i < 3 {
							t.Errorf("bit %d of %x is not signed", bit, valid)
						}
					}
					*part = valid
				}
			}
		})
	}
	t.Logf("%d flips", flips)
}

// TestOracleClientData compares the verdicts on the client data of all tables.
func TestOracleClientData(t *testing.T) {
	for _, key := range keyPairs() {
		for _, row := range clientDataRows {
			r := key.assert([]byte(strings.Replace(row.data, `"C`, `"`+encode(challenge), 1)), authData(flagUP))
			compare(t, &party, r, key.cose, false)
			compare(t, &framed, r, key.cose, false)
		}
	}
}

// Each difference is met by the client data of the tables, so that the list holds
// nothing that could hide a fault.
func TestDifferencesAreReal(t *testing.T) {
	key, met := keyPairs()[0], map[string]bool{}
	meet := func(clientData string, flags byte) {
		r := key.assert([]byte(strings.Replace(clientData, `"C`, `"`+encode(challenge), 1)), authData(flags))
		for _, rp := range []*RelyingParty{&party, &framed} {
			_, err := rp.VerifyAssertion(r, challenge, key.cose, false)
			if theirs := oracle(rp, r, challenge, key.cose, false); (err == nil) == (theirs == nil) {
				continue
			}
			var names []string
			for _, d := range differences {
				if d.ours == (err == nil) && d.is(rp, r) {
					names = append(names, d.name)
				}
			}
			if len(names) == 1 {
				met[names[0]] = true
			}
		}
	}
	for _, row := range clientDataRows {
		meet(row.data, flagUP)
	}
	const start = `{"type":"webauthn.get","challenge":"C","origin":"https://example.org","x":`
	meet(start+strings.Repeat("[", 16)+strings.Repeat("]", 16)+"}", flagUP)
	meet(start+`1,"\ud800":1}`, flagUP)
	meet(start+`1}`, flagUP|flagBS)
	for _, d := range differences {
		if !met[d.name] {
			t.Errorf("%q makes no difference by itself", d.name)
		}
	}
}

// FuzzAssertionOracle signs client data and authenticator data with a key of some
// kind, then changes the signature and the key, and compares the verdicts.
func FuzzAssertionOracle(f *testing.F) {
	get, auth := clientDataJSON(), authData(flagUP|flagUV)
	for kind := range byte(len(keyPairs())) {
		f.Add(kind, get, auth, []byte(nil), []byte(nil))
		f.Add(kind|64, get, authData(flagUP), []byte(nil), []byte(nil))
		f.Add(kind, get, auth, []byte{0, 4, 1}, []byte(nil))  // a flip
		f.Add(kind, get, auth, []byte{1, 1}, []byte(nil))     // cut short
		f.Add(kind, get, auth, []byte{2, 0, 0}, []byte(nil))  // lengthened
		f.Add(kind, get, auth, []byte(nil), []byte{0, 4, 1})  // another algorithm
		f.Add(kind, get, auth, []byte(nil), []byte{0, 20, 1}) // another point
		f.Add(kind, get, authData(flagUP|flagED, 0xa1, 0x61, 'x', 0x01), []byte(nil), []byte(nil))
		f.Add(kind, get, authData(flagUP|flagAT, slices.Concat(make([]byte, 16), []byte{0, 1, 1}, keyPairs()[kind].cose)...), []byte(nil), []byte(nil))
	}
	f.Add(byte(0), get, auth, []byte{3, 0x30, 6, 2, 1, 0, 2, 1, 0}, []byte(nil))
	for _, row := range clientDataRows {
		f.Add(byte(128), []byte(strings.Replace(row.data, `"C`, `"`+encode(challenge), 1)), auth, []byte(nil), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, kind byte, clientData, authData, signature, cose []byte) {
		key := keyPairs()[int(kind&63)%len(keyPairs())]
		rp := &party
		if kind&128 != 0 {
			rp = &framed
		}
		r := key.assert(clientData, authData)
		r.Signature = mutate(r.Signature, signature)
		compare(t, rp, r, mutate(key.cose, cose), kind&64 != 0)
	})
}

// mutate changes b as the fuzzer says: it knows neither keys nor signatures, which
// are other ones in each of its processes.
func mutate(b, how []byte) []byte {
	if len(how) < 2 {
		return b
	}
	switch b = slices.Clone(b); how[0] % 4 {
	case 0: // flip bits from a place on
		for i, x := range how[2:] {
			if at := int(how[1]) + i; at < len(b) {
				b[at] ^= x
			}
		}
	case 1: // cut short
		b = b[:max(0, len(b)-int(how[1]))]
	case 2: // lengthen
		b = append(b, how[1:]...)
	default: // replace
		b = slices.Clone(how[1:])
	}
	return b
}

// The mutations above are what they say.
func TestMutate(t *testing.T) {
	for _, row := range []struct{ how, want string }{
		{"", "abc"}, {"\x00\x01\x03", "aac"}, {"\x01\x02", "a"}, {"\x01\xff", ""}, {"\x02xy", "abcxy"}, {"\x03xy", "xy"},
	} {
		if got := mutate([]byte("abc"), []byte(row.how)); string(got) != row.want {
			t.Errorf("%q: %q, want %q", row.how, got, row.want)
		}
	}
}

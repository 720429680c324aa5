package passkeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// Mutations of responses that are valid: not one may register or sign in that
// should not. What passes all the same is listed, with the reason.

// replay is a challenge store that hands out one challenge for ever, so that
// each mutation meets the challenge it was made for.
type replay struct{ payload []byte }

func (s *replay) Put(_ context.Context, payload []byte, _ time.Time) (string, error) {
	s.payload = payload
	return "handle", nil
}

func (s *replay) Consume(context.Context, string) ([]byte, error) { return s.payload, nil }

// forgets is a repository whose credentials do not remember with which challenges
// they were used, for else it would be that which refuses every mutation.
type forgets struct{ *passkeys.MemoryCredentials }

func (f forgets) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	c, err := f.MemoryCredentials.Get(ctx, id)
	c.Spent = nil
	return c, err
}

func (f forgets) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	list, err := f.MemoryCredentials.ListByUser(ctx, userID)
	for i := range list {
		list[i].Spent = nil
	}
	return list, err
}

var mutated = []struct {
	algorithm   passkeytest.Algorithm
	attestation string
}{
	{passkeytest.ES256, "none"}, {passkeytest.EdDSA, "none"}, {passkeytest.RS256, "none"},
	{passkeytest.ES256, "packed"}, {passkeytest.EdDSA, "packed"}, {passkeytest.RS256, "packed"},
}

// victim is a relying party with one challenge, and a passkey for it.
type victim struct {
	*bench
	key *passkeytest.Authenticator
}

func newVictim(t *testing.T, algorithm passkeytest.Algorithm, attestation string) *victim {
	t.Helper()
	v := &victim{bench: newBench(t, func(c *passkeys.Config) {
		c.Challenges, c.Attestation = &replay{}, passkeys.AttestationDirect
		c.Credentials = forgets{c.Credentials.(*passkeys.MemoryCredentials)}
		c.UserVerification = passkeys.UserVerificationRequired
	})}
	v.key = passkeytest.New(origin)
	v.key.Algorithm, v.key.Attestation, v.key.Counter = algorithm, attestation, passkeytest.CounterZero
	return v
}

// registers reports whether a registration's response is let in, and undoes it.
func (v *victim) registers(response []byte) bool {
	v.t.Helper()
	c, err := v.FinishRegistration(context.Background(), passkeys.RegistrationResponse{State: "handle", Credential: response})
	if err != nil {
		if !errors.Is(err, passkeys.ErrAttestationVerification) && !errors.Is(err, passkeys.ErrInvalidRequest) {
			v.t.Errorf("%v is no answer to a bad response", err)
		}
		return false
	}
	if err := v.credentials.Delete(context.Background(), c.Credential.UserID, c.Credential.ID); err != nil {
		v.t.Fatal(err)
	}
	return true
}

// signsIn reports whether a sign-in's response is let in.
func (v *victim) signsIn(response []byte) bool {
	v.t.Helper()
	_, err := v.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{State: "handle", Credential: response})
	if err != nil && !errors.Is(err, passkeys.ErrAssertionVerification) && !errors.Is(err, passkeys.ErrInvalidRequest) && !errors.Is(err, passkeys.ErrCredentialNotFound) {
		v.t.Errorf("%v is no answer to a bad response", err)
	}
	return err == nil
}

func mutations(t *testing.T, each func(t *testing.T, v *victim, ceremony string, response []byte, passes func([]byte) bool)) {
	t.Helper()
	for _, m := range mutated {
		t.Run(fmt.Sprint(m.algorithm, " ", m.attestation), func(t *testing.T) {
			v := newVictim(t, m.algorithm, m.attestation)
			response := v.create(v.key).Credential
			if !v.registers(response) {
				t.Fatal("the registration does not pass as it is")
			}
			each(t, v, "registration", response, v.registers)
			if m.attestation != "none" {
				return // a sign-in does not know how its passkey was attested
			}
			if _, err := v.FinishRegistration(context.Background(), passkeys.RegistrationResponse{State: "handle", Credential: response}); err != nil {
				t.Fatal(err)
			}
			response = v.get(v.key, "").Credential
			if !v.signsIn(response) {
				t.Fatal("the sign-in does not pass as it is")
			}
			each(t, v, "sign-in", response, v.signsIn)
		})
	}
}

func TestEverySingleBitFlip(t *testing.T) {
	flips := 0
	mutations(t, func(t *testing.T, v *victim, ceremony string, response []byte, passes func([]byte) bool) {
		for _, path := range leaves(parse(t, response)) {
			text, ok := lookup(parse(t, response), path).(string)
			decoded, err := base64.RawURLEncoding.DecodeString(text)
			if !ok || err != nil || path == "type" || path == "authenticatorAttachment" || strings.Contains(path, "transports") {
				continue
			}
			passed := map[int]byte{} // by byte: which of its bits may flip
			for bit := range len(decoded) * 8 {
				changed := bytes.Clone(decoded)
				changed[bit/8] ^= 1 << (bit % 8)
				tree := parse(t, response)
				set(tree, path, base64.RawURLEncoding.EncodeToString(changed))
				flips++
				if passes(encode(t, tree)) {
					passed[bit/8] |= 1 << (bit % 8)
				}
			}
			for at, bits := range passed {
				if !mayFlip(ceremony, v.key.Attestation, path, decoded, at, bits) {
					t.Errorf("%s of a %s: bits %08b of byte %d of %x", path, ceremony, bits, at, decoded)
				}
			}
		}
	})
	t.Logf("%d flips", flips)
}

// mayFlip says, for the bits of a byte that flipped and passed, whether they may.
func mayFlip(ceremony, attestation, path string, decoded []byte, at int, bits byte) bool {
	// within reports whether at is in one of the strings, the last of which
	// stands for what follows.
	within := func(names ...string) bool {
		for _, name := range names {
			if i := bytes.Index(decoded, []byte(name)); i >= 0 && at >= i && at < i+len(name) {
				return true
			}
		}
		return false
	}
	const letterCase = 0x20
	switch {
	case ceremony != "registration":
		return false // in a sign-in everything is signed, or names what is
	case path == "response.authenticatorData" || path == "response.publicKey":
		return true // unsigned copies for the page's convenience: never read
	case path == "response.attestationObject" && bits == letterCase && within("fmt", "attStmt", "authData"):
		return true // the decoder takes a member's name in any case; the names are outside of what is signed
	case attestation != "none":
		return false
	// Attestation none signs nothing (WebAuthn L3 §8.7).
	case path == "response.clientDataJSON":
		return within("crossOrigin") // a member by another name, and so its default
	case path == "response.attestationObject":
		// The flags that no rule is about, the counter, the AAGUID and the key
		// are what the client says. It can register any key it holds; with one
		// that it does not hold it locks itself out.
		from := bytes.Index(decoded, []byte("authData")) + len("authData") + 2
		if decoded[from-2] == 0x59 {
			from++ // a byte string of 256 bytes and more
		}
		if within("attStmt") {
			return true // an empty statement by another name: there is none either way
		}
		flags, counter, model, key := from+32, from+33, from+37, from+55+int(decoded[from+54])
		return at == flags || at >= counter && at < model+16 || at >= key
	}
	return false
}

// unread are the members that neither ceremony reads: convenience, or outputs of
// extensions that were not asked for. They are not signed, and decide nothing.
func unread(ceremony, path string) bool {
	if path == "authenticatorAttachment" || strings.HasPrefix(path, "clientExtensionResults") {
		return true
	}
	if ceremony != "registration" {
		return false
	}
	for _, p := range []string{"response.authenticatorData", "response.publicKey", "response.publicKeyAlgorithm", "response.transports"} {
		if strings.HasPrefix(path, p) {
			return true // transports are a hint: what is odd about it is dropped
		}
	}
	return false
}

func TestEveryMutationOfTheJSON(t *testing.T) {
	tried := 0
	mutations(t, func(t *testing.T, _ *victim, ceremony string, response []byte, passes func([]byte) bool) {
		check := func(path, what string, mutant []byte) {
			t.Helper()
			tried++
			if passed, may := passes(mutant), unread(ceremony, path); passed != may {
				t.Errorf("%s of a %s, %s: passes %v, may %v\n%s", path, ceremony, what, passed, may, mutant)
			}
		}
		for _, path := range members(parse(t, response)) {
			tree := parse(t, response)
			value := lookup(tree, path)
			remove(tree, path)
			check(path, "removed", encode(t, tree))

			for _, other := range []any{nil, true, 7, 1e300, "", "x", "AAAA", "====", []any{}, []any{value}, map[string]any{}, map[string]any{"x": value}} {
				if a, b := fmt.Sprint(other), fmt.Sprint(value); a == b {
					continue
				}
				tree := parse(t, response)
				set(tree, path, other)
				check(path, fmt.Sprintf("as %v", other), encode(t, tree))
			}
			if text, ok := value.(string); ok {
				for _, n := range []int{1, 2, 4, len(text) / 2, len(text) - 1} {
					if n >= len(text) || n < 1 {
						continue
					}
					for what, short := range map[string]string{"its end cut off": text[:len(text)-n], "its beginning cut off": text[n:]} {
						tree := parse(t, response)
						set(tree, path, short)
						check(path, fmt.Sprint(what, " by ", n), encode(t, tree))
					}
				}
				for what, long := range map[string]string{"padded": text + "=", "with a line break": text + "\n", "with a blank": " " + text, "longer": text + "AAAA"} {
					tree := parse(t, response)
					set(tree, path, long)
					check(path, what, encode(t, tree))
				}
			}
			// What is not even JSON for us may stand nowhere, read or unread.
			for _, other := range []string{strings.Repeat("[", 17) + strings.Repeat("]", 17), "\"\xff\"", "\"\x1f\"", "01", "NaN", "'x'", "\"\\x\""} {
				tree := parse(t, response)
				set(tree, path, "REPLACED")
				tried++
				if mutant := bytes.Replace(encode(t, tree), []byte(`"REPLACED"`), []byte(other), 1); passes(mutant) {
					t.Errorf("%s of a %s as %q passes", path, ceremony, other)
				}
			}
		}
		for n := range response { // the whole, truncated anywhere
			if passes(response[:n]) {
				t.Errorf("the first %d bytes of %s pass", n, response)
			}
			tried++
		}
	})
	t.Logf("%d mutants", tried)
}

// Two readers of one body must not read two things in it: which of two members
// counts, or whether STATE is state, is what they differ in.
func TestEveryMemberHasOneNameAndComesOnce(t *testing.T) {
	tried := 0
	mutations(t, func(t *testing.T, _ *victim, ceremony string, response []byte, passes func([]byte) bool) {
		check := func(may bool, path, what string, values ...member) {
			t.Helper()
			tried++
			tree := parse(t, response)
			set(tree, path, several(values))
			if mutant := encode(t, tree); passes(mutant) != may {
				t.Errorf("%s of a %s, %s: passes %v, may %v\n%s", path, ceremony, what, !may, may, mutant)
			}
		}
		for _, path := range members(parse(t, response)) {
			tree := parse(t, response)
			value := lookup(tree, path)
			_, name := parent(tree, path)
			good, upper := member{name, value}, strings.ToUpper(name)
			// Twice, in either order, and be it the same; the second as null, which
			// is as good as absent but has occurred; and the name in other letters
			// of which JSON has one for each.
			over := skipped(ceremony, path)
			for what, other := range map[string]any{"bad": "AAAA", "the same": value, "null": nil} {
				check(over, path, "twice, the second "+what, good, member{name, other})
				check(over, path, "twice, the first "+what, member{name, other}, good)
				check(over, path, "twice, the second escaped and "+what, good, member{escaped(name), other})
			}
			check(true, path, "its name escaped", member{escaped(name), value})
			// By another name it is another member: absent where it counts, and
			// nothing to the one that is there.
			for _, other := range []string{upper, strings.ToUpper(name[:1]) + name[1:], name + " ", " " + name, name + "\x00", strings.ReplaceAll(name, "s", "\u017f"), strings.ReplaceAll(name, "k", "\u212a")} {
				if other == name {
					continue
				}
				check(unread(ceremony, path), path, fmt.Sprintf("as %q", other), member{other, value})
				check(true, path, fmt.Sprintf("and a bad %q", other), good, member{other, "AAAA"})
				check(true, path, fmt.Sprintf("and a bad %q before it", other), member{other, "AAAA"}, good)
			}
		}
		for what, other := range map[string][]byte{
			"a byte order mark before it":  append([]byte("\ufeff"), response...),
			"another object behind it":     append(bytes.Clone(response), response...),
			"a comma behind it":            append(bytes.Clone(response), ','),
			"NUL behind it":                append(bytes.Clone(response), 0),
			"a comma at its end":           append(bytes.Clone(response[:len(response)-1]), ",}"...),
			"in an array":                  slices.Concat([]byte("["), response, []byte("]")),
			"in a string":                  []byte(fmt.Sprintf("%q", response)),
			"in single quotes":             bytes.ReplaceAll(response, []byte(`"`), []byte("'")),
			"with a comment":               append([]byte("/**/"), response...),
			"in UTF-16":                    utf16(response),
			"with a byte that is no UTF-8": slices.Concat(response[:len(response)-1], []byte(",\"x\":\"\xff\"}")),
		} {
			if tried++; passes(other) {
				t.Errorf("a %s, %s, passes", ceremony, what)
			}
		}
		for what, other := range map[string][]byte{
			"white space around it": slices.Concat([]byte(" \t\r\n"), response, []byte(" \t\r\n")),
			"a member that is new":  slices.Concat(response[:len(response)-1], []byte(`,"later":{"a":[1,-2.5e-7,true,false,null,"\ud83d\udd11"],"a":{}}}`)),
			"as deep as it may be":  slices.Concat(response[:len(response)-1], []byte(`,"later":`+strings.Repeat("[", 15)+strings.Repeat("]", 15)+`}`)),
		} {
			if tried++; !passes(other) {
				t.Errorf("a %s with %s does not pass", ceremony, what)
			}
		}
	})
	t.Logf("%d mutants", tried)
}

func utf16(ascii []byte) (b []byte) {
	for _, c := range ascii {
		b = append(b, 0, c)
	}
	return b
}

// skipped reports whether the reader passes over a member without looking at it,
// and so over a second one.
func skipped(ceremony, path string) bool {
	switch path {
	case "clientExtensionResults": // which both read, whatever they are
		return false
	case "response.transports":
		return ceremony != "registration"
	}
	return unread(ceremony, path)
}

// What belongs to one ceremony, credential or user has no place in another.
func TestCrossOvers(t *testing.T) {
	ctx := context.Background()
	bob := passkeys.User{ID: "bob-id", Name: "bob"}
	b := newBench(t)
	begin := b.creation
	keys := map[string]*passkeytest.Authenticator{}
	for _, u := range []passkeys.User{alice, bob} {
		keys[u.ID] = passkeytest.New(origin)
		keys[u.ID].Counter = passkeytest.CounterZero
		options, state := begin(u)
		answer, err := keys[u.ID].Create(options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: state, Credential: answer}); err != nil {
			t.Fatal(err)
		}
	}
	// Two responses, each valid in its own ceremony, exchange one member.
	pairs := []struct{ name, one, other string }{
		{"two sign-ins of one user", alice.ID, alice.ID},
		{"sign-ins of two users", alice.ID, bob.ID},
	}
	for _, pair := range pairs {
		for _, path := range []string{"id", "rawId", "response.clientDataJSON", "response.authenticatorData", "response.signature", "response.userHandle", "response"} {
			first, second := b.get(keys[pair.one], pair.one), b.get(keys[pair.other], pair.other)
			a, c := parse(t, first.Credential), parse(t, second.Credential)
			same := fmt.Sprint(lookup(a, path)) == fmt.Sprint(lookup(c, path))
			set(a, path, lookup(c, path))
			if path == "id" || path == "rawId" {
				set(a, "id", lookup(c, path))
				set(a, "rawId", lookup(c, path))
			}
			_, err := b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: first.State, Credential: encode(t, a)})
			if same != (err == nil) {
				t.Errorf("%s exchange %s: %v", pair.name, path, err)
			}
		}
		// And their states.
		first, second := b.get(keys[pair.one], pair.one), b.get(keys[pair.other], pair.other)
		if _, err := b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: second.State, Credential: first.Credential}); !errors.Is(err, passkeys.ErrAssertionVerification) {
			t.Errorf("%s exchange states: %v", pair.name, err)
		}
	}
	// Two registrations exchange a member or a state.
	for _, path := range []string{"id", "response.clientDataJSON", "response.attestationObject", "state"} {
		optionsA, stateA := begin(alice)
		optionsB, stateB := begin(bob)
		one, errA := passkeytest.New(origin).Create(optionsA)
		two, errB := passkeytest.New(origin).Create(optionsB)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		a, c := parse(t, one), parse(t, two)
		switch path {
		case "state":
			stateA = stateB
		case "id":
			set(a, "id", lookup(c, "id"))
			set(a, "rawId", lookup(c, "rawId"))
		case "response.attestationObject":
			set(a, "response.attestationObject", lookup(c, path))
			set(a, "id", lookup(c, "id"))
			set(a, "rawId", lookup(c, "rawId"))
			// Under attestation none nothing ties it to its client data: it is a
			// credential like any, registered for who began.
			credential, err := b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: stateA, Credential: encode(t, a)})
			if err != nil || credential.Credential.UserID != alice.ID {
				t.Errorf("%+v, %v", credential, err)
			}
			continue
		default:
			set(a, path, lookup(c, path))
		}
		if _, err := b.FinishRegistration(ctx, passkeys.RegistrationResponse{State: stateA, Credential: encode(t, a)}); !errors.Is(err, passkeys.ErrAttestationVerification) {
			t.Errorf("two registrations exchange %s: %v", path, err)
		}
	}
}

// A tree of JSON, and paths into it such as response.signature.

func parse(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// several stands for a member and is written as all of these.
type several []member

type member struct {
	name  string // as it stands between the quotes, if it has an escape
	value any
}

// escaped is the name with its first letter as an escape.
func escaped(name string) string { return fmt.Sprintf(`\u%04x`, name[0]) + name[1:] }

func encode(t *testing.T, tree map[string]any) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(tree)) {
		values, ok := tree[k].(several)
		if !ok {
			values = several{{k, tree[k]}}
		}
		for j, v := range values {
			if i+j > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(v.name)
			if strings.HasPrefix(v.name, `\u`) {
				name = []byte(`"` + v.name + `"`)
			}
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(name, ':'))
			if m, ok := v.value.(map[string]any); ok {
				b.Write(encode(t, m))
				continue
			}
			raw, err := json.Marshal(v.value)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(raw)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

func parent(tree map[string]any, path string) (map[string]any, string) {
	for {
		head, rest, more := strings.Cut(path, ".")
		if !more {
			return tree, path
		}
		tree, path = tree[head].(map[string]any), rest
	}
}

func lookup(tree map[string]any, path string) any {
	m, k := parent(tree, path)
	return m[k]
}

func set(tree map[string]any, path string, value any) {
	m, k := parent(tree, path)
	m[k] = value
}

func remove(tree map[string]any, path string) {
	m, k := parent(tree, path)
	delete(m, k)
}

// members are the paths of all members, leaves those that are no objects.
func members(tree map[string]any) (paths []string) {
	for k, v := range tree {
		paths = append(paths, k)
		if m, ok := v.(map[string]any); ok {
			for _, p := range members(m) {
				paths = append(paths, k+"."+p)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

func leaves(tree map[string]any) (paths []string) {
	for _, p := range members(tree) {
		if _, ok := lookup(tree, p).(map[string]any); !ok {
			paths = append(paths, p)
		}
	}
	return paths
}

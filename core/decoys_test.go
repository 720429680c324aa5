package passkeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func (b *bench) allowed(name string) []passkeys.CredentialDescriptor {
	b.t.Helper()
	c, err := b.BeginAuthentication(context.Background(), passkeys.AuthenticationRequest{UserID: name})
	if err != nil {
		b.t.Fatal(err)
	}
	return c.PublicKey.AllowCredentials
}

func TestDecoysAreStable(t *testing.T) {
	one, two := newBench(t), newBench(t)
	for i := range 50 {
		name := fmt.Sprint("nobody-", i)
		if a, b := fmt.Sprint(one.allowed(name)), fmt.Sprint(two.allowed(name)); a != b || a != fmt.Sprint(one.allowed(name)) {
			t.Errorf("%s: %s, then %s", name, a, b)
		}
	}
	other := newBench(t, func(c *passkeys.Config) { c.Secret = bytes.Repeat([]byte{2}, 32) })
	if fmt.Sprint(one.allowed("nobody")) == fmt.Sprint(other.allowed("nobody")) {
		t.Error("they do not depend on the secret")
	}
	if len(one.events.list) != 0 && one.events.list[0].Type == passkeys.ConfigurationWarning {
		t.Error("with a secret New warns")
	}
	unset, again := newBench(t, func(c *passkeys.Config) { c.Secret = nil }), newBench(t, func(c *passkeys.Config) { c.Secret = nil })
	if first, second := unset.allowed("nobody"), unset.allowed("nobody"); len(first) == 0 || fmt.Sprint(first) != fmt.Sprint(second) {
		t.Error("a process's own secret serves the process")
	}
	if fmt.Sprint(unset.allowed("nobody")) == fmt.Sprint(again.allowed("nobody")) {
		t.Error("two processes drew the same secret")
	}
}

// What tells nobody from somebody over time is a decoy that changes. So those of
// a secret stay when another takes its place, and through every rotation after.
func TestDecoysOutliveARotation(t *testing.T) {
	secret := func(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }
	rotated := func(fresh byte, old ...byte) *bench {
		return newBench(t, func(c *passkeys.Config) {
			c.Secret = secret(fresh)
			for _, n := range old {
				c.OldSecrets = append(c.OldSecrets, secret(n))
			}
		})
	}
	before := rotated(1)
	rotations := map[string]*bench{"one rotation": rotated(2, 1), "two": rotated(3, 2, 1), "two, and the one between dropped": rotated(3, 1)}
	forgotten := map[string]*bench{"the first dropped": rotated(3, 2), "all dropped": rotated(2), "in the wrong order": rotated(2, 1, 3)}
	for i := range 50 {
		name := fmt.Sprint("nobody-", i)
		want := fmt.Sprint(before.allowed(name))
		for after, b := range rotations {
			if got := fmt.Sprint(b.allowed(name)); got != want {
				t.Errorf("%s: %s lists %s, and listed %s", after, name, got, want)
			}
		}
		for after, b := range forgotten {
			if fmt.Sprint(b.allowed(name)) == want {
				t.Errorf("%s: %s lists what it listed", after, name)
			}
		}
	}
	// What was listed before is a decoy afterwards, and is refused as one.
	a := passkeytest.New(origin)
	b := rotations["two"]
	b.mustRegister(a)
	decoy := before.allowed("nobody")[0].ID
	a.Corrupt = func(r *passkeytest.Response) { r.ID, r.RawID = decoy, decoy }
	_, err := b.signIn(a)
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonCredentialDecoy)

	// By name as by id; and the user whom nobody's sign-in is for stays nobody.
	for _, b := range rotations {
		one, errOne := before.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{Username: "nobody"})
		two, errTwo := b.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{Username: "nobody"})
		if err := errors.Join(errOne, errTwo); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(one.PublicKey.AllowCredentials) != fmt.Sprint(two.PublicKey.AllowCredentials) {
			t.Error("by name they changed")
		}
	}
}

func TestAMissingSecretIsWarnedOfOnce(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) {
		c.Secret = nil
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	b.mustSignIn(a)
	b.allowed("nobody")
	warnings := 0
	for i, e := range b.events.list {
		if e.Type != passkeys.ConfigurationWarning {
			continue
		}
		warnings++
		if want := (passkeys.AuditEvent{Type: passkeys.ConfigurationWarning, Reason: passkeys.ReasonSecretMissing, Time: b.clock.Now()}); i != 0 || e != want {
			t.Errorf("event %d is %+v, want it first and to be %+v", i, e, want)
		}
	}
	if lines := strings.Count(log.String(), "\n"); warnings != 1 || lines != 1 {
		t.Errorf("%d events, %d lines of log:\n%s", warnings, lines, &log)
	}
	for _, want := range []string{"level=WARN", "Config.Secret", "PASSKEYS_SECRET", "32 random bytes", "reason=secret_missing"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("it does not say %q: %s", want, &log)
		}
	}

	log.Reset()
	b = newBench(t, func(c *passkeys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if log.Len() != 0 || len(b.events.list) != 0 {
		t.Errorf("with a secret: %s %+v", &log, b.events.list)
	}
}

// A population of real users and one of nobodies answer alike: as many passkeys,
// with ids as long and the same transports, no byte of an id more likely in one
// than in the other, and none that comes twice. That is said of users as they are
// everywhere, and of those of a company, whose configuration says how they are.
func TestDecoysLookLikeUsers(t *testing.T) {
	for _, population := range []struct {
		name, sentence string
		counts         []int
		shapes         []passkeys.DecoyShape
		configure      bool
	}{
		{"everybody", "A third of those who have n passkeys have more, of the common makes.", []int{6500, 2275, 796, 279, 98, 34, 12, 4, 2},
			[]passkeys.DecoyShape{{40, 20, []string{"hybrid", "internal"}}, {35, 16, []string{"hybrid", "internal"}}, {15, 32, []string{"internal"}}, {10, 48, []string{"nfc", "usb"}}}, false},
		{"a company's", "Everyone has two security keys, and some a spare one or five.", []int{0, 70, 20, 0, 10},
			[]passkeys.DecoyShape{{80, 64, []string{"usb"}}, {20, 48, []string{"nfc", "usb"}}}, true},
	} {
		t.Run(population.name, func(t *testing.T) {
			b := newBench(t, func(c *passkeys.Config) {
				if population.configure {
					c.DecoyCounts, c.DecoyShapes = population.counts, population.shapes
				}
			})
			looksLikeUsers(t, b, population.counts, population.shapes)
		})
	}
}

func looksLikeUsers(t *testing.T, b *bench, counts []int, shapes []passkeys.DecoyShape) {
	ctx := context.Background()
	const people = 4000
	source := passkeysRand(1)
	var weights []int
	for _, s := range shapes {
		weights = append(weights, s.Weight)
	}
	pick := func(weights []int) int {
		total := 0
		for _, w := range weights {
			total += w
		}
		at := source.IntN(total)
		for i, w := range weights {
			if at -= w; at < 0 {
				return i
			}
		}
		return 0
	}
	for i := range people {
		for range 1 + pick(counts) {
			s := shapes[pick(weights)]
			id := make([]byte, s.IDLength)
			for k := range id {
				id[k] = byte(source.IntN(256))
			}
			if err := b.credentials.Add(ctx, passkeys.Credential{ID: id, UserID: fmt.Sprint("user-", i), PublicKey: []byte{1}, Transports: s.Transports}); err != nil {
				t.Fatal(err)
			}
		}
	}
	type look struct {
		counts, shapes map[string]int
		bits           [8]int
		ids            map[string]bool
	}
	observe := func(prefix string) look {
		l := look{counts: map[string]int{}, shapes: map[string]int{}, ids: map[string]bool{}}
		for i := range people {
			list := b.allowed(fmt.Sprint(prefix, i))
			l.counts[fmt.Sprint(len(list))]++
			for _, d := range list {
				id, err := base64.RawURLEncoding.DecodeString(d.ID)
				if err != nil || d.Type != "public-key" {
					t.Fatalf("%+v: %v", d, err)
				}
				l.shapes[fmt.Sprint(len(id), d.Transports)]++
				if l.ids[d.ID] {
					t.Fatalf("id %s twice", d.ID)
				}
				l.ids[d.ID] = true
				for bit := range 8 { // of the first byte and the last, where a tag would show
					l.bits[bit] += int((id[0] ^ id[len(id)-1]) >> bit & 1)
				}
			}
		}
		return l
	}
	users, decoys := observe("user-"), observe("nobody-")
	alike := func(what string, a, b int) {
		t.Helper()
		// Five standard deviations of the difference of two counts.
		if d := float64(a - b); d*d > 25*float64(a+b+1) {
			t.Errorf("%s: %d of the users, %d of the decoys", what, a, b)
		}
	}
	for _, m := range []struct{ a, b map[string]int }{{users.counts, decoys.counts}, {users.shapes, decoys.shapes}} {
		for k := range m.a {
			alike(k, m.a[k], m.b[k])
		}
		for k := range m.b {
			alike(k, m.a[k], m.b[k])
		}
	}
	for bit := range users.bits {
		alike(fmt.Sprint("bit ", bit), users.bits[bit], decoys.bits[bit])
	}
}

// A user is not known by how many passkeys they have: for some name there are as
// many decoys, up to what a user may have.
func TestAsManyDecoysAsPasskeys(t *testing.T) {
	for _, row := range []struct{ may, most int }{{may: 2, most: 2}, {may: 4, most: 4}, {may: 50, most: 6}, {may: -1, most: 6}} {
		b := newBench(t, func(c *passkeys.Config) { c.MaxCredentials = row.may })
		seen := map[int]bool{}
		for i := range 4000 {
			seen[len(b.allowed(fmt.Sprint("nobody-", i)))] = true
		}
		for n := range row.most {
			if !seen[n+1] {
				t.Errorf("where a user may have %d, none has %d decoys", row.may, n+1)
			}
		}
		if row.may > 0 && seen[row.may+1] {
			t.Errorf("where a user may have %d, one has %d decoys", row.may, row.may+1)
		}
	}
}

// What a finish says, and what it costs, is the same for a decoy as for a real
// passkey whose signature is bad, in that ceremony and in any other.
func TestDecoysFailLikeABadSignature(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	decoy := b.allowed("nobody")[0].ID

	for _, begin := range []string{"nobody", "", alice.ID} {
		finish := func(id string) error {
			options, state := b.request(passkeys.AuthenticationRequest{UserID: begin})
			a.Corrupt = func(r *passkeytest.Response) {
				r.Signature[8] ^= 1
				if id != "" {
					r.ID, r.RawID = id, id
				}
			}
			credential, err := a.Get(withoutAllowList(t, options))
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{State: state, Credential: credential})
			return err
		}
		b.refused(finish(decoy), passkeys.ErrAssertionVerification, passkeys.ReasonCredentialDecoy)
		b.refused(finish(""), passkeys.ErrAssertionVerification, passkeys.ReasonSignatureInvalid)
		b.refused(finish(base64.RawURLEncoding.EncodeToString(make([]byte, 20))), passkeys.ErrCredentialNotFound, passkeys.ReasonCredentialUnknown)

		raw, _ := base64.RawURLEncoding.DecodeString(decoy)
		raw[0] ^= 1
		b.refused(finish(base64.RawURLEncoding.EncodeToString(raw)), passkeys.ErrCredentialNotFound, passkeys.ReasonCredentialUnknown)
	}
}

// A credential that was used often knows only that what was issued by some time
// counts as used. Who cannot sign must not hear of it, or an old state of theirs
// tells a real passkey from a decoy.
func TestDecoysFailLikeABadSignatureAlsoWithAnOldState(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	decoy := b.allowed("nobody")[0].ID
	stranger := a.Clone()
	var states []string
	for range 2 {
		_, state := b.request(passkeys.AuthenticationRequest{})
		states = append(states, state)
	}
	for range 17 {
		b.mustSignIn(a)
	}
	for i, row := range []struct {
		id  string
		why passkeys.Reason
	}{{decoy, passkeys.ReasonCredentialDecoy}, {"", passkeys.ReasonChallengeMismatch}} {
		stranger.Corrupt = func(r *passkeytest.Response) {
			if row.id != "" {
				r.ID, r.RawID = row.id, row.id
			}
		}
		r := b.get(stranger, "")
		r.State = states[i]
		_, err := b.FinishAuthentication(t.Context(), r)
		b.refused(err, passkeys.ErrAssertionVerification, row.why)
	}
	// Whose signature holds is told, by then, that it is spent.
	b.clock.Advance(time.Second)
	options, state := b.request(passkeys.AuthenticationRequest{})
	late, err := a.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	for range 17 {
		b.mustSignIn(a)
	}
	_, err = b.FinishAuthentication(t.Context(), passkeys.AuthenticationResponse{State: state, Credential: late})
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
}

// Neither begin nor finish takes longer for the one than for the other. Both are
// measured in turn, so that a noisy machine disturbs both alike; what would tell
// them apart is a signature that is not checked, a tenth of the work.
func TestDecoysTakeAsLong(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	a.CredentialID = make([]byte, 20)
	b.mustRegister(a)
	nobody := ""
	for i := 0; nobody == ""; i++ { // with as many passkeys as alice
		if name := fmt.Sprint("nobody-", i); len(b.allowed(name)) == 1 {
			nobody = name
		}
	}
	decoy := b.allowed(nobody)[0].ID

	begin := func(name string) func() time.Duration {
		return func() time.Duration {
			start := time.Now()
			if _, err := b.BeginAuthentication(ctx, passkeys.AuthenticationRequest{UserID: name}); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
	}
	finish := func(id string) func() time.Duration {
		return func() time.Duration {
			a.Corrupt = func(r *passkeytest.Response) {
				r.Signature[8] ^= 1
				if id != "" {
					r.ID, r.RawID = id, id
				}
			}
			r := b.get(a, "")
			start := time.Now()
			if _, err := b.FinishAuthentication(ctx, r); err == nil {
				t.Fatal("signed in")
			}
			return time.Since(start)
		}
	}
	for _, row := range []struct {
		name         string
		user, nobody func() time.Duration
	}{
		{"begin", begin(alice.ID), begin(nobody)},
		{"finish", finish(""), finish(decoy)},
	} {
		var user, other []time.Duration
		for range 501 {
			user, other = append(user, row.user()), append(other, row.nobody())
		}
		slices.Sort(user)
		slices.Sort(other)
		if ratio := float64(user[250]) / float64(other[250]); ratio < 0.6 || ratio > 1/0.6 {
			t.Errorf("%s takes %v for a user, %v for nobody", row.name, user[250], other[250])
		}
	}
}

// Who has an account could try to register what begin listed for another: a
// passkey's id is taken, and so must a decoy's be.
func TestDecoysCannotBeRegistered(t *testing.T) {
	b := newBench(t)
	taken := b.mustRegister(passkeytest.New(origin)).ID
	decoy, err := base64.RawURLEncoding.DecodeString(b.allowed("nobody")[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for id, why := range map[string]passkeys.Reason{string(taken): passkeys.ReasonCredentialExists, string(decoy): passkeys.ReasonCredentialDecoy} {
		a := passkeytest.New(origin)
		a.CredentialID = []byte(id)
		_, err := b.register(a)
		b.refused(err, passkeys.ErrCredentialExists, why)
	}
}

// A begin in the name of nobody is for nobody: were it usernameless, anyone with
// an account could tell by signing in with their own passkey.
func TestNobodysSignInIsNobodys(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	for _, name := range []string{"nobody", "somebody"} {
		findUser := map[string]string{"somebody": "somebody-id"}
		s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
			h.FindUser = func(_ passkeys.Exchange, username string) (string, error) { return findUser[username], nil }
		})
		options := s.post("/authenticate/begin", `{"username":"`+name+`"}`, http.StatusOK)
		credential, err := a.Get(withoutAllowList(t, options))
		if err != nil {
			t.Fatal(err)
		}
		answer := s.post("/authenticate/finish", finishBody(t, options, credential), http.StatusUnauthorized)
		if code(answer) != "assertion_verification_failed" || b.events.last().Reason != passkeys.ReasonUserMismatch {
			t.Errorf("%s: %s (%s)", name, answer, b.events.last().Reason)
		}
	}
}

// The audit names users that the application vouches for, or who have a passkey;
// what anybody may type it does not repeat, at begin or at finish.
func TestTheAuditDoesNotRepeatWhatIsTyped(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	for _, row := range []struct {
		name, sentence string
		r              passkeys.AuthenticationRequest
		begin, finish  string
	}{
		{"an id with passkeys", "Is a user's.", passkeys.AuthenticationRequest{UserID: alice.ID}, alice.ID, alice.ID},
		{"an id without", "May be anything, and is nobody's.", passkeys.AuthenticationRequest{UserID: "alice\nuser_id=admin"}, "", ""},
		{"a name that is found", "Is the application's word for whom.", passkeys.AuthenticationRequest{Username: "bob", UserID: "bob-id"}, "bob-id", ""},
		{"a name that is not", "Is nobody's.", passkeys.AuthenticationRequest{Username: "carol\n"}, "", ""},
	} {
		options, state := b.request(row.r)
		if e := b.events.last(); e.Type != passkeys.AuthenticationBegan || e.UserID != row.begin {
			t.Errorf("%s: %s of %q. %s", row.name, e.Type, e.UserID, row.sentence)
		}
		a.Corrupt = func(r *passkeytest.Response) { r.ID, r.RawID = "AAAA", "AAAA" }
		credential, err := a.Get(withoutAllowList(t, options))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.FinishAuthentication(t.Context(), passkeys.AuthenticationResponse{State: state, Credential: credential})
		b.refused(err, passkeys.ErrCredentialNotFound, passkeys.ReasonCredentialUnknown)
		if e := b.events.last(); e.UserID != row.finish {
			t.Errorf("%s: a finish of %q. %s", row.name, e.UserID, row.sentence)
		}
	}
}

func TestNamesThatApplicationsTakeForOneHaveTheSameDecoys(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) { return "", nil }
	})
	list := func(username string) string {
		body, err := json.Marshal(map[string]string{"username": username})
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			PublicKey struct {
				AllowCredentials []passkeys.CredentialDescriptor
			}
		}
		if err := json.Unmarshal(s.post("/authenticate/begin", string(body), http.StatusOK), &o); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(o.PublicKey.AllowCredentials)
	}
	want := list("zoë")
	for _, same := range []string{"ZOË", " zoë ", "zoe\u0308"} {
		if got := list(same); got != want {
			t.Errorf("%q: %s, want %s", same, got, want)
		}
	}
	if list("zoe") == want {
		t.Error("another name has the same decoys")
	}
}

// A sign-in that was begun for somebody, and answered with a decoy, is nobody's:
// the decoy has no owner, and who was named need not know of it.
func TestADecoysOwnerIsNobody(t *testing.T) {
	b := newBench(t)
	options, state := b.request(passkeys.AuthenticationRequest{UserID: "bob-id"})
	var o struct {
		PublicKey passkeys.RequestOptions
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	id, err := passkeys.DecodeID(o.PublicKey.AllowCredentials[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	a := passkeytest.New(origin)
	a.CredentialID = id
	newBench(t, func(c *passkeys.Config) { c.Secret = bytes.Repeat([]byte{2}, 32) }).mustRegister(a) // where it is no decoy's
	credential, err := a.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	err = b.finish(passkeys.AuthenticationResponse{State: state, Credential: credential})
	b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonCredentialDecoy)
	if e := b.events.last(); e.UserID != "" || e.CredentialID != passkeys.EncodeID(id) {
		t.Errorf("the event is %+v", e)
	}
}

// What is typed as a name is none of the application's ids, though it be spelled
// like one: else the decoys of the one would tell that the other is nobody's.
func TestDecoysOfANameAreNotThoseOfAnID(t *testing.T) {
	b := newBench(t)
	list := func(r passkeys.AuthenticationRequest) []passkeys.CredentialDescriptor {
		c, err := b.BeginAuthentication(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return c.PublicKey.AllowCredentials
	}
	byName, byID := list(passkeys.AuthenticationRequest{Username: "same"}), list(passkeys.AuthenticationRequest{UserID: "same"})
	if len(byName) == 0 || len(byID) == 0 || byName[0].ID == byID[0].ID {
		t.Errorf("by name %+v, by id %+v", byName, byID)
	}
}

func TestDecoyShapesCanBeConfigured(t *testing.T) {
	mine := []passkeys.DecoyShape{{Weight: 1, IDLength: 1023, Transports: []string{"usb"}}}
	b := newBench(t, func(c *passkeys.Config) { c.DecoyShapes = mine })
	mine[0].Transports[0] = "changed after New"
	b.allowed("nobody")[0].Transports[0] = "changed in an answer, which an application may"
	for i := range 20 {
		for _, d := range b.allowed(fmt.Sprint(i)) {
			if len(d.ID) != base64.RawURLEncoding.EncodedLen(1023) || !slices.Equal(d.Transports, []string{"usb"}) {
				t.Errorf("%d characters, %v", len(d.ID), d.Transports)
			}
			if strings.Contains(d.ID[100:], d.ID[:43]) {
				t.Error("the id repeats itself")
			}
		}
	}
}

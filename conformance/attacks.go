package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// TestConfirmations holds stores to what a confirmed operation needs of them, below
// several servers that share them and a secret: a proof passes once, whoever sends it
// how often at the same moment, and what was confirmed is all that it is good for.
// [TestAdapter] attacks adapters in the same way.
//
// open is called once for each row, with the clock that the servers go by. Without a
// store of challenges the states are sealed.
func TestConfirmations(t *testing.T, open func(t testing.TB, now func() time.Time) (passkeys.CredentialRepository, passkeys.ChallengeStore)) {
	t.Helper()
	test(t, attackRows(), func(t testing.TB) *site { return newSite(t, serveMux(mountServeMux).mount, open) })
}

// serveMux is core as an adapter to net/http, mounted in this way.
func serveMux(mount func(testing.TB, Application[passkeys.Exchange]) http.Handler) Adapter[passkeys.Exchange] {
	return Adapter[passkeys.Exchange]{
		Exchange:         func(x passkeys.Exchange) passkeys.Exchange { return x },
		RequestOperation: passkeys.Exchange.RequestOperation,
		Mount:            mount,
	}
}

// mountServeMux mounts core's own routes and guards.
func mountServeMux(t testing.TB, app Application[passkeys.Exchange]) http.Handler {
	return mountBehind(t, app, passkeys.Require[finder])
}

func mountBehind(t testing.TB, app Application[passkeys.Exchange], require func(finder, hooks, passkeys.Guard[passkeys.Exchange]) func(http.Handler) http.Handler) http.Handler {
	routes, err := passkeys.Handler(app.Find, app.Hooks)
	if err != nil {
		t.Fatal(err)
	}
	staff, err := passkeys.AdminHandler(app.Find, app.AdminHooks)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, routes))
	mux.Handle(staffPrefix+"/", http.StripPrefix(staffPrefix, staff))
	if err := passkeys.MountWellKnown(mux, app.Find); err != nil {
		t.Fatal(err)
	}
	for _, g := range app.Guarded {
		mux.Handle(g.Method+" "+g.Path, require(app.Find, app.Hooks, g.Guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.Handler(passkeys.Exchange{W: w, R: r})
		})))
	}
	return mux
}

func attackRows() []row[*site] {
	return []row[*site]{
		{"attack-another-user", "A proof, a request and a state are good for their user alone, and no other user's passkey makes one.", attackAnotherUser},
		{"attack-another-session", "A proof, a request and a state are good in their session alone.", attackAnotherSession},
		{"attack-another-operation", "A proof of one operation passes no other.", attackAnotherOperation},
		{"attack-payload-bit", "A proof passes no payload that differs in one bit.", attackPayloadBit},
		{"attack-body", "The handler reads the bytes that were confirmed, whatever the connection would give next.", attackBody},
		{"attack-at-once", "Of the same proof 64 times at once, on several servers, exactly one passes, and the same state makes one proof.", attackAtOnce},
		{"attack-expired", "A proof does not pass when it is too old for its guard, or for what it was asked for with, nor a state or a request when its time is over.", attackExpired},
		{"attack-in-place", "The states of sign-in, registration and confirmation, a grant, a request and a proof are none in place of one another.", attackInPlace},
		{"attack-dead-passkey", "A passkey that is quarantined or revoked confirms nothing, not even when it is so between read and write, and its proofs pass no operation that is not reusable, though its id is somebody's again.", attackDeadPasskey},
		{"attack-unverified", "A response without user verification confirms nothing.", attackUnverified},
	}
}

// fleet has several servers answer in turn, which share the stores and the secret.
func (c *check) fleet(s *site) {
	var servers [4]*passkeys.Passkeys
	for i := range servers {
		var err error
		servers[i], err = s.party("example.org")
		c.is(err, nil, "New")
	}
	var next atomic.Uint32
	s.find = func(passkeys.Exchange) (*passkeys.Passkeys, error) {
		return servers[int(next.Add(1))%len(servers)], nil
	}
}

// uncounted is an authenticator whose counter stays 0, so that nothing but what is attacked refuses
// the attack.
func uncounted() *passkeytest.Authenticator {
	a := passkeytest.New(origin)
	a.Counter = passkeytest.CounterZero
	return a
}

func attackAnotherUser(c *check, s *site) {
	c.fleet(s)
	phone, ofBob := uncounted(), uncounted()
	c.enrol(s, phone, "alice")
	c.enrol(s, ofBob, "bob")
	for _, m := range []message{settings(), transfer(), report()} {
		proof, bob := c.confirmed(s, phone, m), m
		bob.user = "bob"
		c.required("bob with the proof of alice to "+m.path, s, bob.with(proof))
		c.passes("alice with a proof of alice to "+m.path, s, m.with(proof))
		// Who confirms what another is to do has confirmed nothing.
		c.required("alice with the proof of bob to "+m.path, s, m.with(c.confirmed(s, ofBob, bob)))
		request := c.required("alice without", s, m).Request
		c.answers("bob's begin with the request of alice", c.send(s, bob.at("/confirm/begin", `{"request":"`+request+`"}`)), refused("challenge_not_found"))
		c.answers("bob's finish with the state of alice", c.send(s, bob.at("/confirm/finish", c.confirming(s, phone, m, request))), refused("challenge_not_found"))

		// The passkey of bob signs the challenge of alice, by the handle of either, and
		// by none.
		begin := c.send(s, m.at("/confirm/begin", `{"request":"`+request+`"}`))
		for _, evil := range []func(*passkeytest.Authenticator){
			func(*passkeytest.Authenticator) {},
			func(a *passkeytest.Authenticator) { a.UserHandle = []byte("alice") },
			func(a *passkeytest.Authenticator) { a.OmitUserHandle = true },
		} {
			a := ofBob.Clone()
			evil(a)
			allowed := c.allowed(begin)
			_, id, _ := strings.Cut(allowed, `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			own := begin
			own.body = strings.Replace(begin.body, id, passkeys.EncodeID(ofBob.Credentials()[0].ID), 1)
			c.answers("the passkey of bob", c.send(s, m.at("/confirm/finish", c.signed(a, own))), refused("confirmation_failed"))
			begin = c.send(s, m.at("/confirm/begin", `{"request":"`+request+`"}`))
		}
	}
}

func attackAnotherSession(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	for _, m := range []message{settings(), transfer(), report()} {
		m.session = "1"
		proof := c.confirmed(s, phone, m)
		for _, session := range []string{"2", "", "10"} {
			other := m
			other.session = session
			request := c.required("a proof in session "+session, s, other.with(proof)).Request
			c.answers("a begin in session 1 with a request of "+session, c.send(s, m.at("/confirm/begin", `{"request":"`+request+`"}`)), refused("challenge_not_found"))
			c.answers("a finish in session 1 of a begin of "+session, c.send(s, m.at("/confirm/finish", c.confirming(s, phone, other, request))), refused("challenge_not_found"))
		}
		c.passes("a proof in its own", s, m.with(proof))
	}
}

func attackAnotherOperation(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	// With one payload, so that the name alone tells them apart.
	s.operation = func(x passkeys.Exchange, _ func() (passkeys.Operation, error)) (passkeys.Operation, error) {
		return passkeys.Operation{Name: x.R.Method + " " + x.R.URL.Path}, nil
	}
	var all []message
	for _, m := range guarded() {
		if g := m.guard(); g.operation && !g.bearer {
			m.user = "alice"
			all = append(all, m)
		}
	}
	nothing := c.proof(s, phone, settings(), "")
	for _, m := range all {
		c.required(m.method+" "+m.path+" with a proof of nothing in particular", s, m.with(nothing))
		proof := c.confirmed(s, phone, m)
		for _, other := range all {
			if other.method+other.path != m.method+m.path {
				c.required(other.method+" "+other.path+" with a proof of "+m.method+" "+m.path, s, other.with(proof))
			}
		}
		c.passes(m.method+" "+m.path, s, m.with(proof))
	}
}

func attackPayloadBit(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	m := transfer()
	m.contentType = "text/plain"
	proof := c.confirmed(s, phone, m)
	for i := range len(m.body) * 8 {
		body, other := []byte(m.body), m
		body[i/8] ^= 1 << (i % 8)
		other.body = string(body)
		c.required(fmt.Sprintf("with bit %d changed", i), s, other.with(proof))
	}
	for _, change := range []func(*message){
		func(m *message) { m.path = strings.Replace(m.path, "to=2", "to=3", 1) },
		func(m *message) { m.path = strings.Replace(m.path, "/1/", "/0/", 1) },
		func(m *message) { m.path += "&" },
		func(m *message) { m.path, _, _ = strings.Cut(m.path, "?") },
		func(m *message) { m.contentType = "text/plaio" },
		func(m *message) { m.contentType = "-" },
		func(m *message) { m.body += "\x00" },
		func(m *message) { m.body = m.body[1:] },
		func(m *message) { m.body, m.contentType = "", "text/plain" },
		func(m *message) { m.contentType, m.body = m.contentType+m.body[:1], m.body[1:] },
	} {
		other := m
		change(&other)
		c.required(fmt.Sprintf("as %s of type %q with %q", other.path, other.contentType, other.body), s, other.with(proof))
	}
	m.chunked = true // is how it is sent, and not what
	c.passes("as it was confirmed", s, m.with(proof))
}

// twoFaced is a body that has more to say after its end.
type twoFaced struct {
	io.Reader
	ended bool
}

func (b *twoFaced) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && !b.ended {
		b.ended, b.Reader = true, io.LimitReader(evil{}, 1<<20)
	}
	return n, err
}

func (*twoFaced) Close() error { return nil }

type evil struct{}

func (evil) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte("evil"), len(p)/4+1)), nil
}

func attackBody(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	for _, chunked := range []bool{false, true} {
		m := transfer()
		m.chunked = chunked
		proof := c.confirmed(s, phone, m)
		other := m
		other.body = strings.Replace(m.body, "100", "900", 1)
		c.required("another body of that length", s, other.with(proof))
		s.before = func(r *http.Request) { r.Body = &twoFaced{Reader: r.Body} }
		c.passes("a body that goes on", s, m.with(proof))
		// Whose buffer is used again: what was confirmed is a copy.
		s.before = nil
		c.required("the same again", s, m.with(proof))
	}
}

func attackAtOnce(c *check, s *site) {
	const atOnce = 64
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	for _, session := range []string{"", "1"} {
		s.clock.Advance(time.Second)
		m := transfer()
		m.session = session
		count := func(what string, racing bool, send func() answer, others func(answer) answer) {
			var passed atomic.Int32
			if racing {
				s.credentials.expect(atOnce)
			}
			together(atOnce, func(int) {
				if got := send(); got.status == http.StatusOK {
					passed.Add(1)
				} else {
					c.answers(what, got, others(got))
				}
			})
			if n := passed.Load(); n != 1 {
				c.errorf("%s: %d of %d at once have passed", what, n, atOnce)
			}
		}
		asked := c.required("without a proof", s, m)
		body := c.confirming(s, phone, m, asked.Request)
		count("a state", s.challenges == nil, func() answer { return c.send(s, m.at("/confirm/finish", body)) },
			func(answer) answer { return refused("challenge_not_found") })
		proof := c.proof(s, phone, m, asked.Request)
		count("a proof", true, func() answer { return c.send(s, m.with(proof)) },
			func(got answer) answer {
				return demanded(c.asked("a proof", got, m.maxAge()).Request, asked.Operation, m.maxAge())
			})
		c.required("a proof again", s, m.with(proof))
	}
}

func attackExpired(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	request := func(m message, maxAge time.Duration) string { // of just that, good for longer
		var operation passkeys.Operation
		s.operation = func(_ passkeys.Exchange, whole func() (passkeys.Operation, error)) (passkeys.Operation, error) {
			var err error
			operation, err = whole()
			return operation, err
		}
		c.required("without a proof", s, m)
		request, err := s.passkeys.RequestConfirmation(c.ctx, "alice", operation, maxAge)
		c.is(err, nil, "RequestConfirmation")
		return request
	}
	for _, m := range []message{settings(), transfer(), report()} {
		maxAge := time.Duration(m.maxAge()) * time.Second
		for _, life := range []time.Duration{time.Second, maxAge, 24 * time.Hour} {
			early, late := c.proof(s, phone, m, request(m, life)), c.proof(s, phone, m, request(m, life))
			// The server's clock moves by microseconds for each that it has made.
			what := fmt.Sprintf("%s with a proof for %v", m.path, life)
			end := maxAge
			if m.path != "/settings" { // whose proofs last for a day
				end = min(life, maxAge)
			}
			s.clock.Advance(end - time.Millisecond)
			c.passes(what+", in time", s, m.with(early))
			s.clock.Advance(2 * time.Millisecond)
			c.required(what+", too late", s, m.with(late))
		}
	}
	keys := message{guarded: true, user: "alice", method: http.MethodPost, path: "/keys"}
	proof := c.lasting(s, keys, c.confirming(s, phone, keys, ""), 24*time.Hour)
	s.clock.Advance(24*time.Hour - time.Second)
	c.passes("within a day", s, keys.with(proof))
	s.clock.Advance(time.Second)
	c.required("after a day", s, keys.with(proof))

	asked := c.required("without a proof", s, transfer()).Request
	body := c.confirming(s, phone, transfer(), asked)
	s.clock.Advance(6 * time.Minute)
	c.answers("finish after six minutes", c.send(s, transfer().at("/confirm/finish", body)), refused("challenge_expired"))
	s.clock.Advance(54 * time.Minute)
	c.answers("begin after an hour", c.send(s, transfer().at("/confirm/begin", `{"request":"`+asked+`"}`)), refused("challenge_expired"))

	// What is of the future is no more of the present than what is of the past.
	s.clock.Advance(6 * time.Minute)
	proof = c.proof(s, phone, settings(), "")
	s.clock.Advance(-6 * time.Minute)
	c.required("before it was made", s, settings().with(proof))
}

func attackInPlace(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	m := settings()
	want := refused("challenge_not_found")
	finish := func(path, state string, options answer) answer {
		_, own := c.parts(options)
		return c.send(s, m.at(path, strings.Replace(c.signed(phone, options), own, state, 1)))
	}
	confirmation := func() answer { return c.send(s, m.at("/confirm/begin", "")) }
	byID := func() answer { return c.send(s, m.at("/authenticate/begin", `{"userId":"alice"}`)) }
	state := func(begin answer) string {
		_, state := c.parts(begin)
		return state
	}
	registration := func() string { return state(c.send(s, m.at("/register/begin", ""))) }
	grant, err := s.passkeys.GrantUpgrade(c.ctx, "alice")
	c.is(err, nil, "GrantUpgrade")
	asked := map[string]string{}
	for _, guarded := range []message{m, transfer(), report()} {
		asked[guarded.path] = c.required("without a proof", s, guarded).Request
	}
	proof := c.proof(s, phone, m, "")

	// Signed with what belongs to the state, so that nothing else is wrong.
	begin := byID()
	c.answers("a sign-in's state to confirm", finish("/confirm/finish", state(begin), begin), want)
	begin = c.send(s, m.at("/authenticate/begin", ""))
	c.answers("a sign-in's state of no user to confirm", finish("/confirm/finish", state(begin), begin), want)
	begin = confirmation()
	c.answers("a confirmation's state to sign in", finish("/authenticate/finish", state(begin), begin), want)
	c.answers("a registration's state to confirm", finish("/confirm/finish", registration(), confirmation()), want)
	for what, wrong := range map[string]string{"a request": asked[m.path], "a proof": proof, "a grant": grant} {
		c.answers(what+" as a state to confirm", finish("/confirm/finish", wrong, confirmation()), want)
		c.answers(what+" as a state to sign in", finish("/authenticate/finish", wrong, byID()), want)
	}
	for what, wrong := range map[string]string{"a confirmation's state": state(confirmation()), "a request": asked[m.path], "a proof": proof} {
		body := c.created(s, passkeytest.New(origin), "alice")
		_, own, _ := strings.Cut(body, `"state":"`)
		own, _, _ = strings.Cut(own, `"`)
		c.answers(what+" to register", c.send(s, m.at("/register/finish", strings.Replace(body, own, wrong, 1))), want)
		c.answers(what+" as a grant", c.send(s, m.at("/register/begin", `{"mediation":"conditional","grant":"`+wrong+`"}`)), want)
	}
	c.keeps(s, "alice", "Phone")
	for what, wrong := range map[string]string{
		"a sign-in's state": state(byID()), "a registration's state": registration(), "a confirmation's state": state(confirmation()), "a grant": grant, "a proof": proof,
	} {
		c.answers(what+" as a request", c.send(s, m.at("/confirm/begin", `{"request":"`+wrong+`"}`)), want)
	}
	for _, guarded := range []message{m, transfer(), report()} {
		for what, wrong := range map[string]string{
			"a sign-in's state": state(byID()), "a registration's state": registration(), "a confirmation's state": state(confirmation()), "a grant": grant,
			"a request": asked[guarded.path],
		} {
			c.required(what+" as a proof to "+guarded.path, s, guarded.with(wrong))
		}
	}
	c.passes("a proof as a proof", s, m.with(proof))
}

func attackDeadPasskey(c *check, s *site) {
	c.fleet(s)
	restore := func(phone *passkeytest.Authenticator) {
		c.is(s.passkeys.Restore(c.ctx, "alice", phone.Credentials()[0].ID), nil, "Restore")
	}
	remove := func(phone *passkeytest.Authenticator) {
		c.is(s.passkeys.Revoke(c.ctx, "alice", phone.Credentials()[0].ID), nil, "Revoke")
	}
	phone := uncounted()
	c.enrol(s, phone, "alice")
	c.enrol(s, uncounted(), "alice") // so that there is one that works
	finish := func(body string) answer { return c.send(s, transfer().at("/confirm/finish", body)) }

	proof, anything, often := c.confirmed(s, phone, transfer()), c.proof(s, phone, transfer(), ""), c.confirmed(s, phone, report())
	asked := c.required("without a proof", s, transfer()).Request
	body := c.confirming(s, phone, transfer(), asked)
	c.quarantine(s, phone)
	c.required("the proof of a quarantined passkey", s, transfer().with(proof))
	c.answers("finish with a quarantined passkey", finish(body), refused("confirmation_failed"))
	if begin := c.send(s, transfer().at("/confirm/begin", "")); strings.Contains(begin.body, passkeys.EncodeID(phone.Credentials()[0].ID)) {
		c.errorf("begin lists a quarantined passkey: %v", begin)
	}
	restore(phone)
	c.passes("the proof of a passkey that works again", s, transfer().with(proof))

	// Between read and write.
	proof = c.confirmed(s, phone, transfer())
	body = c.confirming(s, phone, transfer(), asked)
	s.credentials.before(func() { c.quarantine(s, phone) })
	c.required("the proof of a passkey that is quarantined meanwhile", s, transfer().with(proof))
	restore(phone)
	s.credentials.before(func() { c.quarantine(s, phone) })
	c.answers("finish with a passkey that is quarantined meanwhile", finish(body), refused("confirmation_failed"))
	restore(phone)
	other := uncounted()
	c.enrol(s, other, "alice")
	body = c.confirming(s, other, transfer(), asked)
	begin := c.send(s, transfer().at("/confirm/begin", "")) // which it may be that other is not the first of
	_, own, _ := strings.Cut(c.allowed(begin), passkeys.EncodeID(other.Credentials()[0].ID))
	if own == "" {
		c.errorf("begin does not list a passkey that works: %v", begin)
	}
	ofOther := c.confirmed(s, other, transfer())
	s.credentials.before(func() { remove(other) })
	c.required("the proof of a passkey that is revoked meanwhile", s, transfer().with(ofOther))
	c.answers("finish with a revoked passkey", finish(body), refused("confirmation_failed"))
	third := uncounted()
	c.enrol(s, third, "alice")
	body = c.confirming(s, third, transfer(), asked)
	s.credentials.before(func() { remove(third) })
	c.answers("finish with a passkey that is revoked meanwhile", finish(body), refused("confirmation_failed"))

	remove(phone)
	c.required("the proof of a revoked passkey", s, transfer().with(proof))
	c.passes("its proof of nothing in particular", s, settings().with(anything))
	c.passes("its proof that is reusable", s, report().with(often))
	for _, user := range []string{"bob", "alice"} {
		again := uncounted()
		again.CredentialID = phone.Credentials()[0].ID
		c.enrol(s, again, user)
		c.required("the proof of a passkey whose id is that of another passkey by "+user, s, transfer().with(proof))
		c.is(s.passkeys.Revoke(c.ctx, user, again.CredentialID), nil, "Revoke")
	}
}

func attackUnverified(c *check, s *site) {
	c.fleet(s)
	phone := uncounted()
	c.enrol(s, phone, "alice")
	phone.UserNotVerified = true
	for _, m := range []message{settings(), transfer(), report()} {
		request := c.required("without a proof", s, m).Request
		c.answers("finish for "+m.path, c.send(s, m.at("/confirm/finish", c.confirming(s, phone, m, request))), refused("confirmation_failed"))
	}
	c.signsIn(s, phone, alice()) // which asks for less
	phone.UserNotVerified = false
	c.passes("a response with it", s, settings().with(c.proof(s, phone, settings(), "")))
}

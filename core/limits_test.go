package passkeys_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// asking is a limiter that writes down what it is asked, and does this.
type asking struct {
	asked []passkeys.Limit
	wait  time.Duration
	err   error
}

func (a *asking) Take(_ context.Context, l passkeys.Limit) (time.Duration, error) {
	a.asked = append(a.asked, l)
	return a.wait, a.err
}

func TestRateLimit(t *testing.T) {
	account := func(b *bench, l *asking, account string) string {
		l.asked = nil
		if err := b.RateLimit(t.Context(), "/sign-up", netip.MustParseAddr("203.0.113.7"), account); err != nil {
			t.Fatal(err)
		}
		return l.asked[0].Account
	}
	for _, row := range []struct{ name, says, from, counted string }{
		{"IPv4", "An address is a client.", "203.0.113.7", "203.0.113.7/32"},
		{"IPv4 in IPv6", "It is the same in both spellings.", "::ffff:203.0.113.7", "203.0.113.7/32"},
		{"IPv6", "A customer has a network.", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"IPv6, another address of it", "However many they take of it.", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
		{"IPv6 with a zone", "Which is the server's own word.", "fe80::1%eth0", "fe80::/64"},
	} {
		l := &asking{}
		b := newBench(t, func(c *passkeys.Config) { c.Limiter = l })
		if err := b.RateLimit(t.Context(), "/sign-up", netip.MustParseAddr(row.from), ""); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if want := []passkeys.Limit{{Route: "/sign-up", Client: netip.MustParsePrefix(row.counted)}}; !slices.Equal(l.asked, want) {
			t.Errorf("%s: asked about %+v, want %+v. %s", row.name, l.asked, want, row.says)
		}
	}

	// An account is counted by a word that only the secret can make.
	l := &asking{}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter = l })
	other := newBench(t, func(c *passkeys.Config) { c.Limiter, c.Secret = l, bytes.Repeat([]byte{9}, 32) })
	if a := account(b, l, "alice"); a == "" || a != account(b, l, "alice") || a == account(b, l, "bob") || a == account(other, l, "alice") {
		t.Errorf("alice is %q", a)
	}

	// Whoever has to wait is told for how long, in whole seconds.
	l.wait = 1001 * time.Millisecond
	err := b.RateLimit(t.Context(), "/sign-up", netip.MustParseAddr("203.0.113.7"), "")
	var e *passkeys.Error
	if !errors.As(err, &e) || !errors.Is(err, passkeys.ErrRateLimited) || e.RetryAfter() != l.wait || e.Reason() != passkeys.ReasonRateLimited {
		t.Errorf("%v, after %v", err, e.RetryAfter())
	}
	w := httptest.NewRecorder()
	passkeys.WriteError(w, httptest.NewRequest(http.MethodPost, "/sign-up", nil), err)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if err := newBench(t).RateLimit(t.Context(), "/sign-up", netip.MustParseAddr("203.0.113.7"), ""); err != nil {
		t.Errorf("without a limiter: %v", err)
	}
}

// A limiter that is down, or a client of which nobody knows whence it comes, keeps
// nobody out, and the operator is told.
func TestALimiterThatCannotCountLetsPass(t *testing.T) {
	var log bytes.Buffer
	l := &asking{err: io.ErrClosedPipe, wait: time.Hour}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter, c.Logger = l, slog.New(slog.NewTextHandler(&log, nil)) })
	if err := b.RateLimit(t.Context(), "/sign-up", netip.MustParseAddr("203.0.113.7"), ""); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "Config.Limiter failed") || !strings.Contains(log.String(), io.ErrClosedPipe.Error()) {
		t.Errorf("the log says %q", &log)
	}
	log.Reset()
	l.asked = nil
	for range 2 {
		if err := b.RateLimit(t.Context(), "/sign-up", netip.Addr{}, ""); err != nil {
			t.Error(err)
		}
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "Hooks.ClientIP") || l.asked != nil {
		t.Errorf("the log says %q, and the limiter was asked about %+v", &log, l.asked)
	}
}

func TestRemoteIP(t *testing.T) {
	for remote, want := range map[string]string{"203.0.113.7:4711": "203.0.113.7", "[2001:db8::1]:4711": "2001:db8::1", "[fe80::1%eth0]:1": "fe80::1%eth0", "@": "invalid IP", "": "invalid IP", "203.0.113.7": "invalid IP"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "198.51.100.1")
		r.Header.Set("X-Real-IP", "198.51.100.1")
		if got := passkeys.RemoteIP(r).String(); got != want {
			t.Errorf("%q is %s, want %s", remote, got, want)
		}
	}
}

// from has requests come from an address, whatever they say themselves.
func from(s *site, address string) *site {
	inner := s.handler
	return &site{s.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = address
		r.Header.Set("X-Forwarded-For", "198.51.100.1")
		inner.ServeHTTP(w, r)
	}), s.header, s.host}
}

// Whoever knows a name can use up what is theirs, and nothing that is its owner's;
// who shares their address still signs in without a name.
func TestWhoKnowsANameKeepsNobodyOut(t *testing.T) {
	clock := passkeytest.NewClock(time.Time{})
	b := newBench(t, func(c *passkeys.Config) {
		c.Limiter = passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Now: clock.Now})
	})
	a := passkeytest.New(origin)
	b.mustRegister(a)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(_ passkeys.Exchange, name string) (string, error) {
			return map[string]string{"alice": alice.ID}[name], nil
		}
	})
	attacker, victim, neighbour := from(s, "203.0.113.7:1"), from(s, "198.51.100.9:1"), from(s, "203.0.113.7:2")
	const byName = `{"username":"alice"}`
	signIn := func(s *site, begin string) {
		t.Helper()
		options := s.post("/authenticate/begin", begin, http.StatusOK)
		credential, err := a.Get(options)
		if err != nil {
			t.Fatal(err)
		}
		s.post("/authenticate/finish", finishBody(t, options, credential), http.StatusOK)
	}
	for range 20 {
		attacker.post("/authenticate/begin", byName, http.StatusOK)
	}
	for range 50 {
		if got := code(attacker.post("/authenticate/begin", byName, http.StatusTooManyRequests)); got != "rate_limited" {
			t.Fatal(got)
		}
	}
	if e := b.events.last(); e.Type != passkeys.AuthenticationFailed || e.Reason != passkeys.ReasonRateLimited || e.UserID != "" {
		t.Errorf("the event is %+v", e)
	}
	signIn(victim, byName)
	signIn(victim, `{"userId":"`+alice.ID+`"}`)
	signIn(neighbour, "")
	neighbour.post("/authenticate/begin", byName, http.StatusTooManyRequests)
	clock.Advance(3 * time.Second)
	signIn(neighbour, byName) // whoever comes first: the attacker has no more of it than they

	// Nor does whoever floods the route: their neighbours wait for a moment, and nobody
	// else at all.
	refused := false
	for range 400 {
		w := httptest.NewRecorder()
		attacker.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/authenticate/begin", nil))
		refused = refused || w.Code == http.StatusTooManyRequests
	}
	if !refused {
		t.Error("a flood is let through")
	}
	signIn(victim, byName)
	clock.Advance(50 * time.Millisecond)
	signIn(neighbour, "")
}

// Whom a begin names is counted besides the client, by a word of its own, and before
// anybody looks whether there is such a user.
func TestWhoIsNamedIsCounted(t *testing.T) {
	l := &asking{}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter = l })
	b.mustRegister(passkeytest.New(origin))
	looked := 0
	s := from(newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.FindUser = func(passkeys.Exchange, string) (string, error) {
			looked = len(l.asked)
			return "", nil
		}
	}), "203.0.113.7:1")
	seen := map[string]bool{"": true}
	listed := map[string]bool{}
	for _, c := range b.allowed("nobody") { // a name's decoys, which everybody gets to see
		id, err := passkeys.DecodeID(c.ID)
		if err != nil {
			t.Fatal(err)
		}
		listed[hex.EncodeToString(id[:8])] = true
	}
	for _, row := range []struct{ name, path, body string }{
		{"by name", "/authenticate/begin", `{"username":"alice"}`},
		{"by another name", "/authenticate/begin", `{"username":"bob"}`},
		{"by id", "/authenticate/begin", `{"userId":"alice"}`},
		{"by an id that is nobody's", "/authenticate/begin", `{"userId":"nobody"}`},
		{"a confirmation", "/confirm/begin", ""},
	} {
		l.asked, looked = nil, 2
		s.post(row.path, row.body, http.StatusOK)
		if len(l.asked) != 2 || l.asked[0].Account != "" || seen[l.asked[1].Account] || looked != 2 {
			t.Errorf("%s: asked about %+v, and FindUser after %d of them", row.name, l.asked, looked)
			continue
		}
		seen[l.asked[1].Account] = true
		if listed[l.asked[1].Account[:16]] {
			t.Errorf("%s: what is counted is what is listed", row.name)
		}
	}
	for _, body := range []string{"", `{"mode":"conditional"}`, `{"mode":"immediate"}`} {
		l.asked = nil
		s.post("/authenticate/begin", body, http.StatusOK)
		if len(l.asked) != 1 {
			t.Errorf("%s: asked about %+v", body, l.asked)
		}
	}
}

// A finish that is refused counts for ten, and for no more than a moment.
func TestFailuresAreCounted(t *testing.T) {
	clock := passkeytest.NewClock(time.Time{})
	b := newBench(t, func(c *passkeys.Config) {
		c.Limiter = passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Now: clock.Now})
	})
	s := from(newSite(t, b.Passkeys), "203.0.113.7:1")
	failed := 0
	for range 40 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/authenticate/finish", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		s.handler.ServeHTTP(w, r)
		if w.Code == http.StatusBadRequest {
			failed++
		}
	}
	if failed != 19 { // of 200 requests, each is one and ten
		t.Errorf("%d are let through", failed)
	}
	s.post("/authenticate/begin", "", http.StatusOK)
	clock.Advance(11 * 50 * time.Millisecond)
	for range 3 { // the last of these leaves a debt
		s.post("/authenticate/finish", "{}", http.StatusBadRequest)
		clock.Advance(11 * 50 * time.Millisecond)
	}

	// However many fail at once.
	l := passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Now: clock.Now})
	limit := passkeys.Limit{Route: "/authenticate/finish", Client: netip.MustParsePrefix("203.0.113.7/32"), Failed: true}
	for range 1000 {
		_, _ = l.Take(t.Context(), limit)
	}
	limit.Failed = false
	if wait, err := l.Take(t.Context(), limit); wait != 11*50*time.Millisecond || err != nil {
		t.Errorf("it has to wait for %v, %v", wait, err)
	}
}

// A flood from many addresses is counted in so much memory and no more, and frees
// nobody who has used up what they had.
// late is a limiter that cannot be asked in the context of who has hung up.
type late struct {
	failed int
	most   time.Duration
}

func (l *late) Take(ctx context.Context, limit passkeys.Limit) (time.Duration, error) {
	if ctx.Err() == nil && limit.Failed {
		l.failed++
		until, _ := ctx.Deadline()
		l.most = time.Until(until)
	}
	return 0, ctx.Err()
}

// Who hangs up has failed as well; but nobody's limiter is waited for without end.
func TestWhoHangsUpIsCounted(t *testing.T) {
	l := &late{}
	s := newSite(t, newBench(t, func(c *passkeys.Config) { c.Limiter = l }).Passkeys)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/authenticate/finish", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	s.handler.ServeHTTP(httptest.NewRecorder(), r)
	if l.failed != 1 || l.most <= 0 || l.most > 5*time.Second {
		t.Errorf("counted %d times, with %v left", l.failed, l.most)
	}
}

func TestMemoryLimiterIsBounded(t *testing.T) {
	const most = 1000
	clock := passkeytest.NewClock(time.Time{})
	l := passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Entries: most, Now: clock.Now})
	limit := passkeys.Limit{Route: "/authenticate/begin", Client: netip.MustParsePrefix("203.0.113.7/32")}
	wait := func() time.Duration {
		wait, err := l.Take(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	for range 200 {
		if wait() != 0 {
			t.Fatal("it has to wait at first")
		}
	}
	for i := range 100 * most {
		clock.Advance(time.Microsecond)
		if wait, err := l.Take(t.Context(), passkeys.Limit{Route: limit.Route, Client: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}); wait != 0 || err != nil {
			t.Fatal(wait, err)
		}
	}
	if l.Len() > most {
		t.Errorf("%d budgets are kept", l.Len())
	}
	passed := 0
	for range 200 {
		if wait() == 0 {
			passed++
		}
	}
	if passed > 3 { // 100 ms have passed
		t.Errorf("%d requests pass of one who has used up theirs", passed)
	}
	clock.Advance(time.Hour)
	for i := range most {
		if _, err := l.Take(t.Context(), passkeys.Limit{Route: fmt.Sprint(i), Client: limit.Client}); err != nil {
			t.Fatal(err)
		}
	}
	if l.Len() > most {
		t.Errorf("%d budgets are kept", l.Len())
	}
}

// To make room costs the same however many budgets are kept: a few are looked at, so
// that the one of all that owes least almost always stays.
func TestMemoryLimiterLooksAtAFew(t *testing.T) {
	gone := 0
	for range 3 { // for the odds are one in 256 each time
		l := passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Entries: 2048, Now: func() time.Time { return time.Unix(1e9, 0) }})
		limit := func(i int) passkeys.Limit {
			return passkeys.Limit{Route: fmt.Sprint(i), Client: netip.MustParsePrefix("203.0.113.7/32")}
		}
		take := func(l *passkeys.MemoryLimiter, limit passkeys.Limit) time.Duration {
			wait, err := l.Take(t.Context(), limit)
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		for range 100 {
			take(l, limit(0))
		}
		for i := range 2047 { // each owes more
			for range 101 {
				take(l, limit(1+i))
			}
		}
		take(l, limit(2048))
		for range 100 {
			take(l, limit(0))
		}
		if take(l, limit(0)) == 0 { // it had its whole budget again
			gone++
		}
	}
	if gone == 3 {
		t.Error("all are looked at")
	}
}

func TestMemoryLimiterNeedsNoMaking(t *testing.T) {
	var l passkeys.MemoryLimiter
	limit := passkeys.Limit{Route: "/x", Client: netip.MustParsePrefix("203.0.113.7/32")}
	passed := 0
	for ; passed < 1000; passed++ {
		if wait, err := l.Take(t.Context(), limit); wait > 0 || err != nil {
			break
		}
	}
	if passed < 200 || passed == 1000 || l.Len() != 1 {
		t.Errorf("%d are let through, %d budgets", passed, l.Len())
	}
}

func TestRatesHaveDefaults(t *testing.T) {
	client := netip.MustParsePrefix("203.0.113.7/32")
	for _, row := range []struct {
		name       string
		rates      passkeys.Rates
		limit      passkeys.Limit
		cost, most time.Duration
	}{
		{"a request", passkeys.Rates{}, passkeys.Limit{Client: client}, 50 * time.Millisecond, 10 * time.Second},
		{"a failure", passkeys.Rates{}, passkeys.Limit{Client: client, Failed: true}, 500 * time.Millisecond, 10 * time.Second},
		{"an account", passkeys.Rates{}, passkeys.Limit{Client: client, Account: "a"}, 3 * time.Second, time.Minute},
		{"set", passkeys.Rates{Client: passkeys.Rate{Burst: 2, Every: time.Second}, Failure: 3}, passkeys.Limit{Client: client, Failed: true}, 3 * time.Second, 2 * time.Second},
		{"negative", passkeys.Rates{Client: passkeys.Rate{Burst: -1, Every: -1}, Account: passkeys.Rate{Burst: -1, Every: -1}, Failure: -1}, passkeys.Limit{Client: client, Account: "a", Failed: true}, 30 * time.Second, time.Minute},
	} {
		if key, cost, most := row.rates.Budget(row.limit); cost != row.cost || most != row.most || len(key) != 22 {
			t.Errorf("%s: %q, %v of %v, want %v of %v", row.name, key, cost, most, row.cost, row.most)
		}
	}
}

// An outcome that comes too often is dropped, and the answer says nothing of it.
func TestOutcomesAreLimited(t *testing.T) {
	heard := &listener{}
	l := &asking{}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter, c.Observer = l, heard })
	s := from(newSite(t, b.Passkeys), "203.0.113.7:1")
	const body = `{"mode":"conditional","outcome":"cancelled","ms":1840}`
	s.post("/outcome", body, http.StatusNoContent)
	l.wait = time.Second
	s.post("/outcome", body, http.StatusNoContent)
	if len(heard.heard) != 1 || len(l.asked) != 2 || l.asked[0].Route != "/outcome" {
		t.Errorf("heard %v; asked about %+v", heard.heard, l.asked)
	}
}

// A step of a ceremony that is turned away has ended, for the observer and the audit as
// well; what is no ceremony is theirs no more than before.
func TestWhatIsTurnedAwayHasEnded(t *testing.T) {
	heard := &ledger{}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter, c.Observer = &asking{wait: time.Second}, heard })
	s := from(newSite(t, b.Passkeys), "203.0.113.7:1")
	b.events.reset()
	for _, row := range []struct {
		path, observed string
		audited        passkeys.AuditEventType
	}{
		{"/register/begin", "registration.begin  rate_limited", passkeys.RegistrationFailed},
		{"/register/finish", "registration.finish  rate_limited", passkeys.RegistrationFailed},
		{"/authenticate/begin", "authentication.begin  rate_limited", passkeys.AuthenticationFailed},
		{"/authenticate/finish", "authentication.finish  rate_limited", passkeys.AuthenticationFailed},
		{"/confirm/begin", "confirmation.begin  rate_limited", passkeys.ConfirmationFailed},
		{"/confirm/finish", "confirmation.finish  rate_limited", passkeys.ConfirmationFailed},
	} {
		s.post(row.path, "", http.StatusTooManyRequests)
		if last := heard.ended[len(heard.ended)-1]; last != row.observed {
			t.Errorf("%s: observed %q, want %q", row.path, last, row.observed)
		}
		if e := b.events.last(); e.Type != row.audited || e.Reason != passkeys.ReasonRateLimited {
			t.Errorf("%s: the event is %+v", row.path, e)
		}
	}
	s.do(http.MethodGet, "/credentials", "", http.StatusTooManyRequests)
	if len(heard.ended) != 6 || heard.open != 0 || len(b.events.list) != 6 {
		t.Errorf("observed %q, audited %+v; %d are open", heard.ended, b.events.list, heard.open)
	}
}

// An application limits its own routes by the same budgets.
func ExamplePasskeys_RateLimit() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Secret: []byte("32 bytes that are not random now"),
		Limiter: passkeys.NewMemoryLimiter(&passkeys.MemoryLimiterOptions{Rates: passkeys.Rates{
			Client: passkeys.Rate{Burst: 2, Every: time.Minute},
		}}),
	})
	if err != nil {
		panic(err)
	}
	signUp := func(w http.ResponseWriter, r *http.Request) {
		if err := p.RateLimit(r.Context(), "sign-up", passkeys.RemoteIP(r), ""); err != nil {
			passkeys.WriteError(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	for range 3 {
		w := httptest.NewRecorder()
		signUp(w, httptest.NewRequest(http.MethodPost, "/sign-up", nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// 204 ""
	// 204 ""
	// 429 "60"
}

// table is a limiter on whatever keeps a value for a key, and can compare and set it;
// a map, here.
type table map[string]time.Time

// Take is the algorithm, as [passkeys.Rates.Budget] has it.
func (t table) Take(_ context.Context, l passkeys.Limit) (time.Duration, error) {
	key, cost, most := passkeys.Rates{Client: passkeys.Rate{Burst: 1, Every: time.Minute}}.Budget(l)
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) // in earnest, the time
	whole := t[key]
	if whole.Before(now) {
		whole = now
	}
	whole = whole.Add(cost)
	if wait := whole.Sub(now) - most; wait > 0 {
		if !l.Failed {
			return wait, nil
		}
		whole = now.Add(most + cost)
	}
	t[key] = whole
	return 0, nil
}

// A limiter of one's own.
func ExampleLimiter() {
	p, err := passkeys.New(passkeys.Config{
		RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"},
		Credentials: passkeys.NewMemoryCredentials(), Secret: []byte("32 bytes that are not random now"),
		Limiter: table{},
	})
	if err != nil {
		panic(err)
	}
	client := netip.MustParseAddr("203.0.113.7")
	for range 2 {
		err := p.RateLimit(context.Background(), "sign-up", client, "")
		if limited, ok := errors.AsType[*passkeys.Error](err); ok {
			fmt.Println(limited.Code, limited.RetryAfter())
		} else {
			fmt.Println("it passes")
		}
	}
	// Output:
	// it passes
	// rate_limited 1m0s
}

// Staff is let in by the application: no limiter is asked about them.
func TestStaffIsNotLimited(t *testing.T) {
	l := &asking{wait: time.Hour}
	b := newBench(t, func(c *passkeys.Config) { c.Limiter = l })
	s := adminSite(t, b.Passkeys, func(passkeys.Exchange, passkeys.Action) (string, error) { return anna, nil })
	s.post("/count", "{}", http.StatusOK)
	if len(l.asked) != 0 {
		t.Errorf("asked about %+v", l.asked)
	}
}

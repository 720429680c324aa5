package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

const (
	// patience is how long a request may take, by a deadline that a middleware
	// sets, and grace what a busy machine may add to it.
	patience, grace = 2 * time.Second, 2 * time.Second
	// workers are the users who are there at once.
	workers = 8
)

// newApplication is passkeys on these stores as a handler, with a deadline for
// every request. late is told of those that did not keep it.
func newApplication(credentials passkeys.CredentialRepository, challenges passkeys.ChallengeStore, late func(time.Duration)) (http.Handler, error) {
	p, err := newPasskeys(credentials, challenges)
	if err != nil {
		return nil, err
	}
	h, err := passkeys.Handler(p, exchangeHooks)
	if err != nil {
		return nil, err
	}
	h = http.StripPrefix("/auth/passkeys", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		begun := time.Now()
		h.ServeHTTP(w, r.WithContext(ctx))
		if took := time.Since(begun); took > patience+grace {
			late(took)
		}
	}), nil
}

// load is users who register and sign in, and what the server has told them.
type load struct {
	t *testing.T
	c *client

	// mortal is set where the application itself may die, and an answer may not
	// come at all; forgetful where a fault takes the challenges with it.
	mortal, forgetful bool

	mu       sync.Mutex
	changed  *sync.Cond
	answers  map[string]int // how often each was given
	finished int            // ceremonies that got their 200
	failed   int            // requests that got a 503, or no answer
	passkeys []*passkey

	stop    context.CancelFunc
	running sync.WaitGroup
	ended   sync.Once
}

// passkey is one, as its user knows it.
type passkey struct {
	user          string
	authenticator *passkeytest.Authenticator
	acknowledged  bool   // the registration got its 200
	counter       uint32 // the highest that was acknowledged
}

func (l *load) start() {
	ctx, cancel := context.WithCancel(l.t.Context())
	l.changed, l.answers, l.stop = sync.NewCond(&l.mu), map[string]int{}, cancel
	for worker := range workers {
		l.running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.oneUser(ctx, fmt.Sprintf("user-%d-%d", worker, i))
			}
		})
	}
}

// oneUser registers and signs in three times. Whatever fails they try again,
// but for a registration: that a second passkey is made is another's business.
func (l *load) oneUser(ctx context.Context, user string) {
	a := passkeytest.New(origin)
	p := &passkey{user: user, authenticator: a}
	for !p.tried() && ctx.Err() == nil {
		_, p.acknowledged = l.ceremony(ctx, user, "register", a.Create)
	}
	l.mu.Lock()
	l.passkeys = append(l.passkeys, p)
	l.mu.Unlock()
	for i := 0; i < 3 && p.acknowledged && ctx.Err() == nil; {
		if l.signIn(ctx, p) {
			i++
		}
	}
}

// tried reports whether the server has been sent a passkey.
func (p *passkey) tried() bool { return len(p.authenticator.Credentials()) > 0 }

func (l *load) signIn(ctx context.Context, p *passkey) bool {
	body, ok := l.ceremony(ctx, "", "authenticate", p.authenticator.Get)
	if !ok {
		return false
	}
	var answer struct {
		UserID    string
		SignCount uint32
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.UserID != p.user || answer.SignCount <= p.counter {
		l.t.Errorf("%s, whose counter was %d: signed in with %s", p.user, p.counter, body)
	}
	p.counter = answer.SignCount
	return true
}

// ceremony begins one, and sends its finish twice at once and, if neither is
// acknowledged, a third time: at most one may be.
func (l *load) ceremony(ctx context.Context, user, name string, authenticate func([]byte) (json.RawMessage, error)) (body []byte, ok bool) {
	options, code := l.send(ctx, user, "/"+name+"/begin", nil)
	if code != "ok" {
		return nil, false
	}
	var begun struct{ State string }
	if err := json.Unmarshal(options, &begun); err != nil {
		l.t.Error(err)
		return nil, false
	}
	credential, err := authenticate(options)
	if err != nil {
		l.t.Errorf("%s: %v", name, err)
		return nil, false
	}
	finish := finish{credential, begun.State}
	codes := map[string]int{}
	var mu sync.Mutex
	send := func(int) {
		answer, code := l.send(ctx, user, "/"+name+"/finish", finish)
		mu.Lock()
		defer mu.Unlock()
		if codes[code]++; code == "ok" {
			body = answer
		}
	}
	if concurrently(2, send); codes["ok"] == 0 && ctx.Err() == nil {
		send(0)
	}
	if codes["ok"] > 1 {
		l.t.Errorf("%s: one challenge was used %d times", name, codes["ok"])
	}
	// Who is told that their challenge is unknown, and not that anything failed,
	// has lost it.
	if codes["ok"]+codes["storage_unavailable"]+codes["no answer"] == 0 && ctx.Err() == nil && !l.forgetful {
		l.t.Errorf("%s: a challenge was lost: %v", name, codes)
	}
	if codes["ok"] > 0 {
		l.mu.Lock()
		l.finished++
		l.changed.Broadcast()
		l.mu.Unlock()
	}
	return body, codes["ok"] > 0
}

// send reports an answer that is neither "ok" nor one of those that a fault may
// cause, and waits a little after a failure, as the user does.
func (l *load) send(ctx context.Context, user, path string, content any) (body []byte, code string) {
	status, body, err := l.c.send(user, path, content)
	var refused struct{ Error struct{ Code string } }
	switch {
	case err != nil:
		if code = "no answer"; !l.mortal {
			l.t.Errorf("%s: %v", path, err)
		}
	case status == http.StatusOK:
		code = "ok"
	default:
		if err := json.Unmarshal(body, &refused); err != nil {
			l.t.Errorf("%s: %d %s", path, status, body)
		}
		code = refused.Error.Code
		unavailable := status == http.StatusServiceUnavailable && code == "storage_unavailable"
		spent := status == http.StatusBadRequest && code == "challenge_not_found" && strings.HasSuffix(path, "/finish")
		// Of two finishes of one registration each may see that the state is not
		// spent yet; then it is Add that lets one of them through.
		exists := status == http.StatusConflict && code == "credential_already_exists" && path == "/register/finish"
		if !unavailable && !spent && !exists {
			l.t.Errorf("%s: %d %s", path, status, body)
		}
	}
	failed := code == "no answer" || code == "storage_unavailable"
	l.mu.Lock()
	l.answers[path+" "+code]++
	if failed {
		l.failed++
		l.changed.Broadcast()
	}
	l.mu.Unlock()
	if failed {
		again := time.NewTimer(20 * time.Millisecond)
		defer again.Stop()
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
	return body, code
}

// send returns whatever the server answers.
func (c *client) send(user, path string, content any) (status int, body []byte, err error) {
	b := []byte("{}")
	if content != nil {
		if b, err = json.Marshal(content); err != nil {
			return 0, nil, err
		}
	}
	r, err := http.NewRequest(http.MethodPost, c.base+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-User", user)
	res, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, errors.Join(err, res.Body.Close())
}

// more waits for as many more ceremonies to be finished.
func (l *load) more(n int) { l.wait(&l.finished, n, "ceremonies are finished") }

// moreFailed waits for as many more requests to fail.
func (l *load) moreFailed(n int) { l.wait(&l.failed, n, "requests fail") }

func (l *load) wait(counter *int, n int, what string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, l.changed.Broadcast)()
	l.mu.Lock()
	defer l.mu.Unlock()
	for want := *counter + n; *counter < want; l.changed.Wait() {
		if ctx.Err() != nil {
			l.t.Fatalf("of %d %d are missing: no more %s", n, want-*counter, what)
		}
	}
}

// unharmed reports a request that has failed.
func (l *load) unharmed() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != 0 {
		l.t.Errorf("%d requests failed before anything happened", l.failed)
	}
}

// end stops the load and says what it was told.
func (l *load) end() {
	l.stop()
	l.running.Wait()
	l.ended.Do(func() {
		var lines []string
		for _, answer := range slices.Sorted(maps.Keys(l.answers)) {
			lines = append(lines, fmt.Sprintf("%7d × %s", l.answers[answer], answer))
		}
		l.t.Logf("the answers:\n%s", strings.Join(lines, "\n"))
	})
}

// verify reports what was acknowledged and is lost, what is there in part, and
// who cannot sign in at the first attempt.
func (l *load) verify(credentials passkeys.CredentialRepository) {
	l.t.Helper()
	acknowledged, unacknowledged := 0, 0
	for _, p := range l.passkeys {
		if !p.tried() {
			continue
		}
		own := p.authenticator.Credentials()[0]
		stored, err := credentials.Get(l.t.Context(), own.ID)
		if errors.Is(err, passkeys.ErrCredentialNotFound) && !p.acknowledged {
			continue
		}
		switch {
		case err != nil:
			l.t.Errorf("%s: a registration that was acknowledged: %v", p.user, err)
			continue
		case stored.UserID != p.user || !bytes.Equal(stored.PublicKey, own.PublicKey):
			l.t.Errorf("%s: stored in part: %+v", p.user, stored)
		case stored.SignCount < p.counter || stored.SignCount > own.SignCount:
			l.t.Errorf("%s: the counter is %d; %d was acknowledged, %d was sent", p.user, stored.SignCount, p.counter, own.SignCount)
		}
		if p.acknowledged {
			acknowledged++
		} else {
			unacknowledged++
		}
		if !l.signIn(l.t.Context(), p) {
			l.t.Errorf("%s cannot sign in", p.user)
		}
	}
	l.t.Logf("%d registrations were acknowledged and are there; so are %d whose acknowledgement did not arrive", acknowledged, unacknowledged)
}

package passkeys_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

// listener is an observer that listens to clients too.
type listener struct {
	ledger
	heard []passkeys.ClientOutcome
}

func (l *listener) ObserveClient(_ context.Context, o passkeys.ClientOutcome) {
	l.heard = append(l.heard, o)
}

func (l *listener) take() (heard []passkeys.ClientOutcome) {
	heard, l.heard = l.heard, nil
	return heard
}

// posted is the outcome as a page posts it.
func posted(mode, outcome, ms string) string {
	return fmt.Sprintf(`{"mode":%q,"outcome":%q,"ms":%s}`, mode, outcome, ms)
}

func newListening(t *testing.T) (*bench, *listener, *site) {
	l := &listener{}
	b := newBench(t, func(c *passkeys.Config) { c.Observer = l })
	return b, l, newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) {
			t.Error("who is signed in was asked")
			return alice, nil
		}
		h.SessionID = func(passkeys.Exchange) string {
			t.Error("the session was asked")
			return "session"
		}
	})
}

func TestOutcomes(t *testing.T) {
	b, l, s := newListening(t)
	for ceremony, modes := range map[string][]string{
		"registration":   {"registration", "upgrade"},
		"confirmation":   {"confirmation"},
		"authentication": {"usernameless", "user", "username", "conditional", "immediate"},
	} {
		for _, mode := range modes {
			for _, outcome := range []string{"cancelled", "none_available", "already_registered", "authenticator_unsuitable", "unsupported", "wrong_site", "bad_options", "authenticator_failed", "network"} {
				s.post("/outcome", posted(mode, outcome, "1840"), http.StatusNoContent)
				want := passkeys.ClientOutcome{Ceremony: passkeys.CeremonyName(ceremony), Mode: passkeys.Mode(mode), Code: passkeys.ClientCode(outcome), Duration: "lt_2s"}
				if got := l.take(); !slices.Equal(got, []passkeys.ClientOutcome{want}) {
					t.Errorf("heard %+v, want %+v", got, want)
				}
			}
		}
	}
	for ms, want := range map[string]passkeys.DurationClass{
		"0": "lt_2s", "-0": "lt_2s", "1999": "lt_2s", "1999.9": "lt_2s", "2000": "lt_20s", "2e3": "lt_20s", "19999.5": "lt_20s", "20000": "ge_20s", "1e300": "ge_20s",
	} {
		s.post("/outcome", posted("upgrade", "cancelled", ms), http.StatusNoContent)
		if got := l.take(); len(got) != 1 || got[0].Duration != want {
			t.Errorf("%s ms: heard %+v, want %s", ms, got, want)
		}
	}
	if len(b.events.list) != 0 || len(l.ended) != 0 || l.open != 0 {
		t.Errorf("audited %+v, observed %q", b.events.list, l.ended)
	}
}

// Whatever else comes is answered alike, and counts for nothing.
func TestOutcomesThatAreNone(t *testing.T) {
	_, l, s := newListening(t)
	good := posted("conditional", "cancelled", "1840")
	for _, row := range []struct{ says, body string }{
		{"Nothing.", ""},
		{"No JSON.", "cancelled"},
		{"No object.", "[" + good + "]"},
		{"Half.", good[:len(good)-1]},
		{"Twice.", good + good},
		{"No mode.", `{"outcome":"cancelled","ms":1840}`},
		{"No outcome.", `{"mode":"conditional","ms":1840}`},
		{"No time.", `{"mode":"conditional","outcome":"cancelled"}`},
		{"A time of null.", posted("conditional", "cancelled", "null")},
		{"A time before the beginning.", posted("conditional", "cancelled", "-1")},
		{"A time without end.", posted("conditional", "cancelled", "1e999")},
		{"A time in words.", posted("conditional", "cancelled", `"1840"`)},
		{"A time that is a list.", posted("conditional", "cancelled", "[1840]")},
		{"A time in hexadecimal.", posted("conditional", "cancelled", "0x10")},
		{"A mode that there is not.", posted("evil", "cancelled", "1840")},
		{"A code that there is not.", posted("conditional", "evil", "1840")},
		{"A code that is not for here.", posted("conditional", "aborted", "1840")},
		{"A code of the server's.", posted("conditional", "credential_not_found", "1840")},
		{"A code in other letters.", posted("conditional", "Cancelled", "1840")},
		{"A member twice.", `{"outcome":"network",` + good[1:]},
		{"Too much.", good[:len(good)-1] + `,"x":"` + strings.Repeat("x", 256) + `"}`},
	} {
		if got := s.post("/outcome", row.body, http.StatusNoContent); len(got) != 0 || len(l.take()) != 0 {
			t.Errorf("%s %s: answered %q", row.says, row.body, got)
		}
	}
	for _, row := range []struct{ says, name, value string }{
		{"Another type.", "Content-Type", "text/plain"},
		{"No type.", "Content-Type", ""},
		{"Another site.", "Origin", "https://evil.example"},
		{"A sandboxed frame.", "Origin", "null"},
	} {
		plain := s.header.Clone()
		s.header.Set(row.name, row.value)
		if s.post("/outcome", good, http.StatusNoContent); len(l.take()) != 0 {
			t.Errorf("%s It was heard", row.says)
		}
		s.header = plain
	}
	padded := good + strings.Repeat(" ", 256-len(good))
	for body, heard := range map[string]int{padded: 1, padded + " ": 0} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPost, "/outcome", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if chunked {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			if s.handler.ServeHTTP(w, r); w.Code != http.StatusNoContent || len(l.take()) != heard {
				t.Errorf("%d bytes, chunked %v: %d", len(body), chunked, w.Code)
			}
		}
	}
	s.post("/outcome", good, http.StatusNoContent)
	if len(l.take()) != 1 {
		t.Error("a good one is not heard")
	}
}

// endless is a body that does not end.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.read += len(b)
	return len(b), nil
}

func TestOfAnOutcomeLittleIsRead(t *testing.T) {
	_, l, s := newListening(t)
	body := &endless{}
	for _, length := range []int64{-1, 257, 1 << 40} {
		r := httptest.NewRequest(http.MethodPost, "/outcome", body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent || len(l.take()) != 0 {
			t.Errorf("of %d bytes: %d", length, w.Code)
		}
	}
	if body.read > 257 {
		t.Errorf("%d bytes were read", body.read)
	}
}

// Where nobody listens there is no route, or one that does nothing.
func TestOutcomesWithoutAListener(t *testing.T) {
	user := func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }
	}
	good := posted("conditional", "cancelled", "1840")
	for _, observer := range []passkeys.Observer{nil, &ledger{}} {
		b := newBench(t, func(c *passkeys.Config) { c.Observer = observer })
		newSite(t, b.Passkeys, user).post("/outcome", good, http.StatusNotFound)
	}

	l := &listener{}
	var p *passkeys.Passkeys
	var fails error
	answers := false
	handler, err := passkeys.Handler(func(x passkeys.Exchange) (*passkeys.Passkeys, error) {
		if answers {
			http.Error(x.W, "moved", http.StatusGone)
		}
		return p, fails
	}, passkeys.Hooks[passkeys.Exchange]{GetUser: func(passkeys.Exchange) (passkeys.User, error) { return alice, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, handler, http.Header{"Content-Type": {"application/json"}}, ""}
	listening := newBench(t, func(c *passkeys.Config) { c.Observer = l }).Passkeys
	for _, row := range []struct {
		says   string
		p      *passkeys.Passkeys
		err    error
		status int
		heard  int
	}{
		{"One that listens.", listening, nil, http.StatusNoContent, 1},
		{"One that does not.", newBench(t).Passkeys, nil, http.StatusNoContent, 0},
		{"One that observes alone.", newBench(t, func(c *passkeys.Config) { c.Observer = &ledger{} }).Passkeys, nil, http.StatusNoContent, 0},
		{"None.", nil, nil, http.StatusNoContent, 0},
		{"A resolver that fails.", listening, errors.New("secret"), http.StatusNoContent, 0},
		{"A tenant that there is not.", nil, passkeys.ErrNotFound, http.StatusNoContent, 0},
		{"A resolver that answers.", listening, nil, http.StatusGone, 0},
		{"A resolver that answers and fails.", listening, io.EOF, http.StatusGone, 0},
	} {
		p, fails, answers = row.p, row.err, row.status == http.StatusGone
		s.post("/outcome", good, row.status)
		if heard := l.take(); len(heard) != row.heard {
			t.Errorf("%s Heard %+v", row.says, heard)
		}
	}
}

package passkeys_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// What a registration records, whose it is, and what takes it back.

func TestRegistrationRecordsWhatTheAuthenticatorSays(t *testing.T) {
	for _, row := range []struct {
		name, says string
		flags      passkeytest.Flags
		count      uint32
	}{
		{"a count", "A counter that began before is not begun again.", passkeytest.FlagUserPresent | passkeytest.FlagUserVerified, 7},
		{"not verified", "A presence is no verification.", passkeytest.FlagUserPresent, 0},
		{"eligible", "What may be synced need not be.", passkeytest.FlagUserPresent | passkeytest.FlagBackupEligible, 0},
		{"backed up", "What is synced is known to be from the start.", passkeytest.FlagUserPresent | passkeytest.FlagBackupEligible | passkeytest.FlagBackupState, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			a := passkeytest.New(origin)
			a.Alter = func(_ *passkeytest.ClientData, d *passkeytest.AuthenticatorData) {
				d.SignCount, d.Flags = row.count, row.flags|passkeytest.FlagAttestedData
			}
			b.mustRegister(a)
			c := b.stored()
			if c.SignCount != row.count || c.UVInitialized != (row.flags&passkeytest.FlagUserVerified != 0) ||
				c.BackupEligible != (row.flags&passkeytest.FlagBackupEligible != 0) || c.BackupState != (row.flags&passkeytest.FlagBackupState != 0) {
				t.Errorf("%s Stored %+v", row.says, c)
			}
		})
	}
}

func TestBeginExcludesWhatTheUserHas(t *testing.T) {
	b := newBench(t)
	b.mustRegister(passkeytest.New(origin))
	c, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
	if err != nil {
		t.Fatal(err)
	}
	if list := c.PublicKey.ExcludeCredentials; len(list) != 1 || list[0].ID != passkeys.EncodeID(b.stored().ID) || list[0].Type != "public-key" {
		t.Errorf("excludes %+v", list)
	}
	c, err = b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: passkeys.User{ID: "bob-id"}})
	if err != nil || len(c.PublicKey.ExcludeCredentials) != 0 {
		t.Errorf("of another user's: %+v, %v", c, err)
	}
}

// outrun is a repository in which another registration comes between the Get
// and the Add of this one.
type outrun struct{ *passkeys.MemoryCredentials }

func (o outrun) Add(ctx context.Context, c passkeys.Credential) error {
	other := c.Clone()
	other.UserID = "bob-id"
	if err := o.MemoryCredentials.Add(ctx, other); err != nil {
		return err
	}
	return o.MemoryCredentials.Add(ctx, c)
}

func TestOfTwoRegistrationsOfOneIDOneIsRefused(t *testing.T) {
	b := newBench(t, func(c *passkeys.Config) {
		c.Credentials = outrun{c.Credentials.(*passkeys.MemoryCredentials)}
	})
	_, err := b.register(passkeytest.New(origin))
	b.refused(err, passkeys.ErrCredentialExists, passkeys.ReasonCredentialExists)
}

// A name that is refused has not cost the state, wherever that is kept.
func TestARefusedNameSpendsNothing(t *testing.T) {
	for name, configure := range map[string]func(*passkeys.Config){"sealed": func(*passkeys.Config) {}, "in a store": inMemory} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, configure)
			r := b.create(passkeytest.New(origin))
			r.DeviceName = "a\nb"
			_, err := b.FinishRegistration(t.Context(), r)
			b.refused(err, passkeys.ErrInvalidRequest, passkeys.ReasonRequestMalformed)
			r.DeviceName = "a b"
			if _, err := b.FinishRegistration(t.Context(), r); err != nil {
				t.Errorf("the same state with a better name: %v", err)
			}
		})
	}
}

// Whoever signs in between the two ends of a registration does not get the
// passkey of who was there before.
func TestTheRoutesSayWhoFinishes(t *testing.T) {
	b := newBench(t)
	user := alice
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.GetUser = func(passkeys.Exchange) (passkeys.User, error) { return user, nil }
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	credential, err := passkeytest.New(origin).Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	user = passkeys.User{ID: "bob-id"}
	if got := code(s.post("/register/finish", finishBody(t, begun, credential), http.StatusBadRequest)); got != passkeys.ErrChallengeNotFound.Code {
		t.Errorf("answered %s", got)
	}
	if e := b.events.last(); e.Reason != passkeys.ReasonUserChanged || e.UserID != "bob-id" {
		t.Errorf("the last event is %+v", e)
	}
}

// What OnRegistered refuses does not stay because the client has gone.
func TestARefusedPasskeyIsTakenBackRegardless(t *testing.T) {
	store := &gone{leave: func() {}}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials = store
	})
	ctx, cancel := context.WithCancel(t.Context())
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(_ passkeys.Exchange, _ passkeys.User, r passkeys.RegistrationResult) error {
			clear(r.Credential.ID) // which is the hook's own copy
			cancel()
			return passkeys.ErrForbidden
		}
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	credential, err := passkeytest.New(origin).Create(begun)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/register/finish", strings.NewReader(finishBody(t, begun, credential)))
	r.Header = s.header.Clone()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if list, _ := b.credentials.ListByUser(context.Background(), alice.ID); len(list) != 0 {
		t.Error("the credential is there")
	}
}

// What cannot be taken back is told to the operator, who can.
func TestAPasskeyThatCannotBeTakenBackIsLogged(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *passkeys.Config) {
		c.Credentials = &failing{c.Credentials.(*passkeys.MemoryCredentials), "Delete"}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error {
			return passkeys.ErrForbidden
		}
	})
	begun := s.post("/register/begin", "", http.StatusOK)
	s.post("/register/finish", finishBody(t, begun, answer(t, passkeytest.New(origin), begun)), http.StatusForbidden)
	if !strings.Contains(log.String(), "could not take back a credential") || !strings.Contains(log.String(), errDown.Error()) {
		t.Errorf("the log says %q", &log)
	}
}

// A store that can tell an expiry from a miss is believed.
func TestAStoresExpiryIsOne(t *testing.T) {
	b := newBench(t, inMemory)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	r := b.get(a, "")
	b.clock.Advance(time.Hour)
	err := b.finish(r)
	b.refused(err, passkeys.ErrChallengeExpired, passkeys.ReasonChallengeExpired)
	if e := b.events.last(); e.Type != passkeys.ChallengeExpired {
		t.Errorf("the event is %+v", e)
	}
}

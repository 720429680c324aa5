package passkeys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// A passkey that no user touched is made after a sign-in by password, and at no
// other time.

// unasked is a browser that makes a passkey by itself.
func unasked() *passkeytest.Authenticator {
	a := passkeytest.New(origin)
	a.UserNotPresent, a.UserNotVerified = true, true
	a.BackupEligible, a.BackupState = true, true
	return a
}

// grant allows one upgrade of alice's.
func (b *bench) grant(ctx context.Context) string {
	b.t.Helper()
	grant, err := b.GrantUpgrade(ctx, alice.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return grant
}

// upgrade begins one with the grant, and lets the browser answer.
func (b *bench) upgrade(ctx context.Context, grant string, a *passkeytest.Authenticator) (passkeys.RegistrationResponse, error) {
	b.t.Helper()
	c, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice, Grant: grant})
	if err != nil {
		return passkeys.RegistrationResponse{}, err
	}
	options, state := begun(b.t, c, nil)
	return passkeys.RegistrationResponse{State: state, Credential: answer(b.t, a, options), UserID: alice.ID}, nil
}

func (b *bench) mustUpgrade(ctx context.Context, grant string) passkeys.RegistrationResponse {
	b.t.Helper()
	r, err := b.upgrade(ctx, grant, unasked())
	if err != nil {
		b.t.Fatalf("begin: %v (%s)", err, reason(err))
	}
	return r
}

// answer is what the browser makes of the options.
func answer(t testing.TB, a *passkeytest.Authenticator, options []byte) json.RawMessage {
	t.Helper()
	credential, err := a.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

// planted is how many passkeys alice has.
func (b *bench) planted() int {
	b.t.Helper()
	list, err := b.credentials.ListByUser(context.Background(), alice.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}

func TestUpgrade(t *testing.T) {
	for name, configure := range map[string]func(*passkeys.Config){"sealed": func(*passkeys.Config) {}, "in a store": inMemory} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, configure, func(c *passkeys.Config) { c.UserVerification = passkeys.UserVerificationRequired })
			b.mustRegister(passkeytest.New(origin))
			first := b.stored()
			b.events.reset()
			s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
				h.SessionID = func(passkeys.Exchange) string { return "after the password" }
			})
			grant := b.grant(passkeys.WithSessionID(t.Context(), "after the password"))
			if len(grant) > 1024 || len(b.events.list) != 0 {
				t.Errorf("the grant %s, and the events %+v", grant, b.events.list)
			}
			begun := s.post("/register/begin", `{"mediation":"conditional","grant":"`+grant+`"}`, http.StatusOK)
			for _, want := range []string{`},"mediation":"conditional","state":"`, `"userVerification":"preferred"`, `"excludeCredentials":[{"id":"` + passkeys.EncodeID(first.ID) + `"`} {
				if !strings.Contains(string(begun), want) {
					t.Errorf("%s is not in %s", want, begun)
				}
			}
			began := b.events.last()
			phone := unasked()
			s.post("/register/finish", finishBody(t, begun, answer(t, phone, begun)), http.StatusOK)
			finished := b.events.last()
			if began.Type != passkeys.RegistrationBegan || finished.Type != passkeys.RegistrationSucceeded || began.CeremonyID == "" ||
				began.Mode != passkeys.ModeUpgrade || finished.Mode != passkeys.ModeUpgrade || began.CeremonyID != finished.CeremonyID {
				t.Errorf("%+v and then %+v", began, finished)
			}
			c, err := b.credentials.Get(t.Context(), phone.Credentials()[0].ID)
			if err != nil || c.UVInitialized || c.UserID != alice.ID || !c.BackupState {
				t.Errorf("%+v, %v", c, err)
			}
			phone.UserNotPresent, phone.UserNotVerified = false, false
			if r := b.mustSignIn(phone); r.UserID != alice.ID || !r.UserVerified {
				t.Errorf("%+v", r)
			}
			phone.UserNotPresent = true // which counts for nothing but the upgrade
			_, err = b.signIn(phone)
			b.refused(err, passkeys.ErrAssertionVerification, passkeys.ReasonUserPresenceMissing)
		})
	}
}

// What is asked for is what the site asks for, as far as browsers do it unasked.
func TestUpgradeOptions(t *testing.T) {
	for configured, want := range map[passkeys.UserVerification]passkeys.UserVerification{
		"":                                   passkeys.UserVerificationPreferred,
		passkeys.UserVerificationRequired:    passkeys.UserVerificationPreferred,
		passkeys.UserVerificationDiscouraged: passkeys.UserVerificationDiscouraged,
	} {
		b := newBench(t, func(c *passkeys.Config) { c.UserVerification = configured })
		plain, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice})
		if err != nil {
			t.Fatal(err)
		}
		upgrade, err := b.BeginRegistration(t.Context(), passkeys.RegistrationRequest{User: alice, Grant: b.grant(t.Context())})
		if err != nil {
			t.Fatal(err)
		}
		if got := upgrade.PublicKey.AuthenticatorSelection.UserVerification; got != want || plain.Mediation != "" || upgrade.Mediation != "conditional" {
			t.Errorf("of %q: %q, mediation %q", configured, got, upgrade.Mediation)
		}
		upgrade.PublicKey.Challenge, upgrade.PublicKey.AuthenticatorSelection = plain.PublicKey.Challenge, plain.PublicKey.AuthenticatorSelection
		a, _ := json.Marshal(plain.PublicKey)
		if b, _ := json.Marshal(upgrade.PublicKey); !bytes.Equal(a, b) {
			t.Errorf("got  %s\nwant %s", b, a)
		}
	}
}

// Whoever has taken a session over, or a page, and has not the user's password, gets
// no passkey in that an honest browser made without its user: in none of these ways.
func TestNothingIsMadeUnaskedWithoutAGrant(t *testing.T) {
	ctx := passkeys.WithSessionID(context.Background(), "alice's")
	other := passkeys.WithSessionID(context.Background(), "another")
	framed := func() *passkeytest.Authenticator {
		a := unasked()
		a.CrossOrigin = true
		return a
	}
	// begin tries to begin with what is taken for a grant.
	begin := func(b *bench, grant string) error {
		_, err := b.upgrade(ctx, grant, unasked())
		return err
	}
	finish := func(b *bench, ctx context.Context, r passkeys.RegistrationResponse) error {
		_, err := b.FinishRegistration(ctx, r)
		return err
	}
	plain := func(b *bench) (options []byte, state string) {
		c, err := b.BeginRegistration(ctx, passkeys.RegistrationRequest{User: alice})
		return begun(b.t, c, err)
	}
	signIn := func(b *bench, r passkeys.AuthenticationRequest) string {
		c, err := b.BeginAuthentication(ctx, r)
		_, state := begun(b.t, c, err)
		return state
	}
	tries := []struct {
		name, says string
		try        func(*bench) error
		want       *passkeys.Error
		why        passkeys.Reason
	}{
		{"no grant", "An ordinary registration takes a touch.", func(b *bench) error {
			options, state := plain(b)
			return finish(b, ctx, passkeys.RegistrationResponse{State: state, Credential: answer(b.t, unasked(), options)})
		}, passkeys.ErrAttestationVerification, passkeys.ReasonUserPresenceMissing},
		{"no presence but a verification", "A PIN without a touch is none.", func(b *bench) error {
			options, state := plain(b)
			a := unasked()
			a.UserNotVerified = false
			return finish(b, ctx, passkeys.RegistrationResponse{State: state, Credential: answer(b.t, a, options)})
		}, passkeys.ErrAttestationVerification, passkeys.ReasonUserPresenceMissing},
		{"another's grant", "Mallory's password is not alice's.", func(b *bench) error {
			grant, err := b.GrantUpgrade(ctx, "mallory-id")
			if err != nil {
				b.t.Fatal(err)
			}
			return begin(b, grant)
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonUserChanged},
		{"another session's grant", "The sign-in was elsewhere.", func(b *bench) error { return begin(b, b.grant(other)) }, passkeys.ErrChallengeNotFound, passkeys.ReasonSessionMismatch},
		{"no session's grant", "The sign-in was where there was none.", func(b *bench) error { return begin(b, b.grant(context.Background())) }, passkeys.ErrChallengeNotFound, passkeys.ReasonSessionMismatch},
		{"an old grant", "The sign-in was two minutes ago.", func(b *bench) error {
			grant := b.grant(ctx)
			b.clock.Advance(2 * time.Minute)
			return begin(b, grant)
		}, passkeys.ErrChallengeExpired, passkeys.ReasonChallengeExpired},
		{"no grant at all", "It is made up.", func(b *bench) error { return begin(b, "conditional") }, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound},
		{"half a grant", "It is altered.", func(b *bench) error { return begin(b, b.grant(ctx)[1:]) }, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound},
		{"another secret's grant", "It is another server's.", func(b *bench) error {
			return begin(b, b.server(func(c *passkeys.Config) { c.Secret = bytes.Repeat([]byte{9}, 32) }).grant(ctx))
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound},
		{"a sign-in's state for a grant", "Anybody can have one.", func(b *bench) error { return begin(b, signIn(b, passkeys.AuthenticationRequest{})) }, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"an autofill's state for a grant", "It is conditional too.", func(b *bench) error {
			return begin(b, signIn(b, passkeys.AuthenticationRequest{Mode: passkeys.ModeConditional}))
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"alice's sign-in's state for a grant", "It names the same user.", func(b *bench) error {
			return begin(b, signIn(b, passkeys.AuthenticationRequest{UserID: alice.ID}))
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"a registration's state for a grant", "Any session can have one.", func(b *bench) error {
			_, state := plain(b)
			return begin(b, state)
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"an upgrade's state for a grant", "It would begin for ever.", func(b *bench) error { return begin(b, b.mustUpgrade(ctx, b.grant(ctx)).State) }, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"a grant for a registration's state", "It is not begun.", func(b *bench) error {
			grant := b.grant(ctx)
			options, _ := plain(b)
			return finish(b, ctx, passkeys.RegistrationResponse{State: grant, Credential: answer(b.t, unasked(), options)})
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose},
		{"the response to another state", "What was made unasked is for the challenge of an upgrade.", func(b *bench) error {
			_, state := plain(b)
			r := b.mustUpgrade(ctx, b.grant(ctx))
			r.State = state
			return finish(b, ctx, r)
		}, passkeys.ErrAttestationVerification, passkeys.ReasonChallengeMismatch},
		{"in another session", "It is carried away after begin.", func(b *bench) error { return finish(b, other, b.mustUpgrade(ctx, b.grant(ctx))) }, passkeys.ErrChallengeNotFound, passkeys.ReasonSessionMismatch},
		{"by another user", "Mallory signs in after begin.", func(b *bench) error {
			r := b.mustUpgrade(ctx, b.grant(ctx))
			r.UserID = "mallory-id"
			return finish(b, ctx, r)
		}, passkeys.ErrChallengeNotFound, passkeys.ReasonUserChanged},
		{"late", "It is over with the time to finish.", func(b *bench) error {
			r := b.mustUpgrade(ctx, b.grant(ctx))
			b.clock.Advance(8 * time.Minute)
			return finish(b, ctx, r)
		}, passkeys.ErrChallengeExpired, passkeys.ReasonChallengeExpired},
		{"in a frame", "The page that embeds ours is not asked for its password.", func(b *bench) error {
			r, err := b.upgrade(ctx, b.grant(ctx), framed())
			if err != nil {
				b.t.Fatal(err)
			}
			return finish(b, ctx, r)
		}, passkeys.ErrAttestationVerification, passkeys.ReasonCrossOrigin},
		{"in a frame of a partner", "Nor is one that may embed ours.", func(b *bench) error {
			a := framed()
			a.TopOrigin = "https://partner.example"
			r, err := b.upgrade(ctx, b.grant(ctx), a)
			if err != nil {
				b.t.Fatal(err)
			}
			return finish(b, ctx, r)
		}, passkeys.ErrAttestationVerification, passkeys.ReasonCrossOrigin},
		{"from another site", "The origin counts as ever.", func(b *bench) error {
			a := unasked()
			a.Origin = "https://evil.example"
			r, err := b.upgrade(ctx, b.grant(ctx), a)
			if err != nil {
				b.t.Fatal(err)
			}
			return finish(b, ctx, r)
		}, passkeys.ErrAttestationVerification, passkeys.ReasonOriginMismatch},
	}
	for name, configure := range map[string]func(*passkeys.Config){"sealed": func(*passkeys.Config) {}, "in a store": inMemory} {
		for _, row := range tries {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				b := newBench(t, configure, func(c *passkeys.Config) { c.TopOrigins = []string{"https://partner.example"} })
				err := row.try(b)
				b.refused(err, row.want, row.why)
				if n := b.planted(); n != 0 {
					t.Errorf("%s And yet %d are planted", row.says, n)
				}
			})
		}
	}
}

// What is no grant was to be one, for the audit.
func TestARefusedGrantIsAnUpgrades(t *testing.T) {
	b := newBench(t)
	_, err := b.upgrade(t.Context(), "made up", unasked())
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)
	if e := b.events.last(); e.Type != passkeys.RegistrationFailed || e.Mode != passkeys.ModeUpgrade {
		t.Errorf("the event is %+v", e)
	}
	theirs, err := b.GrantUpgrade(t.Context(), "mallory-id")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.upgrade(t.Context(), theirs, unasked())
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonUserChanged)
	if e := b.events.last(); e.UserID != alice.ID {
		t.Errorf("who tries is alice, and the event is %+v", e)
	}
}

// A sign-in cannot be finished with a grant: it was a password's.
func TestAGrantSignsNobodyIn(t *testing.T) {
	b := newBench(t)
	a := passkeytest.New(origin)
	b.mustRegister(a)
	r := b.get(a, "")
	r.State = b.grant(t.Context())
	b.refused(b.finish(r), passkeys.ErrChallengeNotFound, passkeys.ReasonChallengePurpose)
}

// By route: what is no upgrade is none, and what is one is still to be authorized.
func TestUpgradeByRoute(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b.Passkeys)
	grant := b.grant(t.Context())
	for _, body := range []string{
		`{"mediation":"conditional"}`, `{"mediation":"conditional","grant":""}`, `{"mediation":"conditional","grant":null}`,
		`{"grant":"` + grant + `"}`, `{"mediation":"","grant":"` + grant + `"}`, `{"mediation":null,"grant":"` + grant + `"}`,
		`{"mediation":"optional","grant":"` + grant + `"}`, `{"mediation":"Conditional","grant":"` + grant + `"}`, `{"mediation":"silent"}`, `{"mediation":"required"}`,
		`{"mediation":true,"grant":"` + grant + `"}`, `{"mediation":"conditional","grant":1}`,
		`{"mediation":"conditional","grant":"` + grant + `","grant":"` + grant + `"}`,
	} {
		if got := code(s.post("/register/begin", body, http.StatusBadRequest)); got != "invalid_request" {
			t.Errorf("%s: %s", body, got)
		}
		if e := b.events.last(); e.Type != passkeys.RegistrationFailed || e.Reason != passkeys.ReasonRequestMalformed || e.UserID != alice.ID {
			t.Errorf("%s: %+v", body, e)
		}
	}
	for _, body := range []string{`{"mediation":"","grant":""}`, `{"mediation":null,"grant":null}`, `{"Mediation":"conditional"}`} {
		if begun := s.post("/register/begin", body, http.StatusOK); strings.Contains(string(begun), "mediation") {
			t.Errorf("%s: %s", body, begun)
		}
	}
	body := `{"mediation":"conditional","grant":"` + grant + `"}`
	begun := s.post("/register/begin", body, http.StatusOK)
	var asked []passkeys.Action
	strict := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.Authorize = func(_ passkeys.Exchange, _ passkeys.User, action passkeys.Action) error {
			asked = append(asked, action)
			return passkeys.ErrForbidden
		}
	})
	strict.post("/register/begin", body, http.StatusForbidden)
	strict.post("/register/finish", finishBody(t, begun, answer(t, unasked(), begun)), http.StatusForbidden)
	if len(asked) != 2 || asked[0] != passkeys.ActionAdd || asked[1] != passkeys.ActionAdd || b.planted() != 0 {
		t.Errorf("asked about %q", asked)
	}
}

// However often a grant is begun with, it makes one passkey: whichever comes first
// uses all of them up.
func TestAGrantMakesOnePasskey(t *testing.T) {
	b := newBench(t)
	grant := b.grant(t.Context())
	var waiting []passkeys.RegistrationResponse
	for range 64 {
		b.clock.Advance(time.Second)
		waiting = append(waiting, b.mustUpgrade(t.Context(), grant))
	}
	for i, r := range waiting {
		_, err := b.FinishRegistration(t.Context(), r)
		if i == 0 {
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
	}
	_, err := b.upgrade(t.Context(), grant, unasked())
	b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
	if n := b.planted(); n != 1 {
		t.Errorf("%d passkeys", n)
	}
}

// The memory of a grant's use does not go before all that was begun with it has
// expired: neither by many sign-ins, which push the earliest issued out, nor by
// time, on servers whose clocks differ.
func TestWhatIsBegunWithAGrantIsOneUse(t *testing.T) {
	t.Run("many sign-ins", func(t *testing.T) {
		b := newBench(t)
		grant := b.grant(t.Context())
		phone := unasked()
		first, err := b.upgrade(t.Context(), grant, phone)
		if err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(time.Minute)
		second := b.mustUpgrade(t.Context(), grant)
		if _, err := b.FinishRegistration(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		phone.UserNotPresent = false
		for range 16 { // one more than it remembers, so that it forgets the first
			b.mustSignIn(phone)
		}
		_, err = b.FinishRegistration(t.Context(), second)
		b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
		_, err = b.upgrade(t.Context(), grant, unasked())
		b.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
	})
	t.Run("clocks that differ", func(t *testing.T) {
		one := newBench(t)
		ahead := one.server(func(c *passkeys.Config) {
			c.Now = func() time.Time { return one.clock.Now().Add(5 * time.Minute) }
		})
		grant := one.grant(t.Context())
		phone := unasked()
		first, err := one.upgrade(t.Context(), grant, phone)
		if err != nil {
			t.Fatal(err)
		}
		one.clock.Advance(2*time.Minute - time.Second)
		second := one.mustUpgrade(t.Context(), grant)
		if _, err := one.FinishRegistration(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		phone.UserNotPresent = false
		for range 20 {
			one.clock.Advance(30 * time.Second)
			ahead.mustSignIn(phone) // and so what is remembered is written anew
			if _, err := one.FinishRegistration(t.Context(), second); !errors.Is(err, passkeys.ErrChallengeNotFound) && !errors.Is(err, passkeys.ErrChallengeExpired) {
				t.Fatalf("%v after the grant: %v", one.clock.Now(), err)
			}
		}
	})
}

// A grant that is used by many at once.
func TestAGrantUsedByManyAtOnce(t *testing.T) {
	const atOnce = 64
	succeed := func(f func(i int) error) (n int) {
		for _, err := range together(atOnce, f) {
			if err == nil {
				n++
			}
		}
		return n
	}
	for range 20 {
		// In a store, one begins.
		stored := newBench(t, inMemory)
		grant := stored.grant(t.Context())
		if n := succeed(func(int) error {
			r, err := stored.upgrade(t.Context(), grant, unasked())
			if err == nil {
				_, err = stored.FinishRegistration(t.Context(), r)
			}
			return err
		}); n != 1 || stored.planted() != 1 {
			t.Fatalf("in a store: %d of %d, %d passkeys", n, atOnce, stored.planted())
		}
		// Sealed, all begin, and of each chain one finishes, on whichever server.
		one := newBench(t)
		two := one.server()
		grant = one.grant(t.Context())
		r := one.mustUpgrade(t.Context(), grant)
		if n := succeed(func(i int) error {
			_, err := []*bench{one, two}[i%2].FinishRegistration(t.Context(), r)
			return err
		}); n != 1 || one.planted() != 1 {
			t.Fatalf("one chain: %d of %d, %d passkeys", n, atOnce, one.planted())
		}
		// Of chains that race with a passkey of their own each, more than one may;
		// when the first of them has finished, no other begins or finishes.
		racing := newBench(t)
		grant = racing.grant(t.Context())
		var chains []passkeys.RegistrationResponse
		for range atOnce {
			chains = append(chains, racing.mustUpgrade(t.Context(), grant))
		}
		late := racing.mustUpgrade(t.Context(), grant)
		if n := succeed(func(i int) error {
			_, err := racing.FinishRegistration(t.Context(), chains[i])
			return err
		}); n < 1 || racing.planted() != n {
			t.Fatalf("a race: %d of %d, %d passkeys", n, atOnce, racing.planted())
		}
		_, err := racing.FinishRegistration(t.Context(), late)
		racing.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeSpent)
	}
}

// What MaxCredentials, OnRegistered and the lists of models say of a registration
// they say of an upgrade.
func TestAnUpgradeIsARegistration(t *testing.T) {
	full := newBench(t, func(c *passkeys.Config) { c.MaxCredentials = 1 })
	waiting := full.mustUpgrade(t.Context(), full.grant(t.Context()))
	full.mustRegister(passkeytest.New(origin))
	_, err := full.FinishRegistration(t.Context(), waiting)
	full.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)
	_, err = full.upgrade(t.Context(), full.grant(t.Context()), unasked())
	full.refused(err, passkeys.ErrTooManyCredentials, passkeys.ReasonCredentialLimit)
	if e := full.events.last(); e.Mode != passkeys.ModeUpgrade || e.CeremonyID == "" {
		t.Errorf("%+v", e)
	}

	picky := newBench(t, func(c *passkeys.Config) { c.DeniedAAGUIDs = []passkeys.AAGUID{{}} })
	_, err = picky.FinishRegistration(t.Context(), picky.mustUpgrade(t.Context(), picky.grant(t.Context())))
	picky.refused(err, passkeys.ErrAttestationVerification, passkeys.ReasonAAGUIDNotAllowed)

	b := newBench(t)
	s := newSite(t, b.Passkeys, func(h *passkeys.Hooks[passkeys.Exchange]) {
		h.OnRegistered = func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error {
			return passkeys.ErrForbidden
		}
	})
	begun := s.post("/register/begin", `{"mediation":"conditional","grant":"`+b.grant(t.Context())+`"}`, http.StatusOK)
	s.post("/register/finish", finishBody(t, begun, answer(t, unasked(), begun)), http.StatusForbidden)
	if n := b.planted(); n != 0 {
		t.Errorf("%d are left of what was taken back", n)
	}
}

func TestGrantUpgradeFails(t *testing.T) {
	for _, id := range []string{"", strings.Repeat("x", 65)} {
		if grant, err := newBench(t).GrantUpgrade(t.Context(), id); grant != "" || !errors.Is(err, passkeys.ErrConfiguration) || reason(err) != passkeys.ReasonUserInvalid {
			t.Errorf("of %d bytes: %q, %v", len(id), grant, err)
		}
	}
	var log bytes.Buffer
	down := newBench(t, func(c *passkeys.Config) { c.Challenges, c.Logger = lost{}, slog.New(slog.NewTextHandler(&log, nil)) })
	if grant, err := down.GrantUpgrade(t.Context(), alice.ID); grant != "" || !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("without a store: %q, %v", grant, err)
	}
	if !strings.Contains(log.String(), "could not grant an upgrade") {
		t.Errorf("the log says %q", &log)
	}
	if grant, err := newBench(t, func(c *passkeys.Config) { c.Rand = bytes.NewReader(nil) }).GrantUpgrade(t.Context(), alice.ID); grant != "" || reason(err) != passkeys.ReasonRandomFailed {
		t.Errorf("without randomness: %q, %v", grant, err)
	}
	// A grant says nothing of whom it is for.
	b := newBench(t)
	if raw, err := passkeys.DecodeID(b.grant(passkeys.WithSessionID(t.Context(), "session"))); err != nil || bytes.Contains(raw, []byte(alice.ID)) {
		t.Errorf("%q, %v", raw, err)
	}
	if a, b := b.grant(t.Context()), b.grant(t.Context()); a == b {
		t.Error("two grants are one")
	}
}

// An upgrade that fails has used nothing up, but where a store keeps the grants.
func TestAnUpgradeThatFailsMayBeTriedAgain(t *testing.T) {
	b := newBench(t)
	grant := b.grant(t.Context())
	liar := unasked()
	liar.Origin = "https://evil.example"
	r, err := b.upgrade(t.Context(), grant, liar)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.FinishRegistration(t.Context(), r); err == nil {
		t.Fatal("registered")
	}
	if _, err := b.FinishRegistration(t.Context(), b.mustUpgrade(t.Context(), grant)); err != nil {
		t.Error(err)
	}

	stored := newBench(t, inMemory)
	grant = stored.grant(t.Context())
	_ = stored.mustUpgrade(t.Context(), grant)
	_, err = stored.upgrade(t.Context(), grant, unasked())
	stored.refused(err, passkeys.ErrChallengeNotFound, passkeys.ReasonChallengeNotFound)
}

package passkeys_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestOneEventPerOutcome(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	a := passkeytest.New(origin)
	id := func() string { return passkeys.EncodeID(b.stored().ID) }

	expect := func(want ...passkeys.AuditEvent) {
		t.Helper()
		b.events.mu.Lock()
		got := b.events.list
		b.events.list = nil
		b.events.mu.Unlock()
		if len(got) != len(want) {
			t.Fatalf("got %d events %+v, want %d", len(got), got, len(want))
		}
		for i := range want {
			want[i].Time = b.clock.Now()
			if got[i] != want[i] {
				t.Errorf("got  %+v\nwant %+v", got[i], want[i])
			}
		}
	}

	r := b.create(a)
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationBegan, UserID: alice.ID})
	if _, err := b.FinishRegistration(ctx, r); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationSucceeded, UserID: alice.ID, CredentialID: id()})

	twin := a.Clone()
	twin.CredentialID = b.stored().ID
	twin.Forget(b.stored().ID)
	_, err := b.register(twin)
	if !errors.Is(err, passkeys.ErrCredentialExists) {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.RegistrationBegan, UserID: alice.ID},
		passkeys.AuditEvent{Type: passkeys.RegistrationFailed, UserID: alice.ID, CredentialID: id(), Reason: passkeys.ReasonCredentialExists})

	s := b.get(a, alice.ID)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationBegan, UserID: alice.ID})
	if _, err := b.FinishAuthentication(ctx, s); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationSucceeded, UserID: alice.ID, CredentialID: id()})

	_, _ = b.FinishAuthentication(ctx, s)
	expect(passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, CredentialID: id(), Reason: passkeys.ReasonChallengeNotFound})

	s = b.get(a, "")
	b.clock.Advance(time.Hour)
	b.events.reset()
	_, _ = b.FinishAuthentication(ctx, s)
	expect(passkeys.AuditEvent{Type: passkeys.ChallengeExpired, CredentialID: id(), Reason: passkeys.ReasonChallengeExpired})

	if err := b.Rename(ctx, alice.ID, b.stored().ID, "phone"); err != nil || b.stored().DeviceName != "phone" {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.CredentialRenamed, UserID: alice.ID, CredentialID: id()})

	gone := b.stored().ID
	for _, err := range []error{
		b.Rename(ctx, "bob-id", gone, "mine"), b.Revoke(ctx, "bob-id", gone), b.Restore(ctx, "bob-id", gone), b.Revoke(ctx, alice.ID, []byte("x")),
	} {
		if !errors.Is(err, passkeys.ErrNotFound) {
			t.Errorf("another user's, or nobody's: %v", err)
		}
	}
	if err := b.Rename(ctx, alice.ID, gone, "\x00"); !errors.Is(err, passkeys.ErrInvalidRequest) {
		t.Errorf("a name with NUL: %v", err)
	}
	expect()

	if err := b.Revoke(ctx, alice.ID, gone); err != nil {
		t.Fatal(err)
	}
	expect(passkeys.AuditEvent{Type: passkeys.CredentialRevoked, UserID: alice.ID, CredentialID: passkeys.EncodeID(gone)})
	if list, err := b.Credentials(ctx, alice.ID); err != nil || len(list) != 0 {
		t.Errorf("after the revocation: %d, %v", len(list), err)
	}
}

func TestEveryFailureHasAReason(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	_, _ = b.BeginRegistration(ctx, passkeys.User{})
	_, _ = b.FinishRegistration(ctx, passkeys.RegistrationResponse{Credential: make([]byte, 64<<10+1)})
	_, _ = b.FinishAuthentication(ctx, passkeys.AuthenticationResponse{Credential: make([]byte, 64<<10+1)})
	s := newSite(t, b.Passkeys)
	s.header.Set("Content-Type", "text/plain")
	s.post("/register/finish", "{}", http.StatusUnsupportedMediaType)
	s.post("/authenticate/finish", "{}", http.StatusUnsupportedMediaType)
	if len(b.events.list) != 5 {
		t.Fatalf("%d events", len(b.events.list))
	}
	for _, e := range b.events.list {
		if e.Reason == "" {
			t.Errorf("%s has no reason", e.Type)
		}
	}
}

// Whoever is not signed in must not be able to fill the ledger.
func TestEventsAreSmall(t *testing.T) {
	b := newBench(t)
	id := passkeys.EncodeID(make([]byte, 40000))
	_, _ = b.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{Credential: []byte(
		`{"id":"` + id + `","rawId":"` + id[:1366] + `","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`)})
	id = passkeys.EncodeID(make([]byte, 20000))
	_, _ = b.FinishAuthentication(context.Background(), passkeys.AuthenticationResponse{Credential: []byte(
		`{"id":"` + id + `","rawId":"` + id + `","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`)})
	if len(b.events.list) != 2 {
		t.Fatalf("%d events", len(b.events.list))
	}
	for _, e := range b.events.list {
		if len(e.CredentialID) > 1364 {
			t.Errorf("an id of %d characters", len(e.CredentialID))
		}
	}
}

func TestSlogAudit(t *testing.T) {
	var out bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	sink := passkeys.NewSlogAudit(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})))
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	sink.Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationSucceeded, Time: at, UserID: "u", CredentialID: "Yw", RequestID: "r1"})
	sink.Emit(context.Background(), passkeys.AuditEvent{Type: passkeys.AuthenticationFailed, Time: at, Reason: passkeys.ReasonOriginMismatch})
	want := `level=INFO msg="passkeys: authentication_succeeded" at=2030-01-02T03:04:05.000Z user_id=u credential_id=Yw reason="" request_id=r1
level=WARN msg="passkeys: authentication_failed" at=2030-01-02T03:04:05.000Z user_id="" credential_id="" reason=origin_mismatch request_id=""
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// failing is a store each of whose methods fails once it is told to.
type failing struct {
	*passkeys.MemoryCredentials
	on string
}

var errDown = errors.New("the database has gone away")

func (f *failing) fail(method string) error {
	if f.on == method {
		return errDown
	}
	return nil
}

func (f *failing) Add(ctx context.Context, c passkeys.Credential) error {
	return errors.Join(f.fail("Add"), f.MemoryCredentials.Add(ctx, c))
}

func (f *failing) Get(ctx context.Context, id []byte) (passkeys.Credential, error) {
	c, err := f.MemoryCredentials.Get(ctx, id)
	return c, errors.Join(f.fail("Get"), err)
}

func (f *failing) ListByUser(ctx context.Context, userID string) ([]passkeys.Credential, error) {
	l, err := f.MemoryCredentials.ListByUser(ctx, userID)
	return l, errors.Join(f.fail("ListByUser"), err)
}

func (f *failing) UpdateUsage(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
	if err := f.fail("UpdateUsage"); err != nil {
		return 0, err
	}
	return f.MemoryCredentials.UpdateUsage(ctx, id, u)
}

func (f *failing) Quarantine(ctx context.Context, id []byte, at time.Time, r passkeys.Reason) error {
	return errors.Join(f.fail("Quarantine"), f.MemoryCredentials.Quarantine(ctx, id, at, r))
}

func (f *failing) Delete(ctx context.Context, userID string, id []byte) error {
	return errors.Join(f.fail("Delete"), f.MemoryCredentials.Delete(ctx, userID, id))
}

// lost is a challenge store that is down.
type lost struct{ passkeys.ChallengeStore }

func (lost) Put(context.Context, []byte, time.Time) (string, error) { return "", errDown }
func (lost) Consume(context.Context, string) ([]byte, error)        { return nil, errDown }

func TestStoreFailuresAreNeverTheUsersFault(t *testing.T) {
	ctx := context.Background()
	var log bytes.Buffer
	for _, row := range []struct {
		on string
		do func(*bench, *passkeytest.Authenticator) error
	}{
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.BeginRegistration(ctx, alice)
			return err
		}},
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.BeginAuthentication(ctx, alice.ID)
			return err
		}},
		{"ListByUser", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.Credentials(ctx, alice.ID)
			return err
		}},
		{"Add", func(b *bench, _ *passkeytest.Authenticator) error {
			_, err := b.register(passkeytest.New(origin))
			return err
		}},
		{"Get", func(b *bench, a *passkeytest.Authenticator) error { _, err := b.signIn(a); return err }},
		{"UpdateUsage", func(b *bench, a *passkeytest.Authenticator) error { _, err := b.signIn(a); return err }},
		{"Quarantine", func(b *bench, a *passkeytest.Authenticator) error {
			clone := a.Clone()
			b.mustSignIn(a)
			_, err := b.signIn(clone)
			return err
		}},
		{"Delete", func(b *bench, _ *passkeytest.Authenticator) error {
			return b.Revoke(ctx, alice.ID, b.stored().ID)
		}},
	} {
		t.Run(row.on, func(t *testing.T) {
			log.Reset()
			store := &failing{}
			b := newBench(t, func(c *passkeys.Config) {
				store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
				c.Credentials, c.SignCountPolicy = store, passkeys.FlagDisable
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			a := passkeytest.New(origin)
			b.mustRegister(a)
			store.on = row.on
			err := row.do(b, a)
			if !errors.Is(err, passkeys.ErrStorageUnavailable) || !errors.Is(err, errDown) || reason(err) != passkeys.ReasonStorageFailed {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), errDown.Error()) {
				t.Errorf("the client would read %q", err)
			}
			if !strings.Contains(log.String(), errDown.Error()) {
				t.Errorf("the operator would not read of it: %s", &log)
			}
		})
	}
	b := newBench(t, func(c *passkeys.Config) { c.Challenges = lost{} })
	if _, err := b.BeginAuthentication(ctx, ""); !errors.Is(err, passkeys.ErrStorageUnavailable) {
		t.Errorf("begin without a challenge store: %v", err)
	}
	whole := newBench(t)
	a := passkeytest.New(origin)
	whole.mustRegister(a)
	_, err := b.FinishAuthentication(ctx, whole.get(a, ""))
	b.refused(err, passkeys.ErrStorageUnavailable, passkeys.ReasonStorageFailed)
}

func TestChallengesAreTheNext32Bytes(t *testing.T) {
	ctx := context.Background()
	source := bytes.NewReader([]byte(strings.Repeat("a", 32) + strings.Repeat("b", 32) + strings.Repeat("c", 31)))
	b := newBench(t, func(c *passkeys.Config) { c.Rand = iotest.OneByteReader(source) })
	r, err := b.BeginRegistration(ctx, alice)
	if err != nil || r.PublicKey.(*passkeys.CreationOptions).Challenge != passkeys.EncodeID([]byte(strings.Repeat("a", 32))) {
		t.Errorf("%+v, %v", r, err)
	}
	s, err := b.BeginAuthentication(ctx, "")
	if err != nil || s.PublicKey.(*passkeys.RequestOptions).Challenge != passkeys.EncodeID([]byte(strings.Repeat("b", 32))) {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = b.BeginAuthentication(ctx, "")
	if reason(err) != passkeys.ReasonRandomFailed || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that runs dry: %v", err)
	}
}

func TestInvalidUsersAreTheApplicationsFault(t *testing.T) {
	b := newBench(t)
	for _, u := range []passkeys.User{{}, {ID: strings.Repeat("x", 65)}, {ID: "x", Name: "\xff"}, {ID: "x", DisplayName: "\xff"}} {
		if _, err := b.BeginRegistration(context.Background(), u); !errors.Is(err, passkeys.ErrConfiguration) {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

func TestOptions(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, func(c *passkeys.Config) {
		c.Rand = bytes.NewReader(make([]byte, 96))
		c.AuthenticatorAttachment = passkeys.AttachmentPlatform
		c.ResidentKey = passkeys.ResidentKeyRequired
		c.Algorithms = []passkeys.Algorithm{passkeys.ES256}
	})
	a := passkeytest.New(origin)
	a.CredentialID, a.Transports = []byte("credential"), []string{"usb", "nfc"}

	creation, _ := b.options(b.BeginRegistration(ctx, passkeys.User{ID: "alice-id"}))
	_, state, _ := strings.Cut(string(creation), `,"state":`)
	wantCreation := `{"publicKey":{"rp":{"id":"example.org","name":"Example"},"user":{"id":"YWxpY2UtaWQ","name":"alice-id","displayName":"alice-id"},"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"timeout":60000,"excludeCredentials":[],"authenticatorSelection":{"authenticatorAttachment":"platform","residentKey":"required","requireResidentKey":true,"userVerification":"preferred"},"attestation":"none","extensions":{"credProps":true}},"state":` + state
	if string(creation) != wantCreation {
		t.Errorf("got  %s\nwant %s", creation, wantCreation)
	}
	b.mustRegister(a)

	request, _ := b.options(b.BeginAuthentication(ctx, "alice-id"))
	_, state, _ = strings.Cut(string(request), `,"state":`)
	wantRequest := `{"publicKey":{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","timeout":60000,"rpId":"example.org","allowCredentials":[{"id":"Y3JlZGVudGlhbA","type":"public-key","transports":["usb","nfc"]}],"userVerification":"preferred"},"state":` + state
	if string(request) != wantRequest {
		t.Errorf("got  %s\nwant %s", request, wantRequest)
	}
}

// gone is a repository whose client goes away after the credential is read or
// written, and who says with which context it was asked for the rest.
type gone struct {
	*passkeys.MemoryCredentials
	leave context.CancelFunc
	after error
}

func (g *gone) UpdateUsage(ctx context.Context, id []byte, u passkeys.Usage) (passkeys.UsageOutcome, error) {
	defer g.leave()
	return g.MemoryCredentials.UpdateUsage(ctx, id, u)
}

func (g *gone) Quarantine(ctx context.Context, id []byte, at time.Time, r passkeys.Reason) error {
	if _, ok := ctx.Deadline(); !ok {
		g.after = errors.New("no deadline")
	}
	return errors.Join(ctx.Err(), g.MemoryCredentials.Quarantine(ctx, id, at, r))
}

func TestAClientThatGoesAwayAvertsNothing(t *testing.T) {
	store := &gone{}
	b := newBench(t, func(c *passkeys.Config) {
		store.MemoryCredentials = c.Credentials.(*passkeys.MemoryCredentials)
		c.Credentials, c.SignCountPolicy = store, passkeys.FlagDisable
	})
	a := passkeytest.New(origin)
	store.leave = func() {}
	b.mustRegister(a)
	clone := a.Clone()
	b.mustSignIn(a)
	r := b.get(clone, "")
	ctx, cancel := context.WithCancel(context.Background())
	store.leave = cancel
	_, err := b.FinishAuthentication(ctx, r)
	b.refused(err, passkeys.ErrCloneDetected, passkeys.ReasonSignCountRegressed)
	if !b.stored().Quarantined() || store.after != nil {
		t.Errorf("quarantined: %v; %v", b.stored().Quarantined(), store.after)
	}
}

package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// site is an application with passkeys, on http://localhost, with one user, who is
// signed in. Its pages live under the strictest policy that has scripts.
type site struct {
	*httptest.Server
	p     *passkeys.Passkeys
	store passkeys.CredentialRepository
	local string // its URL

	mu         sync.Mutex
	name       string
	nobody     bool
	registered error         // of the hook OnRegistered
	strict     time.Duration // how fresh a confirmation the hook Authorize wants
	late       time.Duration // by how much its clock is ahead
	faults     []fault
	posts      map[string][]string
	outcomes   []passkeys.ClientOutcome
}

// fault is how the next request to a path is answered.
type fault struct {
	Path    string
	Status  int
	Headers map[string]string
	Body    string
	Lost    bool // answered well, but the answer never arrives
	Gone    bool // the connection breaks instead, each time until control/mend: browsers try again
	Held    bool // not at all: whoever asks gives up
}

const mount = "/auth/passkeys"

var user = passkeys.User{ID: "user-1", Name: "ann"}

func (s *site) config() passkeys.Config {
	return passkeys.Config{
		RPID: "localhost", RPName: "Test", Origins: []string{s.local}, Credentials: s.store,
		Secret: []byte("a secret of the browsers' tests!"), ConditionalTTL: 2 * time.Second,
		Now: s.now, Logger: slog.New(slog.DiscardHandler), Observer: s,
	}
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.late)
}

func (s *site) Observe(ctx context.Context, _ passkeys.Step) (context.Context, func(passkeys.Outcome)) {
	return ctx, func(passkeys.Outcome) {}
}

func (s *site) ObserveClient(_ context.Context, o passkeys.ClientOutcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = append(s.outcomes, o)
}

func (s *site) hooks() passkeys.Hooks[passkeys.Exchange] {
	return passkeys.Hooks[passkeys.Exchange]{
		GetUser: func(passkeys.Exchange) (passkeys.User, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.nobody {
				return passkeys.User{}, passkeys.ErrUnauthenticated
			}
			u := user
			if s.name != "" {
				u.Name = s.name
			}
			return u, nil
		},
		FindUser: func(_ passkeys.Exchange, username string) (string, error) {
			if username == user.Name {
				return user.ID, nil
			}
			return "", nil
		},
		OnRegistered: func(passkeys.Exchange, passkeys.User, passkeys.RegistrationResult) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.registered
		},
		Authorize: func(passkeys.Exchange, passkeys.User, passkeys.Action) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.strict == 0 {
				return nil
			}
			return passkeys.FreshWithin(s.strict)
		},
	}
}

// guards are the application's own routes, which answer with what was confirmed.
var guards = map[string]passkeys.Guard[passkeys.Exchange]{
	"/settings": {},
	"/api":      {Bearer: true},
	"/transfer": {Operation: func(x passkeys.Exchange) (passkeys.Operation, error) {
		return passkeys.RequestOperation(x.R, x.R.Pattern)
	}},
}

func done(w http.ResponseWriter, r *http.Request) {
	proof, _ := passkeys.ProofFrom(r.Context())
	_ = json.NewEncoder(w).Encode(map[string]string{"operation": proof.Operation})
}

// newStore is the database of the examples: SQLite, in a file.
func newStore(t testing.TB) passkeys.CredentialRepository {
	t.Helper()
	dsn := filepath.Join(t.TempDir(), "test.db") + "?_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)"
	db, err := gorm.Open(sqlite.Open(dsn), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := gormstore.Migrate(db); err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return gormstore.NewCredentials(db)
}

// newSite runs one until the test ends. change, where it is not nil, has its own
// idea of the configuration.
func newSite(t testing.TB, change func(*passkeys.Config)) *site {
	t.Helper()
	s := &site{store: newStore(t), posts: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(nil)
	s.local = strings.Replace("http://"+s.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	cfg := s.config()
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.p, err = passkeys.New(cfg); err != nil {
		t.Fatal(err)
	}
	routes, err := passkeys.Handler(s.p, s.hooks())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, s.faulty(routes)))
	for path, guard := range guards {
		mux.Handle("POST "+path, s.faulty(passkeys.Require(s.p, s.hooks(), guard)(http.HandlerFunc(done))))
	}
	mux.HandleFunc("POST /control/{what}", s.control)
	for path, file := range map[string]string{
		"/{$}":               "testdata/page.html",
		"/page.js":           "testdata/page.js",
		"/authenticator.js":  "testdata/authenticator.js",
		"/simplewebauthn.js": "../../../tools/web/node_modules/@simplewebauthn/browser/dist/bundle/index.umd.min.js",
	} {
		content, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mime.TypeByExtension(filepath.Ext(file)))
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'")
			// Of another test's site: cookies know of no ports.
			http.SetCookie(w, &http.Cookie{Name: passkeys.ProofCookie, MaxAge: -1, Path: "/", Secure: true})
			_, _ = w.Write(content)
		})
	}
	s.Config.Handler = mux
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// faulty keeps what is posted, and answers as the faults say.
func (s *site) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.mu.Lock()
		s.posts[r.URL.Path] = append(s.posts[r.URL.Path], string(body))
		var f fault
		for i := range s.faults {
			if s.faults[i].Path == r.URL.Path {
				f = s.faults[i]
				if !f.Gone {
					s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				}
				break
			}
		}
		s.mu.Unlock()
		switch {
		case f.Held:
			<-r.Context().Done()
		case f.Lost:
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case f.Gone:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			for name, value := range f.Headers {
				w.Header().Set(name, value)
			}
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, f.Body)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// control is what the page can have happen on the server.
func (s *site) control(w http.ResponseWriter, r *http.Request) {
	var q struct {
		fault
		MS         int
		Name, Code string
		Nobody     bool
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer any = true
	s.mu.Lock()
	switch what := r.PathValue("what"); what {
	case "later":
		s.late += time.Duration(q.MS) * time.Millisecond
	case "fault":
		s.faults = append(s.faults, q.fault)
	case "mend":
		s.faults = nil
	case "posted":
		answer = append([]string{}, s.posts[q.Path]...)
	case "outcomes":
		answer = append([]passkeys.ClientOutcome{}, s.outcomes...)
	case "session":
		s.name, s.nobody = q.Name, q.Nobody
	case "strict":
		s.strict = time.Duration(q.MS) * time.Millisecond
	case "refuse": // at OnRegistered
		s.registered = &passkeys.Error{Code: q.Code, Status: q.Status, Message: "The hook says no."}
	default:
		s.mu.Unlock()
		answer, err := s.administer(r.Context(), what)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *site) administer(ctx context.Context, what string) (any, error) {
	all, err := s.store.ListByUser(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	switch what {
	case "grant":
		return s.p.GrantUpgrade(ctx, user.ID)
	case "stored":
		ids := []string{}
		for _, c := range all {
			ids = append(ids, passkeys.EncodeID(c.ID))
		}
		return ids, nil
	case "forget": // that any is registered
		for _, c := range all {
			err = s.store.Delete(ctx, user.ID, c.ID)
		}
		return true, err
	case "quarantine":
		for _, c := range all {
			c.QuarantinedAt = s.now().UTC().Truncate(time.Microsecond)
			err = s.store.Update(ctx, c)
		}
		return true, err
	}
	return nil, fmt.Errorf("no such control: %s", what)
}

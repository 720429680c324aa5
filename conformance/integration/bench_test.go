package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/labstack/echo/v4"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

// BenchmarkLogin reports what a whole sign-in over loopback HTTP costs on each
// router, begin and finish together, in raw P-256 verifications: ours, the one
// that an application would write by hand on go-webauthn, and the ratio of the
// two. All three are measured in turn in one loop, and by their medians, so that
// the ratios hold on a noisy machine; the authenticator's work is not counted.
func BenchmarkLogin(b *testing.B) {
	for i, program := range programs {
		b.Run(program.name, func(b *testing.B) {
			ours := serve(b, program.mount)
			theirs := newClient(b, handWritten[i](newByHand(b)))
			oursLogin, theirsLogin := login(b, ours), login(b, theirs)
			verify := rawVerification(b)
			var oursTook, theirsTook, raw []time.Duration
			for b.Loop() {
				oursTook, theirsTook = append(oursTook, oursLogin()), append(theirsTook, theirsLogin())
				start := time.Now()
				verify()
				raw = append(raw, time.Since(start))
			}
			b.ReportMetric(median(oursTook)/median(raw), "verifications")
			b.ReportMetric(median(theirsTook)/median(raw), "by-hand-verifications")
			b.ReportMetric(median(oursTook)/median(theirsTook), "of-by-hand")
		})
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// login registers a passkey and returns a sign-in with it, which says how long
// the server took.
func login(b *testing.B, c *client) func() time.Duration {
	b.Helper()
	a := passkeytest.New("http://localhost:8080")
	if _, err := c.ceremony("alice", "register", a.Create); err != nil {
		b.Fatal(err)
	}
	return func() time.Duration {
		start := time.Now()
		options, err := c.post("", "/authenticate/begin", nil)
		if err != nil {
			b.Fatal(err)
		}
		spent := time.Since(start)
		var begun struct{ State string }
		if err := json.Unmarshal(options, &begun); err != nil {
			b.Fatal(err)
		}
		credential, err := a.Get(options)
		if err != nil {
			b.Fatal(err)
		}
		body := finish{credential, begun.State}
		start = time.Now()
		if _, err := c.post("", "/authenticate/finish", body); err != nil {
			b.Fatal(err)
		}
		return spent + time.Since(start)
	}
}

func rawVerification(b *testing.B) func() {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("the raw signature does not verify")
		}
	}
}

// byHand is what the documentation of go-webauthn leads an application to write:
// sessions in a map, users with their credentials in another.
type byHand struct {
	*webauthn.WebAuthn
	mu       sync.Mutex
	sessions map[string]*webauthn.SessionData
	users    map[string]*handUser
}

type handUser struct {
	id          string
	credentials []webauthn.Credential
}

func (u *handUser) WebAuthnID() []byte                         { return []byte(u.id) }
func (u *handUser) WebAuthnName() string                       { return u.id }
func (u *handUser) WebAuthnDisplayName() string                { return u.id }
func (u *handUser) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func newByHand(b *testing.B) *byHand {
	b.Helper()
	w, err := webauthn.New(&webauthn.Config{RPID: "localhost", RPDisplayName: "Demo", RPOrigins: []string{"http://localhost:8080"}})
	if err != nil {
		b.Fatal(err)
	}
	return &byHand{WebAuthn: w, sessions: map[string]*webauthn.SessionData{}, users: map[string]*handUser{}}
}

type handBegun struct {
	PublicKey any    `json:"publicKey"`
	State     string `json:"state"`
}

func (h *byHand) begun(options any, session *webauthn.SessionData) handBegun {
	state := rand.Text()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[state] = session
	return handBegun{options, state}
}

func (h *byHand) session(state string) (*webauthn.SessionData, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	session := h.sessions[state]
	delete(h.sessions, state)
	if session == nil {
		return nil, errors.New("no such session")
	}
	return session, nil
}

func (h *byHand) registerBegin(user string) (any, error) {
	options, session, err := h.BeginRegistration(&handUser{id: user})
	if err != nil {
		return nil, err
	}
	return h.begun(options.Response, session), nil
}

func (h *byHand) registerFinish(user string, f finish) (any, error) {
	session, err := h.session(f.State)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(f.Credential)
	if err != nil {
		return nil, err
	}
	u := &handUser{id: user}
	credential, err := h.CreateCredential(u, *session, parsed)
	if err != nil {
		return nil, err
	}
	u.credentials = append(u.credentials, *credential)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[user] = u
	return map[string]string{"status": "ok"}, nil
}

func (h *byHand) authenticateBegin(string) (any, error) {
	options, session, err := h.BeginDiscoverableLogin()
	if err != nil {
		return nil, err
	}
	return h.begun(options.Response, session), nil
}

func (h *byHand) authenticateFinish(_ string, f finish) (any, error) {
	session, err := h.session(f.State)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBody(bytes.NewReader(f.Credential))
	if err != nil {
		return nil, err
	}
	find := func(_, handle []byte) (webauthn.User, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		u := h.users[string(handle)]
		if u == nil {
			return nil, errors.New("no such user")
		}
		return &handUser{u.id, append([]webauthn.Credential{}, u.credentials...)}, nil
	}
	user, credential, err := h.ValidatePasskeyLogin(find, *session, parsed)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	stored := h.users[string(user.WebAuthnID())].credentials
	for i := range stored {
		if bytes.Equal(stored[i].ID, credential.ID) {
			stored[i] = *credential
		}
	}
	return map[string]any{"userId": string(user.WebAuthnID()), "signCount": credential.Authenticator.SignCount}, nil
}

// handWritten mounts byHand on each of programs' routers, in the way of each.
var handWritten = []func(*byHand) http.Handler{
	func(h *byHand) http.Handler {
		r := gin.New()
		begin := func(f func(string) (any, error)) gin.HandlerFunc {
			return func(c *gin.Context) { ginAnswer(c)(f(c.GetHeader("X-User"))) }
		}
		end := func(f func(string, finish) (any, error)) gin.HandlerFunc {
			return func(c *gin.Context) {
				var body finish
				if err := c.ShouldBindJSON(&body); err != nil {
					ginAnswer(c)(nil, err)
					return
				}
				ginAnswer(c)(f(c.GetHeader("X-User"), body))
			}
		}
		g := r.Group("/auth/passkeys")
		g.POST("/register/begin", begin(h.registerBegin))
		g.POST("/register/finish", end(h.registerFinish))
		g.POST("/authenticate/begin", begin(h.authenticateBegin))
		g.POST("/authenticate/finish", end(h.authenticateFinish))
		return r
	},
	func(h *byHand) http.Handler {
		e := echo.New()
		answer := func(c echo.Context, value any, err error) error {
			if err != nil {
				return echo.NewHTTPError(http.StatusBadRequest)
			}
			return c.JSON(http.StatusOK, value)
		}
		begin := func(f func(string) (any, error)) echo.HandlerFunc {
			return func(c echo.Context) error {
				value, err := f(c.Request().Header.Get("X-User"))
				return answer(c, value, err)
			}
		}
		end := func(f func(string, finish) (any, error)) echo.HandlerFunc {
			return func(c echo.Context) error {
				var body finish
				if err := c.Bind(&body); err != nil {
					return err
				}
				value, err := f(c.Request().Header.Get("X-User"), body)
				return answer(c, value, err)
			}
		}
		g := e.Group("/auth/passkeys")
		g.POST("/register/begin", begin(h.registerBegin))
		g.POST("/register/finish", end(h.registerFinish))
		g.POST("/authenticate/begin", begin(h.authenticateBegin))
		g.POST("/authenticate/finish", end(h.authenticateFinish))
		return e
	},
	func(h *byHand) http.Handler {
		r := chi.NewRouter()
		r.Route("/auth/passkeys", func(r chi.Router) { h.routes(r.Post) })
		return r
	},
	func(h *byHand) http.Handler {
		mux := http.NewServeMux()
		h.routes(func(path string, f http.HandlerFunc) { mux.HandleFunc("POST /auth/passkeys"+path, f) })
		return mux
	},
}

func ginAnswer(c *gin.Context) func(any, error) {
	return func(value any, err error) {
		if err != nil {
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		c.JSON(http.StatusOK, value)
	}
}

func (h *byHand) routes(post func(string, http.HandlerFunc)) {
	answer := func(w http.ResponseWriter, value any, err error) {
		if err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value)
	}
	begin := func(f func(string) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			value, err := f(r.Header.Get("X-User"))
			answer(w, value, err)
		}
	}
	end := func(f func(string, finish) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body finish
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				answer(w, nil, err)
				return
			}
			value, err := f(r.Header.Get("X-User"), body)
			answer(w, value, err)
		}
	}
	post("/register/begin", begin(h.registerBegin))
	post("/register/finish", end(h.registerFinish))
	post("/authenticate/begin", begin(h.authenticateBegin))
	post("/authenticate/finish", end(h.authenticateFinish))
}

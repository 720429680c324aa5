package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"
)

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

func newByHand() (*byHand, error) {
	w, err := webauthn.New(&webauthn.Config{RPID: "localhost", RPDisplayName: "Demo", RPOrigins: []string{"http://localhost:8080"}})
	return &byHand{WebAuthn: w, sessions: map[string]*webauthn.SessionData{}, users: map[string]*handUser{}}, err
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
		e := echov5.New()
		answer := func(c *echov5.Context, value any, err error) error {
			if err != nil {
				return echov5.ErrBadRequest
			}
			return c.JSON(http.StatusOK, value)
		}
		begin := func(f func(string) (any, error)) echov5.HandlerFunc {
			return func(c *echov5.Context) error {
				value, err := f(c.Request().Header.Get("X-User"))
				return answer(c, value, err)
			}
		}
		end := func(f func(string, finish) (any, error)) echov5.HandlerFunc {
			return func(c *echov5.Context) error {
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

// least is the least that verifies anything: what a sign-in needs of the
// specification for one algorithm, on encoding/json, and nothing else. There is
// no expiry, no limit, no attestation, and no reason for a refusal.
type least struct {
	mu         sync.Mutex
	challenges map[string]bool
	passkeys   map[string]*leastPasskey
}

type leastPasskey struct {
	user  string
	key   *ecdsa.PublicKey
	count uint32
}

// leastCredential is what the browser sends, of either ceremony.
type leastCredential struct {
	ID       string `json:"id"`
	Response struct {
		ClientDataJSON    string `json:"clientDataJSON"`
		PublicKey         string `json:"publicKey"`
		AuthenticatorData string `json:"authenticatorData"`
		Signature         string `json:"signature"`
	} `json:"response"`
}

var (
	errRefused = errors.New("refused")
	leastRP    = sha256.Sum256([]byte("localhost"))
)

func newLeast() http.Handler {
	l := &least{challenges: map[string]bool{}, passkeys: map[string]*leastPasskey{}}
	mux := http.NewServeMux()
	handle := func(path string, f func(*http.Request) (any, error)) {
		mux.HandleFunc("POST /auth/passkeys"+path, func(w http.ResponseWriter, r *http.Request) {
			value, err := f(r)
			if err != nil {
				http.Error(w, "bad request", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value)
		})
	}
	handle("/register/begin", l.registerBegin)
	handle("/register/finish", l.registerFinish)
	handle("/authenticate/begin", l.authenticateBegin)
	handle("/authenticate/finish", l.authenticateFinish)
	return mux
}

func (l *least) challenge() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	challenge := base64.RawURLEncoding.EncodeToString(random[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.challenges[challenge] = true
	return challenge
}

// said checks what the browser says it was asked.
func (l *least) said(clientData []byte, ceremony string) error {
	var said struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
		Origin    string `json:"origin"`
	}
	if err := json.Unmarshal(clientData, &said); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.challenges[said.Challenge]
	delete(l.challenges, said.Challenge)
	if !known || said.Type != ceremony || said.Origin != "http://localhost:8080" {
		return errRefused
	}
	return nil
}

func (l *least) registerBegin(r *http.Request) (any, error) {
	user := r.Header.Get("X-User")
	return map[string]any{"publicKey": map[string]any{
		"challenge":        l.challenge(),
		"rp":               map[string]any{"id": "localhost", "name": "Demo"},
		"user":             map[string]any{"id": base64.RawURLEncoding.EncodeToString([]byte(user)), "name": user, "displayName": user},
		"pubKeyCredParams": []any{map[string]any{"type": "public-key", "alg": -7}},
	}}, nil
}

func (l *least) registerFinish(r *http.Request) (any, error) {
	var body struct {
		Credential leastCredential `json:"credential"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	clientData, clientDataErr := base64.RawURLEncoding.DecodeString(body.Credential.Response.ClientDataJSON)
	der, derErr := base64.RawURLEncoding.DecodeString(body.Credential.Response.PublicKey)
	if err := errors.Join(err, clientDataErr, derErr); err != nil {
		return nil, err
	}
	if err := l.said(clientData, "webauthn.create"); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.Join(errRefused, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passkeys[body.Credential.ID] = &leastPasskey{user: r.Header.Get("X-User"), key: key}
	return map[string]string{"status": "ok"}, nil
}

func (l *least) authenticateBegin(*http.Request) (any, error) {
	var begun struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
			RPID      string `json:"rpId"`
		} `json:"publicKey"`
	}
	begun.PublicKey.Challenge, begun.PublicKey.RPID = l.challenge(), "localhost"
	return begun, nil
}

func (l *least) authenticateFinish(r *http.Request) (any, error) {
	var body struct {
		Credential leastCredential `json:"credential"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	response := &body.Credential.Response
	clientData, clientDataErr := base64.RawURLEncoding.DecodeString(response.ClientDataJSON)
	data, dataErr := base64.RawURLEncoding.DecodeString(response.AuthenticatorData)
	signature, signatureErr := base64.RawURLEncoding.DecodeString(response.Signature)
	if err := errors.Join(clientDataErr, dataErr, signatureErr); err != nil {
		return nil, err
	}
	if err := l.said(clientData, "webauthn.get"); err != nil {
		return nil, err
	}
	const userPresent = 1
	if len(data) < 37 || !bytes.Equal(data[:32], leastRP[:]) || data[32]&userPresent == 0 {
		return nil, errRefused
	}
	l.mu.Lock()
	passkey := l.passkeys[body.Credential.ID]
	l.mu.Unlock()
	if passkey == nil {
		return nil, errRefused
	}
	said := sha256.Sum256(clientData)
	signed := sha256.Sum256(append(data, said[:]...))
	if !ecdsa.VerifyASN1(passkey.key, signed[:], signature) {
		return nil, errRefused
	}
	count := binary.BigEndian.Uint32(data[33:37])
	l.mu.Lock()
	defer l.mu.Unlock()
	if count <= passkey.count && (count != 0 || passkey.count != 0) {
		return nil, errRefused
	}
	passkey.count = count
	return map[string]any{"userId": passkey.user, "signCount": count}, nil
}

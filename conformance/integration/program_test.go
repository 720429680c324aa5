package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"
	"github.com/passkeys-go/passkeys/chipasskeys"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/echopasskeys"
	"github.com/passkeys-go/passkeys/echopasskeys/echo5"
	"github.com/passkeys-go/passkeys/ginpasskeys"
)

// programs are the quick start's, one for each framework: a header says who is
// signing up, and a sign-in answers with the user and the counter.
var programs = []struct {
	name  string
	mount func(*passkeys.Passkeys) (http.Handler, error)
}{
	{"gin", func(p *passkeys.Passkeys) (http.Handler, error) {
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		err := ginpasskeys.Mount(r.Group("/auth/passkeys"), p, ginpasskeys.Hooks{
			GetUser: func(c *gin.Context) (passkeys.User, error) {
				id := c.GetHeader("X-User")
				if id == "" {
					return passkeys.User{}, passkeys.ErrUnauthenticated
				}
				return passkeys.User{ID: id, Name: id, DisplayName: id}, nil
			},
			OnAuthenticated: func(_ *gin.Context, res passkeys.AuthenticationResult) (any, error) {
				return gin.H{"userId": res.UserID, "signCount": res.Credential.SignCount}, nil
			},
		})
		return r, err
	}},
	{"echo", func(p *passkeys.Passkeys) (http.Handler, error) {
		e := echo.New()
		err := echopasskeys.Mount(e.Group("/auth/passkeys"), p, echopasskeys.Hooks{
			GetUser: func(c echo.Context) (passkeys.User, error) {
				id := c.Request().Header.Get("X-User")
				if id == "" {
					return passkeys.User{}, passkeys.ErrUnauthenticated
				}
				return passkeys.User{ID: id, Name: id, DisplayName: id}, nil
			},
			OnAuthenticated: func(_ echo.Context, res passkeys.AuthenticationResult) (any, error) {
				return echo.Map{"userId": res.UserID, "signCount": res.Credential.SignCount}, nil
			},
		})
		return e, err
	}},
	{"echo5", func(p *passkeys.Passkeys) (http.Handler, error) {
		e := echov5.New()
		err := echo5.Mount(e.Group("/auth/passkeys"), p, echo5.Hooks{
			GetUser: func(c *echov5.Context) (passkeys.User, error) {
				id := c.Request().Header.Get("X-User")
				if id == "" {
					return passkeys.User{}, passkeys.ErrUnauthenticated
				}
				return passkeys.User{ID: id, Name: id, DisplayName: id}, nil
			},
			OnAuthenticated: func(_ *echov5.Context, res passkeys.AuthenticationResult) (any, error) {
				return map[string]any{"userId": res.UserID, "signCount": res.Credential.SignCount}, nil
			},
		})
		return e, err
	}},
	{"chi", func(p *passkeys.Passkeys) (http.Handler, error) {
		r := chi.NewRouter()
		var err error
		r.Route("/auth/passkeys", func(r chi.Router) { err = chipasskeys.Mount(r, p, exchangeHooks) })
		return r, err
	}},
	{"net/http", func(p *passkeys.Passkeys) (http.Handler, error) {
		h, err := passkeys.Handler(p, exchangeHooks)
		return http.StripPrefix("/auth/passkeys", h), err
	}},
}

var exchangeHooks = passkeys.Hooks[passkeys.Exchange]{
	GetUser: func(x passkeys.Exchange) (passkeys.User, error) {
		id := x.R.Header.Get("X-User")
		if id == "" {
			return passkeys.User{}, passkeys.ErrUnauthenticated
		}
		return passkeys.User{ID: id, Name: id, DisplayName: id}, nil
	},
	OnAuthenticated: func(_ passkeys.Exchange, res passkeys.AuthenticationResult) (any, error) {
		return map[string]any{"userId": res.UserID, "signCount": res.Credential.SignCount}, nil
	},
}

// demo is the programs' configuration, on an empty store.
func demo() passkeys.Config {
	return passkeys.Config{
		RPID: "localhost", RPName: "Demo", Origins: []string{"http://localhost:8080"},
		Credentials: passkeys.NewMemoryCredentials(),
	}
}

// serve starts a program on an empty store and returns a client for it.
func serve(tb testing.TB, mount func(*passkeys.Passkeys) (http.Handler, error)) *client {
	tb.Helper()
	p, err := passkeys.New(demo())
	if err != nil {
		tb.Fatal(err)
	}
	h, err := mount(p)
	if err != nil {
		tb.Fatal(err)
	}
	return newClient(tb, h)
}

func newClient(tb testing.TB, h http.Handler) *client {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	return clientOf(tb, server.Listener.Addr())
}

func clientOf(tb testing.TB, address net.Addr) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	tb.Cleanup(transport.CloseIdleConnections)
	return &client{
		&http.Client{Transport: transport, Timeout: 30 * time.Second},
		fmt.Sprintf("http://%v/auth/passkeys", address),
	}
}

// client is the page, as far as it talks to the server.
type client struct {
	http *http.Client
	base string
}

func (c *client) post(user, path string, body any) ([]byte, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequest(http.MethodPost, c.base+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("X-User", user)
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", path, res.StatusCode, answer)
	}
	return answer, nil
}

type finish struct {
	Credential json.RawMessage `json:"credential"`
	State      string          `json:"state"`
}

// ceremony begins, lets the authenticator answer, and finishes.
func (c *client) ceremony(user, name string, answer func([]byte) (json.RawMessage, error)) ([]byte, error) {
	options, err := c.post(user, "/"+name+"/begin", nil)
	if err != nil {
		return nil, err
	}
	var begun struct{ State string }
	if err := json.Unmarshal(options, &begun); err != nil {
		return nil, err
	}
	credential, err := answer(options)
	if err != nil {
		return nil, err
	}
	return c.post(user, "/"+name+"/finish", finish{credential, begun.State})
}

func TestAThousandUsersSignInTenTimes(t *testing.T) {
	const users, signIns, atOnce = 1000, 10, 16
	for _, program := range programs {
		if program.name == "echo5" { // the difference to echo is not one of load, and this takes long
			continue
		}
		t.Run(program.name, func(t *testing.T) {
			c := serve(t, program.mount)
			var group sync.WaitGroup
			next := make(chan int)
			for range atOnce {
				group.Go(func() {
					for i := range next {
						if err := oneUser(c, fmt.Sprintf("user-%d", i), signIns); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for i := range users {
				next <- i
			}
			close(next)
			group.Wait()
		})
	}
}

func oneUser(c *client, user string, signIns int) error {
	a := passkeytest.New("http://localhost:8080")
	if _, err := c.ceremony(user, "register", a.Create); err != nil {
		return err
	}
	for i := range signIns {
		if err := c.signIn(a, user, i+1); err != nil {
			return err
		}
	}
	return nil
}

// signIn signs a user in for the nth time.
func (c *client) signIn(a *passkeytest.Authenticator, user string, n int) error {
	answer, err := c.ceremony("", "authenticate", a.Get)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(`{"signCount":%d,"userId":%q}`, n, user); string(bytes.TrimSpace(answer)) != want {
		return fmt.Errorf("%s: got %s, want %s", user, answer, want)
	}
	return nil
}

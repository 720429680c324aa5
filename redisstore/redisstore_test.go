package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passkeys-go/passkeys/conformance"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
)

// The stores on a real server are tested in conformance/integration.

var start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

func now() time.Time { return start }

func TestLifetime(t *testing.T) {
	for _, row := range []struct {
		name, says string
		d          time.Duration
		want       string
	}{
		{"nanosecond", "What is finer than a millisecond is rounded up, never down to none.", 1, "px 1"},
		{"millisecond", "A whole millisecond stays.", time.Millisecond, "px 1"},
		{"fraction", "A fraction is rounded up.", 1500 * time.Microsecond, "px 2"},
		{"seconds", "Whole seconds stay.", 5 * time.Minute, "ex 300"},
		{"largest", "The largest there is does not overflow into a key that stays for ever.", math.MaxInt64, "ex 3153600000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			var sent []any
			client := answering(t, func(_ context.Context, cmd redis.Cmder) error {
				sent = cmd.Args()
				return nil
			})
			options := &redisstore.Options{Now: now}
			if _, err := redisstore.NewChallenges(client, options).Put(t.Context(), []byte("payload"), start.Add(row.d)); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(sent[3], " ", sent[4]); sent[0] != "set" || got != row.want {
				t.Errorf("a challenge is %v with %s, want set with %s", sent[0], got, row.want)
			}
		})
	}
}

// What can be refused without the server is.
func TestRefusedEarly(t *testing.T) {
	client := answering(t, func(_ context.Context, cmd redis.Cmder) error {
		t.Errorf("the server was sent %s", cmd.Name())
		return nil
	})
	s := redisstore.NewChallenges(client, &redisstore.Options{Now: now})
	for _, d := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
		if _, err := s.Put(t.Context(), nil, start.Add(d)); !errors.Is(err, passkeys.ErrInvalidChallenge) {
			t.Errorf("Put of what expires in %v: %v", d, err)
		}
	}
	if _, err := s.Put(t.Context(), make([]byte, 64<<10+1), start.Add(time.Hour)); !errors.Is(err, passkeys.ErrInvalidChallenge) {
		t.Errorf("Put of too much: %v", err)
	}
	for _, handle := range []string{"", "A", strings.Repeat("A", 25), strings.Repeat("A", 65), strings.Repeat("A", 1<<20),
		strings.Repeat("a", 26), strings.Repeat("A", 25) + "\n", strings.Repeat("A", 12) + "\x00" + strings.Repeat("A", 13)} {
		if _, err := s.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) {
			t.Errorf("Consume of %.80q: %v", handle, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(client) {
		if err := call(cancelled); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	errClient := errors.New("the client's own")
	for name, call := range calls(answering(t, func(context.Context, redis.Cmder) error { return errClient })) {
		if err := call(t.Context()); !errors.Is(err, errClient) {
			t.Errorf("%s: %v, want the client's error within", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for name, call := range calls(answering(t, func(context.Context, redis.Cmder) error { cancel(); return errClient })) {
		if err := call(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errClient) {
			t.Errorf("%s: %v, want the context's error and the client's within", name, err)
		}
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
	limiter := redisstore.NewLimiter(answering(t, func(context.Context, redis.Cmder) error { return errClient }), nil)
	if _, err := limiter.Take(t.Context(), passkeys.Limit{Route: "/register/begin"}); !errors.Is(err, errClient) {
		t.Errorf("Take: %v, want the client's error within", err)
	}
}

func TestLimiterOptions(t *testing.T) {
	at := time.UnixMicro(1_900_000_000_000_000)
	for _, row := range []struct {
		name, says string
		options    *redisstore.LimiterOptions
		prefix     string
		ours       bool // the clock
	}{
		{"none", "The keys are this module's, and the time is the machine's.", nil, "passkeys:limit:", false},
		{"zero", "As without.", &redisstore.LimiterOptions{}, "passkeys:limit:", false},
		{"both", "As they are set.", &redisstore.LimiterOptions{Prefix: "mine:", Now: func() time.Time { return at }}, "mine:", true},
	} {
		var asked []any
		client := answering(t, func(_ context.Context, cmd redis.Cmder) error {
			asked = cmd.Args()
			return errors.New("enough")
		})
		_, _ = redisstore.NewLimiter(client, row.options).Take(t.Context(), passkeys.Limit{Route: "/register/begin"})
		if len(asked) != 8 || !strings.HasPrefix(asked[3].(string), row.prefix) || (asked[4] == at.UnixMicro()) != row.ours {
			t.Errorf("%s: %v. %s", row.name, asked, row.says)
		}
	}
}

// Whoever has forgotten to make the client hears of it here, and not at a sign-in.
func TestAClientThatIsNil(t *testing.T) {
	for what, f := range map[string]func(){
		"NewChallenges":             func() { redisstore.NewChallenges(nil, nil) },
		"NewChallenges of a Client": func() { redisstore.NewChallenges((*redis.Client)(nil), nil) },
		"NewLimiter":                func() { redisstore.NewLimiter(nil, nil) },
		"NewLimiter of a cluster":   func() { redisstore.NewLimiter((*redis.ClusterClient)(nil), nil) },
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || err.Error() != "redisstore: the client is nil" {
					t.Errorf("%s: %v", what, err)
				}
			}()
			f()
		}()
	}
}

func TestPrefix(t *testing.T) {
	for _, row := range []struct {
		name, says string
		options    *redisstore.Options
		want       string
	}{
		{"nil", "No options are the defaults.", nil, "passkeys:challenge:"},
		{"zero", "So is their zero value.", &redisstore.Options{}, "passkeys:challenge:"},
		{"own", "A prefix of one's own begins every key.", &redisstore.Options{Prefix: "{app}"}, "{app}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			var key string
			client := answering(t, func(_ context.Context, cmd redis.Cmder) error {
				key = fmt.Sprint(cmd.Args()[1])
				return nil
			})
			s := redisstore.NewChallenges(client, row.options)
			handle, err := s.Put(t.Context(), nil, time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if rest, ok := strings.CutPrefix(key, row.want); !ok || len(rest) != 43 || strings.Contains(rest, handle) {
				t.Errorf("the challenge's key is %s, want %s and a hash", key, row.want)
			}
			put := key
			if _, err := s.Consume(t.Context(), handle); !errors.Is(err, passkeys.ErrChallengeNotFound) || key != put {
				t.Errorf("Consume asks for %s, want %s; %v", key, put, err)
			}
		})
	}
}

func TestConformance(t *testing.T) {
	for _, row := range []struct {
		name, says string
		server     *server
	}{
		{"getdel", "A server as of 6.2.", &server{}},
		{"eval", "An older one.", &server{getdel: reply("ERR unknown command")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			clock := passkeytest.NewClock(start)
			client := answering(t, row.server.answer)
			conformance.TestChallenges(t, func(testing.TB) passkeys.ChallengeStore {
				return redisstore.NewChallenges(client, &redisstore.Options{Now: clock.Now})
			}, conformance.Features{Now: clock.Now, Advance: clock.Advance})
		})
	}
}

// A server that refuses GETDEL, in whatever words, is asked for it once; then it
// gets the script at once. One that is not there, or refuses both, is asked again.
func TestServersWithoutGetDel(t *testing.T) {
	const once = "set getdel eval set eval"
	for _, row := range []struct {
		name, says string
		getdel     error
		eval       error
		script     bool
		want       string
	}{
		{name: "an old server", says: "Does not know it.", getdel: reply("ERR unknown command `getdel`, with args beginning with: `key`, "), want: once},
		{name: "a proxy", says: "Does not pass it on.", getdel: reply("ERR unsupported command 'GETDEL'"), want: once},
		{name: "a user who may not", says: "By the server's access list.", getdel: reply("NOPERM User app has no permissions to run the 'getdel' command"), want: once},
		{name: "told", says: "Options.Script spares the question.", script: true, want: "set eval set eval"},
		{name: "a server that is loading", says: "Refuses both, which is said, and may know both in a minute.", getdel: reply("LOADING Redis is loading"), eval: reply("BUSY Redis is busy running a script"), want: "set getdel eval set getdel eval"},
		{name: "a connection that is lost", says: "GETDEL may have been done: nothing else is tried.", getdel: io.EOF, want: "set getdel set getdel"},
	} {
		t.Run(row.name, func(t *testing.T) {
			old := server{getdel: row.getdel, eval: row.eval}
			s := redisstore.NewChallenges(answering(t, old.answer), &redisstore.Options{Script: row.script})
			for range 2 {
				handle, err := s.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Consume(t.Context(), handle)
				fails := row.eval
				if errors.Is(row.getdel, io.EOF) {
					fails = io.EOF
				}
				if !errors.Is(err, fails) || row.eval != nil && !errors.Is(err, row.getdel) {
					t.Errorf("%v, want %v", err, fails)
				}
			}
			if got := strings.Join(old.sent, " "); got != row.want {
				t.Errorf("sent %s, want %s. %s", got, row.want, row.says)
			}
		})
	}
}

// reply is an error that a server answers with.
type reply string

func (r reply) Error() string { return string(r) }
func (r reply) RedisError()   {}

// server is as much of Redis as challenges need. Nothing in it expires by
// itself.
type server struct {
	getdel, eval error // what these are answered with; nil: what they are for

	mu     sync.Mutex
	values map[string]string
	sent   []string
}

func (s *server) answer(_ context.Context, cmd redis.Cmder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, cmd.Name())
	args := cmd.Args()
	switch cmd.Name() {
	case "set":
		if s.values == nil {
			s.values = map[string]string{}
		}
		s.values[args[1].(string)] = string(args[2].([]byte))
		return nil
	case "getdel":
		if s.getdel != nil {
			return s.getdel
		}
		value, ok := s.take(args[1].(string))
		if !ok {
			return redis.Nil
		}
		cmd.(*redis.StringCmd).SetVal(value)
		return nil
	case "eval":
		if s.eval != nil {
			return s.eval
		}
		value, ok := s.take(args[3].(string))
		if !ok {
			return redis.Nil
		}
		cmd.(*redis.Cmd).SetVal(value)
		return nil
	default:
		return fmt.Errorf("unexpected %s", cmd.Name())
	}
}

func (s *server) take(key string) (string, bool) {
	value, ok := s.values[key]
	delete(s.values, key)
	return value, ok
}

// calls are all operations, each once, such that the server must be asked.
func calls(client redis.UniversalClient) map[string]func(context.Context) error {
	s := redisstore.NewChallenges(client, nil)
	return map[string]func(context.Context) error{
		"Put": func(ctx context.Context) error {
			_, err := s.Put(ctx, nil, time.Now().Add(time.Hour))
			return err
		},
		"Consume": func(ctx context.Context) error {
			_, err := s.Consume(ctx, strings.Repeat("A", 26))
			return err
		},
	}
}

// answering returns a client whose server is a function.
func answering(t *testing.T, server func(context.Context, redis.Cmder) error) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(hook(server))
	return client
}

type hook func(context.Context, redis.Cmder) error

func (h hook) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h(ctx, cmd)
		cmd.SetErr(err)
		return err
	}
}

func (h hook) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errors.New("no pipeline is used") }
}

func (h hook) DialHook(redis.DialHook) redis.DialHook {
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no connection is used")
	}
}

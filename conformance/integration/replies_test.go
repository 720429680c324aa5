package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// proxy stands between a client and its server. It counts the replies, and cuts
// the connection within the one it is told.
type proxy struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	replies int  // since the last reset
	cut     int  // which of them is cut; 0: none
	keep    keep // how much of it gets through
	lost    bool // it has been cut
}

// keep says how much of n bytes gets through.
type keep struct {
	name string
	of   func(n int) int
}

var keeps = []keep{
	{"nothing", func(int) int { return 0 }},
	{"the first byte", func(int) int { return 1 }},
	{"all but the last byte", func(n int) int { return n - 1 }},
}

func newProxy(t *testing.T, port int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: fmt.Sprintf("127.0.0.1:%d", port)}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			pumps.Go(func() { p.join(client) })
		}
	})
	// Registered first, so it runs when the clients have closed their connections.
	t.Cleanup(func() {
		_ = l.Close()
		pumps.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// join forwards both ways until either side closes, or the cut.
func (p *proxy) join(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var (
		mu    sync.Mutex
		asked bool // since the server last said something
		done  = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer func() { _ = server.Close() }()
		buffer := make([]byte, 64<<10)
		for {
			n, err := client.Read(buffer)
			mu.Lock()
			asked = asked || n > 0
			mu.Unlock()
			if _, werr := server.Write(buffer[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		mu.Lock()
		first := asked && n > 0
		asked = asked && n == 0
		mu.Unlock()
		through, cut := p.reply(first, n)
		if _, werr := client.Write(buffer[:through]); err != nil || werr != nil || cut {
			break
		}
	}
	_ = client.Close()
	<-done
}

// reply says how much of what the server has sent gets through, and whether the
// connection is cut then. first is set where it begins a reply.
func (p *proxy) reply(first bool, n int) (through int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first {
		p.replies++
	}
	if !first || p.lost || p.replies != p.cut {
		return n, false
	}
	p.lost = true
	return p.keep.of(n), true
}

// reset counts from here on, and cuts one reply; 0 is none.
func (p *proxy) reset(cut int, k keep) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replies, p.cut, p.keep, p.lost = 0, cut, k, false
}

func (p *proxy) count() (replies int, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.replies, p.lost
}

// stores are what a reply can get lost of; nil is what there is none of.
type stores struct {
	credentials passkeys.CredentialRepository
	challenges  passkeys.ChallengeStore
}

// path is one server, reached safely and through the proxy.
type path struct {
	safe, risky stores
	proxy       *proxy
	connect     func(context.Context) error // the risky connection, before it is needed
	// retries is set where the client repeats by itself what got no reply.
	retries bool
}

// TestReplyLost cuts the connection when the server has done what it was asked,
// within each of its replies in turn. An operation returns whether its effect
// was there although its caller was told otherwise.
func TestReplyLost(t *testing.T) {
	for _, server := range []struct {
		name string
		path func(*testing.T) *path
	}{
		{"postgresql", func(t *testing.T) *path {
			s := running(t, startPostgres)
			return gormPath(t, newProxy(t, s.port), postgres.Open(s.address), func(port int) gorm.Dialector { return postgres.Open(s.postgresDSN(port)) })
		}},
		{"mariadb", func(t *testing.T) *path {
			s := running(t, startMariaDB)
			return gormPath(t, newProxy(t, s.port), mysql.Open(s.address), func(port int) gorm.Dialector { return mysql.Open(s.mariadbDSN(port)) })
		}},
		{"redis", func(t *testing.T) *path { return redisPath(t, 0) }},
		{"redis-without-retries", func(t *testing.T) *path { return redisPath(t, -1) }},
	} {
		t.Run(server.name, func(t *testing.T) {
			p := server.path(t)
			for _, op := range []struct {
				name, says string
				has        bool
				run        func(*testing.T, *path) bool
			}{
				{"consume", "A challenge is consumed once: who was not told loses it.", p.safe.challenges != nil, lostConsume},
				{"add", "A second Add is ErrCredentialExists, and the row is whole.", p.safe.credentials != nil, lostAdd},
				{"update", "The credential is the old or the new one, whole, and goes on from there.", p.safe.credentials != nil, lostUpdate},
				{"delete", "A second Delete is ErrCredentialNotFound.", p.safe.credentials != nil, lostDelete},
				{"sign-in", "Of a sign-in whose acknowledgement is lost the state is spent, and the next one succeeds.", p.safe.credentials != nil, lostSignIn},
			} {
				if !op.has {
					continue
				}
				t.Run(op.name, func(t *testing.T) {
					t.Log(op.says)
					cuts, done := 0, 0
					for reply, more := 1, true; more; reply++ {
						for _, k := range keeps {
							p.proxy.reset(0, k)
							if err := p.connect(t.Context()); err != nil {
								t.Fatal(err)
							}
							p.proxy.reset(reply, k)
							lost := op.run(t, p)
							_, more = p.proxy.count()
							if t.Failed() {
								t.Fatalf("of reply %d arrived %s", reply, k.name)
							}
							if !more {
								break
							}
							cuts++
							if lost {
								done++
							}
						}
					}
					t.Logf("%d times cut, %d of them the server had done it", cuts, done)
					if done == 0 {
						t.Error("no cut came after the server had done it")
					}
				})
			}
		})
	}
}

func gormPath(t *testing.T, p *proxy, safe gorm.Dialector, dialector func(port int) gorm.Dialector) *path {
	t.Helper()
	direct, through := opened(t, safe, &gorm.Config{}), opened(t, dialector(p.port()), &gorm.Config{})
	pool, err := through.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	schema := migrated(t, direct)
	on := func(db *gorm.DB) stores {
		return stores{schema.NewCredentials(db), schema.NewChallenges(db)}
	}
	connect := func(ctx context.Context) error {
		// Once more, because drivers themselves try a connection at its first use.
		return errors.Join(pool.PingContext(ctx), pool.PingContext(ctx))
	}
	return &path{safe: on(direct), risky: on(through), proxy: p, connect: connect}
}

func redisPath(t *testing.T, retries int) *path {
	t.Helper()
	s := running(t, startRedis)
	p := newProxy(t, s.port)
	through := redis.NewClient(&redis.Options{
		Addr: fmt.Sprintf("127.0.0.1:%d", p.port()), ContextTimeoutEnabled: true, PoolSize: 1, MaxRetries: retries,
	})
	t.Cleanup(func() { _ = through.Close() })
	o := &redisstore.Options{Prefix: prefix()}
	on := func(client redis.UniversalClient) stores {
		return stores{challenges: redisstore.NewChallenges(client, o)}
	}
	connect := func(ctx context.Context) error {
		var err error
		for range 3 { // the first may find the connection that was cut
			if err = through.Ping(ctx).Err(); err == nil {
				break
			}
		}
		return err
	}
	return &path{safe: on(redisClient(t, s.address)), risky: on(through), proxy: p, connect: connect, retries: retries == 0}
}

func lostConsume(t *testing.T, p *path) bool {
	handle, err := p.safe.challenges.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.risky.challenges.Consume(t.Context(), handle)
	_, again := p.safe.challenges.Consume(t.Context(), handle)
	spent := errors.Is(again, passkeys.ErrChallengeNotFound)
	switch {
	case err == nil && !spent:
		t.Errorf("consumed, and once more: %v", again)
	case again != nil && !spent:
		t.Error(again)
	case errors.Is(err, passkeys.ErrChallengeNotFound) && (!p.retries || !spent):
		t.Error("ErrChallengeNotFound for one that is there")
	}
	return err != nil && spent
}

func lostAdd(t *testing.T, p *path) bool {
	c := passkeys.Credential{
		ID: []byte(rand.Text()), UserID: "alice", PublicKey: bytes.Repeat([]byte{0xa5}, 4096), Algorithm: -7, SignCount: 5,
		DeviceName: "Phone", CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	err := p.risky.credentials.Add(t.Context(), c)
	again := p.safe.credentials.Add(t.Context(), c)
	exists := errors.Is(again, passkeys.ErrCredentialExists)
	switch {
	case errors.Is(err, passkeys.ErrCredentialExists):
		t.Error("ErrCredentialExists for the first Add")
	case err == nil && !exists, again != nil && !exists:
		t.Errorf("the first Add: %v; the second: %v", err, again)
	}
	stored, getErr := p.safe.credentials.Get(t.Context(), c.ID)
	if getErr != nil || stored.UserID != c.UserID || !bytes.Equal(stored.PublicKey, c.PublicKey) || stored.SignCount != 5 ||
		stored.DeviceName != c.DeviceName || !stored.CreatedAt.Equal(c.CreatedAt) {
		t.Errorf("stored %+v; %v", stored, getErr)
	}
	return err != nil && exists
}

// oneCredential adds one whose counter is 5.
func oneCredential(t *testing.T, p *path) passkeys.Credential {
	t.Helper()
	id := []byte(rand.Text())
	c := passkeys.Credential{ID: id, UserID: "alice", PublicKey: id, SignCount: 5, CreatedAt: time.Now()}
	if err := p.safe.credentials.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func lostUpdate(t *testing.T, p *path) bool {
	c := oneCredential(t, p)
	c.SignCount, c.DeviceName, c.Spent = 6, "Phone", bytes.Repeat([]byte{0xa5}, 1024)
	err := p.risky.credentials.Update(t.Context(), c)
	stored, getErr := p.safe.credentials.Get(t.Context(), c.ID)
	updated := stored.Version == c.Version+1
	switch {
	case errors.Is(err, passkeys.ErrConflict) || errors.Is(err, passkeys.ErrCredentialNotFound):
		t.Errorf("the first Update: %v", err)
	case getErr != nil:
		t.Error(getErr)
	case err == nil && !updated, !updated && stored.Version != c.Version:
		t.Errorf("%v; the Version is %d, after %d", err, stored.Version, c.Version)
	case updated != (stored.SignCount == 6) || updated != (stored.DeviceName == c.DeviceName) || updated != bytes.Equal(stored.Spent, c.Spent):
		t.Errorf("stored in part: %+v", stored)
	}
	if err := p.safe.credentials.Update(t.Context(), stored); err != nil {
		t.Errorf("the next Update: %v", err)
	}
	return err != nil && updated
}

func lostDelete(t *testing.T, p *path) bool {
	id := oneCredential(t, p).ID
	err := p.risky.credentials.Delete(t.Context(), "alice", id)
	again := p.safe.credentials.Delete(t.Context(), "alice", id)
	gone := errors.Is(again, passkeys.ErrCredentialNotFound)
	switch {
	case errors.Is(err, passkeys.ErrCredentialNotFound):
		t.Error("ErrCredentialNotFound for the first Delete")
	case err == nil && !gone, again != nil && !gone:
		t.Errorf("the first Delete: %v; the second: %v", err, again)
	}
	return err != nil && gone
}

func lostSignIn(t *testing.T, p *path) bool {
	risky, safe := newInstance(t, p.risky.credentials), newInstance(t, p.safe.credentials)
	a := passkeytest.New(origin)
	if err := register(t.Context(), safe, a, rand.Text()); err != nil {
		t.Fatal(err)
	}
	answer, err := answered(t.Context(), safe, a)
	if err != nil {
		t.Fatal(err)
	}
	_, err = risky.FinishAuthentication(t.Context(), answer)
	_, again := safe.FinishAuthentication(t.Context(), answer)
	spent := errors.Is(again, passkeys.ErrChallengeNotFound)
	switch {
	case err != nil && !errors.Is(err, passkeys.ErrStorageUnavailable):
		t.Error(err)
	case again != nil && !spent:
		t.Errorf("once more: %v", again)
	case err == nil && !spent:
		t.Error("one state signed in twice")
	}
	if err := signInOnce(t.Context(), safe, a); err != nil {
		t.Errorf("the next sign-in: %v", err)
	}
	return err != nil && spent
}

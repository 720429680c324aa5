package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
)

func TestRedisCluster(t *testing.T) {
	t.Log("Three masters with a third of the keys each: every operation is one command on one key.")
	const slots, masters = 16384, 3
	var nodes [masters]*redis.Client
	addresses := make([]string, masters)
	for i := range nodes {
		bus, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		s := running(t, func() (*server, error) {
			return launchRedis("--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000")
		})
		t.Cleanup(s.stop)
		nodes[i], addresses[i] = redis.NewClient(&redis.Options{Addr: s.address}), s.address
		t.Cleanup(func() { _ = nodes[i].Close() })
		if err := nodes[i].ClusterAddSlotsRange(t.Context(), slots*i/masters, slots*(i+1)/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		for _, other := range nodes[:i] { // all of them, rather than wait for gossip
			if err := other.Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", s.port, bus).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, node := range nodes {
		until(t, "the cluster is whole", func(ctx context.Context) error {
			info, err := node.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3")) {
				err = errors.New(info)
			}
			return err
		})
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addresses, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	if _, ok := client.(*redis.ClusterClient); !ok {
		t.Fatalf("a %T", client)
	}
	redisSuite(t, client)
	for i, node := range nodes {
		if commands(t, node)["set"] == 0 {
			t.Errorf("master %d of %d was not asked to keep anything", i+1, masters)
		}
	}
}

func TestRedisSentinel(t *testing.T) {
	t.Log("Through a sentinel, and after a failover new ceremonies work.")
	master := running(t, func() (*server, error) { return launchRedis() })
	t.Cleanup(master.stop)
	replica := running(t, func() (*server, error) {
		return launchRedis("--replicaof", "127.0.0.1 "+strconv.Itoa(master.port), "--repl-diskless-sync-delay", "0")
	})
	t.Cleanup(replica.stop)
	follower := redis.NewClient(&redis.Options{Addr: replica.address})
	t.Cleanup(func() { _ = follower.Close() })
	until(t, "the replica follows", func(ctx context.Context) error {
		info, err := follower.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New(info)
		}
		return err
	})
	sentinel := running(t, func() (*server, error) { return launchSentinel(master.port) })
	t.Cleanup(sentinel.stop)
	asked := redis.NewSentinelClient(&redis.Options{Addr: sentinel.address})
	t.Cleanup(func() { _ = asked.Close() })
	until(t, "the sentinel knows the replica", func(ctx context.Context) error {
		replicas, err := asked.Replicas(ctx, "passkeys").Result()
		if err == nil && (len(replicas) != 1 || replicas[0]["master-link-status"] != "ok") {
			err = fmt.Errorf("%v", replicas)
		}
		return err
	})
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: []string{sentinel.address}, MasterName: "passkeys", ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	redisSuite(t, client)

	s := redisstore.NewChallenges(client, nil)
	before, err := s.Put(t.Context(), []byte("payload"), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	// The two of them may lose what the replica has not heard of; this waits.
	if n, err := client.Do(t.Context(), "WAIT", 1, 5000).Int(); err != nil || n != 1 {
		t.Fatalf("%d replicas have heard; %v", n, err)
	}
	alice := newVisitor(t, passkeys.NewMemoryCredentials(), s)
	alice.signsIn()
	master.kill()
	failures := 0
	until(t, "ceremonies work again", func(context.Context) error {
		status, code := alice.begin()
		if status == http.StatusOK {
			return nil
		}
		failures++
		if status != http.StatusServiceUnavailable || code != "storage_unavailable" {
			t.Fatalf("during the failover: %d %s", status, code)
		}
		return errors.New(code)
	})
	t.Logf("%d requests failed during the failover", failures)
	alice.signsIn()
	if payload, err := s.Consume(t.Context(), before); err != nil || string(payload) != "payload" {
		t.Errorf("a challenge that the replica had: %q, %v", payload, err)
	}
}

// visitor is a user with a passkey.
type visitor struct {
	t *testing.T
	c *client
	a *passkeytest.Authenticator
}

func newVisitor(t *testing.T, credentials passkeys.CredentialRepository, challenges passkeys.ChallengeStore) visitor {
	t.Helper()
	h, err := newApplication(credentials, challenges, func(took time.Duration) {
		t.Errorf("a request took %v, and its deadline was %v", took, patience)
	})
	if err != nil {
		t.Fatal(err)
	}
	v := visitor{t, newClient(t, h), passkeytest.New(origin)}
	if _, err := v.c.ceremony("alice", "register", v.a.Create); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v visitor) send(path string, content any) (status int, code string, body []byte) {
	v.t.Helper()
	status, body, err := v.c.send("", path, content)
	if err != nil {
		v.t.Fatal(err)
	}
	var refused struct{ Error struct{ Code string } }
	if err := json.Unmarshal(body, &refused); err != nil {
		v.t.Fatalf("%s: %d %s", path, status, body)
	}
	return status, refused.Error.Code, body
}

func (v visitor) begin() (status int, code string) {
	v.t.Helper()
	status, code, _ = v.send("/authenticate/begin", nil)
	return status, code
}

// answered is a sign-in that only needs to be finished.
func (v visitor) answered() finish {
	v.t.Helper()
	_, _, options := v.send("/authenticate/begin", nil)
	var begun struct{ State string }
	if err := json.Unmarshal(options, &begun); err != nil {
		v.t.Fatal(err)
	}
	credential, err := v.a.Get(options)
	if err != nil {
		v.t.Fatal(err)
	}
	return finish{credential, begun.State}
}

func (v visitor) finish(f finish) (status int, code string) {
	v.t.Helper()
	status, code, _ = v.send("/authenticate/finish", f)
	return status, code
}

func (v visitor) signsIn() {
	v.t.Helper()
	if status, code := v.finish(v.answered()); status != http.StatusOK {
		v.t.Errorf("sign-in: %d %s", status, code)
	}
}

// until asks again and again, until there is no error.
func until(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("not until %s: %v", what, err)
		}
	}
}

// commands are those that a server has executed, and how often.
func commands(t *testing.T, node *redis.Client) map[string]int {
	t.Helper()
	info, err := node.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(info) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if n, _, _ := strings.Cut(rest, ","); ok {
			if counts[name], err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return counts
}

func launchSentinel(master int) (*server, error) {
	s, err := newServer("sentinel")
	if err != nil {
		return nil, err
	}
	// A sentinel writes to its configuration what it learns.
	file := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor passkeys 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds passkeys 500\nsentinel failover-timeout passkeys 5000\n", s.port, s.dir, master)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if s.owner != nil {
		if err := os.Chown(file, s.owner.uid, s.owner.gid); err != nil {
			return nil, err
		}
	}
	s.line = []string{"redis-server", file, "--sentinel"}
	s.speaksRedis()
	return s, s.start()
}

func TestRedisRefuses(t *testing.T) {
	server := running(t, func() (*server, error) { return launchRedis() })
	t.Cleanup(server.stop)
	admin := redis.NewClient(&redis.Options{Addr: server.address})
	t.Cleanup(func() { _ = admin.Close() })
	for _, row := range []struct {
		name, says    string
		fault, repair func(context.Context) error
		finish        int // at the end of a ceremony that began before
		code          string
	}{
		{
			"out-of-memory", "With maxmemory reached and noeviction nothing begins; what has begun can be finished.",
			func(ctx context.Context) error { return admin.ConfigSet(ctx, "maxmemory", "1").Err() },
			func(ctx context.Context) error { return admin.ConfigSet(ctx, "maxmemory", "0").Err() },
			http.StatusOK, "",
		},
		{
			"read-only", "A replica, which is what a client is left with that missed a failover, takes nothing and gives nothing out.",
			func(ctx context.Context) error { return admin.ReplicaOf(ctx, "127.0.0.1", "1").Err() },
			func(ctx context.Context) error { return admin.ReplicaOf(ctx, "NO", "ONE").Err() },
			http.StatusServiceUnavailable, "storage_unavailable",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Log(row.says)
			alice := newVisitor(t, passkeys.NewMemoryCredentials(), redisstore.NewChallenges(redisClient(t, server.address), nil))
			alice.signsIn()
			pending := alice.answered()
			if err := row.fault(t.Context()); err != nil {
				t.Fatal(err)
			}
			if begin, code := alice.begin(); begin != http.StatusServiceUnavailable || code != "storage_unavailable" {
				t.Errorf("begin: %d %s", begin, code)
			}
			if finish, code := alice.finish(pending); finish != row.finish || code != row.code {
				t.Errorf("finish: %d %s, want %d %s", finish, code, row.finish, row.code)
			}
			if err := row.repair(t.Context()); err != nil {
				t.Fatal(err)
			}
			alice.signsIn()
		})
	}
}

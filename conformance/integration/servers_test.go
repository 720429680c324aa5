// Package integration runs the conformance suites against real databases and
// frameworks. The servers of PostgreSQL, MariaDB and Redis must be installed;
// each is started once, on a free port, with its data in a temporary directory.
package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopServers()
	os.Exit(code)
}

// redisServer returns the address of a server for all tests.
func redisServer(tb testing.TB) string { return running(tb, startRedis) }

// oldRedisServer is one that does not know GETDEL, as before Redis 6.2.
func oldRedisServer(tb testing.TB) string { return running(tb, startOldRedis) }

// postgresServer returns the DSN of a server for all tests.
func postgresServer(tb testing.TB) string { return running(tb, startPostgres) }

// mariadbServer returns the DSN of a server for all tests.
func mariadbServer(tb testing.TB) string { return running(tb, startMariaDB) }

func running(tb testing.TB, start func() (string, error)) string {
	tb.Helper()
	address, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

var (
	startRedis    = sync.OnceValues(func() (string, error) { return launchRedis() })
	startOldRedis = sync.OnceValues(func() (string, error) { return launchRedis("--rename-command", "GETDEL", "") })

	startPostgres = sync.OnceValues(func() (string, error) {
		s, err := newServer("postgres")
		if err != nil {
			return "", err
		}
		data := filepath.Join(s.dir, "data")
		dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=passkeys dbname=postgres sslmode=disable", s.port)
		return dsn, s.up(
			func() error {
				db, err := gorm.Open(postgres.Open(dsn), quiet())
				return closed(db, err)
			},
			s.command("initdb", "-D", data, "-U", "passkeys", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
			s.command("postgres", "-D", data, "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", "", "-F", "-c", "max_connections=200"),
		)
	})

	startMariaDB = sync.OnceValues(func() (string, error) {
		s, err := newServer("mariadb")
		if err != nil {
			return "", err
		}
		data := filepath.Join(s.dir, "data")
		dsn := fmt.Sprintf("root@tcp(127.0.0.1:%d)/test", s.port)
		return dsn, s.up(
			func() error {
				db, err := gorm.Open(mysql.Open(dsn), quiet())
				return closed(db, err)
			},
			s.command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal"),
			s.command("mariadbd", "--no-defaults", "--datadir="+data, "--port="+strconv.Itoa(s.port), "--bind-address=127.0.0.1",
				"--socket="+filepath.Join(s.dir, "socket"), "--pid-file="+filepath.Join(s.dir, "pid"),
				"--innodb-flush-log-at-trx-commit=0", "--max-connections=200"),
		)
	})
)

func launchRedis(flags ...string) (string, error) {
	s, err := newServer("redis")
	if err != nil {
		return "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	flags = append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no"}, flags...)
	return address, s.up(func() error {
		client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
		defer func() { _ = client.Close() }()
		return client.Ping(context.Background()).Err()
	}, s.command("redis-server", flags...))
}

func quiet() *gorm.Config { return &gorm.Config{Logger: logger.Discard} }

// closed closes what was opened to see whether that can be done.
func closed(db *gorm.DB, err error) error {
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// server is a process with a directory and a port to itself.
type server struct {
	dir    string
	port   int
	owner  *syscall.Credential // nil: ours
	output bytes.Buffer        // of the command that runs, to be read when it has ended
	daemon *exec.Cmd
	exited chan struct{}
}

var started struct {
	sync.Mutex
	servers []*server
}

func newServer(name string) (*server, error) {
	s := &server{exited: make(chan struct{})}
	var err error
	if s.dir, err = os.MkdirTemp("", "passkeys-"+name+"-"); err != nil {
		return nil, err
	}
	started.Lock()
	started.servers = append(started.servers, s)
	started.Unlock()
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
		gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
		s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	return s, l.Close()
}

// command finds a program on the PATH, or where Debian hides those that are not
// for everybody.
func (s *server) command(name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		sbin, _ := filepath.Glob("/usr/sbin/" + name)
		if found = append(found, sbin...); len(found) > 0 {
			path, err = found[len(found)-1], nil
		}
	}
	cmd := exec.Command(path, args...)
	if cmd.Err = err; err == nil {
		cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "HOME="+s.dir)
		cmd.Stdout, cmd.Stderr = &s.output, &s.output
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	}
	return cmd
}

// up runs the commands, the last of which is the server, and returns when it is
// ready.
func (s *server) up(ready func() error, commands ...*exec.Cmd) error {
	last := len(commands) - 1
	for _, setup := range commands[:last] {
		if err := setup.Run(); err != nil {
			return fmt.Errorf("%v: %w\n%s", setup, err, &s.output)
		}
	}
	s.output.Reset()
	daemon := commands[last]
	if err := daemon.Start(); err != nil {
		return fmt.Errorf("%v: %w", daemon, err)
	}
	s.daemon = daemon
	go func() {
		_ = daemon.Wait()
		close(s.exited)
	}()
	poll, timeout := time.NewTicker(50*time.Millisecond), time.NewTimer(time.Minute)
	defer poll.Stop()
	defer timeout.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.exited:
			return fmt.Errorf("%v: exited\n%s", daemon, &s.output)
		case <-timeout.C:
			s.stop()
			return fmt.Errorf("%v: not ready: %w\n%s", daemon, err, &s.output)
		}
	}
}

func (s *server) stop() {
	if s.daemon != nil {
		// Not kill: PostgreSQL's children would live on for a while. SIGQUIT is
		// its "immediately", and ends the others as well.
		_ = s.daemon.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.exited:
		case <-time.After(10 * time.Second):
			_ = s.daemon.Process.Kill()
			<-s.exited
		}
	}
	_ = os.RemoveAll(s.dir)
}

func stopServers() {
	started.Lock()
	defer started.Unlock()
	for _, s := range started.servers {
		s.stop()
	}
}

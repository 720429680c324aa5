// Package integration runs the conformance suites against real databases and
// frameworks. The servers of PostgreSQL, MariaDB and Redis must be installed;
// each is started once, on a free port, with its data in a temporary directory.
package integration

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(applicationFile); file != "" {
		log.Fatal(application(file)) // see TestApplicationKilled
	}
	if what := os.Getenv(servedJSON); what != "" {
		log.Fatal(serveMeasured(what)) // see measure
	}
	logging.Disable() // go-redis complains of every server that a test ends
	code := m.Run()
	stopServers()
	printMeasured()
	os.Exit(code)
}

// redisServer returns the address of a server for all tests.
func redisServer(tb testing.TB) string { return running(tb, startRedis).address }

// oldRedisServer is one that does not know GETDEL, as before Redis 6.2.
func oldRedisServer(tb testing.TB) string { return running(tb, startOldRedis).address }

// postgresServer returns the DSN of a server for all tests.
func postgresServer(tb testing.TB) string { return running(tb, startPostgres).address }

// mariadbServer returns the DSN of a server for all tests.
func mariadbServer(tb testing.TB) string { return running(tb, startMariaDB).address }

func running(tb testing.TB, start func() (*server, error)) *server {
	tb.Helper()
	s, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// What the tests share need not survive a loss of power, nor even a kill.
var (
	startRedis    = sync.OnceValues(func() (*server, error) { return launchRedis() })
	startOldRedis = sync.OnceValues(func() (*server, error) { return launchRedis("--rename-command", "GETDEL", "") })
	startPostgres = sync.OnceValues(func() (*server, error) { return launchPostgres("-F") })
	startMariaDB  = sync.OnceValues(func() (*server, error) { return launchMariaDB("--innodb-flush-log-at-trx-commit=0") })
)

func launchPostgres(flags ...string) (*server, error) {
	s, err := newServer("postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	s.address = s.postgresDSN(s.port)
	s.ready = func() error {
		db, err := gorm.Open(postgres.Open(s.address), quiet())
		return closed(db, err)
	}
	s.line = append([]string{"postgres", "-D", data, "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", "", "-c", "max_connections=200"}, flags...)
	if err := s.run("initdb", "-D", data, "-U", "passkeys", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, err
	}
	return s, s.start()
}

// postgresDSN is the server's, or that of a proxy before it.
func (s *server) postgresDSN(port int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=passkeys dbname=postgres sslmode=disable", port)
}

func launchMariaDB(flags ...string) (*server, error) {
	s, err := newServer("mariadb")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	s.address = s.mariadbDSN(s.port)
	s.ready = func() error {
		db, err := gorm.Open(mysql.Open(s.address), quiet())
		return closed(db, err)
	}
	s.line = append([]string{"mariadbd", "--no-defaults", "--datadir=" + data, "--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(s.dir, "socket"), "--pid-file=" + filepath.Join(s.dir, "pid"), "--max-connections=200"}, flags...)
	if err := s.run("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal"); err != nil {
		return nil, err
	}
	return s, s.start()
}

// mariadbDSN is the server's, or that of a proxy before it.
func (s *server) mariadbDSN(port int) string {
	return fmt.Sprintf("root@tcp(127.0.0.1:%d)/test", port)
}

func launchRedis(flags ...string) (*server, error) {
	s, err := newServer("redis")
	if err != nil {
		return nil, err
	}
	s.line = append([]string{"redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no"}, flags...)
	s.speaksRedis()
	return s, s.start()
}

// speaksRedis says how the server is reached, and when it is ready.
func (s *server) speaksRedis() {
	s.address = fmt.Sprintf("127.0.0.1:%d", s.port)
	s.ready = func() error {
		client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1})
		defer func() { _ = client.Close() }()
		return client.Ping(context.Background()).Err()
	}
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

// owner is somebody of the system.
type owner struct{ uid, gid int }

// server is a process with a directory and a port to itself.
type server struct {
	address string // where clients find it: a DSN, or host:port
	line    []string
	ready   func() error

	dir    string
	port   int
	owner  *owner // nil: ours
	daemon *exec.Cmd
	exited chan struct{}
}

var started struct {
	sync.Mutex
	servers []*server
}

func newServer(name string) (*server, error) {
	s := &server{}
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
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		s.owner = &owner{uid, gid}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	s.port, err = freePort()
	return s, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// logFile is where everything goes that the server says.
func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// command finds a program on the PATH, or where Debian hides those that are not
// for everybody.
func (s *server) command(out *os.File, name string, args ...string) *exec.Cmd {
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
		cmd.Stdout, cmd.Stderr = out, out
		runAs(cmd, s.owner)
	}
	return cmd
}

func (s *server) openLog() (*os.File, error) {
	return os.OpenFile(s.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// failed adds what the server said.
func (s *server) failed(cmd *exec.Cmd, err error) error {
	said, _ := os.ReadFile(s.logFile())
	return fmt.Errorf("%v: %w\n%s", cmd, err, said)
}

// run runs a program to its end.
func (s *server) run(name string, args ...string) error {
	out, err := s.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := s.command(out, name, args...)
	if err := cmd.Run(); err != nil {
		return s.failed(cmd, err)
	}
	return nil
}

var errExited = errors.New("exited")

// start starts the server, for the first time or again, and returns when it is
// ready.
func (s *server) start() error {
	out, err := s.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	daemon, exited := s.command(out, s.line[0], s.line[1:]...), make(chan struct{})
	if err := daemon.Start(); err != nil {
		return s.failed(daemon, err)
	}
	s.daemon, s.exited = daemon, exited
	go func() {
		_ = daemon.Wait()
		close(exited)
	}()
	poll, timeout := time.NewTicker(50*time.Millisecond), time.NewTimer(time.Minute)
	defer poll.Stop()
	defer timeout.Stop()
	for {
		err := s.ready()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-exited:
			return s.failed(daemon, errExited)
		case <-timeout.C:
			return s.failed(daemon, fmt.Errorf("not ready: %w", err))
		}
	}
}

// freeze stops the server as it is: who talks to it waits.
func (s *server) freeze() { s.signal(sigStop) }

// kill is kill -9, of all the server's processes.
func (s *server) kill() {
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// signal reaches PostgreSQL's children as well, where the system tells of them.
// Elsewhere they notice themselves that their parent is gone.
func (s *server) signal(signal syscall.Signal) {
	children := s.children()
	_ = s.daemon.Process.Signal(signal)
	for _, child := range children {
		if pid, err := strconv.Atoi(child); err == nil {
			kill(pid, signal)
		}
	}
}

func (s *server) children() []string {
	pid := s.daemon.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.Fields(string(children))
}

// restart starts the server after a kill, again if the remains are in its way.
func (s *server) restart() error {
	var err error
	for range 10 {
		if err = s.start(); !errors.Is(err, errExited) {
			break
		}
	}
	return err
}

func (s *server) stop() {
	if s.daemon != nil {
		// Not kill: PostgreSQL's children would live on for a while. SIGQUIT is
		// its "immediately", and ends the others as well.
		_ = s.daemon.Process.Signal(syscall.SIGQUIT)
		_ = s.daemon.Process.Signal(sigContinue) // if a test left it frozen
		select {
		case <-s.exited:
		case <-time.After(10 * time.Second):
			s.kill()
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

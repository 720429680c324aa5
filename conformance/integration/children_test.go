package integration

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// listening returns a socket for children to inherit, and its address.
func listening(tb testing.TB) (net.Addr, *os.File) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = socket.Close() })
	return l.Addr(), socket
}

// spawn starts the test binary as a server on a socket; what it serves is in the
// environment, see TestMain.
func spawn(tb testing.TB, socket *os.File, what string) (kill func()) {
	tb.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), what)
	child.ExtraFiles, child.Stderr = []*os.File{socket}, os.Stderr
	if _, err := child.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := child.Start(); err != nil {
		tb.Fatal(err)
	}
	return func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}
}

// serveInherited is a child's part: it serves until it dies, or its parent does.
func serveInherited(h http.Handler) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l)
}

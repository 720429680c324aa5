package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
)

var (
	guideShell = regexp.MustCompile("(?s)```sh\n(.*?)```")
	guideFile  = regexp.MustCompile(`^// (\w+\.go)\n`)
)

// TestGettingStarted does what docs/getting-started.md says, in an empty folder: its
// commands, its files, and in a browser what it says is there then. So with the program
// of the README.
func TestGettingStarted(t *testing.T) {
	page := guidePage(t, "docs/getting-started.md")
	commands := guideShell.FindAllStringSubmatch(page, -1)
	if len(commands) != 2 {
		t.Fatalf("there are %d blocks of commands; want one before the files, and one after", len(commands))
	}
	shared := map[string]string{}
	programs := map[string]map[string]string{"the README's": {"main.go": readmeBlock.FindStringSubmatch(guidePage(t, "README.md"))[1]}}
	section := ""
	for _, part := range strings.SplitAfter(page, "\n#") {
		section, _, _ = strings.Cut(strings.TrimLeft(part, "# "), "\n")
		for _, block := range readmeBlock.FindAllStringSubmatch(part, -1) {
			file := guideFile.FindStringSubmatch(block[1])
			switch {
			case file == nil:
				t.Fatalf("%s: a block does not say which file it is:\n%s", section, block[1])
			case file[1] == "main.go":
				programs[section] = map[string]string{file[1]: block[1]}
			default:
				shared[file[1]] = block[1]
			}
		}
	}
	for _, name := range []string{"Gin", "Echo", "Chi", "net/http"} {
		if programs[name] == nil {
			t.Fatalf("there is no program for %s", name)
		}
		for file, source := range shared {
			programs[name][file] = source
		}
	}

	chromium := browser.StartChromium(t)
	for name, files := range programs {
		t.Run(name, func(t *testing.T) {
			url := guideProgram(t, commands[0][1], files, commands[1][1])
			b := chromium.Open(t, url, `shown('passkey-sign-in')`)
			signIn, manager := b.Inside("passkey-sign-in"), b.Inside("passkey-manager")
			b.NewAuthenticator(webauthn.AuthenticatorTransportInternal, true)

			b.Keys("input[name=name]", "Ann\r")
			manager.Wait(`shown('[part=empty]')`)
			b.Eval(`window.before = true`, nil)
			manager.Click("[part=button]")
			manager.Wait(`!window.before && shown('[part=name]')`) // the page that came next
			b.Reads("h1", "Hello, Ann")

			b.Click("form[action='/sign-out'] button")
			signIn.Click("[part=button]")
			manager.Wait(`shown('[part=name]')`)
			b.Reads("h1", "Hello, Ann")
		})
	}
}

// guideProgram makes a program in an empty folder, runs it, and returns where its page
// is.
func guideProgram(t *testing.T, before string, files map[string]string, after string) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	shell := func(commands string) {
		t.Helper()
		sh := exec.Command("sh", "-ec", commands)
		sh.Dir = dir
		sh.Env = append(os.Environ(), "GOWORK=off", "ROOT="+root)
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", commands, err, out)
		}
	}
	replaced := func(text, old, now string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not there:\n%s", old, text)
		}
		return strings.ReplaceAll(text, old, now)
	}
	shell(replaced(before, "git clone https://github.com/passkeys-go/passkeys\n", `ln -s "$ROOT" passkeys`+"\n"))

	// The ports are those of the page, and may be taken.
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	host := fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	_ = listener.Close()
	dir = filepath.Join(dir, "app")
	for name, source := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(source, "localhost:8080", host)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shell(replaced(after, "go run .", "go build -o program ."))

	var log bytes.Buffer
	program := exec.Command(filepath.Join(dir, "program"))
	program.Stdout, program.Stderr = &log, &log
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- program.Wait() }()
	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("the program's log:\n%s", &log)
		}
	})
	for deadline := time.Now().Add(browser.Patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", host); err == nil {
			_ = c.Close()
			return "http://" + host + "/"
		}
		if len(exited) > 0 || time.Now().After(deadline) {
			t.Fatal("the program does not answer")
		}
	}
}

func guidePage(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

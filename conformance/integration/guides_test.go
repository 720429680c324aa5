package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/passkeys-go/passkeys/conformance/integration/browser"
	passkeys "github.com/passkeys-go/passkeys/core"
)

var (
	guideShell = regexp.MustCompile("(?s)```sh\n(.*?)```")
	guideFile  = regexp.MustCompile(`^// (\w+\.go)\n`)
)

// TestGettingStarted does what docs/getting-started.md says, in an empty folder: its
// commands, its files, and in a browser what it says is there then. So with the program
// of the README.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	page := guidePage(t, "docs/getting-started.md")
	commands := guideShell.FindAllStringSubmatch(page, -1)
	if len(commands) != 2 {
		t.Fatalf("there are %d blocks of commands; want one before the files, and one after", len(commands))
	}
	shared := map[string]string{}
	programs := map[string]map[string]string{"the README's": {"main.go": readmeBlock.FindStringSubmatch(guidePage(t, "README.md"))[1]}}
	for _, part := range strings.SplitAfter(page, "\n#") {
		section, _, _ := strings.Cut(strings.TrimLeft(part, "# "), "\n")
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

// TestReadmeIsShort: two screens to the first table, and pictures that load at once.
func TestReadmeIsShort(t *testing.T) {
	before, _, found := strings.Cut(guidePage(t, "README.md"), "\n|")
	if n := strings.Count(before, "\n"); !found || n > 120 {
		t.Errorf("there are %d lines before the first table; want at most 120", n)
	}
	pictures, err := filepath.Glob(filepath.Join("..", "..", "docs", "images", "*"))
	if err != nil || len(pictures) < 4 {
		t.Errorf("%d pictures, %v", len(pictures), err)
	}
	for _, name := range pictures {
		if info, err := os.Stat(name); err != nil || info.Size() > 150_000 {
			t.Errorf("%s: %v, or more than 150 kB", name, err)
		}
	}
}

// TestWhatIsHeard is the table of docs/production.md: with no Logger and no Audit,
// nothing is said of what goes well, and of a refusal what was seen and expected.
func TestWhatIsHeard(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	cfg := demo()
	cfg.Secret = make([]byte, 32)
	p, err := passkeys.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	phone := synced()
	if err := errors.Join(register(t.Context(), p, phone, "alice"), signInOnce(t.Context(), p, phone)); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("of a registration and a sign-in it says %s", &log)
	}
	phone.Origin = "https://evil.example"
	if err := signInOnce(t.Context(), p, phone); err == nil {
		t.Fatal("signed in from another's page")
	}
	said := slices.Collect(strings.Lines(log.String()))
	for _, line := range said {
		if !strings.Contains(line, "level=WARN") || !strings.Contains(line, phone.Origin) || !strings.Contains(line, cfg.Origins[0]) {
			t.Errorf("of a refusal it says %q", line)
		}
	}
	if len(said) != 2 { // the second is for a developer
		t.Errorf("of a refusal it says %q", said)
	}
}

// TestRotation is the table of docs/production.md: servers of one step finish what those
// of the step before have begun, and the other way round, and all have the same decoys.
func TestRotation(t *testing.T) {
	older, newer := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	store := passkeys.NewMemoryCredentials()
	var servers []*passkeys.Passkeys
	for _, step := range [][][]byte{{older}, {older, newer, older}, {newer, older}} {
		cfg := demo()
		cfg.Credentials, cfg.Secret, cfg.OldSecrets = store, step[0], step[1:]
		p, err := passkeys.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, p)
	}
	phone := synced()
	if err := register(t.Context(), servers[0], phone, "alice"); err != nil {
		t.Fatal(err)
	}
	decoys := map[string]bool{}
	for i, begins := range servers {
		ceremony, err := begins.BeginAuthentication(t.Context(), passkeys.AuthenticationRequest{UserID: "nobody"})
		if err != nil {
			t.Fatal(err)
		}
		list, err := json.Marshal(ceremony.PublicKey.AllowCredentials)
		if err != nil {
			t.Fatal(err)
		}
		decoys[string(list)] = true
		for j := max(0, i-1); j < min(len(servers), i+2); j++ {
			answer, err := answered(t.Context(), begins, phone)
			if err == nil {
				_, err = servers[j].FinishAuthentication(t.Context(), answer)
			}
			if err != nil {
				t.Errorf("begun in step %d, finished in step %d: %v", i, j, err)
			}
		}
	}
	if len(decoys) != 1 {
		t.Errorf("nobody has %d lists of passkeys", len(decoys))
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

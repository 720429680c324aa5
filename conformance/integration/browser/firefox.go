package browser

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// Firefox is a running browser, under WebDriver BiDi
// (https://www.w3.org/TR/webdriver-bidi/).
type Firefox struct {
	ws *websocket.Conn

	mu      sync.Mutex
	last    int
	answers map[int]chan<- bidiMessage // nil when the browser is gone
	pages   map[string]*FirefoxTab
}

// bidiMessage is an answer or an event.
type bidiMessage struct {
	Type    string          `json:"type"`
	ID      int             `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// firefoxPrefs leave the test's pages as the only ones that it asks for: what else
// a driver wants, Firefox sets by itself (remote.prefs.recommended).
const firefoxPrefs = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.chrome.site_icons", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.region.network.url", "");
user_pref("browser.safebrowsing.blockedURIs.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.search.update", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.prefetch-next", false);
user_pref("network.trr.mode", 5);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
`

var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// StartFirefox runs a headless Firefox with a fresh profile until the test ends.
func StartFirefox(t testing.TB) *Firefox {
	t.Helper()
	path, profile := program(t, "firefox-esr", "firefox"), t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPrefs), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	//nolint:gosec // the path is that of a browser, and the profile ours
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-remote", "--profile", profile,
		"--remote-debugging-port", "0", "--remote-allow-origins", "http://localhost")
	cmd.Env = append(os.Environ(), "MOZ_CRASHREPORTER_DISABLE=1", "HOME="+profile)
	diesWithUs(cmd)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		kill()
		t.Fatalf("start the browser: %v", err)
	}
	f := &Firefox{answers: map[int]chan<- bidiMessage{}, pages: map[string]*FirefoxTab{}}
	address, drained := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		defer close(address)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, stderr)
	}()
	t.Cleanup(func() {
		if f.ws != nil {
			// It writes its profile until it has ended, and the profile is about to
			// be removed.
			if _, err := f.command("browser.close", struct{}{}); err == nil {
				select {
				case <-drained:
				case <-time.After(Patience):
				}
			}
			_ = f.ws.Close()
		}
		kill()
		<-drained
		_ = cmd.Wait()
	})
	var url string
	select {
	case url = <-address:
	case <-time.After(Patience):
	}
	if url == "" {
		t.Fatal("the browser does not say where it listens")
	}
	ws, err := websocket.Dial(url+"/session", "", "http://localhost")
	if err != nil {
		t.Fatalf("connect to the browser: %v", err)
	}
	f.ws = ws
	go f.receive()
	if _, err := f.command("session.new", map[string]any{"capabilities": struct{}{}}); err != nil {
		t.Fatalf("start a session: %v", err)
	}
	if _, err := f.command("session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}); err != nil {
		t.Fatalf("listen to the console: %v", err)
	}
	return f
}

// receive hands answers to those who wait for them, and events to their pages.
func (f *Firefox) receive() {
	for {
		var m bidiMessage
		if err := websocket.JSON.Receive(f.ws, &m); err != nil {
			break
		}
		f.mu.Lock()
		if answer := f.answers[m.ID]; m.Type != "event" && answer != nil {
			delete(f.answers, m.ID)
			answer <- m
		}
		if m.Method == "log.entryAdded" {
			var entry struct {
				Level, Text, Type string
				Source            struct{ Context string }
			}
			if json.Unmarshal(m.Params, &entry) == nil && entry.Level == "error" {
				if page := f.pages[entry.Source.Context]; page != nil {
					page.note(entry.Text)
				}
			}
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, answer := range f.answers {
		close(answer)
	}
	f.answers = nil
}

// command runs one command and returns its result.
func (f *Firefox) command(method string, params any) (json.RawMessage, error) {
	answer := make(chan bidiMessage, 1)
	f.mu.Lock()
	if f.answers == nil {
		f.mu.Unlock()
		return nil, errors.New("the browser is gone")
	}
	f.last++
	id := f.last
	f.answers[id] = answer
	err := websocket.JSON.Send(f.ws, map[string]any{"id": id, "method": method, "params": params})
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return nil, errors.New("the browser is gone")
		}
		if m.Type == "error" {
			return nil, fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		return m.Result, nil
	case <-time.After(Patience):
		return nil, fmt.Errorf("%s: not answered within %v", method, Patience)
	}
}

// FirefoxTab is one page in a container of its own, which nobody else's cookies
// are in. What [Tab] says of errors holds here too.
type FirefoxTab struct {
	// TB fails in the methods.
	testing.TB
	complaints

	f       *Firefox
	context string
}

// Blank opens a tab without a page.
func (f *Firefox) Blank(t testing.TB) *FirefoxTab {
	t.Helper()
	p := &FirefoxTab{TB: t, f: f}
	p.failAtEnd(t)
	var container struct {
		UserContext string `json:"userContext"`
	}
	p.must("browser.createUserContext", struct{}{}, &container)
	t.Cleanup(func() {
		_, _ = f.command("browser.removeUserContext", container) // the tab goes with it
	})
	var created struct{ Context string }
	p.must("browsingContext.create", map[string]any{"type": "tab", "userContext": container.UserContext}, &created)
	p.context = created.Context
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[p.context] = p
	return p
}

func (p *FirefoxTab) must(method string, params, result any) {
	p.Helper()
	raw, err := p.f.command(method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(raw, result)
	}
	if err != nil {
		p.Fatal(err)
	}
}

// Load opens a page, and returns when it is loaded.
func (p *FirefoxTab) Load(url string) {
	p.Helper()
	p.must("browsingContext.navigate", map[string]any{"context": p.context, "url": url, "wait": "complete"}, nil)
}

// Before has a script run in each page that the tab opens from now on, before the
// page's own, and returns what ends that.
func (p *FirefoxTab) Before(script string) (end func()) {
	p.Helper()
	var added struct {
		Script string `json:"script"`
	}
	p.must("script.addPreloadScript", map[string]any{
		"functionDeclaration": "() => {" + script + "}", "contexts": []string{p.context},
	}, &added)
	return func() {
		p.Helper()
		p.must("script.removePreloadScript", added, nil)
	}
}

// Eval runs a script, which may be a promise's expression, and decodes its value,
// as JSON has it, into result.
func (p *FirefoxTab) Eval(script string, result any) {
	p.Helper()
	var answer struct {
		Type   string
		Result struct {
			Type  string
			Value string
		}
		ExceptionDetails struct{ Text string }
	}
	p.must("script.evaluate", map[string]any{
		"expression":     "(async () => JSON.stringify((await (" + script + ")) ?? null))()",
		"target":         map[string]any{"context": p.context},
		"awaitPromise":   true,
		"userActivation": true,
	}, &answer)
	if answer.Type != "success" {
		p.Fatalf("the script failed: %s", cmp.Or(answer.ExceptionDetails.Text, answer.Type))
	}
	if result == nil {
		return
	}
	if err := json.NewDecoder(strings.NewReader(answer.Result.Value)).Decode(result); err != nil {
		p.Fatalf("the script's value %q: %v", answer.Result.Value, err)
	}
}

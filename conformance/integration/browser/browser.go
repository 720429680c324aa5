// Package browser drives real browsers for the tests of what runs in them: a
// headless Chromium over DevTools, with virtual authenticators, and a headless
// Firefox over WebDriver BiDi. A test whose browser is not installed fails: it has
// not passed.
package browser

import (
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a page may take to get where a test waits for it.
const Patience = time.Minute

// Page is what a test can do with a page in either browser.
type Page interface {
	testing.TB

	// Load opens a page, and returns when it is loaded.
	Load(url string)

	// Before has a script run in each page that is opened from now on, before the
	// page's own, and returns what ends that.
	Before(script string) (end func())

	// Eval runs a script, which may be a promise's expression, and decodes its
	// value, as JSON has it, into result.
	Eval(script string, result any)

	// Errors takes what the page has said of errors so far, so that the test does
	// not fail for it.
	Errors() []string
}

// program returns the path of the first of these that is installed.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("this test drives a real browser: install one of %s", strings.Join(names, ", "))
	return ""
}

// complaints are what a page says of errors: on the console, or by not catching an
// exception.
type complaints struct {
	mu   sync.Mutex
	said []string
}

func (c *complaints) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, text)
}

// Errors takes what the page has said of errors so far, so that the test does not
// fail for it.
func (c *complaints) Errors() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said
	c.said = nil
	return said
}

func (c *complaints) failAtEnd(t testing.TB) {
	t.Cleanup(func() {
		for _, said := range c.Errors() {
			t.Errorf("error in the page: %s", said)
		}
	})
}

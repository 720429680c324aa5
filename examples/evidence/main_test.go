package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const payload = "100 EUR to bob"

func golden(t *testing.T, name string) []byte {
	t.Helper()
	evidence, err := os.ReadFile(filepath.Join("..", "..", "core", "testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return evidence
}

// TestSound reads what package passkeys has written, with a user id that is text and
// with one that is not.
func TestSound(t *testing.T) {
	for name, user := range map[string]string{"evidence-v1.json": "alice-id", "evidence-v1-binary-user.json": "\xff\x00alice"} {
		e, err := verify(golden(t, name), []byte(payload))
		if got := e.UserID + string(e.UserIDBytes); err != nil || e.RPID != "example.org" || e.Operation != "transfer" || got != user {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// TestAltered alters one thing at a time, and all bits of what is bytes.
func TestAltered(t *testing.T) {
	var whole map[string]any
	evidence := golden(t, "evidence-v1.json")
	if err := json.Unmarshal(evidence, &whole); err != nil {
		t.Fatal(err)
	}
	refused := func(what, member string, value any) {
		t.Helper()
		altered := maps.Clone(whole)
		if altered[member] = value; value == nil {
			delete(altered, member)
		}
		b, err := json.Marshal(altered)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(b, []byte(payload)); err == nil {
			t.Errorf("%s: %s is sound", what, member)
		}
	}
	for member, value := range whole {
		refused("left out", member, nil)
		text, isText := value.(string)
		if !isText {
			refused("another", member, 2)
			continue
		}
		refused("longer", member, text+"AAAA")
		refused("empty", member, "")
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(b) < 32 { // then it is the text that counts
			refused("another", member, text[1:])
			continue
		}
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			refused("one bit of", member, base64.RawURLEncoding.EncodeToString(b))
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	refused("added", "userIdBytes", "AA")
	for _, other := range []string{"", "101 EUR to bob", payload + "\n"} {
		if _, err := verify(evidence, []byte(other)); err == nil {
			t.Errorf("it is sound for %q", other)
		}
	}
}

func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "evidence")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const file = "../../core/testdata/golden/evidence-v1.json"
	for _, row := range []struct {
		args    []string
		payload string
		code    int
		says    string
	}{
		{[]string{file}, payload, 0, `sound: "transfer" of user "alice-id" at "example.org"`},
		{[]string{file}, payload + "by", 1, "evidence: it is of another payload"},
		{[]string{"nowhere"}, payload, 1, "evidence: open nowhere"},
		{nil, payload, 1, "evidence: which evidence?"},
	} {
		cmd := exec.Command(program, row.args...)
		cmd.Stdin = strings.NewReader(row.payload)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != row.code || !strings.HasPrefix(string(out), row.says) {
			t.Errorf("%v: %d, %s", row, code, out)
		}
	}
}

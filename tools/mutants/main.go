// Command mutants takes the guards of package passkeys out, one at a time, and
// runs the tests: for each guard some test must fail. What survives is a rule
// that nothing holds.
//
//	go run ./mutants -root .. [-run pattern]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// guard is a piece of code that keeps a rule, and the code without it.
type guard struct {
	rule     string
	file     string // below the root
	old, new string
	packages []string // whose tests keep the rule; default: core's
}

func main() {
	root := flag.String("root", "..", "the repository")
	pattern := flag.String("run", "", "only guards whose rule or file matches")
	flag.Parse()
	if err := run(*root, *pattern); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root, pattern string) error {
	only, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	made, survived, broken := 0, 0, 0
	for _, g := range guards {
		if !only.MatchString(g.rule) && !only.MatchString(g.file) {
			continue
		}
		start := time.Now()
		killer, err := mutate(root, dir, g)
		if err != nil {
			broken++
			fmt.Printf("%s (%s): %v\n", g.rule, g.file, err)
			continue
		}
		made++
		if killer == "" {
			survived++
			killer = "SURVIVED"
		}
		fmt.Printf("%-62s %5.1fs  %s\n", g.rule, time.Since(start).Seconds(), killer)
	}
	fmt.Printf("%d mutants, %d killed, %d survived\n", made, made-survived, survived)
	if survived > 0 || broken > 0 || made == 0 {
		return fmt.Errorf("%d of %d guards are held by no test; %d could not be taken out", survived, made, broken)
	}
	return nil
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// mutate runs the tests on the code without the guard, and returns the name of
// the first that fails.
func mutate(root, dir string, g guard) (killer string, err error) {
	path := filepath.Join(root, g.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), g.old); n != 1 {
		return "", fmt.Errorf("the guard stands there %d times", n)
	}
	mutant := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(mutant, []byte(strings.Replace(string(source), g.old, g.new, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutant}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	packages := g.packages
	if packages == nil {
		packages = []string{"./core", "./core/internal/engine"}
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", append(args, packages...)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
		return cmd.CombinedOutput()
	}
	if out, err := run("build", "-overlay", list); err != nil {
		return "", fmt.Errorf("the mutant does not build:\n%s", out)
	}
	out, err := run("test", "-overlay", list, "-count=1", "-failfast", "-timeout", "5m")
	if err == nil {
		return "", nil
	}
	if m := failure.FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	return "", fmt.Errorf("the tests failed without a failing test:\n%s", out)
}

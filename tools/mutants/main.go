// Command mutants takes the guards of the modules out, one at a time, and
// runs the tests: for each guard some test must fail. What survives is a rule
// that nothing holds.
//
//	go run ./mutants -root .. [-run pattern]
//	go run ./mutants -root .. -find [-run pattern]
//	go run ./mutants -root .. -check
//
// The second takes out what nobody has listed: every condition of core, the stores and
// the adapters that refuses something. The third builds and runs nothing: it says in a moment which guards have
// been rewritten since they were listed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// guard is a piece of code that keeps a rule, and the code without it.
type guard struct {
	rule     string
	file     string   // below the root
	old, new string   // within one function
	at       int      // where the old stands; 0: where it stands once
	packages []string // whose tests keep the rule, and after a space which; default: all of the file's own, then core's
}

// asked are the packages whose tests are run, one after the other.
func (g guard) asked() []string {
	if g.packages != nil {
		return g.packages
	}
	return slices.Compact([]string{"./" + path.Dir(g.file), "./core"})
}

// slow are the tests that are asked only about what survives the others.
const slow = "^(TestEverySingleBitFlip|TestEveryMutationOfTheJSON|TestEveryMemberHasOneNameAndComesOnce|TestAFlood.*|" +
	"TestOfManyFinishesOneSucceeds|TestManySignInsWithinOneStatesLife|TestObserverSeesClosedSetsOnly|TestDecoys(TakeAsLong|LookLikeUsers)|TestOracle|TestAdapterFaults)$"

func main() {
	root := flag.String("root", "..", "the repository")
	pattern := flag.String("run", "", "only guards whose rule or file matches")
	unlisted := flag.Bool("find", false, "take out what refuses something and is not listed")
	check := flag.Bool("check", false, "only see that each guard stands where it is said to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *root, *pattern, *unlisted, *check)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, pattern string, unlisted, checkOnly bool) error {
	only, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	found, err := find(root, listed)
	if err != nil {
		return err
	}
	guards := listed
	if unlisted {
		guards = found
	}
	mutated, err := mutate(root, guards)
	if err != nil || checkOnly {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l := lab{root, dir, guards}
	var numbers []int
	var packages []string
	for i, g := range guards {
		if only.MatchString(g.rule) || only.MatchString(g.file) {
			numbers = append(numbers, i+1)
			packages = append(packages, g.asked()...)
		}
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	if err := l.build(ctx, mutated, packages); err != nil {
		return err
	}
	began := time.Now()
	switch killer, err := l.kill(ctx, 0, packages); {
	case err != nil:
		return fmt.Errorf("with all guards in place: %w", err)
	case killer != "":
		return fmt.Errorf("with all guards in place %s fails", killer)
	}
	fmt.Printf("%-76s %5.1fs\n", "with all guards in place", time.Since(began).Seconds())

	survived, broken := 0, 0
	for _, n := range numbers {
		start := time.Now()
		killer, err := l.kill(ctx, n, guards[n-1].asked())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err != nil:
			broken++
			killer = err.Error()
		case killer == "":
			survived++
			killer = "SURVIVED"
		}
		fmt.Printf("%-76s %5.1fs  %s\n", guards[n-1].rule, time.Since(start).Seconds(), killer)
	}
	fmt.Printf("%d mutants, %d killed, %d survived, in %v\n", len(numbers), len(numbers)-survived-broken, survived, time.Since(began).Round(time.Second))
	if survived > 0 || broken > 0 || len(numbers) == 0 {
		return fmt.Errorf("%d of %d guards are held by no test; of %d it is not known", survived, len(numbers), broken)
	}
	return nil
}

// lab builds and runs tests of mutants.
type lab struct {
	root, dir string
	guards    []guard
}

// build builds the packages' tests once, for all mutants.
func (l lab) build(ctx context.Context, mutated map[string][]byte, packages []string) error {
	overlay, err := writeOverlay(l.root, l.dir, mutated)
	if err != nil {
		return err
	}
	builds := [][]string{append([]string{"build", "-gcflags=-e"}, mutatedPackages(mutated)...)} // which names all that do not
	for _, p := range packages {
		p, _, _ := strings.Cut(p, " ")
		builds = append(builds, []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", l.binary(p), p})
	}
	for _, args := range builds {
		cmd := exec.CommandContext(ctx, "go", slices.Insert(args, 1, "-overlay", overlay)...) //nolint:gosec // the packages are those of guards.go
		cmd.Dir = l.root
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(l.root, "go.work"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the mutants do not build:\n%s", named(l.guards, string(out)))
		}
	}
	return nil
}

// mutatedPackages are those of the files, as the go command takes them.
func mutatedPackages(files map[string][]byte) (packages []string) {
	for file := range files {
		packages = append(packages, "./"+path.Dir(file))
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

func (l lab) binary(pkg string) string {
	return filepath.Join(l.dir, strings.ReplaceAll(pkg[2:], "/", "-")+".test")
}

// kill runs the packages' tests on mutant n, and returns the name of the first
// that fails, or "".
func (l lab) kill(ctx context.Context, n int, packages []string) (killer string, err error) {
	for _, which := range []string{"-test.skip", "-test.run"} {
		for _, pkg := range packages {
			args := []string{"-test.failfast", "-test.timeout=3m", which, slow}
			pkg, only, some := strings.Cut(pkg, " ")
			if some {
				args = append(args, "-test.run", only)
			}
			if some && which == "-test.run" { // they have been asked
				continue
			}
			cmd := exec.CommandContext(ctx, l.binary(pkg), args...) //nolint:gosec // which build has built
			cmd.Dir = filepath.Join(l.root, pkg)
			// The programs that a test builds have the mutants as well.
			cmd.Env = append(os.Environ(), numberVariable+"="+strconv.Itoa(n), "GOFLAGS=-overlay="+overlayIn(l.dir))
			out, err := cmd.CombinedOutput()
			if err == nil {
				continue
			}
			if killer = failed(string(out)); killer == "" {
				return "", fmt.Errorf("no test failed, but: %w\n%s", err, out)
			}
			return killer, nil
		}
	}
	return "", nil
}

var (
	failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	died    = regexp.MustCompile(`(?m)^fatal error: (.*)$`)
	hung    = regexp.MustCompile(`(?m)^panic: test timed out[^\n]*\n\s*running tests:\n\s*(\S+)`)
)

// failed returns the test that failed, down to its subtest, or that never ended.
func failed(out string) (name string) {
	if m := hung.FindStringSubmatch(out); m != nil {
		return m[1] + " (never ends)"
	}
	if m := died.FindStringSubmatch(out); m != nil {
		return "(dies of " + m[1] + ")"
	}
	for _, m := range failure.FindAllStringSubmatch(out, -1) {
		if name == "" || strings.HasPrefix(m[1], name+"/") {
			name = m[1]
		}
	}
	return name
}

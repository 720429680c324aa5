package conformance

import (
	"slices"
	"strings"
	"testing"
)

// fault breaks one rule of a contract.
type fault[S any] struct {
	name   string
	breaks func(S) S
	// caught names the rows that see it; with an ellipsis at its end, rows that
	// see it among others.
	caught string
}

// testFaults shows that a sound S passes every row, that each fault is caught by
// the rows it should be caught by and no other, and that every row catches one.
// It runs each row in a test of its own, which in makes.
func testFaults[S any](t *testing.T, in func(*testing.T, func(*testing.T)), rows []row[S], sound func(testing.TB) S, faults []fault[S]) {
	failing := func(t *testing.T, rows []row[S], breaks func(S) S) (names []string) {
		for _, r := range rows {
			in(t, func(t *testing.T) {
				if err := r.run(t.Context(), breaks(sound(t))); err != nil {
					names = append(names, r.name)
					t.Logf("%s: %v", r.name, err)
				}
			})
		}
		slices.Sort(names)
		return names
	}
	t.Run("none", func(t *testing.T) {
		if names := failing(t, rows, func(s S) S { return s }); names != nil {
			t.Errorf("a sound one is caught by %v", names)
		}
	})
	seen := map[string]bool{}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			names, some := strings.CutSuffix(f.caught, " …")
			want, tried := strings.Fields(names), rows
			if some {
				tried = slices.DeleteFunc(slices.Clone(rows), func(r row[S]) bool { return !slices.Contains(want, r.name) })
			}
			slices.Sort(want)
			if got := failing(t, tried, f.breaks); !slices.Equal(got, want) {
				t.Errorf("caught by %v, want %v", got, want)
			}
			for _, name := range want {
				seen[name] = true
			}
		})
	}
	for _, r := range rows {
		if !seen[r.name] {
			t.Errorf("no fault is caught by %s", r.name)
		}
	}
}

func testRows[S any](t *testing.T, rows []row[S]) {
	names := map[string]bool{}
	for _, r := range rows {
		if names[r.name] || strings.Trim(r.name, "abcdefghijklmnopqrstuvwxyz_-") != "" {
			t.Errorf("%q is not a name of its own", r.name)
		}
		if names[r.name] = true; !strings.HasSuffix(r.rule, ".") {
			t.Errorf("%s: %q is no sentence", r.name, r.rule)
		}
	}
}

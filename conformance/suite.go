package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// row is one sentence of a contract, and the code that holds S to it.
type row[S any] struct {
	name, rule string
	check      func(*check, S)
}

// test runs every row as a subtest on an S of its own.
func test[S any](t *testing.T, rows []row[S], open func(testing.TB) S) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if err := r.run(t.Context(), open(t)); err != nil {
				t.Errorf("%s: %s\n%v", r.name, r.rule, err)
			}
		})
	}
}

// run returns what is wrong with s.
func (r row[S]) run(ctx context.Context, s S) error {
	c := &check{ctx: ctx}
	r.check(c, s)
	const most = 10
	if n := len(c.errs); n > most {
		c.errs = append(c.errs[:most], fmt.Errorf("and %d more", n-most))
	}
	return errors.Join(c.errs...)
}

// check is what a row reports to. It is a testing.TB without a test, so that
// the tests of this package can watch a row fail.
type check struct {
	ctx  context.Context
	mu   sync.Mutex
	errs []error
}

func (c *check) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// failed ends loops early: one of a thousand failures says enough.
func (c *check) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errs) != 0
}

// is reports a call whose error is not want; nil is success.
func (c *check) is(err, want error, format string, args ...any) bool {
	if errors.Is(err, want) {
		return true
	}
	c.errorf("%s: error %v, want %v", fmt.Sprintf(format, args...), err, want)
	return false
}

// ended returns a context that was cancelled and one whose deadline has passed.
func (c *check) ended() []context.Context {
	cancelled, cancel := context.WithCancel(c.ctx)
	cancel()
	expired, cancel := context.WithTimeout(c.ctx, -1)
	cancel()
	return []context.Context{cancelled, expired}
}

// together calls f n times at once and waits for all to return.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

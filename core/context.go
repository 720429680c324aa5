package passkeys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

type contextKey int

const (
	sessionKey contextKey = iota
	requestKey
	proofKey
	actorKey
)

// WithSessionID ties the ceremonies begun and finished with ctx to a browser
// session: a ceremony can be finished only with the id it was begun with, which
// may be "". Its hash travels with the challenge. The routes do this where
// Hooks.SessionID is set; it is for ceremonies driven by hand.
func WithSessionID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, sessionKey, id)
}

// sessionHash is what the payload keeps of the session's id: nothing of none.
func sessionHash(ctx context.Context) string {
	id, _ := ctx.Value(sessionKey).(string)
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// WithRequestID sets the id that audit events, log records and the client's
// error share, so that a user's report finds its cause. The routes draw one for
// each request whose context has none; a middleware may set its own, such as a
// trace id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}

func requestID(ctx context.Context) string {
	switch id := ctx.Value(requestKey).(type) {
	case string:
		return id
	case *requestContext:
		id.once.Do(func() { id.id = rand.Text()[:16] })
		return id.id
	}
	return ""
}

// requestContext is the context of a request without an id. What goes well is
// mostly not asked for one, so it is drawn for the first who asks.
type requestContext struct {
	context.Context
	once sync.Once
	id   string
}

func (c *requestContext) Value(key any) any {
	if key == requestKey {
		return c
	}
	return c.Context.Value(key)
}

// ensureRequestID returns ctx with a request id.
func ensureRequestID(ctx context.Context) context.Context {
	if id, _ := ctx.Value(requestKey).(string); id != "" {
		return ctx
	}
	return &requestContext{Context: ctx}
}

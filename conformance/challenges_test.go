package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/core/passkeytest"
)

func TestMemoryChallenges(t *testing.T) {
	TestChallenges(t, func(testing.TB) passkeys.ChallengeStore { return passkeys.NewMemoryChallenges() }, Features{})
}

// With a clock that a test can set, there is a row more.
func TestMemoryChallengesByTheClock(t *testing.T) {
	clock := passkeytest.NewClock(time.Time{})
	TestChallenges(t, func(testing.TB) passkeys.ChallengeStore { return &passkeys.MemoryChallenges{Now: clock.Now} },
		Features{Now: clock.Now, Advance: clock.Advance})
}

// shelf is a challenge store that differs from the sound one in the methods that
// are set.
type shelf struct {
	passkeys.ChallengeStore

	put     func(context.Context, []byte, time.Time) (string, error)
	consume func(context.Context, string) ([]byte, error)
}

func (s *shelf) Put(ctx context.Context, payload []byte, expiresAt time.Time) (string, error) {
	if s.put != nil {
		return s.put(ctx, payload, expiresAt)
	}
	return s.ChallengeStore.Put(ctx, payload, expiresAt)
}

func (s *shelf) Consume(ctx context.Context, handle string) ([]byte, error) {
	if s.consume != nil {
		return s.consume(ctx, handle)
	}
	return s.ChallengeStore.Consume(ctx, handle)
}

func TestChallengeFaults(t *testing.T) {
	type store = passkeys.ChallengeStore
	ignore := context.WithoutCancel
	// respell is a store whose handles are spelled otherwise.
	respell := func(s store, out, in func(string) string) store {
		return &shelf{
			put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				handle, err := s.Put(ctx, payload, at)
				if err != nil {
					return "", err
				}
				return out(handle), nil
			},
			consume: func(ctx context.Context, handle string) ([]byte, error) { return s.Consume(ctx, in(handle)) },
		}
	}
	same := func(handle string) string { return handle }
	// In a bubble a sleep sets the clock.
	rows := challengeRows(Features{Now: time.Now, Advance: time.Sleep})
	testRows(t, rows)
	testFaults(t, synctest.Test, rows, func(testing.TB) store { return passkeys.NewMemoryChallenges() }, []fault[store]{
		{"payloads are text", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				return s.Put(ctx, []byte(strings.ToValidUTF8(string(payload), "\ufffd")), at)
			}}
		}, "round-trip"},
		{"payloads are trimmed", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				return s.Put(ctx, []byte(strings.TrimSpace(string(payload))), at)
			}}
		}, "round-trip"},
		{"an empty payload is none", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				payload, err := s.Consume(ctx, handle)
				if err == nil && len(payload) == 0 {
					err = passkeys.ErrChallengeNotFound
				}
				return payload, err
			}}
		}, "round-trip"},
		{"payloads are cut at 64 KiB", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				return s.Put(ctx, payload[:min(len(payload), 64<<10)], at)
			}}
		}, "put-refused"},
		{"what is too large is the database's error", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if len(payload) > 64<<10 {
					return "", errors.New("value too long")
				}
				return s.Put(ctx, payload, at)
			}}
		}, "put-refused"},
		{"a refused challenge has a handle", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				handle, err := s.Put(ctx, payload, at)
				if errors.Is(err, passkeys.ErrInvalidChallenge) {
					handle = "refused"
				}
				return handle, err
			}}
		}, "put-refused"},
		{"handles are numbers", func(s store) store {
			var one sync.Mutex
			var made []string
			return respell(s, func(handle string) string {
				one.Lock()
				defer one.Unlock()
				made = append(made, handle)
				return fmt.Sprint(len(made) + 1e6)
			}, func(number string) string {
				one.Lock()
				defer one.Unlock()
				for i, handle := range made {
					if fmt.Sprint(i+1+1e6) == number {
						return handle
					}
				}
				return ""
			})
		}, "handles"},
		{"handles have a slash", func(s store) store {
			return respell(s,
				func(handle string) string { return "challenge/" + handle },
				func(handle string) string {
					handle, _ = strings.CutPrefix(handle, "challenge/")
					return handle
				})
		}, "handles"},
		{"handles are long", func(s store) store {
			tail := strings.Repeat("-", 1000)
			return respell(s,
				func(handle string) string { return handle + tail },
				func(handle string) string {
					handle, ok := strings.CutSuffix(handle, tail)
					if !ok {
						return ""
					}
					return handle
				})
		}, "handles"},
		{"equal payloads share a handle", func(s store) store {
			var handles sync.Map
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				handle, err := s.Put(ctx, payload, at)
				if len(payload) < 10 || err != nil {
					return handle, err
				}
				shared, _ := handles.LoadOrStore(string(payload), handle)
				return shared.(string), nil
			}}
		}, "handles-differ"},
		{"an empty handle is malformed", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				if handle == "" {
					return nil, errors.New("missing key")
				}
				return s.Consume(ctx, handle)
			}}
		}, "unknown"},
		{"a handle that is no text is an error", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				if !utf8.ValidString(handle) {
					return nil, errors.New("invalid byte sequence for encoding")
				}
				return s.Consume(ctx, handle)
			}}
		}, "unknown"},
		{"a long handle is an error", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				if len(handle) > 64<<10 {
					return nil, errors.New("value too long")
				}
				return s.Consume(ctx, handle)
			}}
		}, "unknown"},
		{"handles without case", func(s store) store { return respell(s, same, strings.ToUpper) }, "altered"},
		{"handles without spaces", func(s store) store { return respell(s, same, strings.TrimSpace) }, "altered"},
		{"handles without line breaks", func(s store) store {
			return respell(s, same, func(handle string) string { return strings.ReplaceAll(handle, "\n", "") })
		}, "altered"},
		{"the end of a handle is not looked at", func(s store) store {
			return respell(s,
				func(handle string) string { return handle + "A" },
				func(handle string) string { return handle[:max(len(handle)-1, 0)] })
		}, "altered"},
		{"guessing spends the challenge", func(s store) store {
			return respell(s,
				func(handle string) string { return handle + ".token" },
				func(handle string) string {
					key, token, _ := strings.Cut(handle, ".")
					if token != "token" {
						_, _ = s.Consume(context.Background(), key)
						return ""
					}
					return key
				})
		}, "altered unknown"},
		{"times without a zone", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				_, offset := at.Zone()
				return s.Put(ctx, payload, at.Add(time.Duration(offset)*time.Second))
			}}
		}, "expired"},
		{"less than a millisecond is for ever", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if left := time.Until(at); left > 0 && left < time.Millisecond {
					at = at.Add(time.Hour)
				}
				return s.Put(ctx, payload, at)
			}}
		}, "expired"},
		{"expiry is in whole minutes", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if left := time.Until(at); left > 0 {
					at = at.Add(time.Minute - left%time.Minute)
				}
				return s.Put(ctx, payload, at)
			}}
		}, "expired"},
		{"an expired payload comes with the error", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				payload, err := s.Consume(ctx, handle)
				if errors.Is(err, passkeys.ErrChallengeExpired) {
					payload = []byte("payload")
				}
				return payload, err
			}}
		}, "expired"},
		{"Put takes what is past", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if !at.IsZero() && time.Until(at) < 0 {
					at = time.Now().Add(time.Millisecond)
				}
				return s.Put(ctx, payload, at)
			}}
		}, "put-refused"},
		{"no time is for ever", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if at.IsZero() {
					at = time.Now().Add(24 * time.Hour)
				}
				return s.Put(ctx, payload, at)
			}}
		}, "put-refused"},
		{"Put keeps the caller's bytes", func(s store) store {
			var payloads sync.Map
			return &shelf{
				put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
					handle, err := s.Put(ctx, payload, at)
					payloads.Store(handle, payload)
					return handle, err
				},
				consume: func(ctx context.Context, handle string) ([]byte, error) {
					if _, err := s.Consume(ctx, handle); err != nil {
						return nil, err
					}
					payload, _ := payloads.Load(handle)
					return payload.([]byte), nil
				}}
		}, "own-memory"},
		{"equal payloads share their bytes", func(s store) store {
			var payloads sync.Map
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				payload, err := s.Consume(ctx, handle)
				if err != nil {
					return nil, err
				}
				shared, _ := payloads.LoadOrStore(string(payload), payload)
				return shared.([]byte), nil
			}}
		}, "own-memory"},
		{"Put does not look at the context", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				return s.Put(ignore(ctx), payload, at)
			}}
		}, "context"},
		{"what was cancelled is spent all the same", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				payload, err := s.Consume(ignore(ctx), handle)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return payload, err
			}}
		}, "context"},
		{"a cancelled Consume finds nothing", func(s store) store {
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				if ctx.Err() != nil {
					return nil, passkeys.ErrChallengeNotFound
				}
				return s.Consume(ctx, handle)
			}}
		}, "context"},
		{"nothing is kept for more than an hour", func(s store) store {
			return &shelf{ChallengeStore: s, put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
				if time.Until(at) > time.Hour {
					at = time.Now().Add(time.Hour)
				}
				return s.Put(ctx, payload, at)
			}}
		}, "kept"},
		{"handles can be used twice", func(s store) store {
			var spent sync.Map
			return &shelf{ChallengeStore: s, consume: func(ctx context.Context, handle string) ([]byte, error) {
				payload, err := s.Consume(ctx, handle)
				if err == nil {
					spent.Store(handle, payload)
				} else if again, ok := spent.LoadAndDelete(handle); ok && ctx.Err() == nil {
					return again.([]byte), nil
				}
				return payload, err
			}}
		}, "single-use single-use-concurrent expired"},
		{"Consume looks, then deletes", func(s store) store {
			var payloads sync.Map
			return &shelf{
				put: func(ctx context.Context, payload []byte, at time.Time) (string, error) {
					handle, err := s.Put(ctx, payload, at)
					payloads.Store(handle, payload)
					return handle, err
				},
				consume: func(ctx context.Context, handle string) ([]byte, error) {
					payload, ok := payloads.Load(handle)
					if !ok || ctx.Err() != nil {
						return s.Consume(ctx, handle)
					}
					time.Sleep(pause)
					payloads.Delete(handle)
					if _, err := s.Consume(ctx, handle); errors.Is(err, passkeys.ErrChallengeExpired) {
						return nil, err
					}
					return append([]byte{}, payload.([]byte)...), nil
				}}
		}, "single-use-concurrent own-memory"},
	})
}

package app

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alexedwards/scs/v2"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
)

// Main runs an example program: what router returns, on the address, database
// and stores that the environment names, until SIGINT or SIGTERM. If it cannot
// start, it says why and exits with status 1.
func Main(framework string, router func(*App) (http.Handler, error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, framework, router)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Passkeys demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, framework string, router func(*App) (http.Handler, error)) (err error) {
	// Listening comes first, because the default origin needs the port.
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", env("ADDR", "localhost:8080"))
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	defer func() { _ = listener.Close() }() // for the errors below; the server closes it as well
	cfg, err := passkeysConfig(listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}

	db, database, err := openDatabase(env("DATABASE_URL", "passkeys-demo.db"))
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	cfg.Credentials = gormstore.NewCredentials(db)

	challenges := "sealed in the state"
	if url := env("REDIS_URL", ""); url != "" {
		store, name, closeRedis, errRedis := openRedis(ctx, url)
		if errRedis != nil {
			return errRedis
		}
		defer func() { err = errors.Join(err, closeRedis()) }()
		cfg.Challenges, challenges = store, name
	}

	cfg.Audit = passkeys.NewSlogAudit(nil)
	cfg.Limiter = passkeys.NewMemoryLimiter(nil)
	p, err := passkeys.New(cfg)
	if err != nil {
		return err
	}
	a := &App{Passkeys: p, accounts: accounts{db}, sessions: scs.New()}
	a.sessions.Cookie.Name = "passkeys_demo" // on localhost all ports share their cookies
	a.sessions.Cookie.Secure = secure(cfg.Origins)
	handler, err := router(a)
	if err != nil {
		return err
	}

	if _, err := fmt.Fprintf(out, `Passkeys demo
  framework   %s
  database    %s
  challenges  %s
  RP id       %s
  origins     %s
Open %s in your browser. Ctrl+C stops the demo.
`, framework, database, challenges, cfg.RPID, strings.Join(cfg.Origins, ", "), cfg.Origins[0]); err != nil {
		return err
	}
	if o := elsewhere(cfg.Origins, listener.Addr().(*net.TCPAddr).Port); o != "" {
		slog.Warn("the server is at another port than the page: is that of PASSKEYS_EXPECTED_ORIGINS right?", "listening", listener.Addr(), "origin", o)
	}
	return serve(ctx, listener, a.protect(handler))
}

// secure reports whether the cookies of these origins' pages are for https alone. An
// application's origin, which may come first, has no pages.
func secure(origins []string) bool {
	return !slices.ContainsFunc(origins, func(o string) bool { return strings.HasPrefix(o, "http:") })
}

// serve answers requests until ctx ends, and then those that are under way.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

// protect puts around the router what every route needs: the session, and the
// refusal of what another site may have sent on the user's behalf.
func (a *App) protect(router http.Handler) http.Handler {
	handler := http.NewCrossOriginProtection().Handler(onlyJSON(a.sessions.LoadAndSave(router)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		handler.ServeHTTP(w, r)
	})
}

// onlyJSON refuses what would change something under /api and is not declared
// JSON. A form on another site can send anything else without asking first. The
// passkey routes see to this themselves.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.Method != http.MethodGet && r.Method != http.MethodHead && strings.HasPrefix(r.URL.Path, "/api/") && mediaType != "application/json" {
			passkeys.WriteError(w, r, passkeys.ErrUnsupportedMediaType)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 128<<10)
		next.ServeHTTP(w, r)
	})
}

//go:embed page
var page embed.FS

// Page serves the front end: one page, its script, its style and its icon.
func Page() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // cannot be: the name is a valid path
	}
	return http.FileServerFS(files)
}

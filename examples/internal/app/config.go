package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/glebarez/sqlite"
	passkeys "github.com/passkeys-go/passkeys/core"
	"github.com/passkeys-go/passkeys/gormstore"
	"github.com/passkeys-go/passkeys/redisstore"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// env returns the environment variable, or fallback if it is unset or blank.
func env(name, fallback string) string {
	if v := strings.TrimSpace(os.Getenv(name)); v != "" {
		return v
	}
	return fallback
}

// passkeysConfig is passkeys.ConfigFromEnv, except that on localhost nothing
// needs to be set. The port is the one that the server listens on.
func passkeysConfig(port int) (passkeys.Config, error) {
	defaults := map[string]string{
		"PASSKEYS_RP_ID":   "localhost",
		"PASSKEYS_RP_NAME": "Passkeys demo",
	}
	// For any other domain nobody but you can know the origin.
	if env("PASSKEYS_RP_ID", "localhost") == "localhost" {
		defaults["PASSKEYS_EXPECTED_ORIGINS"] = localOrigin(port)
	}
	for name, value := range defaults { // where ConfigFromEnv looks
		if err := os.Setenv(name, env(name, value)); err != nil {
			return passkeys.Config{}, err
		}
	}
	cfg, err := passkeys.ConfigFromEnv()
	if err == nil && len(cfg.Origins) == 0 { // as related domains and native apps alone would do
		err = errors.New("PASSKEYS_EXPECTED_ORIGINS: must name the demo's own page")
	}
	return cfg, err
}

// elsewhere says which of the origins of this machine is at another port than the
// server's, as after a change of ADDR; "" for none, for a port that a proxy maps need not
// be the listener's.
func elsewhere(origins []string, port int) string {
	for _, o := range origins {
		if strings.HasPrefix(o, "http://localhost") && o != localOrigin(port) {
			return o
		}
	}
	return ""
}

// localOrigin is the origin as browsers send it: without the default port.
func localOrigin(port int) string {
	if port == 80 {
		return "http://localhost"
	}
	return "http://" + net.JoinHostPort("localhost", strconv.Itoa(port))
}

// database returns the GORM driver for DATABASE_URL and how to call it in front
// of people: never the URL itself, which may hold a password.
func database(url string) (gorm.Dialector, string, error) {
	scheme, _, isURL := strings.Cut(url, "://")
	file, isSQLite := strings.CutPrefix(url, "sqlite:")
	switch {
	case scheme == "postgres", scheme == "postgresql", !isURL && (strings.Contains(url, "host=") || strings.Contains(url, "dbname=")):
		return postgres.Open(url), "PostgreSQL", nil
	case isURL && !isSQLite:
		return nil, "", fmt.Errorf("DATABASE_URL: %s is not supported: use a SQLite file or PostgreSQL", scheme)
	}
	if file = strings.TrimPrefix(file, "//"); file == "" {
		return nil, "", errors.New("DATABASE_URL: the SQLite file has no name")
	}
	// Writers wait for each other rather than fail, and never for readers.
	return sqlite.Open(file + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_txlock=immediate"), "SQLite, file " + file, nil
}

// openDatabase connects and creates the tables that are missing.
func openDatabase(url string) (_ *gorm.DB, name string, _ error) {
	dialector, name, err := database(url)
	if err != nil {
		return nil, "", err
	}
	// SQLite makes a file, but no folder for it, and says that memory has run out.
	if file, ok := strings.CutPrefix(name, "SQLite, file "); ok {
		if folder, err := os.Stat(filepath.Dir(file)); err != nil || !folder.IsDir() {
			return nil, "", fmt.Errorf("DATABASE_URL: there is no folder %s", filepath.Dir(file))
		}
	}
	// What fails is logged by whoever asked for it, and without its values.
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, "", fmt.Errorf("DATABASE_URL: %s: %w", name, err)
	}
	// database/sql keeps two idle connections unless told otherwise, and PostgreSQL
	// makes a process for each new one: see gormstore.
	pool, err := db.DB()
	if err != nil {
		return nil, "", fmt.Errorf("DATABASE_URL: %s: %w", name, err)
	}
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(16)
	if err := gormstore.Migrate(db); err != nil {
		return nil, "", fmt.Errorf("DATABASE_URL: %s: %w", name, err)
	}
	if err := db.AutoMigrate(&account{}); err != nil {
		return nil, "", fmt.Errorf("DATABASE_URL: %s: %w", name, err)
	}
	return db, name, nil
}

// openRedis connects to REDIS_URL.
func openRedis(ctx context.Context, url string) (_ passkeys.ChallengeStore, name string, closeRedis func() error, _ error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The parser's own text repeats the URL, password and all.
		return nil, "", nil, errors.New("REDIS_URL: must be redis://[user:password@]host:port[/database]")
	}
	logging.Disable() // one line is enough, and the error below is it
	client := redis.NewClient(options)
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, "", nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return redisstore.NewChallenges(client, nil), "Redis, " + options.Addr, client.Close, nil
}

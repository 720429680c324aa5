package app

import (
	"strings"
	"testing"

	passkeys "github.com/passkeys-go/passkeys/core"
)

func TestDatabase(t *testing.T) {
	for _, row := range []struct {
		url, driver, name string
	}{
		{"demo.db", "sqlite", "SQLite, file demo.db"},
		{"/var/lib/demo.db", "sqlite", "SQLite, file /var/lib/demo.db"},
		{`C:\demo.db`, "sqlite", `SQLite, file C:\demo.db`},
		{"sqlite:demo.db", "sqlite", "SQLite, file demo.db"},
		{"sqlite:///var/lib/demo.db", "sqlite", "SQLite, file /var/lib/demo.db"},
		{"postgres://ann:secret@db/demo", "postgres", "PostgreSQL"},
		{"postgresql://db/demo?sslmode=require", "postgres", "PostgreSQL"},
		{"host=db dbname=demo password=secret", "postgres", "PostgreSQL"},
		{"host=db password=se:cret", "postgres", "PostgreSQL"},
	} {
		t.Run(row.url, func(t *testing.T) {
			dialector, name, err := database(row.url)
			if err != nil {
				t.Fatal(err)
			}
			if dialector.Name() != row.driver || name != row.name {
				t.Errorf("got %s, called %q; want %s, called %q", dialector.Name(), name, row.driver, row.name)
			}
		})
	}
}

func TestDatabaseRefused(t *testing.T) {
	for _, url := range []string{"mysql://ann:secret@db/demo", "sqlite:", "sqlite://"} {
		t.Run(url, func(t *testing.T) {
			_, _, err := database(url)
			if err == nil || !strings.Contains(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v; want one that names DATABASE_URL and no secret", err)
			}
		})
	}
}

func TestRedisRefused(t *testing.T) {
	for _, url := range []string{"localhost:6379", "redis://:secret@%zz", "http://:secret@localhost"} {
		t.Run(url, func(t *testing.T) {
			_, _, _, err := openRedis(t.Context(), url)
			if err == nil || !strings.Contains(err.Error(), "REDIS_URL") || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v; want one that names REDIS_URL and no secret", err)
			}
		})
	}
}

func TestPasskeysConfig(t *testing.T) {
	type vars map[string]string
	for _, row := range []struct {
		name string
		env  vars
		port int
		want passkeys.Config // RPID, RPName and Origins
	}{
		{
			"nothing set", vars{}, 8080,
			passkeys.Config{RPID: "localhost", RPName: "Passkeys demo", Origins: []string{"http://localhost:8080"}},
		}, {
			"the default port is no part of an origin", vars{}, 80,
			passkeys.Config{RPID: "localhost", RPName: "Passkeys demo", Origins: []string{"http://localhost"}},
		}, {
			"behind a proxy that serves https",
			vars{"PASSKEYS_RP_ID": "example.org", "PASSKEYS_RP_NAME": "Example", "PASSKEYS_EXPECTED_ORIGINS": "https://example.org"}, 8080,
			passkeys.Config{RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			setenv(t, row.env)
			got, err := passkeysConfig(row.port)
			if err != nil {
				t.Fatal(err)
			}
			if got.RPID != row.want.RPID || got.RPName != row.want.RPName || strings.Join(got.Origins, ",") != strings.Join(row.want.Origins, ",") {
				t.Errorf("got %q, %q, %q; want %q, %q, %q", got.RPID, got.RPName, got.Origins, row.want.RPID, row.want.RPName, row.want.Origins)
			}
		})
	}
	t.Run("a domain without its origin", func(t *testing.T) {
		setenv(t, vars{"PASSKEYS_RP_ID": "example.org"})
		for _, related := range []string{"", "https://example.co.uk"} {
			t.Setenv("PASSKEYS_RELATED_ORIGINS", related)
			if _, err := passkeysConfig(8080); err == nil || !strings.Contains(err.Error(), "PASSKEYS_EXPECTED_ORIGINS") {
				t.Errorf("related %q: err = %v; want one that names PASSKEYS_EXPECTED_ORIGINS", related, err)
			}
		}
	})
}

// setenv gives the test exactly these of the variables that the program reads.
func setenv(t *testing.T, values map[string]string) {
	for _, name := range []string{
		"ADDR", "DATABASE_URL", "REDIS_URL", "PASSKEYS_RP_ID", "PASSKEYS_RP_NAME", "PASSKEYS_EXPECTED_ORIGINS",
	} {
		t.Setenv(name, values[name])
	}
}

func TestAnOriginAtAnotherPortIsNoticed(t *testing.T) {
	for _, row := range []struct {
		origins []string
		port    int
		want    string
	}{
		{[]string{"http://localhost:8080"}, 8080, ""},
		{[]string{"http://localhost"}, 80, ""},
		{[]string{"https://example.org", "android:apk-key-hash:AAAA"}, 8080, ""},
		{[]string{"http://localhost:8080"}, 8081, "http://localhost:8080"},
	} {
		if got := elsewhere(row.origins, row.port); got != row.want {
			t.Errorf("%v at %d: %q, want %q", row.origins, row.port, got, row.want)
		}
	}
}

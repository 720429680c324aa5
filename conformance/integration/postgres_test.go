package integration

import (
	"testing"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

func TestPostgreSQL(t *testing.T) {
	dsn := postgresServer(t)
	open := func(tb testing.TB, config *gorm.Config) *gorm.DB {
		return opened(tb, postgres.Open(dsn), config)
	}
	testGorm(t, open)
	t.Run("versions", func(t *testing.T) { testVersions(t, open) })
	t.Run("lock-wait", func(t *testing.T) { lockWait(t, open) })
	t.Run("simple-protocol", func(t *testing.T) {
		t.Log("The suites pass behind a pooler that knows no prepared statements.")
		suites(&gorm.Config{})(t, func(tb testing.TB, config *gorm.Config) *gorm.DB {
			return opened(tb, postgres.New(postgres.Config{DSN: dsn, PreferSimpleProtocol: true}), config)
		})
	})
}

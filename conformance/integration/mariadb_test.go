package integration

import (
	"testing"

	"gorm.io/driver/mysql"
	"gorm.io/gorm"
)

func TestMariaDB(t *testing.T) {
	dsn := mariadbServer(t)
	open := func(tb testing.TB, config *gorm.Config) *gorm.DB {
		return opened(tb, mysql.Open(dsn), config)
	}
	testGorm(t, open)
	t.Run("versions", func(t *testing.T) { testVersions(t, open) })
	t.Run("lock-wait", func(t *testing.T) { lockWait(t, open) })
	t.Run("parameters", func(t *testing.T) {
		t.Log("The suites pass whatever the DSN asks for: rows that matched for rows that changed, among others.")
		suites(&gorm.Config{})(t, func(tb testing.TB, config *gorm.Config) *gorm.DB {
			return opened(tb, mysql.Open(dsn+"?clientFoundRows=true&interpolateParams=true&parseTime=true&loc=Asia%2FTokyo&sql_mode=''"), config)
		})
	})
}

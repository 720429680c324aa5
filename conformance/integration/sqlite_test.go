package integration

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "test.db")
	patient := func(milliseconds int) opener {
		return func(tb testing.TB, config *gorm.Config) *gorm.DB {
			dsn := fmt.Sprintf("%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_txlock=immediate", file, milliseconds)
			return opened(tb, sqlite.Open(dsn), config)
		}
	}
	testGorm(t, patient(5000))
	t.Run("versions", func(t *testing.T) { testVersions(t, patient(5000)) })
	t.Run("lock-wait", func(t *testing.T) { lockWait(t, patient(100)) })
}

package app

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	passkeys "github.com/passkeys-go/passkeys/core"
	"golang.org/x/text/unicode/norm"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// The errors of a sign-up. As passkeys.Error they reach the page with their own
// code, from a hook as well as from a route of /api.
var (
	errUsernameTaken   = &passkeys.Error{Code: "username_taken", Status: 409, Message: "This username is taken."}
	errUsernameInvalid = &passkeys.Error{Code: "invalid_username", Status: 400, Message: "A username has 1 to 64 visible characters."}
)

// account is a row of the table accounts. There is no password in it, and no
// passkey: those are in the credential store, by ID.
type account struct {
	ID          string `gorm:"primaryKey;size:64"` // random; the WebAuthn user handle
	Username    string `gorm:"uniqueIndex;size:255;not null"`
	DisplayName string `gorm:"size:255;not null"` // the username as it was typed
	CreatedAt   time.Time
}

// newAccount returns the account that a sign-up under this name would create.
func newAccount(username string) (account, error) {
	display := norm.NFC.String(strings.TrimSpace(username))
	invisible := func(r rune) bool { return !unicode.IsPrint(r) }
	if n := utf8.RuneCountInString(display); n < 1 || n > 64 || strings.ContainsFunc(display, invisible) {
		return account{}, errUsernameInvalid
	}
	return account{ID: rand.Text(), Username: canonical(display), DisplayName: display}, nil
}

// canonical is the one spelling of a username by which it is stored and found.
func canonical(username string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(username)))
}

func (a account) user() passkeys.User {
	return passkeys.User{ID: a.ID, Name: a.DisplayName}
}

// accounts is the table.
type accounts struct{ db *gorm.DB }

// create adds the account, or returns errUsernameTaken: the unique index decides,
// so that of two sign-ups at the same moment one succeeds.
func (s accounts) create(ctx context.Context, a account) error {
	tx := s.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&a)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return errUsernameTaken
	}
	return tx.Error
}

// remove does nothing if there is none.
func (s accounts) remove(ctx context.Context, id string) error {
	return s.db.WithContext(ctx).Where("id = ?", id).Delete(&account{}).Error
}

// byID and byUsername return the zero account if there is none.
func (s accounts) byID(ctx context.Context, id string) (a account, err error) {
	err = s.db.WithContext(ctx).Where("id = ?", id).Limit(1).Find(&a).Error
	return a, err
}

func (s accounts) byUsername(ctx context.Context, username string) (a account, err error) {
	key := canonical(username)
	if strings.ContainsRune(key, 0) {
		return account{}, nil // nobody's name, and nothing that PostgreSQL takes in a query
	}
	err = s.db.WithContext(ctx).Where("username = ?", key).Limit(1).Find(&a).Error
	return a, err
}

package passkeys

import "slices"

// Mode is how a ceremony was begun. It rides in the state, so that finish and
// whoever reads the audit events know of it.
type Mode string

// The modes. The first two are registrations, the last is a confirmation; the
// others are sign-ins.
const (
	// ModeRegistration is a registration that the user asked for.
	ModeRegistration Mode = "registration"
	// ModeUpgrade is a registration that the browser makes unasked after a sign-in
	// by password, with mediation "conditional" (WebAuthn L3 §5.1.3): see
	// [Passkeys.GrantUpgrade].
	ModeUpgrade Mode = "upgrade"
	// ModeUsernameless: the browser offers the passkeys that it has for this site.
	ModeUsernameless Mode = "usernameless"
	// ModeUser: a user's id was given.
	ModeUser Mode = "user"
	// ModeUsername: a username was given.
	ModeUsername Mode = "username"
	// ModeConditional: autofill, with mediation "conditional" (WebAuthn L3
	// §5.1.4). It is begun by every page view and most are never finished, so its
	// state lives for Config.ConditionalTTL.
	ModeConditional Mode = "conditional"
	// ModeImmediate: uiMode "immediate", which fails at once where the browser
	// has no passkey (Credential Management §2.3).
	ModeImmediate Mode = "immediate"
	// ModeConfirmation: not a sign-in, but that of an operation by who is signed in:
	// see [Passkeys.BeginConfirmation].
	ModeConfirmation Mode = "confirmation"
)

// modes are in the order of their codes in a payload: append only.
func modes() [8]Mode {
	return [...]Mode{ModeRegistration, ModeUsernameless, ModeUser, ModeUsername, ModeConditional, ModeImmediate, ModeUpgrade, ModeConfirmation}
}

// code is the mode in a payload.
func (m Mode) code() byte {
	all := modes()
	return byte(slices.Index(all[:], m) + 1)
}

// modeOf is the mode of a code, "" where there is none.
func modeOf(code byte) Mode {
	all := modes()
	if i := int(code) - 1; i >= 0 && i < len(all) {
		return all[i]
	}
	return ""
}

// ceremony is the one that has this mode, "" where there is none.
func (m Mode) ceremony() CeremonyName {
	switch m {
	case ModeRegistration, ModeUpgrade:
		return CeremonyRegistration
	case ModeUsernameless, ModeUser, ModeUsername, ModeConditional, ModeImmediate:
		return CeremonyAuthentication
	case ModeConfirmation:
		return CeremonyConfirmation
	}
	return ""
}

// of reports whether a challenge for this purpose, for somebody or for nobody
// in particular, can have this mode.
func (m Mode) of(p purpose, named bool) bool {
	switch m {
	case ModeRegistration:
		return p == forRegistration && named
	case ModeUpgrade:
		return (p == forUpgrade || p == forRegistration) && named
	case ModeConfirmation:
		return (p == forConfirmation || p == forRequest || p == forProof) && named
	case ModeUser, ModeUsername:
		return p == forAuthentication && named
	case ModeUsernameless, ModeConditional, ModeImmediate:
		return p == forAuthentication && !named
	}
	return false
}

package passkeys

import "context"

// Signals is what a browser must know of one user's passkeys, so that it offers
// none that does not work any more and shows the name that the user has now
// (WebAuthn L3 §5.1.10). Each element is the argument of a function of
// PublicKeyCredential: signalAllAcceptedCredentials and signalCurrentUserDetails.
// There is one of each for every user handle, since imported passkeys may have
// others than the user's id; that of User.ID comes first and is always there.
//
// A browser takes a list at its word and hides what is not in it, so signal what
// has just been asked for: a list that is older than a passkey hides that one. Give
// it to the signed-in user only (WebAuthn L3 §14.6.3), and let the store read from
// where it writes.
type Signals struct {
	AllAcceptedCredentials []AcceptedCredentials `json:"allAcceptedCredentials"`
	CurrentUserDetails     []UserDetails         `json:"currentUserDetails"`
}

// AcceptedCredentials are AllAcceptedCredentialsOptions (WebAuthn L3 §5.1.10.3). The
// user's handle and the ids, oldest first, are base64url without padding.
type AcceptedCredentials struct {
	RPID                     string   `json:"rpId"`
	UserID                   string   `json:"userId"`
	AllAcceptedCredentialIDs []string `json:"allAcceptedCredentialIds"`
}

// UserDetails are CurrentUserDetailsOptions (WebAuthn L3 §5.1.10.4). The user's
// handle is base64url without padding.
type UserDetails struct {
	RPID        string `json:"rpId"`
	UserID      string `json:"userId"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// Signals returns what the user's browser must know after a change of their
// passkeys, or of their name. Quarantined passkeys are among those accepted: one
// that the browser hid could not be restored. One whose handle is not known is
// listed under every handle, and one that was registered under another RP id under
// none.
//
// It returns [ErrConfiguration] for a User that breaks its own rules, and
// [ErrStorageUnavailable] if the store fails: then signal nothing.
func (p *Passkeys) Signals(ctx context.Context, user User) (*Signals, error) {
	if err := user.validate(); err != nil {
		return nil, asError(err).because(ReasonUserInvalid)
	}
	credentials, err := p.Credentials(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	user = user.named()
	accepted, place := []AcceptedCredentials{}, map[string]int{}
	add := func(handle string) {
		if _, ok := place[handle]; !ok {
			place[handle] = len(accepted)
			accepted = append(accepted, AcceptedCredentials{RPID: p.cfg.RPID, UserID: EncodeID([]byte(handle)), AllAcceptedCredentialIDs: []string{}})
		}
	}
	add(user.ID)
	ours := credentials[:0]
	for _, c := range credentials {
		if !c.boundTo(p.cfg.RPID) {
			continue
		}
		ours = append(ours, c)
		add(string(c.handle())) // of one that is not known it is the user's id
	}
	for i := range accepted {
		a := &accepted[i]
		for _, c := range ours {
			if c.HandleUnknown || place[string(c.handle())] == i {
				a.AllAcceptedCredentialIDs = append(a.AllAcceptedCredentialIDs, EncodeID(c.ID))
			}
		}
	}
	s := &Signals{AllAcceptedCredentials: accepted, CurrentUserDetails: make([]UserDetails, len(accepted))}
	for i, a := range accepted {
		s.CurrentUserDetails[i] = UserDetails{RPID: a.RPID, UserID: a.UserID, Name: user.Name, DisplayName: user.DisplayName}
	}
	return s, nil
}

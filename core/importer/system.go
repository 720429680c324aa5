package importer

// System is another system, and what its rows look like.
type System string

// The systems.
const (
	BetterAuth      System = "better-auth"      // better-auth's passkey plugin
	SimpleWebAuthn  System = "simplewebauthn"   // a table as SimpleWebAuthn's documentation has it
	FastAPIPasskeys System = "fastapi-passkeys" // fastapi-passkeys
	PyWebAuthn      System = "py_webauthn"      // a table of what py_webauthn returns
	Supabase        System = "supabase"         // supabase/auth
	Hanko           System = "hanko"            // Hanko's backend
	HankoPasskeys   System = "hanko-passkeys"   // Hanko's passkeys server
	Laravel         System = "laravel"          // laravel/passkeys
	WebAuth         System = "web-auth"         // web-auth's PublicKeyCredentialSource, as JSON
	SpringSecurity  System = "spring-security"  // Spring Security
	ASPNETIdentity  System = "aspnet-identity"  // ASP.NET Core Identity
	Auth0           System = "auth0"            // Auth0's authentication methods
	GoWebAuthn      System = "go-webauthn"      // go-webauthn's Credential, as JSON
	PasskeyRecord   System = "passkey-record"   // c2sp.org/passkey-record
)

// Systems returns all of them.
func Systems() []System {
	return []System{
		BetterAuth, SimpleWebAuthn, FastAPIPasskeys, PyWebAuthn, Supabase, Hanko, HankoPasskeys,
		Laravel, WebAuth, SpringSecurity, ASPNETIdentity, Auth0, GoWebAuthn, PasskeyRecord,
	}
}

// Query returns what a database of the system is asked by default: for PostgreSQL
// where databases differ. It is "" where the table is the application's, or there is
// none.
func (s System) Query() string {
	l, _ := s.layout()
	return l.query
}

// layout is what a system's rows look like. A column may have more than one name,
// with bars between, of which the first that a row has is read, and be a member of
// an object in another, behind a dot. Those that a system lacks are "".
type layout struct {
	query  string
	object string // a column with a JSON object, in which all but the user is looked for first

	id, key                             string
	binaryID, binaryKey                 bool // bytes, where others have base64
	record                              string
	user, userName                      string
	userInHandle                        bool // if nothing else names it
	handle                              func(*reader) (handle []byte, known bool, err error)
	handleColumn                        string
	counter                             string
	staleCounter                        bool // is never updated after the registration
	eligible, deviceType, state         string
	unsetFlags                          bool // flags that are all false are those of a row from before there were any
	verified                            string
	transports, aaguid, format, name    string
	created, used                       string
	discoverable, clone, prf            string
	rpID, attestation                   string
	kind                                string // a passkey has one of these
	kinds                               []string
	secondFactor, incomplete, primaries string
}

// layout returns the system's, and whether there is one.
func (s System) layout() (layout, bool) {
	switch s {
	case BetterAuth:
		return layout{
			query: `SELECT * FROM passkey ORDER BY id`,
			id:    "credentialID", key: "publicKey", user: "userId",
			handle:  handleUnknown, // random for each registration, and not kept
			counter: "counter", deviceType: "deviceType", state: "backedUp",
			transports: "transports", aaguid: "aaguid", name: "name", created: "createdAt",
		}, true
	case SimpleWebAuthn:
		return layout{
			id: "cred_id|credential_id|id", key: "cred_public_key|credential_public_key|public_key", binaryKey: true,
			user: "internal_user_id|user_id|user", handle: handleInBase64, handleColumn: "webauthn_user_id",
			counter: "counter", eligible: "backup_eligible", deviceType: "device_type|credential_device_type",
			state: "backed_up|backup_status|credential_backed_up", transports: "transports",
			aaguid: "aaguid", name: "name", created: "created_at", used: "last_used|last_used_at",
		}, true
	case FastAPIPasskeys:
		return layout{
			query: `SELECT * FROM passkey_credentials ORDER BY credential_id`,
			id:    "credential_id", binaryID: true, key: "public_key", binaryKey: true,
			user: "user_id", handle: handleOfUser,
			counter: "sign_count", eligible: "backup_eligible", state: "backup_state",
			transports: "transports", aaguid: "aaguid", format: "attestation_fmt", name: "device_name",
			discoverable: "is_discoverable", created: "created_at", used: "last_used_at",
		}, true
	case PyWebAuthn:
		return layout{
			id: "credential_id|id", binaryID: true, key: "credential_public_key|public_key", binaryKey: true,
			user: "user_id", handle: handleInBinary, handleColumn: "webauthn_user_id|user_handle",
			counter: "sign_count|counter", deviceType: "credential_device_type|device_type",
			state: "credential_backed_up|backed_up", verified: "user_verified", transports: "transports",
			aaguid: "aaguid", format: "fmt", name: "name", created: "created_at", used: "last_used_at",
		}, true
	case Supabase:
		return layout{
			query: `SELECT * FROM auth.webauthn_credentials ORDER BY id`,
			id:    "credential_id", binaryID: true, key: "public_key", binaryKey: true,
			user: "user_id", handle: handleOfUser,
			counter: "sign_count", eligible: "backup_eligible", state: "backed_up",
			transports: "transports", aaguid: "aaguid", name: "friendly_name",
			created: "created_at", used: "last_used_at",
		}, true
	case Hanko:
		return layout{
			query: `SELECT c.*, (SELECT string_agg(t.name, ',') FROM webauthn_credential_transports t` +
				` WHERE t.webauthn_credential_id = c.id) AS transports FROM webauthn_credentials c ORDER BY c.id`,
			id: "id", key: "public_key", user: "user_id", handle: handleOfHanko, handleColumn: "user_handle_id",
			counter: "sign_count", eligible: "backup_eligible", state: "backup_state",
			transports: "transports", aaguid: "aaguid", format: "attestation_type", name: "name",
			created: "created_at", used: "last_used_at", secondFactor: "mfa_only",
		}, true
	case HankoPasskeys:
		return layout{
			query: `SELECT c.*, u.tenant_id, (SELECT string_agg(t.name, ',') FROM webauthn_credential_transports t` +
				` WHERE t.webauthn_credential_id = c.id) AS transports FROM webauthn_credentials c` +
				` JOIN webauthn_users u ON u.id = c.webauthn_user_id ORDER BY c.id`,
			id: "id", key: "public_key", user: "user_id",
			handle:  handleUnknown, // the user's id, or what it was once the base64 of
			counter: "sign_count", staleCounter: true, eligible: "backup_eligible", state: "backup_state",
			transports: "transports", aaguid: "aaguid", format: "attestation_type", name: "name",
			created: "created_at", used: "last_used_at", secondFactor: "is_mfa",
		}, true
	case Laravel:
		l := webAuth()
		l.query = `SELECT * FROM passkeys ORDER BY id`
		l.userInHandle = false
		l.object, l.id, l.user = "credential", "publicKeyCredentialId|credential_id", "user_id|authenticatable_id"
		l.name, l.created, l.used = "name", "created_at", "last_used_at"
		return l, true
	case WebAuth:
		return webAuth(), true
	case SpringSecurity:
		return layout{
			query: `SELECT c.*, e.name AS username FROM user_credentials c` +
				` JOIN user_entities e ON e.id = c.user_entity_user_id ORDER BY c.credential_id`,
			id: "credential_id", key: "public_key", binaryKey: true,
			user: "username|user_entity_user_id", userName: "username",
			handle: handleInBase64, handleColumn: "user_entity_user_id",
			counter: "signature_count", eligible: "backup_eligible", state: "backup_state", verified: "uv_initialized",
			transports: "authenticator_transports", name: "label", created: "created", used: "last_used",
			attestation: "attestation_object", kind: "public_key_credential_type", kinds: []string{"public-key"},
		}, true
	case ASPNETIdentity:
		return layout{
			query:  `SELECT * FROM "AspNetUserPasskeys" ORDER BY "UserId", "CredentialId"`,
			object: "Data", id: "CredentialId", binaryID: true, key: "PublicKey",
			user: "UserId", handle: handleOfUser,
			counter: "SignCount", eligible: "IsBackupEligible", state: "IsBackedUp", verified: "IsUserVerified",
			transports: "Transports", name: "Name", created: "CreatedAt", attestation: "AttestationObject",
		}, true
	case Auth0:
		return layout{
			id: "key_id", key: "public_key", user: "user_id|identity_user_id", handle: handleInBase64, handleColumn: "user_handle",
			deviceType: "credential_device_type", state: "credential_backed_up",
			transports: "transports", aaguid: "aaguid", name: "name", created: "created_at", used: "last_auth_at",
			rpID: "relying_party_id|relying_party_identifier", kind: "type", kinds: []string{"passkey"},
			incomplete: "confirmed", primaries: "usage",
		}, true
	case GoWebAuthn:
		return layout{
			object: "credential", id: "ID", key: "publicKey", user: "user_id",
			handle: handleInBinary, handleColumn: "user_handle",
			counter: "authenticator.signCount", eligible: "flags.backupEligible", state: "flags.backupState",
			verified: "flags.userVerified", unsetFlags: true,
			transports: "transport", aaguid: "authenticator.AAGUID", format: "attestationFormat|attestationType",
			name: "name", created: "created_at", used: "last_used_at",
			discoverable: "extensions.rk", prf: "extensions.prfEnabled", clone: "authenticator.cloneWarning", attestation: "attestation.object",
		}, true
	case PasskeyRecord:
		return layout{
			record: "record", user: "user_id", handle: handleOfRecord, handleColumn: "user_handle", name: "name", created: "created_at", used: "last_used_at",
		}, true
	}
	return layout{}, false
}

// columns are the first names of those that the layout has.
func (l layout) columns() (names []string) {
	for _, column := range []string{
		l.object, l.id, l.key, l.record, l.user, l.userName, l.handleColumn, l.counter, l.eligible, l.deviceType, l.state, l.verified,
		l.transports, l.aaguid, l.format, l.name, l.created, l.used, l.discoverable, l.clone, l.prf, l.rpID, l.attestation,
		l.kind, l.secondFactor, l.incomplete, l.primaries,
	} {
		if column != "" {
			names = append(names, first(column))
		}
	}
	return names
}

// webAuth is the layout of a PublicKeyCredentialSource.
func webAuth() layout {
	return layout{
		object: "source", id: "publicKeyCredentialId", key: "credentialPublicKey",
		user: "user_id", userInHandle: true, handle: handleInBase64, handleColumn: "userHandle",
		counter: "counter", eligible: "backupEligible", state: "backupStatus", verified: "uvInitialized",
		transports: "transports", aaguid: "aaguid", kind: "type", kinds: []string{"public-key"},
	}
}

// handleUnknown is for systems that do not keep it, or in more than one way.
func handleUnknown(*reader) ([]byte, bool, error) { return nil, false, nil }

// handleOfUser is for systems whose handle is the text of the user's id.
func handleOfUser(r *reader) ([]byte, bool, error) { return []byte(r.user), true, nil }

// handleInBase64 and handleInBinary are for systems that keep it in a column, or do
// not know it.
func handleInBase64(r *reader) ([]byte, bool, error) { return r.readHandleIn(cell.base64) }
func handleInBinary(r *reader) ([]byte, bool, error) { return r.readHandleIn(cell.binary) }

// handleOfHanko is the 16 bytes of the user's UUID, but for credentials that Hanko
// itself has imported, with a handle in another table.
func handleOfHanko(r *reader) ([]byte, bool, error) {
	if !r.cell(r.layout.handleColumn).empty() {
		return nil, false, nil
	}
	id, err := cell{text: r.user}.aaguid()
	if err != nil {
		return nil, false, refuse(ReasonHandleInvalid, r.layout.user)
	}
	return id[:], true, nil
}

// handleOfRecord is what stands beside a passkey-record: the user's id, if there is
// nothing else.
func handleOfRecord(r *reader) ([]byte, bool, error) {
	if r.cell(r.layout.handleColumn).empty() {
		return handleOfUser(r)
	}
	return handleInBase64(r)
}

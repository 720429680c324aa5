package main

// both are for rules of the routes, some of which the suite for adapters holds.
var both = []string{"./core", "./conformance"}

// guards are the rules of the design, each as the code that keeps it.
var guards = []guard{
	// The engine: what go-webauthn does not check, or not as strictly.
	{rule: "the client data are of this ceremony", file: "core/internal/engine/engine.go", old: "case c.Type != ceremony:", new: "case false:"},
	{rule: "the challenge is the one that was issued", file: "core/internal/engine/engine.go", old: "case subtle.ConstantTimeCompare([]byte(c.Challenge), []byte(challenge)) != 1:", new: "case false && subtle.ConstantTimeCompare(nil, nil) == 0:"},
	{rule: "origins match byte for byte", file: "core/internal/engine/engine.go", old: "case !slices.Contains(rp.Origins, c.Origin):", new: "case false:"},
	{rule: "cross-origin frames are refused", file: "core/internal/engine/engine.go", old: "case c.CrossOrigin && len(rp.TopOrigins) == 0:", new: "case false:"},
	{rule: "a top origin must be configured", file: "core/internal/engine/engine.go", old: `case c.TopOrigin != "" && (!c.CrossOrigin || !slices.Contains(rp.TopOrigins, c.TopOrigin)):`, new: "case false:"},
	{rule: "the RP id is ours", file: "core/internal/engine/engine.go", old: "case !slices.Equal(a.RPIDHash, hash[:]):", new: "case false && hash[0] == 0:"},
	{rule: "the user is present", file: "core/internal/engine/engine.go", old: "case !a.Flags.HasUserPresent():", new: "case false:"},
	{rule: "user verification, where required", file: "core/internal/engine/engine.go", old: "case rp.VerifyUser && !a.Flags.HasUserVerified():", new: "case false:"},
	{rule: "backed up only if eligible", file: "core/internal/engine/engine.go", old: "case a.Flags.HasBackupState() && !a.Flags.HasBackupEligible():", new: "case false:"},
	{rule: "the credential's id is the attested one", file: "core/internal/engine/engine.go", old: "if len(id) == 0 || len(id) > 1023 || !slices.Equal(id, r.RawID) {", new: "if false {"},
	{rule: "the key's algorithm was asked for", file: "core/internal/engine/engine.go", old: "if !slices.Contains(rp.Algorithms, algorithm) {", new: "if false {"},
	{rule: "the key can verify", file: "core/internal/engine/engine.go", old: "algorithm, err := checkPublicKey(auth.AttData.CredentialPublicKey)\n	if err != nil {", new: "algorithm, err := checkPublicKey(auth.AttData.CredentialPublicKey)\n	if false && err != nil {"},
	{rule: "an RSA key is sound", file: "core/internal/engine/engine.go", old: "if err != nil || e < 3 || e%2 == 0 || e > 1<<31-1 || size < 2048 || size > 4096 || n[0] == 0 || n[len(n)-1]%2 == 0 {", new: "if err != nil || size < 0 || e < 0 {"},
	{rule: "an Ed25519 key is a point", file: "core/internal/engine/engine.go", old: "if !validEd25519(k.XCoord) {", new: "if false {"},
	{rule: "an Ed25519 key is not of small order", file: "core/internal/engine/ed25519.go", old: "if y.Cmp(small) == 0 {", new: "if y.Cmp(small) == 2 {"},
	{rule: "an Ed25519 key has one encoding", file: "core/internal/engine/ed25519.go", old: "if y.Cmp(p) >= 0 {", new: "if false {"},
	{rule: "the assertion's signature", file: "core/internal/engine/engine.go", old: "publicKey, protocol.SignaturePolicy{}); err != nil {", new: "publicKey, protocol.SignaturePolicy{}); false && err != nil {"},
	{rule: "a statement that was asked for verifies", file: "core/internal/engine/engine.go", old: "if verify(nil) != nil {", new: "if false {"},
	{rule: "a statement that was not asked for is ignored", file: "core/internal/engine/engine.go", old: "if rp.Attestation == AttestIgnored {", new: "if false {"},
	{rule: "a policy needs a statement", file: "core/internal/engine/engine.go", old: "if rp.Attestation >= AttestSelf && object.Type == string(metadata.None) {", new: "if false {"},
	{rule: "trusted means a certificate", file: "core/internal/engine/engine.go", old: "|| !certified(object.Type) ||", new: "||"},
	{rule: "trusted means the model's root", file: "core/internal/engine/engine.go", old: "|| verify(rp.Metadata.provider) != nil)", new: ")"},
	{rule: "what U2F does not sign is not trusted", file: "core/internal/engine/engine.go", old: "|| hearsay(object) ||", new: "||"},
	{rule: "a BLOB's signer is under the root", file: "core/internal/engine/metadata.go", old: "return leaf.PublicKey, err\n", new: "_ = err\n\treturn leaf.PublicKey, nil\n"},
	{rule: "base64url has one spelling", file: "core/internal/engine/response.go", old: "if err != nil || base64.RawURLEncoding.EncodedLen(n) != len(text) {", new: "if err != nil {"},
	{rule: "transports are allow-listed", file: "core/internal/engine/response.go", old: "if KnownTransport(t) && !slices.Contains(known, t) {", new: "if !slices.Contains(known, t) {"},
	{rule: "the id and the raw id are one", file: "core/internal/engine/response.go", old: `if r.Type != "public-key" || len(r.RawID) == 0 || !slices.Equal(r.ID, r.RawID) ||
		len(r.Response.ClientDataJSON) == 0 || len(r.Response.AttestationObject) == 0 {`, new: "if false {"},
	{rule: "a sign-in's members are there", file: "core/internal/engine/response.go", old: `if r.Type != "public-key" || len(r.RawID) == 0 || !slices.Equal(r.ID, r.RawID) ||
		len(r.Response.ClientDataJSON) == 0 || len(r.Response.AuthenticatorData) == 0 || len(r.Response.Signature) == 0 {`, new: "if false {"},

	// Challenges.
	{rule: "a challenge is for one purpose", file: "core/ceremony.go", old: "case c.purpose != purpose:", new: "case false:"},
	{rule: "a challenge is for one session", file: "core/ceremony.go", old: "case subtle.ConstantTimeCompare([]byte(c.session), []byte(sessionHash(ctx))) != 1:", new: "case false && subtle.ConstantTimeCompare(nil, nil) == 0:"},
	{rule: "a challenge expires by the server's clock", file: "core/ceremony.go", old: "case !p.cfg.Now().Before(c.expiresAt):", new: "case false:"},
	{rule: "a credential by hand is 64 KiB at most", file: "core/ceremony.go", old: "if len(raw) > maxBody {", new: "if false {"},
	{rule: "a payload is read to its end", file: "core/payload.go", old: "|| len(rest) != 0 ||", new: "||"},
	{rule: "a payload has a challenge", file: "core/payload.go", old: "|| len(challenge) == 0 {", new: "{", packages: []string{"./core"}},
	{rule: "memory forgets a handle that was consumed", file: "core/memory.go", old: "c := m.remove(e)\n", new: "c := e.Value.(*heldChallenge)\n"},
	{rule: "memory's challenges expire", file: "core/memory.go", old: "if !now.Before(c.expiresAt) {", new: "if false && now.IsZero() {"},
	{rule: "memory's challenges are bounded", file: "core/memory.go", old: "if m.oldest.Len() < capacity && now", new: "if now"},
	{rule: "memory drops what is long expired", file: "core/memory.go", old: "if m.oldest.Len() < capacity && now.Before(e.Value.(*heldChallenge).expiresAt.Add(lateness)) {", new: "if m.oldest.Len() < capacity {"},
	{rule: "no challenge is stored expired", file: "core/memory.go", old: "case !now.Before(expiresAt):", new: "case false:", packages: both},
	{rule: "a sealed handle expires", file: "core/stateless.go", old: "if !s.now().Before(expiresAt) {", new: "if false {"},
	{rule: "a guard makes a handle single-use", file: "core/stateless.go", old: "if !first {", new: "if false && !first {"},
	{rule: "a handle's length tells nothing", file: "core/stateless.go", old: "plain = plain[:(size+sealBlock-1)/sealBlock*sealBlock]", new: "plain = plain[:size]"},
	{rule: "sealing keys are long", file: "core/stateless.go", old: "if len(key) < 32 {", new: "if false {"},

	// Registration.
	{rule: "finish belongs to who began", file: "core/registration.go", old: `if r.UserID != "" && r.UserID != c.userID {`, new: "if false {"},
	{rule: "models are governed by the lists", file: "core/registration.go", old: "if !p.cfg.admits(v.AAGUID) {", new: "if false {"},
	{rule: "no more than MaxCredentials, at begin", file: "core/registration.go", old: "if p.full(existing) {\n", new: "if false {\n"},
	{rule: "no more than MaxCredentials, at finish", file: "core/registration.go", old: "if p.full(existing) { // begun while there was room", new: "if false && p.full(existing) {"},
	{rule: "what a hook refuses is taken back", file: "core/registration.go", old: "		if accepted {\n", new: "		if accepted || true {\n", packages: both},
	{rule: "a user id has 1 to 64 bytes", file: "core/credential.go", old: `case u.ID == "" || len(u.ID) > maxUserID:`, new: "case false:"},

	// Sign-in.
	{rule: "only who was named may finish", file: "core/authentication.go", old: `case c.userID != "" && c.userID != userID:`, new: "case false:"},
	{rule: "a user handle is there if nobody was named", file: "core/authentication.go", old: `case c.userID == "" && handle == "":`, new: "case false:"},
	{rule: "the user handle is the owner's", file: "core/authentication.go", old: `case handle != "" && handle != userID:`, new: "case false:"},
	{rule: "the quarantined do not sign in", file: "core/authentication.go", old: "case credential.Quarantined():", new: "case false:"},
	{rule: "backup eligibility follows its policy", file: "core/authentication.go", old: "if eligibilityChanged && !p.cfg.BackupEligibility.allows(v.BackupEligible) {", new: "if false {"},
	{rule: "an upgrade is no way back", file: "core/policy.go", old: "p == BackupEligibilityUpgrade && now", new: "p == BackupEligibilityUpgrade"},
	{rule: "a counter that regressed is refused", file: "core/authentication.go", old: "case outcome == Regressed:", new: "case outcome == Regressed && false:"},
	{rule: "a race is refused", file: "core/authentication.go", old: "case outcome != Advanced:", new: "case false:"},
	{rule: "a clone is quarantined where configured", file: "core/authentication.go", old: "if p.cfg.SignCountPolicy == FlagDisable {", new: "if false {"},
	{rule: "a race is not punished", file: "core/memory.go", old: "c.Quarantined() || c.SignCount != u.SeenSignCount {", new: "c.Quarantined() {"},
	{rule: "verification counts if it was there from the start", file: "core/authentication.go", old: "UserVerificationReliable: v.UserVerified && credential.UVInitialized,", new: "UserVerificationReliable: v.UserVerified,"},
	{rule: "a regressed counter", file: "core/stores.go", old: "u.SignCount <= u.SeenSignCount && u.SeenSignCount != 0", new: "false"},

	// Decoys.
	{rule: "unknown users have decoys", file: "core/decoys.go", old: "if len(credentials) == 0 {", new: "if false {"},
	{rule: "a sign-in in nobody's name is nobody's", file: "core/decoys.go", old: "userID = p.decoys.nobody(name)", new: "_ = p.decoys.nobody(name)"},
	{rule: "a decoy fails like a bad signature", file: "core/authentication.go", old: "case errors.Is(err, ErrCredentialNotFound) && p.decoys.made(response.RawID):", new: "case false:"},
	{rule: "a decoy's id is taken", file: "core/registration.go", old: "case errors.Is(err, ErrCredentialNotFound) && p.decoys.made(c.ID):", new: "case false:"},
	{rule: "a decoy is known by its tag", file: "core/decoys.go", old: "return n > 0 && hmac.Equal(id[n:], d.tag(id[:n]))", new: "return n > 0"},
	{rule: "one name has one spelling", file: "core/decoys.go", old: "return strings.ToLower(norm.NFC.String(strings.TrimSpace(name)))", new: "_ = norm.NFC\n\treturn strings.TrimSpace(name)"},

	// The routes.
	{rule: "the Origin header is ours", file: "core/http.go", old: `origin != "" && !slices.Contains(t.p.cfg.Origins, origin)`, new: `origin != "" && !slices.Contains([]string{origin}, origin)`},
	{rule: "JSON only", file: "core/http.go", old: `if mediaType, _, err := mime.ParseMediaType(declared); err != nil || mediaType != "application/json" {`, new: `if _, _, err := mime.ParseMediaType(declared); false && err != nil {`, packages: both},
	{rule: "JSON declared", file: "core/http.go", old: `case declared == "":`, new: "case false:", packages: both},
	{rule: "64 KiB at most, declared", file: "core/http.go", old: "if q.r.ContentLength > maxBody {", new: "if q.r.ContentLength > 1<<40 {", packages: both},
	{rule: "64 KiB at most, read", file: "core/http.go", old: "case len(b) > maxBody:", new: "case false:", packages: both},
	{rule: "one JSON object", file: "core/http.go", old: `!bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{"))`, new: "false", packages: both},
	{rule: "UTF-8 only", file: "core/http.go", old: "case !utf8.Valid(b),", new: "case !utf8.ValidString(\"\"),", packages: both},
	{rule: "answers are not stored", file: "core/http.go", old: `h.Set("Cache-Control", "no-store")`, new: "", packages: both},
	{rule: "a hook's own answer stands", file: "core/http.go", old: "ok && x.Written() {", new: "ok && false && x.Written() {", packages: both},
	{rule: "Authorize is asked", file: "core/routes.go", old: `if action != "" && t.hooks.Authorize != nil {`, new: "if false {"},
	{rule: "a hook that has answered lets nothing pass", file: "core/routes.go", old: "if q.answered() {", new: "if false {"},
	{rule: "a hook's error is an error", file: "core/http.go", old: "status < 400 || status > 599 {", new: "status == 1 {"},
	{rule: "events are small", file: "core/ceremony.go", old: "if len(id) <= maxCredentialID {", new: "if true {"},
	{rule: "the last passkey stays", file: "core/routes.go", old: "if err := t.keepLast(ctx, c, user, id); err != nil {", new: "if err := error(nil); err != nil {"},
	{rule: "the session is asked", file: "core/http.go", old: "if t.hooks.SessionID != nil {", new: "if false {"},
	{rule: "a hook's error says nothing", file: "core/errors.go", old: "return errInternal.because(ReasonHookFailed).wrapping(err)", new: "return (&Error{Code: err.Error(), Status: 500, Message: err.Error()}).because(ReasonHookFailed).wrapping(err)", packages: both},
	{rule: "names have no control characters", file: "core/management.go", old: "|| strings.ContainsFunc(name, unicode.IsControl) {", new: "|| strings.ContainsFunc(\"\", unicode.IsControl) {"},
	{rule: "names are normalized", file: "core/management.go", old: "name = norm.NFC.String(strings.TrimSpace(name))", new: "_ = norm.NFC.String(strings.TrimSpace(name))"},

	// The configuration.
	{rule: "an RP id is a lower-case domain", file: "core/config.go", old: `strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {`, new: "false {"},
	{rule: "an RP id is no address", file: "core/config.go", old: `if strings.Trim(labels[len(labels)-1], "0123456789") == "" {`, new: `if labels[0] == "" {`},
	{rule: "an origin has no path", file: "core/config.go", old: `if u.Scheme+"://"+u.Host != origin || u.Hostname() == "" {`, new: `if u.Hostname() == "" {`},
	{rule: "an origin has no default port", file: "core/config.go", old: `case u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":`, new: "case false:"},
	{rule: "a secret for decoys is long", file: "core/config.go", old: "if n := len(cfg.DecoySecret); n > 0 && n < minSecret {", new: "if n := len(cfg.DecoySecret); n < 0 {"},
	{rule: "trusted needs metadata", file: "core/config.go", old: "if cfg.AttestationPolicy == AttestationPolicyTrusted && cfg.Metadata == nil {", new: "if false {"},
}

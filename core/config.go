package passkeys

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/passkeys-go/passkeys/core/internal/engine"
	"github.com/passkeys-go/passkeys/core/internal/seal"
	"github.com/passkeys-go/passkeys/core/internal/strictjson"
	"golang.org/x/net/publicsuffix"
)

// Config is the policy of one relying party. RPID, RPName, Credentials, and Origins
// where WellKnown says none, are required; the zero value of every other field is its default.
type Config struct {
	// RPID is the relying party's id: a domain in lower case such as
	// "example.org", without scheme, port or path, no IP address; "localhost"
	// while developing (WebAuthn L3 §4, §5.1.2). A passkey is bound to it for
	// ever, so it should be the registrable domain. A public suffix, such as
	// "co.uk", is good for pages of that very host alone.
	RPID string
	// RPName is the service's name as authenticators show it.
	RPName string
	// Origins are the pages that may use the passkeys, at least one, each
	// exactly as browsers send it: scheme://host[:port], in lower case, without
	// default port, path or trailing slash. A native Android application is
	// android:apk-key-hash:HASH. Matched byte for byte (WebAuthn L3 §13.4.9). Those
	// that follow from WellKnown are added, and may be all.
	Origins []string
	// TopOrigins are the pages, written like Origins, that may embed ours in a
	// cross-origin frame. Default: none may, and a ceremony from within one is
	// refused. Browsers that do not report the embedding page are admitted once
	// one is configured.
	TopOrigins []string
	// WellKnown says which other domains and which applications may use the passkeys,
	// and where users manage them. Default: none, nowhere.
	WellKnown WellKnown
	// Credentials keeps the passkeys. Required.
	Credentials CredentialRepository
	// Secret is what sealed states, proofs, decoys and all else that only this server may
	// make are derived from: at least 32 random bytes, such as those of openssl
	// rand -base64 32, the same in all processes and over time. Default: drawn at
	// New, with a warning to Logger and Audit, which does for one process: another
	// does not know its states, and after a restart none does.
	Secret []byte
	// OldSecrets are those that Secret took the place of, the latest first: they
	// still open the states that they sealed, but no proofs: of a secret that has
	// leaked none is worth anything once it is replaced, and whoever is under way
	// confirms once more. Decoys are made from the last of them, so that they stay
	// what they were: keep that one for ever, and the others for ConditionalTTL.
	OldSecrets [][]byte
	// Challenges keeps what lies between begin and finish. Default: nothing does.
	// The state is the challenge itself, sealed under Secret; it is spent by the
	// sign-in or registration that succeeds with it, of which the credential keeps
	// the memory, on any number of servers. A store spends it at the first attempt,
	// and costs two writes a ceremony.
	Challenges ChallengeStore

	// Timeout is the hint to the browser how long to wait for the user, in whole
	// milliseconds. Default: 5 minutes (WebAuthn L3 §15.1).
	Timeout time.Duration
	// ChallengeTTL is how long after begin a ceremony can be finished, enforced
	// by the server's clock: at most 24 hours. Default: Timeout and a minute, so
	// that a response in the last second is in time.
	ChallengeTTL time.Duration
	// ConditionalTTL is the same for a sign-in under [ModeConditional]. It is also
	// the timeout in the options of one, where browsers ignore it: there it tells
	// the client how long its challenge is good for, so that it can have the next
	// one in time. Default: 1 hour.
	ConditionalTTL time.Duration
	// UserVerification is asked for at registration and sign-in, and where required,
	// enforced at both. Default: preferred, under which a passkey that was registered
	// with it signs in without: see [UserVerificationAsRegistered].
	UserVerification UserVerification
	// ConfirmationUserVerification is the same for confirmations. Default: required.
	ConfirmationUserVerification UserVerification
	// Hints say which kinds of authenticator the users are expected to have, the
	// likeliest first (WebAuthn L3 §5.8.8). Default: none.
	Hints []Hint
	// Attestation is asked for at registration. Default: none, or under a policy
	// that needs one, direct.
	Attestation AttestationPreference
	// AttestationFormats are asked for, the most preferred first, such as "packed"
	// and "tpm" (WebAuthn L3 §5.4, §8). Authenticators need not follow. Default:
	// none in particular.
	AttestationFormats []string
	// AttestationPolicy is what an authenticator must prove about itself.
	// Default: nothing.
	AttestationPolicy AttestationPolicy
	// Metadata says which attestation to trust; AttestationPolicyTrusted needs
	// it. New warns, and so does a registration, once it is past its NextUpdate;
	// [Metadata.Update] puts that right at run time.
	Metadata *Metadata
	// Providers are names for what keeps passkeys, which [Passkeys.Provider] prefers
	// to Metadata's and its own. They may change at run time. Default: there are none
	// but those.
	Providers *Providers
	// AllowedAAGUIDs, if there are any, are the only authenticator models that
	// may register; DeniedAAGUIDs may not. The zero AAGUID counts as one.
	AllowedAAGUIDs, DeniedAAGUIDs []AAGUID
	// AuthenticatorAttachment restricts registration to one kind of
	// authenticator. Default: any.
	AuthenticatorAttachment AuthenticatorAttachment
	// ResidentKey asks for discoverable credentials, which sign-in without a
	// username needs. Default: preferred.
	ResidentKey ResidentKeyRequirement
	// SignCountPolicy is for a counter that did not advance. Default: strict
	// reject.
	SignCountPolicy SignCountPolicy
	// BackupEligibility is for a passkey whose backup eligibility changed.
	// Default: strict.
	BackupEligibility BackupEligibilityPolicy
	// MaxCredentials is how many passkeys one user may have, quarantined ones
	// included. Of concurrent registrations that pass it, all may be refused.
	// Default: 50. -1: no limit.
	MaxCredentials int
	// Algorithms a new passkey may have, in order of preference. Default: ES256,
	// EdDSA, ES384, ES512, RS256.
	Algorithms []Algorithm

	// DecoyShapes are what decoys look like. Set them if your users'
	// authenticators are special, such as one company's security keys. Default:
	// the commonest platforms' and security keys'.
	DecoyShapes []DecoyShape
	// DecoyCounts are how many decoys there are for a name: how often one, two, and
	// so on, in relation to each other. Set them if your users have other numbers of
	// passkeys. No more of them than MaxCredentials, and at most 50; each from 0 to
	// 1,048,576. What none of them allows for is known for a user's. Default: most
	// have one, and of those who have n about a third have more.
	DecoyCounts []int

	// Limiter slows down clients that ask the routes too often: see [Limiter]. Default:
	// none, for a process does not know what proxies are in front of it: one of yours
	// would be the only client there is.
	Limiter Limiter

	// Extensions are what passkeys are asked for beyond signing. Default: nothing.
	Extensions Extensions

	// CreationExtra and RequestExtra are members that go into all options of the
	// one and of the other ceremony: see [CreationOptions].Extra. Default: none.
	CreationExtra, RequestExtra map[string]json.RawMessage

	// Audit receives one event per outcome. Default: none does.
	Audit AuditSink
	// Observer sees each step start and end; a [ClientObserver] also hears how
	// prompts ended that never came back. Default: none does.
	Observer Observer
	// Logger receives, at level Error, the failures of stores and hooks, of which
	// clients learn nothing, and at level Warn why a response was refused, with
	// what was seen and what was expected. Never a key, a challenge or a token.
	// Default: slog.Default(), as it is at New.
	Logger *slog.Logger
	// Now is the clock, but for certificates of attestation: whether they are still
	// good goes by the time of day, whatever Now says. Default: time.Now.
	Now func() time.Time
	// Rand is the source of challenges: each is its next 32 bytes. Default:
	// crypto/rand. Set it in tests only, to replay recorded ceremonies (those whose
	// certificates have expired since do not verify: see Now). It must be
	// safe for concurrent use if the ceremonies are concurrent.
	Rand io.Reader

	unknown []string // variables that ConfigFromEnv knows nothing of
}

const (
	defaultTimeout        = 5 * time.Minute
	defaultConditionalTTL = time.Hour
	maxChallengeTTL       = 24 * time.Hour
	defaultCredentials    = 50
	minSecret             = 32
)

// Passkeys performs the ceremonies of one relying party. It is safe for
// concurrent use.
type Passkeys struct {
	cfg             Config
	rp              engine.RelyingParty
	realm           string
	development     []string // the origins that a client may be told; see development
	states          *seal.Sealer
	proofs          *seal.Sealer // and what asks for them
	decoys          *decoys
	lastIssued      atomic.Int64                    // see issuedAt
	outdated        atomic.Pointer[engine.Metadata] // the last that metadata has warned of
	originExplained atomic.Bool                     // see explainOrigin
	clientless      atomic.Bool                     // take has warned of a client without an address
	wellKnown       []document                      // in the order of WellKnown.documents
}

// New checks the configuration and returns the services on it. An error matches
// [ErrConfiguration] and names the field.
func New(cfg Config) (*Passkeys, error) {
	if err := cfg.validate(func(field string) string { return "Config." + field }); err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, ErrConfiguration.explained("Config.Credentials: must be set")
	}
	if cfg.Metadata != nil && cfg.Metadata.current.Load() == nil {
		return nil, ErrConfiguration.explained("Config.Metadata: must come from ParseMetadataBLOB or ParseMetadataStatements")
	}
	if cfg.AttestationPolicy == AttestationPolicyTrusted && cfg.Metadata == nil {
		return nil, ErrConfiguration.explained("Config.Metadata: must be set where AttestationPolicy is trusted")
	}
	cfg.Origins, cfg.TopOrigins = slices.Clone(cfg.Origins), slices.Clone(cfg.TopOrigins)
	for _, o := range cfg.WellKnown.origins() {
		if !slices.Contains(cfg.Origins, o) {
			cfg.Origins = append(cfg.Origins, o)
		}
	}
	cfg.AllowedAAGUIDs, cfg.DeniedAAGUIDs = slices.Clone(cfg.AllowedAAGUIDs), slices.Clone(cfg.DeniedAAGUIDs)
	cfg.Algorithms, cfg.Hints, cfg.AttestationFormats = slices.Clone(cfg.Algorithms), slices.Clone(cfg.Hints), slices.Clone(cfg.AttestationFormats)
	cfg.CreationExtra, cfg.RequestExtra = cloneExtra(cfg.CreationExtra), cloneExtra(cfg.RequestExtra)
	cfg.Extensions.CreationExtra, cfg.Extensions.RequestExtra = cloneExtra(cfg.Extensions.CreationExtra), cloneExtra(cfg.Extensions.RequestExtra)
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = algorithms()
	}
	setDefault(&cfg.Timeout, defaultTimeout)
	setDefault(&cfg.ChallengeTTL, min(cfg.Timeout+time.Minute, maxChallengeTTL))
	setDefault(&cfg.ConditionalTTL, defaultConditionalTTL)
	setDefault(&cfg.UserVerification, UserVerificationPreferred)
	setDefault(&cfg.ConfirmationUserVerification, UserVerificationRequired)
	setDefault(&cfg.AttestationPolicy, AttestationPolicyNone)
	if cfg.AttestationPolicy != AttestationPolicyNone {
		setDefault(&cfg.Attestation, AttestationDirect)
	}
	setDefault(&cfg.Attestation, AttestationNone)
	setDefault(&cfg.ResidentKey, ResidentKeyPreferred)
	setDefault(&cfg.SignCountPolicy, StrictReject)
	setDefault(&cfg.BackupEligibility, BackupEligibilityStrict)
	setDefault(&cfg.MaxCredentials, defaultCredentials)
	setDefault(&cfg.Rand, rand.Reader)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	secrets := append([][]byte{cfg.Secret}, cfg.OldSecrets...)
	unset := len(cfg.Secret) == 0
	if unset {
		secrets[0] = []byte(rand.Text() + rand.Text())
	}
	cfg.Secret, cfg.OldSecrets = nil, nil // what is derived from them is enough
	decoys, err := newDecoys(secrets[len(secrets)-1], cfg)
	if err != nil {
		return nil, errInternal.because(ReasonRandomFailed).wrapping(err)
	}
	p := &Passkeys{cfg: cfg, decoys: decoys, realm: realm(cfg.RPID), development: development(cfg.Origins), wellKnown: cfg.WellKnown.documents(), states: seal.New("state", secrets...), proofs: seal.New("proof", secrets[0]), rp: engine.RelyingParty{
		ID:          cfg.RPID,
		Origins:     cfg.Origins,
		TopOrigins:  cfg.TopOrigins,
		Attestation: cfg.attestationLevel(),
	}}
	for _, a := range cfg.Algorithms {
		p.rp.Algorithms = append(p.rp.Algorithms, int64(a))
	}
	if cfg.Metadata != nil {
		p.metadata()
		if lost := len(cfg.Metadata.Skipped()); lost > 0 {
			p.warn(ReasonMetadataIncomplete, fmt.Sprintf("%d entries or root certificates of Config.Metadata cannot be read: its Skipped says which authenticators are not trusted for it", lost))
		}
	}
	for _, name := range cfg.unknown {
		p.warn(ReasonVariableUnknown, name+" is set, and is none that ConfigFromEnv reads: what it was to change is at its default")
	}
	if unset {
		p.warn(ReasonSecretMissing, "Config.Secret (PASSKEYS_SECRET) is not set: "+
			"a ceremony cannot be finished by another process, nor after a restart, and decoys change with each; set at least 32 random bytes, the same everywhere")
	}
	return p, nil
}

// warn says what works, but should be put right.
func (p *Passkeys) warn(reason Reason, text string) {
	ctx := context.Background()
	p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "passkeys: "+text, slog.String("reason", string(reason)))
	p.audit(ctx, AuditEvent{Type: ConfigurationWarning, Reason: reason})
}

// metadata is what there is now, nil if none is configured. Of metadata that is past
// its time it warns once.
func (p *Passkeys) metadata() *engine.Metadata {
	if p.cfg.Metadata == nil {
		return nil
	}
	m := p.cfg.Metadata.current.Load()
	if !m.NextUpdate.IsZero() && m.NextUpdate.Before(p.cfg.Now()) && p.outdated.Swap(m) != m {
		p.warn(ReasonMetadataOutdated, "Config.Metadata is past its NextUpdate: fetch FIDO's BLOB again, and give it to Update")
	}
	return m
}

// verifyUser reports whether a response must come from a user who was verified.
func (p *Passkeys) verifyUser(use purpose) bool {
	return p.verification(use) == UserVerificationRequired
}

// verification is what the configuration says of the ceremony.
func (p *Passkeys) verification(use purpose) UserVerification {
	if use == forConfirmation {
		return p.cfg.ConfirmationUserVerification
	}
	return p.cfg.UserVerification
}

// asked is what browsers are told of it.
func (v UserVerification) asked() UserVerification {
	if v == UserVerificationAsRegistered {
		return UserVerificationPreferred
	}
	return v
}

func (cfg *Config) attestationLevel() engine.AttestationLevel {
	switch {
	case cfg.AttestationPolicy == AttestationPolicyTrusted:
		return engine.AttestTrusted
	case cfg.AttestationPolicy == AttestationPolicySelf:
		return engine.AttestSelf
	case cfg.Attestation != AttestationNone:
		return engine.AttestVerified
	default:
		return engine.AttestIgnored
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate checks every field that a string can spell; name says how the caller
// calls the field.
func (cfg *Config) validate(name func(field string) string) error {
	bad := func(field, format string, args ...any) error {
		return ErrConfiguration.explained(name(field) + ": " + fmt.Sprintf(format, args...))
	}
	if err := checkRPID(cfg.RPID); err != "" {
		return bad("RPID", "%q %s", cfg.RPID, err)
	}
	if strings.TrimSpace(cfg.RPName) == "" {
		return bad("RPName", "must be set")
	}
	if len(cfg.Origins)+len(cfg.WellKnown.Related)+len(cfg.WellKnown.Android) == 0 {
		return bad("Origins", "must name at least one origin, such as https://%s", cfg.RPID)
	}
	pages, belongs := false, false
	for _, o := range cfg.Origins {
		if androidOrigin(o) || opaqueOrigin(o) {
			continue
		}
		if err := checkOrigin(o); err != "" {
			return bad("Origins", "%q %s", o, err)
		}
		u, _ := url.Parse(o)
		host := u.Hostname()
		if u.Scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
			return bad("Origins", "%q: browsers have passkeys over https, and over http on localhost alone", o)
		}
		pages = true
		belongs = belongs || host == cfg.RPID || strings.HasSuffix(host, "."+cfg.RPID) || slices.Contains(cfg.WellKnown.Related, o)
	}
	if err := cfg.WellKnown.validate(bad); err != nil {
		return err
	}
	if pages && !belongs {
		return bad("Origins", "none is of %s, a subdomain of it, or a related domain: browsers refuse its passkeys to all of %s", cfg.RPID, strings.Join(cfg.Origins, ", "))
	}
	if suffix, _ := publicsuffix.PublicSuffix(cfg.RPID); suffix == cfg.RPID {
		for _, o := range cfg.Origins {
			if u, err := url.Parse(o); err == nil && u.Host != "" && !opaqueOrigin(o) && u.Hostname() != cfg.RPID && !slices.Contains(cfg.WellKnown.Related, o) {
				return bad("RPID", "%q is a public suffix, which no other host can use, such as that of %s", cfg.RPID, o)
			}
		}
	}
	for _, o := range cfg.TopOrigins {
		if err := checkOrigin(o); err != "" {
			return bad("TopOrigins", "%q %s", o, err)
		}
	}
	for _, f := range []struct {
		field string
		value time.Duration
	}{{"Timeout", cfg.Timeout}, {"ChallengeTTL", cfg.ChallengeTTL}, {"ConditionalTTL", cfg.ConditionalTTL}} {
		if f.value != 0 && (f.value < time.Second || f.value > maxChallengeTTL) {
			return bad(f.field, "%v must be from 1s to %v", f.value, maxChallengeTTL)
		}
	}
	if cfg.MaxCredentials < -1 {
		return bad("MaxCredentials", "%d must be positive, or -1 for no limit", cfg.MaxCredentials)
	}
	if n := len(cfg.Secret); n < minSecret && (n > 0 || len(cfg.OldSecrets) > 0) {
		return bad("Secret", "%d bytes; must be at least %d", n, minSecret)
	}
	for _, old := range cfg.OldSecrets {
		if len(old) < minSecret {
			return bad("OldSecrets", "%d bytes; must be at least %d", len(old), minSecret)
		}
	}
	for _, f := range cfg.AttestationFormats {
		if f == "" || !engine.ValidFormat(f) {
			return bad("AttestationFormats", "%q must be 1 to 32 printable ASCII characters", f)
		}
	}
	for _, h := range cfg.Hints {
		if h != HintSecurityKey && h != HintClientDevice && h != HintHybrid {
			return bad("Hints", "%q must be one of security-key, client-device, hybrid", h)
		}
	}
	if _, err := json.Marshal(CreationOptions{Hints: []Hint{""}, AttestationFormats: []string{""}, Extra: cfg.CreationExtra}); err != nil {
		return bad("CreationExtra", "%v", err)
	}
	if _, err := json.Marshal(RequestOptions{Hints: []Hint{""}, Extensions: RequestExtensions{PRF: &PRFInputs{}}, Extra: cfg.RequestExtra}); err != nil {
		return bad("RequestExtra", "%v", err)
	}
	for _, s := range cfg.DecoyShapes {
		if s.Weight < 1 || s.Weight > 1<<20 || s.IDLength < 2*decoyTag || s.IDLength > maxCredentialID {
			return bad("DecoyShapes", "a weight must be from 1 to %d, an id's length from %d to %d", 1<<20, 2*decoyTag, maxCredentialID)
		}
	}
	counts := 0
	for _, n := range cfg.DecoyCounts {
		if n < 0 || n > 1<<20 {
			return bad("DecoyCounts", "%d must be from 0 to %d", n, 1<<20)
		}
		counts += n
	}
	switch n := len(cfg.DecoyCounts); {
	case n > maxDecoys || cfg.MaxCredentials > 0 && n > cfg.MaxCredentials:
		return bad("DecoyCounts", "%d are more than %d, or than MaxCredentials", n, maxDecoys)
	case n > 0 && counts == 0:
		return bad("DecoyCounts", "one must be more than 0")
	}
	for _, a := range cfg.Algorithms {
		if !slices.Contains(algorithms(), a) {
			return bad("Algorithms", "%d is not supported", int(a))
		}
	}
	for _, f := range []struct {
		field, value string
		known        []string
	}{
		{"UserVerification", string(cfg.UserVerification), []string{"required", "preferred", "discouraged", "as-registered"}},
		{"ConfirmationUserVerification", string(cfg.ConfirmationUserVerification), []string{"required", "preferred", "discouraged", "as-registered"}},
		{"Attestation", string(cfg.Attestation), []string{"none", "indirect", "direct", "enterprise"}},
		{"AttestationPolicy", string(cfg.AttestationPolicy), []string{"none", "self", "trusted"}},
		{"AuthenticatorAttachment", string(cfg.AuthenticatorAttachment), []string{"platform", "cross-platform"}},
		{"ResidentKey", string(cfg.ResidentKey), []string{"required", "preferred", "discouraged"}},
		{"BackupEligibility", string(cfg.BackupEligibility), []string{"strict", "upgrade", "allow"}},
		{"SignCountPolicy", string(cfg.SignCountPolicy), []string{"strict-reject", "device-bound", "flag-disable", "allow"}},
		{"Extensions.LargeBlob", string(cfg.Extensions.LargeBlob), []string{"required", "preferred"}},
		{"Extensions.CredentialProtection", string(cfg.Extensions.CredentialProtection), []string{"userVerificationOptional", "userVerificationOptionalWithCredentialIDList", "userVerificationRequired"}},
	} {
		if f.value != "" && !slices.Contains(f.known, f.value) {
			return bad(f.field, "%q must be one of %s", f.value, strings.Join(f.known, ", "))
		}
	}
	if field, what := cfg.Extensions.validate(cfg); field != "" {
		return bad("Extensions."+field, "%s", what)
	}
	if cfg.Attestation == AttestationNone && cfg.AttestationPolicy != "" && cfg.AttestationPolicy != AttestationPolicyNone {
		return bad("Attestation", "%q brings nothing for AttestationPolicy %q to verify", cfg.Attestation, cfg.AttestationPolicy)
	}
	return nil
}

// checkRPID says what is wrong with a relying party id, or nothing. What passes
// here and is a name that browsers resolve can match; go-webauthn's own check
// lets more through, which then never does.
func checkRPID(id string) string {
	if id == "" {
		return "must be set"
	}
	if len(id) > 253 {
		return "must be at most 253 characters"
	}
	labels := strings.Split(id, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "must be a domain in lower case (IDNA form), without scheme, port or path"
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "must be a domain, not an IP address"
	}
	return ""
}

// checkOrigin says what is wrong with an origin, or nothing.
func checkOrigin(origin string) string {
	const form = "must be exactly scheme://host[:port], as browsers send it"
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return form
	}
	if u.Scheme+"://"+u.Host != origin || u.Hostname() == "" {
		return form + ": without path, query, trailing slash or user"
	}
	if checkRPID(u.Hostname()) != "" {
		return form + ": the host must be a domain in lower case"
	}
	switch port := u.Port(); {
	case u.Host != u.Hostname() && (port == "" || port[0] == '0' || len(port) > 5 || len(port) == 5 && port > "65535"):
		return form + ": the port must be from 1 to 65535"
	case u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":
		return form + ": without the default port"
	}
	return ""
}

// development returns the web origins if all of them are of the developer's own
// machine, where a page may be told what to open instead: else it may not, for the
// list says what else there is.
func development(origins []string) (local []string) {
	for _, o := range origins {
		if androidOrigin(o) || opaqueOrigin(o) {
			continue
		}
		if o != "http://localhost" && !strings.HasPrefix(o, "http://localhost:") {
			return nil
		}
		local = append(local, o)
	}
	return local
}

// opaqueOrigin reports whether origin is that of a client whose pages are not on the
// web, such as chrome-extension://jnpfkofnigkaocfcdcdppaokjkmhjcio: a scheme and what
// follows it, at most 256 visible characters, which is compared byte for byte. A
// misspelt https is none, nor is a host with a port.
func opaqueOrigin(origin string) bool {
	scheme, rest, _ := strings.Cut(origin, ":")
	return len(origin) <= 256 && rest != "" && scheme != "android" && !strings.HasPrefix(scheme, "ht") && scheme != "" &&
		strings.Contains(letters[:26], scheme[:1]) && strings.Trim(scheme, letters[:26]+digits+"+-") == "" &&
		!strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r > '~' })
}

const androidScheme = "android:apk-key-hash:"

// androidOrigin reports whether origin is that of a native Android application:
// the SHA-256 of its signing certificate.
func androidOrigin(origin string) bool {
	hash, ok := strings.CutPrefix(origin, androidScheme)
	sum, err := strictjson.DecodeBase64URL(hash)
	return ok && err == nil && len(sum) == 32
}

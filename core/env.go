package passkeys

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// envNames are the variables of [ConfigFromEnv], by field.
func envNames(field string) string {
	switch field {
	case "RPID":
		return "PASSKEYS_RP_ID"
	case "RPName":
		return "PASSKEYS_RP_NAME"
	case "Origins":
		return "PASSKEYS_EXPECTED_ORIGINS"
	case "TopOrigins":
		return "PASSKEYS_TOP_ORIGINS"
	case "WellKnown.Related":
		return "PASSKEYS_RELATED_ORIGINS"
	case "WellKnown.Android":
		return "PASSKEYS_ANDROID_APPS"
	case "WellKnown.Apple":
		return "PASSKEYS_APPLE_APPS"
	case "WellKnown.Enroll":
		return "PASSKEYS_ENROLL_URL"
	case "WellKnown.Manage":
		return "PASSKEYS_MANAGE_URL"
	case "WellKnown.PRFUsage":
		return "PASSKEYS_PRF_USAGE_URL"
	case "ChallengeTTL":
		return "PASSKEYS_CHALLENGE_TTL"
	case "Timeout":
		return "PASSKEYS_TIMEOUT"
	case "UserVerification":
		return "PASSKEYS_USER_VERIFICATION"
	case "ConfirmationUserVerification":
		return "PASSKEYS_CONFIRMATION_USER_VERIFICATION"
	case "Attestation":
		return "PASSKEYS_ATTESTATION"
	case "AuthenticatorAttachment":
		return "PASSKEYS_AUTHENTICATOR_ATTACHMENT"
	case "ResidentKey":
		return "PASSKEYS_RESIDENT_KEY"
	case "SignCountPolicy":
		return "PASSKEYS_SIGN_COUNT_POLICY"
	case "AttestationPolicy":
		return "PASSKEYS_ATTESTATION_POLICY"
	case "AllowedAAGUIDs":
		return "PASSKEYS_ALLOWED_AAGUIDS"
	case "DeniedAAGUIDs":
		return "PASSKEYS_DENIED_AAGUIDS"
	case "BackupEligibility":
		return "PASSKEYS_BACKUP_ELIGIBILITY"
	case "MaxCredentials":
		return "PASSKEYS_MAX_CREDENTIALS"
	case "ConditionalTTL":
		return "PASSKEYS_CONDITIONAL_TTL"
	case "Hints":
		return "PASSKEYS_HINTS"
	case "AttestationFormats":
		return "PASSKEYS_ATTESTATION_FORMATS"
	case "Secret":
		return "PASSKEYS_SECRET"
	case "OldSecrets":
		return "PASSKEYS_OLD_SECRETS"
	case "Algorithms":
		return "PASSKEYS_ALGORITHMS"
	case "Extensions.PRF":
		return "PASSKEYS_PRF"
	case "Extensions.LargeBlob":
		return "PASSKEYS_LARGE_BLOB"
	case "Extensions.CredentialProtection":
		return "PASSKEYS_CREDENTIAL_PROTECTION"
	case "Extensions.EnforceCredentialProtection":
		return "PASSKEYS_ENFORCE_CREDENTIAL_PROTECTION"
	}
	return field
}

// ConfigFromEnv reads a Config from the environment. What is unset or empty is
// left at its default; the first three are required, the third only where there are
// neither related origins nor Android applications.
//
//	PASSKEYS_RP_ID                           example.org
//	PASSKEYS_RP_NAME                         Example
//	PASSKEYS_EXPECTED_ORIGINS                https://example.org,https://www.example.org
//	PASSKEYS_TOP_ORIGINS                     https://partner.example
//	PASSKEYS_RELATED_ORIGINS                 https://example.co.uk,https://example.de
//	PASSKEYS_ANDROID_APPS                    org.example.app=AA:BB:…, once more for each other fingerprint
//	PASSKEYS_APPLE_APPS                      A1B2C3D4E5.org.example.app
//	PASSKEYS_ENROLL_URL                      https://example.org/settings/passkeys/new
//	PASSKEYS_MANAGE_URL                      https://example.org/settings/passkeys
//	PASSKEYS_PRF_USAGE_URL                   https://example.org/help/encryption
//	PASSKEYS_SECRET                          openssl rand -base64 32: 32 characters or more, none of them space or a comma
//	PASSKEYS_OLD_SECRETS                     those that it took the place of, the latest first
//	PASSKEYS_TIMEOUT                         5m, or 300
//	PASSKEYS_CHALLENGE_TTL                   6m, or 360
//	PASSKEYS_CONDITIONAL_TTL                 1h, or 3600
//	PASSKEYS_USER_VERIFICATION               required, preferred, discouraged, as-registered
//	PASSKEYS_CONFIRMATION_USER_VERIFICATION  the same
//	PASSKEYS_HINTS                           client-device,security-key,hybrid
//	PASSKEYS_ATTESTATION                     none, indirect, direct, enterprise
//	PASSKEYS_ATTESTATION_FORMATS             packed,tpm
//	PASSKEYS_ATTESTATION_POLICY              none, self, trusted
//	PASSKEYS_ALLOWED_AAGUIDS                 ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4
//	PASSKEYS_DENIED_AAGUIDS                  00000000-0000-0000-0000-000000000000
//	PASSKEYS_AUTHENTICATOR_ATTACHMENT        platform, cross-platform
//	PASSKEYS_RESIDENT_KEY                    required, preferred, discouraged
//	PASSKEYS_SIGN_COUNT_POLICY               strict-reject, device-bound, flag-disable, allow
//	PASSKEYS_BACKUP_ELIGIBILITY              strict, upgrade, allow
//	PASSKEYS_MAX_CREDENTIALS                 50, or -1 for no limit
//	PASSKEYS_ALGORITHMS                      ES256,EdDSA,ES384,ES512,RS256
//	PASSKEYS_PRF                             true, false
//	PASSKEYS_LARGE_BLOB                      required, preferred
//	PASSKEYS_CREDENTIAL_PROTECTION           userVerificationRequired, or another [CredentialProtection]
//	PASSKEYS_ENFORCE_CREDENTIAL_PROTECTION   true, false
//
// Any other variable whose name begins with PASSKEYS_ may be one of these that was
// misspelt, and has New warn of it.
//
// Lists are separated by commas; a duration is Go's form or a number of whole
// seconds. The values are checked as [New] checks them; an error matches
// [ErrConfiguration] and names the variable. The stores, Metadata, Audit and the
// rest of what is no text are the caller's to set.
func ConfigFromEnv() (Config, error) {
	var failed error
	read := map[string]bool{}
	get := func(field string) string {
		name := envNames(field)
		read[name] = true
		return strings.TrimSpace(os.Getenv(name))
	}
	list := func(field string) (items []string) {
		for item := range strings.SplitSeq(get(field), ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return items
	}
	duration := func(field string) time.Duration {
		s := get(field)
		if s == "" {
			return 0
		}
		d, err := time.ParseDuration(s)
		if seconds, errInt := strconv.ParseInt(s, 10, 32); errInt == nil {
			d, err = time.Duration(seconds)*time.Second, nil
		}
		if (err != nil || d <= 0) && failed == nil {
			failed = ErrConfiguration.explained(fmt.Sprintf("%s: %q must be a positive duration such as 5m, or whole seconds", envNames(field), s))
		}
		return d
	}
	aaguids := func(field string) (ids []AAGUID) {
		for _, s := range list(field) {
			id, err := ParseAAGUID(s)
			if err != nil && failed == nil {
				failed = ErrConfiguration.explained(fmt.Sprintf("%s: %q must be in the form of a UUID", envNames(field), s))
			}
			ids = append(ids, id)
		}
		return ids
	}
	flag := func(field string) bool {
		s := get(field)
		if s != "" && s != "true" && s != "false" && failed == nil {
			failed = ErrConfiguration.explained(fmt.Sprintf("%s: %q must be true or false", envNames(field), s))
		}
		return s == "true"
	}
	cfg := Config{
		RPID:       get("RPID"),
		RPName:     get("RPName"),
		Origins:    list("Origins"),
		TopOrigins: list("TopOrigins"),
		WellKnown: WellKnown{
			Related:  list("WellKnown.Related"),
			Apple:    list("WellKnown.Apple"),
			Enroll:   get("WellKnown.Enroll"),
			Manage:   get("WellKnown.Manage"),
			PRFUsage: get("WellKnown.PRFUsage"),
		},
		Secret:                       []byte(get("Secret")),
		Timeout:                      duration("Timeout"),
		ChallengeTTL:                 duration("ChallengeTTL"),
		ConditionalTTL:               duration("ConditionalTTL"),
		UserVerification:             UserVerification(get("UserVerification")),
		ConfirmationUserVerification: UserVerification(get("ConfirmationUserVerification")),
		Attestation:                  AttestationPreference(get("Attestation")),
		AttestationFormats:           list("AttestationFormats"),
		AttestationPolicy:            AttestationPolicy(get("AttestationPolicy")),
		AllowedAAGUIDs:               aaguids("AllowedAAGUIDs"),
		DeniedAAGUIDs:                aaguids("DeniedAAGUIDs"),
		AuthenticatorAttachment:      AuthenticatorAttachment(get("AuthenticatorAttachment")),
		ResidentKey:                  ResidentKeyRequirement(get("ResidentKey")),
		SignCountPolicy:              SignCountPolicy(get("SignCountPolicy")),
		BackupEligibility:            BackupEligibilityPolicy(get("BackupEligibility")),
		Extensions: Extensions{
			PRF:                         flag("Extensions.PRF"),
			LargeBlob:                   LargeBlobSupport(get("Extensions.LargeBlob")),
			CredentialProtection:        CredentialProtection(get("Extensions.CredentialProtection")),
			EnforceCredentialProtection: flag("Extensions.EnforceCredentialProtection"),
		},
	}
	for _, s := range list("WellKnown.Android") {
		name, fingerprint, _ := strings.Cut(s, "=")
		apps := cfg.WellKnown.Android
		i := slices.IndexFunc(apps, func(app AndroidApp) bool { return app.Package == name })
		if i < 0 {
			i, apps = len(apps), append(apps, AndroidApp{Package: name})
		}
		apps[i].Fingerprints = append(apps[i].Fingerprints, fingerprint)
		cfg.WellKnown.Android = apps
	}
	for _, s := range list("OldSecrets") {
		cfg.OldSecrets = append(cfg.OldSecrets, []byte(s))
	}
	for _, h := range list("Hints") {
		cfg.Hints = append(cfg.Hints, Hint(h))
	}
	// Else it could not be told apart from its neighbours once it is an old one.
	if strings.ContainsAny(get("Secret"), ", \t\r\n") && failed == nil {
		failed = ErrConfiguration.explained(envNames("Secret") + ": must hold no space and no comma")
	}
	if s := get("MaxCredentials"); s != "" {
		n, err := strconv.Atoi(s)
		if (err != nil || n == 0) && failed == nil {
			failed = ErrConfiguration.explained(fmt.Sprintf("%s: %q must be a positive number, or -1 for no limit", envNames("MaxCredentials"), s))
		}
		cfg.MaxCredentials = n
	}
names:
	for _, name := range list("Algorithms") {
		for _, a := range algorithms() {
			if a.String() == name {
				cfg.Algorithms = append(cfg.Algorithms, a)
				continue names
			}
		}
		failed = ErrConfiguration.explained(fmt.Sprintf("%s: %q is not supported", envNames("Algorithms"), name))
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "PASSKEYS_") && value != "" && !read[name] {
			cfg.unknown = append(cfg.unknown, name)
		}
	}
	slices.Sort(cfg.unknown)
	if failed == nil {
		failed = cfg.validate(envNames)
	}
	if failed != nil {
		return Config{}, failed
	}
	return cfg, nil
}

package passkeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Provider returns what keeps the passkeys that have this AAGUID, by the name that
// its users know, such as "iCloud Keychain" or "YubiKey 5 Series with NFC"; "" where
// it is none of the few that are known here. It is a name to show beside a passkey,
// and no proof: see [AAGUID]. [Passkeys.Provider] asks further sources.
//
// The zero AAGUID has no name: it is of whatever does not say what it is. Under
// [AttestationNone], the default, Windows sets it for all that makes a passkey there,
// its own Hello, a phone and a security key alike, and other systems may for security
// keys; where [AttestationDirect] is asked for, they say.
//
// The names are gathered from what their vendors publish: documentation, source,
// announcements, and the descriptions in their FIDO metadata.
func Provider(a AAGUID) string {
	switch a.String() {
	// Platforms and password managers.
	case "fbfc3007-154e-4ecc-8c0b-6e020557d7bd":
		return "iCloud Keychain"
	case "dd4ec289-e01d-41c9-bb89-70fa845d4bf2":
		return "iCloud Keychain (managed)"
	case "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4":
		return "Google Password Manager"
	case "adce0002-35bc-c60a-648b-0b25f1f05503":
		return "Chrome on Mac"
	case "b5397666-4885-aa6b-cebf-e52262a439a2":
		return "Chromium on Mac"
	case "08987058-cadc-4b81-b6e1-30de50dcbe96", "9ddd1817-af5a-4672-a2b9-3e3dd95000a9", "6028b017-b1d4-4c02-b4b3-afcdafc96bb2":
		return "Windows Hello"
	case "de1e552d-db1d-4423-a619-566b625cdc84", "90a3ccdf-635c-4729-a248-9b709135078f":
		return "Microsoft Authenticator"
	case "d3452668-01fd-4c12-926c-83a4204853aa":
		return "Microsoft Password Manager"
	case "bada5566-a7aa-401f-bd96-45619a55120d":
		return "1Password"
	case "a11a5faa-9f32-4b8c-8c5d-2f7d13e8c942":
		return "AliasVault"
	case "d548826e-79b4-db40-a3d8-11116f7e8349":
		return "Bitwarden"
	case "531126d6-e717-415c-9320-3d9aa6981239":
		return "Dashlane"
	case "f3809540-7f14-49c1-a8b3-8f813b225541":
		return "Enpass"
	case "eaecdef2-1c31-5634-8639-f1cbd9c00a08":
		return "KeePassDX"
	case "fdb141b2-5d84-443e-8a35-4698c205a502":
		return "KeePassXC"
	case "0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6":
		return "Keeper"
	case "b84e4048-15dc-4dd0-8640-f4f60813c8af":
		return "NordPass"
	case "50726f74-6f6e-5061-7373-50726f746f6e":
		return "Proton Pass"
	case "53414d53-554e-4700-0000-000000000000":
		return "Samsung Pass"

	// Security keys.
	case "cb69481e-8ff7-4039-93ec-0a2729a154a8", "ee882879-721c-4913-9775-3dfcce97072a",
		"19083c3d-8383-4b18-bc03-8f1c9ab2fd1b", "ff4dac45-ede8-4ec2-aced-cf66103f4335":
		return "YubiKey 5 Series"
	case "fa2b99dc-9e39-4257-8f92-4a30d23c4118", "2fc0579f-8113-47ea-b116-bb5a8db9202a", "a25342c0-3cdc-4414-8e46-f4807fca511c",
		"d7781e5d-e353-46aa-afe2-3ca49f13332a", "662ef48a-95e2-4aaa-a6c1-5b9c40375824":
		return "YubiKey 5 Series with NFC"
	case "c5ef55ff-ad9a-4b9f-b580-adebafe026d0", "24673149-6c86-42e7-98d9-433fb5b73296", "a02167b9-ae71-4ac7-9a07-06432ebb6f1c":
		return "YubiKey 5 Series with Lightning"
	case "73bb0cd4-e502-49b8-9c6f-b59445bf720b", "57f7de54-c807-4eab-b1c6-1c9be7984e92":
		return "YubiKey 5 FIPS Series"
	case "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd", "fcc0118f-cd45-435b-8da1-9782b2da0715":
		return "YubiKey 5 FIPS Series with NFC"
	case "85203421-48f9-4355-9bc8-8a53846e5083", "7b96457d-e3cd-432b-9ceb-c9fdd7ef7432":
		return "YubiKey 5 FIPS Series with Lightning"
	case "d8522d9f-575b-4866-88a9-ba99fa02f35b", "dd86a2da-86a0-4cbe-b462-4bd31f57bc6f", "7409272d-1ff9-4e10-9fc9-ac0019c124fd",
		"7d1351a6-e097-4852-b8bf-c9ac5c9ce4a3", "90636e1f-ef82-43bf-bdcf-5255f139d12f", "34744913-4f57-4e6e-a527-e9ec3c4b94e6":
		return "YubiKey Bio Series"
	case "f8a011f3-8c0a-4d15-8006-17111f9edc7d", "b92c3f9a-c014-4056-887f-140a2501163b":
		return "Security Key by Yubico"
	case "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73", "149a2021-8ef6-4133-96b8-81f8d5b7f1f5", "a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa",
		"e77e3c64-05e3-428b-8824-0cbeb04b829d", "b7d3f68e-88a6-471e-9ecf-2df26d041ede",
		"0bb43545-fd2c-4185-87dd-feb0b2916ace", "47ab2fb4-66ac-4184-9ae1-86be814012d5", "ed042a3a-4b22-4455-bb69-a267b652ae7e":
		return "Security Key NFC by Yubico"
	case "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3":
		return "Google Titan Security Key"
	case "664d9f67-84a2-412a-9ff7-b4f7d8ee6d05":
		return "OpenSK"
	case "12ded745-4bed-47d4-abaa-e713f51d6393":
		return "Feitian AllinOne"
	case "77010bd7-212a-4fc9-b236-d2ca5e9d4084", "b6ede29c-3772-412c-8a78-539c1f4c62d2",
		"42df17de-06ba-4177-a2bb-6701be1380d6", "4c0cf95d-2f40-43b5-ba42-4c83a11c04ba":
		return "Feitian BioPass"
	case "833b721a-ff5f-4d00-bb2e-bdda3ec01e29", "12755c32-8ad1-46eb-881c-e0b38d848b09":
		return "Feitian ePass"
	case "ee041bce-25e5-4cdb-8f86-897fd6418464", "234cd403-35a2-4cc2-8015-77ea280c77f5", "78ba3993-d784-4f44-8d6e-cc0a8ad5230e":
		return "Feitian ePass NFC"
	case "3e22415d-7fdf-4ea4-8a0c-dd60c4249b9d":
		return "Feitian iePass"
	case "ab32f0c6-2239-afbb-c470-d2ef4e254db7", "eabb46cc-e241-80bf-ae9e-96fa6d2975cf":
		return "Token2 Security Key"
	case "2cd2f727-f6ca-44da-8f48-5c2e5da000a2":
		return "Nitrokey 3"
	case "8876631b-d4a0-427f-5773-0ec71c9e0279", "8976631b-d4a0-427f-5773-0ec71c9e0279":
		return "SoloKey"
	case "998f358b-2dd2-4cbe-a43a-e8107438dfb3":
		return "OnlyKey"
	case "d6d0bdc3-62ee-c4db-de8d-7a656e4a4487":
		return "Trezor Model T"
	case "efb96b10-a9ee-4b6c-a4a9-d32125ccd4a4", "74820b05-a6c9-40f9-8fb0-9f86aca93998", "23786452-f02d-4344-87ed-aaf703726881":
		return "SafeNet eToken"
	case "2194b428-9397-4046-8f39-007a1605a482", "2ffd6452-01da-471f-821b-ea4bf6c8676a",
		"ca4cff1b-5a81-4404-8194-59aabcf1660b", "b50d5e0a-7f81-4959-9b12-f45407407503":
		return "Thales IDPrime"
	case "692db549-7ae5-44d5-a1e5-dd20a493b723", "2d3bec26-15ee-4f5d-88b2-53622490270b",
		"7991798a-a7f3-487f-98c0-3faf7a458a04", "87c13177-85d6-40ac-8c61-fe7ab3de9dfb":
		return "HID Crescendo Key"
	case "931327dd-c89b-406c-a81e-ed7058ef36c6", "5d629218-d3a5-11ed-afa1-0242ac120002", "7787a482-13e8-4784-8a06-c7ed49a7aaf4":
		return "Swissbit iShield Key"
	case "d94a29d9-52dd-4247-9c2d-8b818b610389", "09619fbf-d75e-4a62-be1d-fe4d240864ae":
		return "VeriMark Guard"
	}
	return ""
}

// Provider is the function of that name with all that is configured: the name that
// Config.Providers has, else the description in Config.Metadata, else that of the
// built-in table. It is at most 200 printable characters, without space around them.
func (p *Passkeys) Provider(a AAGUID) string {
	if a == (AAGUID{}) { // which is that of all who do not say, whatever a file calls it
		return ""
	}
	if name := p.cfg.Providers.name(a); name != "" {
		return name
	}
	if p.cfg.Metadata != nil {
		if name, ok := cleanProvider(p.cfg.Metadata.current.Load().Description(a)); ok {
			return name
		}
	}
	return Provider(a)
}

// otherAuthenticator is what observers are told of one that [Provider] does not know.
const otherAuthenticator = "other"

const (
	maxProviders     = 16 << 20 // bytes
	maxProviderName  = 200      // runes, which is the limit for a description in FIDO metadata
	maxShownProvider = 40       // runes of what was not understood, in an error
)

// Providers are names of providers by AAGUID from a file, for Config.Providers. They
// are safe for concurrent use.
type Providers struct {
	names atomic.Pointer[map[AAGUID]string]
}

// ParseProviders reads names of providers from JSON of the form
//
//	{"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": {"name": "Google Password Manager"}}
//
// which is that of the community's list, at
// https://github.com/passkeydeveloper/passkey-authenticator-aaguids, and of your own.
// All other members are passed over, the list's icons among them: whoever shows those
// looks them up by the AAGUID, and shows them in an <img>, for an SVG that is part of
// the page can run scripts. There is no such list in this package, and nothing is
// fetched.
//
// It is an error if nothing is in it, which is how the list will end; if it has more
// than 16 MiB; and if a key is no AAGUID, or a name is not 1 to 200 printable
// characters.
func ParseProviders(r io.Reader) (*Providers, error) {
	p := &Providers{}
	if err := p.Update(r); err != nil {
		return nil, err
	}
	return p, nil
}

// Update replaces all names by those that r has, as [ParseProviders] reads them. If
// it returns an error they are what they were.
func (p *Providers) Update(r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxProviders+1))
	if err != nil {
		return fmt.Errorf("passkeys: providers: %w", err)
	}
	if len(data) > maxProviders {
		return fmt.Errorf("passkeys: providers: more than %d bytes", maxProviders)
	}
	var file map[string]struct{ Name string }
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("passkeys: providers: %w", err)
	}
	if len(file) == 0 {
		return errors.New("passkeys: providers: there are none")
	}
	names := make(map[AAGUID]string, len(file))
	for key, entry := range file {
		a, err := ParseAAGUID(key)
		if err != nil {
			return fmt.Errorf("passkeys: providers: %.*q is no AAGUID", maxShownProvider, key)
		}
		name, ok := cleanProvider(entry.Name)
		if !ok {
			return fmt.Errorf("passkeys: providers: the name of %s must be 1 to %d printable characters", a, maxProviderName)
		}
		names[a] = name
	}
	p.names.Store(&names)
	return nil
}

// name returns the name of a, "" where there is none.
func (p *Providers) name(a AAGUID) string {
	if p == nil {
		return ""
	}
	if names := p.names.Load(); names != nil {
		return (*names)[a]
	}
	return ""
}

// cleanProvider returns a name as it is shown, and whether it is one.
func cleanProvider(name string) (string, bool) {
	name = norm.NFC.String(strings.TrimSpace(name))
	return name, name != "" && utf8.RuneCountInString(name) <= maxProviderName &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// defaultName is what a new passkey is called that its user gave no name: after its
// provider, and with a number if they have one of that name. It is "" where the
// provider is not known.
func (p *Passkeys) defaultName(a AAGUID, existing []Credential) string {
	provider := p.Provider(a)
	if provider == "" {
		return ""
	}
	taken := make(map[string]bool, len(existing))
	for i := range existing {
		taken[existing[i].DeviceName] = true
	}
	name := cut(provider, maxDeviceName)
	for n := 2; taken[name]; n++ {
		number := fmt.Sprintf(" %d", n)
		name = cut(provider, maxDeviceName-len(number)) + number
	}
	return name
}

// cut returns s without what comes after so many runes, and without space at the end.
func cut(s string, runes int) string {
	if r := []rune(s); len(r) > runes {
		s = strings.TrimSpace(string(r[:runes]))
	}
	return s
}

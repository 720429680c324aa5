// Package passkeytest is a WebAuthn authenticator, and the browser in front of
// it, in software. It is to a passkey server what net/http/httptest is to an
// HTTP handler: a test gives it the options the server sent, and gives the
// server the answer it makes.
//
//	phone := passkeytest.New("https://example.org")
//
//	answer, err := phone.Create(creationOptions) // navigator.credentials.create
//	...
//	answer, err = phone.Get(requestOptions) // navigator.credentials.get
//
// Options are the JSON a page receives, either the options themselves or an
// object with the options under "publicKey". Answers are the JSON that
// PublicKeyCredential.toJSON returns to the page. The keys are real, and so are
// the signatures: nothing has to be switched off in the server under test.
//
// An [Authenticator] is well behaved until it is told otherwise, in three ways.
// Its fields describe other authenticators, and other pages: no user
// verification, another algorithm, a counter that does not move, the origin of
// a phishing site. Its Alter hook changes the client data and the authenticator
// data before they are signed, which only a broken or malicious authenticator
// or browser can do. Its Corrupt hook changes the answer after it was signed,
// which anyone on the way to the server can do.
//
//	phone.Corrupt = func(r *passkeytest.Response) { r.UserHandle = []byte("mallory") }
//
// It leaves the judgement to the server. A browser refuses an RP ID that does
// not belong to the origin, and an authenticator fails when it cannot verify a
// user whose verification is required; this one answers, so that a test sees
// whether the server notices.
//
// [Clock] is the other half of a test about expiry: a time which moves when the
// test says so.
package passkeytest

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync"
)

var (
	// ErrExcluded is returned by [Authenticator.Create] when excludeCredentials
	// names a credential which the authenticator holds for the RP ID. A browser
	// reports it as an InvalidStateError.
	ErrExcluded = errors.New("passkeytest: the authenticator holds an excluded credential")

	// ErrNoCredential is returned by [Authenticator.Get] when the authenticator
	// holds no credential for the RP ID, or none that allowCredentials names. A
	// browser reports it as a NotAllowedError.
	ErrNoCredential = errors.New("passkeytest: the authenticator holds no such credential")

	// ErrNoAlgorithm is returned by [Authenticator.Create] when the
	// authenticator knows no algorithm of pubKeyCredParams, or not the one its
	// Algorithm field asks for. A browser reports it as a NotSupportedError.
	ErrNoAlgorithm = errors.New("passkeytest: the authenticator knows no such algorithm")
)

// CounterMode says which signature counter an [Authenticator] reports
// (WebAuthn Level 3 §6.1.1).
type CounterMode int

const (
	// CounterAutomatic gives each credential a counter of its own, which is 0
	// at Create and goes up by one with every Get.
	CounterAutomatic CounterMode = iota
	// CounterFixed reports FixedCount every time.
	CounterFixed
	// CounterZero reports 0 every time, as authenticators without a counter
	// and synced passkeys do.
	CounterZero
)

// Authenticator is an authenticator and the browser that drives it. Its zero
// value, with an Origin, is a platform authenticator which verifies the user,
// makes discoverable credentials and attests nothing.
//
// Create, Get, Clone, Credentials and Forget may be called from several
// goroutines. The fields may be changed between calls, not during one. Answers
// made in parallel may reach the server in any order, which a server that
// checks counters takes for cloning: set Counter to [CounterZero] when parallel
// tests share a credential.
type Authenticator struct {
	// Origin is the page's origin in the client data, such as
	// "https://example.org". It is required.
	Origin string

	// RPID, when set, is the RP ID whose hash goes into the authenticator data.
	// By default that is the RP ID of the options, and when they have none, the
	// host of Origin. It is there to lie with: credentials are kept and found
	// under the RP ID of the options all the same.
	RPID string

	// TopOrigin and CrossOrigin go into the client data as they are: a page in
	// a frame of another site has both. TopOrigin is left out when empty.
	TopOrigin   string
	CrossOrigin bool

	// Algorithm is the algorithm of new credentials, which is used even when
	// the options do not offer it. By default it is the first of
	// pubKeyCredParams that is known here.
	Algorithm Algorithm

	// Attestation is the attestation statement format: "none", which is the
	// default (WebAuthn Level 3 §8.7), or "packed", which is self attestation
	// by the credential's own key (§8.2). The options' attestation preference
	// does not change it.
	Attestation string

	// AAGUID identifies the authenticator's model. By default it is all zeros.
	AAGUID [16]byte

	// Transports goes into the answers of Create. Nil means "internal".
	Transports []string

	// Attachment is the authenticatorAttachment of the answers. By default it
	// is "platform".
	Attachment string

	// UserNotPresent and UserNotVerified clear the UP and the UV flag, which
	// are set by default (WebAuthn Level 3 §6.1). A passkey that a browser
	// creates unasked, with mediation "conditional", has neither (§5.1.3).
	UserNotPresent  bool
	UserNotVerified bool

	// BackupEligible and BackupState set the BE and the BS flag. BS without BE
	// is invalid (WebAuthn Level 3 §6.1.3), and is sent nevertheless.
	BackupEligible bool
	BackupState    bool

	// Counter says how signatures are counted, and FixedCount is what
	// [CounterFixed] reports.
	Counter    CounterMode
	FixedCount uint32

	// CredentialID is the ID of new credentials. A new credential replaces the
	// one that has its ID and RP ID. Nil means 32 random bytes each time.
	CredentialID []byte

	// UserHandle, when not nil, is the userHandle of every Get, instead of the
	// user.id the credential was created with. OmitUserHandle leaves it out, as
	// authenticators may when allowCredentials names the credential.
	UserHandle     []byte
	OmitUserHandle bool

	// NoCredProps ignores the credProps extension (WebAuthn Level 3 §10.1.3),
	// which Create otherwise answers with {"rk": true} when it is asked for.
	NoCredProps bool

	// PRF answers the prf extension at Create with {"enabled": true}, when it is
	// asked for (WebAuthn Level 3 §10.1.4). The results, which are the page's to
	// keep, are not in the answers: a page that sends them needs Corrupt.
	PRF bool

	// CredProtect follows the credentialProtectionPolicy of Create, and says so in
	// the authenticator data (CTAP 2.1 §12.1). One that sets another level needs
	// Alter.
	CredProtect bool

	// Rand is where random credential IDs come from, so that a test can fix
	// them. Nil means crypto/rand. It is read by one goroutine at a time.
	Rand io.Reader

	// Alter, when not nil, may change what is about to be signed. Signatures
	// are made over its result and are valid for it. It changes the answer, not
	// what the authenticator remembers. Calls in parallel call it in parallel,
	// and Corrupt too.
	Alter func(*ClientData, *AuthenticatorData)

	// Corrupt, when not nil, may change the answer after signing. No signature
	// is made anew. Like Alter it is called at Create and at Get, and what only
	// the other one has is nil.
	Corrupt func(*Response)

	mu          sync.Mutex // guards credentials and reads of Rand
	credentials []Credential
}

// New returns an authenticator with default settings on a page of origin, such
// as "https://example.org".
func New(origin string) *Authenticator {
	return &Authenticator{Origin: origin}
}

// Credential is a credential an [Authenticator] holds.
type Credential struct {
	ID         []byte
	RPID       string    // the RP ID it was created for
	UserHandle []byte    // the user.id it was created for
	Algorithm  Algorithm // of its key
	PublicKey  []byte    // its public key, a COSE_Key in CBOR
	SignCount  uint32    // the signature counter it last reported

	key crypto.Signer // never changes, so that copies may share it
}

// Create makes a credential as navigator.credentials.create does (WebAuthn
// Level 3 §5.1.3) and returns it as a RegistrationResponseJSON. The options are
// a PublicKeyCredentialCreationOptionsJSON, or an object with one under
// "publicKey".
//
// It keeps every credential it makes, also when it holds another for the same
// user. Its errors are [ErrExcluded], [ErrNoAlgorithm], and others for malformed
// options and impossible settings; after an error it holds what it held before.
func (a *Authenticator) Create(options []byte) (json.RawMessage, error) {
	opts, err := a.decode(options)
	if err != nil {
		return nil, err
	}
	if n := len(opts.User.ID); n < 1 || n > 64 {
		return nil, fmt.Errorf("passkeytest: the options have a user.id of %d bytes, not 1 to 64", n)
	}
	alg, err := a.chooseAlgorithm(opts.PubKeyCredParams)
	if err != nil {
		return nil, err
	}
	if a.holdsAny(opts.RP.ID, opts.ExcludeCredentials) {
		return nil, ErrExcluded
	}
	c, err := a.newCredential(opts.RP.ID, opts.User.ID, alg)
	if err != nil {
		return nil, err
	}
	r, err := a.prepare("webauthn.create", opts.Challenge, FlagAttestedData, c, a.protect(opts.Extensions.CredentialProtectionPolicy))
	if err != nil {
		return nil, err
	}
	if r.AttestationObject, err = a.attest(c, r); err != nil {
		return nil, err
	}
	if r.PublicKey, err = x509.MarshalPKIXPublicKey(c.key.Public()); err != nil {
		return nil, err
	}
	r.PublicKeyAlgorithm = alg
	r.Transports = []string{"internal"}
	if a.Transports != nil {
		r.Transports = slices.Clone(a.Transports)
	}
	if opts.Extensions.CredProps && !a.NoCredProps {
		r.ClientExtensionResults["credProps"] = map[string]any{"rk": true}
	}
	if opts.Extensions.PRF != nil && a.PRF {
		r.ClientExtensionResults["prf"] = map[string]any{"enabled": true}
	}
	answer, err := a.finish(r)
	if err != nil {
		return nil, err
	}
	a.keep(c)
	return answer, nil
}

// Get signs a challenge as navigator.credentials.get does (WebAuthn Level 3
// §5.1.4) and returns an AuthenticationResponseJSON. The options are a
// PublicKeyCredentialRequestOptionsJSON, or an object with one under
// "publicKey".
//
// The credential is the first of allowCredentials which the authenticator holds
// for the RP ID, or when that list is empty, the newest for the RP ID. The
// error is [ErrNoCredential] when there is none; there are others for malformed
// options and impossible settings.
func (a *Authenticator) Get(options []byte) (json.RawMessage, error) {
	opts, err := a.decode(options)
	if err != nil {
		return nil, err
	}
	c, err := a.use(opts.RPID, opts.AllowCredentials)
	if err != nil {
		return nil, err
	}
	r, err := a.prepare("webauthn.get", opts.Challenge, 0, c, nil)
	if err != nil {
		return nil, err
	}
	if r.Signature, err = c.sign(r); err != nil {
		return nil, err
	}
	r.UserHandle = slices.Clone(c.UserHandle)
	if a.UserHandle != nil {
		r.UserHandle = slices.Clone(a.UserHandle)
	}
	if a.OmitUserHandle {
		r.UserHandle = nil
	}
	return a.finish(r)
}

// Clone returns an authenticator with the same settings, keys and counters.
// From then on the two are independent, as an authenticator and a copy of its
// memory are: their counters part ways. They share Rand, Alter and Corrupt.
func (a *Authenticator) Clone() *Authenticator {
	return &Authenticator{
		Origin: a.Origin, RPID: a.RPID, TopOrigin: a.TopOrigin, CrossOrigin: a.CrossOrigin,
		Algorithm: a.Algorithm, Attestation: a.Attestation, AAGUID: a.AAGUID,
		Transports: slices.Clone(a.Transports), Attachment: a.Attachment,
		UserNotPresent: a.UserNotPresent, UserNotVerified: a.UserNotVerified,
		BackupEligible: a.BackupEligible, BackupState: a.BackupState,
		Counter: a.Counter, FixedCount: a.FixedCount,
		CredentialID: slices.Clone(a.CredentialID), UserHandle: slices.Clone(a.UserHandle),
		OmitUserHandle: a.OmitUserHandle, NoCredProps: a.NoCredProps, PRF: a.PRF, CredProtect: a.CredProtect,
		Rand: a.Rand, Alter: a.Alter, Corrupt: a.Corrupt,
		credentials: a.Credentials(),
	}
}

// Credentials returns copies of the credentials the authenticator holds, oldest
// first.
func (a *Authenticator) Credentials() []Credential {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Clone(a.credentials)
	for i := range list {
		c := &list[i]
		c.ID = slices.Clone(c.ID)
		c.UserHandle = slices.Clone(c.UserHandle)
		c.PublicKey = slices.Clone(c.PublicKey)
	}
	return list
}

// Forget drops the credential with the given ID, if the authenticator holds it,
// as a user does who deletes a passkey.
func (a *Authenticator) Forget(id []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.credentials = slices.DeleteFunc(a.credentials, func(c Credential) bool {
		return bytes.Equal(c.ID, id)
	})
}

// decode decodes the options of either ceremony, and fills in the RP ID.
func (a *Authenticator) decode(data []byte) (*options, error) {
	origin, err := url.Parse(a.Origin)
	if err != nil || a.Origin == "" {
		return nil, fmt.Errorf("passkeytest: the Origin %q is not a URL", a.Origin)
	}
	opts, err := decodeOptions(data)
	if err != nil {
		return nil, err
	}
	opts.RP.ID = cmp.Or(opts.RP.ID, origin.Hostname())
	opts.RPID = cmp.Or(opts.RPID, origin.Hostname())
	return opts, nil
}

func (a *Authenticator) chooseAlgorithm(offered []parameters) (Algorithm, error) {
	if a.Algorithm != 0 {
		offered = []parameters{{Type: "public-key", Alg: a.Algorithm}}
	} else if len(offered) == 0 {
		return ES256, nil // the first of the defaults of §5.1.3
	}
	for _, p := range offered {
		if p.Type == "public-key" && p.Alg.known() {
			return p.Alg, nil
		}
	}
	return 0, ErrNoAlgorithm
}

// count returns the counter to report, given what an honest one would report.
func (a *Authenticator) count(honest uint32) uint32 {
	switch a.Counter {
	case CounterFixed:
		return a.FixedCount
	case CounterZero:
		return 0
	default:
		return honest
	}
}

// newCredential makes a credential, which is not kept yet.
func (a *Authenticator) newCredential(rpID string, user []byte, alg Algorithm) (c Credential, err error) {
	c = Credential{
		ID:         slices.Clone(a.CredentialID),
		RPID:       rpID,
		UserHandle: user,
		Algorithm:  alg,
		SignCount:  a.count(0),
	}
	if c.ID == nil {
		c.ID = make([]byte, 32)
		a.mu.Lock()
		_, err = io.ReadFull(cmp.Or(a.Rand, rand.Reader), c.ID)
		a.mu.Unlock()
		if err != nil {
			return c, fmt.Errorf("passkeytest: read Rand: %w", err)
		}
	}
	if c.key, err = newKey(alg); err != nil {
		return c, err
	}
	c.PublicKey, err = coseKey(alg, c.key.Public())
	return c, err
}

// find returns the index of the first descriptor's credential which is held for
// rpID, or -1. Callers hold a.mu.
func (a *Authenticator) find(rpID string, list []descriptor) int {
	for _, d := range list {
		for i, c := range a.credentials {
			if d.Type == "public-key" && c.RPID == rpID && bytes.Equal(c.ID, d.ID) {
				return i
			}
		}
	}
	return -1
}

func (a *Authenticator) holdsAny(rpID string, list []descriptor) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.find(rpID, list) >= 0
}

// keep stores c as the newest credential.
func (a *Authenticator) keep(c Credential) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.credentials = slices.DeleteFunc(a.credentials, func(old Credential) bool {
		return old.RPID == c.RPID && bytes.Equal(old.ID, c.ID)
	})
	a.credentials = append(a.credentials, c)
}

// use chooses the credential for an assertion, counts the use, and returns a
// copy of it.
func (a *Authenticator) use(rpID string, allowed []descriptor) (Credential, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.find(rpID, allowed)
	if len(allowed) == 0 {
		for i = len(a.credentials) - 1; i >= 0 && a.credentials[i].RPID != rpID; i-- {
		}
	}
	if i < 0 {
		return Credential{}, ErrNoCredential
	}
	c := &a.credentials[i]
	c.SignCount = a.count(c.SignCount + 1)
	return *c, nil
}

// flags returns the flags that the settings ask for.
func (a *Authenticator) flags() (flags Flags) {
	for flag, set := range map[Flags]bool{
		FlagUserPresent:    !a.UserNotPresent,
		FlagUserVerified:   !a.UserNotVerified,
		FlagBackupEligible: a.BackupEligible,
		FlagBackupState:    a.BackupState,
	} {
		if set {
			flags |= flag
		}
	}
	return flags
}

// protect returns the extension outputs that go with a credential protection
// policy, or nil.
func (a *Authenticator) protect(policy string) []byte {
	level := 1 + slices.Index([]string{"userVerificationOptional", "userVerificationOptionalWithCredentialIDList", "userVerificationRequired"}, policy)
	if !a.CredProtect || level == 0 {
		return nil
	}
	return appendCBOR(nil, cborMap{"credProtect": level})
}

// prepare begins a response, up to the data that is signed. What it gives to
// Alter is copied, for Alter may write to it.
func (a *Authenticator) prepare(ceremony string, challenge []byte, flags Flags, c Credential, extensions []byte) (*Response, error) {
	if extensions != nil {
		flags |= FlagExtensionData
	}
	client := ClientData{
		Type:        ceremony,
		Challenge:   encodeBase64(challenge),
		Origin:      a.Origin,
		CrossOrigin: a.CrossOrigin,
		TopOrigin:   a.TopOrigin,
	}
	rpIDHash := sha256.Sum256([]byte(cmp.Or(a.RPID, c.RPID)))
	auth := AuthenticatorData{
		RPIDHash:     rpIDHash[:],
		Flags:        flags | a.flags(),
		SignCount:    c.SignCount,
		AAGUID:       a.AAGUID,
		CredentialID: slices.Clone(c.ID),
		PublicKey:    slices.Clone(c.PublicKey),
		Extensions:   extensions,
	}
	if a.Alter != nil {
		a.Alter(&client, &auth)
	}
	clientDataJSON, err := client.encode()
	if err != nil {
		return nil, err
	}
	r := &Response{
		ID:                     encodeBase64(c.ID),
		RawID:                  encodeBase64(c.ID),
		Type:                   "public-key",
		Attachment:             cmp.Or(a.Attachment, "platform"),
		ClientExtensionResults: map[string]any{},
	}
	r.ClientDataJSON, r.AuthenticatorData = clientDataJSON, auth.encode()
	return r, nil
}

// attest returns the attestation object (WebAuthn Level 3 §6.5.4).
func (a *Authenticator) attest(c Credential, r *Response) ([]byte, error) {
	format, statement := cmp.Or(a.Attestation, "none"), cborMap{}
	switch format {
	case "none":
	case "packed":
		sig, err := c.sign(r)
		if err != nil {
			return nil, err
		}
		statement = cborMap{"alg": int(c.Algorithm), "sig": sig}
	default:
		return nil, fmt.Errorf("passkeytest: the Attestation %q is neither none nor packed", format)
	}
	return appendCBOR(nil, cborMap{
		"fmt":      format,
		"attStmt":  statement,
		"authData": []byte(r.AuthenticatorData),
	}), nil
}

func (a *Authenticator) finish(r *Response) (json.RawMessage, error) {
	if a.Corrupt != nil {
		a.Corrupt(r)
	}
	answer, err := marshal(r)
	if err != nil {
		return nil, fmt.Errorf("passkeytest: encode the answer: %w", err)
	}
	return answer, nil
}

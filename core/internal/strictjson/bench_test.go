package strictjson

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// signIn is the body of a sign-in as a browser sends it.
func signIn() []byte {
	b64 := func(n int) string { return base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\x5a", n))) }
	id := b64(32)
	return []byte(`{"state":"` + b64(120) + `","credential":{"id":"` + id + `","rawId":"` + id + `","response":{"authenticatorData":"` + b64(37) +
		`","clientDataJSON":"` + b64(230) + `","signature":"` + b64(71) + `","userHandle":"` + b64(16) +
		`"},"type":"public-key","clientExtensionResults":{},"authenticatorAttachment":"platform"}}`)
}

func BenchmarkSignIn(b *testing.B) {
	body := signIn()
	b.SetBytes(int64(len(body)))
	b.Run("strictjson", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var state, typ string
			var id, rawID, auth, client, signature, handle []byte
			if err := Read(body,
				String("state", &state).Required(),
				Object("credential",
					Base64URL("id", &id).Required(),
					Base64URL("rawId", &rawID).Required(),
					String("type", &typ).Required(),
					Object("response",
						Base64URL("authenticatorData", &auth).Required(),
						Base64URL("clientDataJSON", &client).Required(),
						Base64URL("signature", &signature).Required(),
						Base64URL("userHandle", &handle),
					).Required(),
				).Required(),
			); err != nil || len(signature) != 71 || len(handle) != 16 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v struct {
				State      string
				Credential struct {
					ID, RawID text
					Type      string
					Response  struct{ AuthenticatorData, ClientDataJSON, Signature, UserHandle text }
				}
			}
			if err := json.Unmarshal(body, &v); err != nil || len(v.Credential.Response.Signature) != 71 || len(v.Credential.Response.UserHandle) != 16 {
				b.Fatal(err)
			}
		}
	})
}

// text is base64url for encoding/json.
type text []byte

func (t *text) UnmarshalText(b []byte) (err error) {
	*t, err = DecodeBase64URL(b)
	return err
}

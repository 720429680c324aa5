# Registers passkeys with Ruby's webauthn, and prints what an application keeps of them:
# the columns that the library's documentation names. It speaks as ../go-webauthn/enrol.go
# does, but that it looks at no sign-in: Debian 12 has the library with a version of cose
# that makes no key for the OpenSSL there, and so verifies no signature.
require 'digest'
require 'json'
require 'webauthn'

$stdout.sync = true
WebAuthn.configure do |config|
  config.origin = 'https://example.org'
  config.rp_name = 'Example'
end

def ask(options)
  puts JSON.generate(options.as_json)
  JSON.parse($stdin.gets)
end

while (line = $stdin.gets)
  name = JSON.parse(line, quirks_mode: true)
  handle = WebAuthn.configuration.encoder.encode(Digest::SHA256.digest(name))
  options = WebAuthn::Credential.options_for_create(user: { id: handle, name: name })
  made = WebAuthn::Credential.from_create(ask(options))
  made.verify(options.challenge)
  ask(WebAuthn::Credential.options_for_get(allow: made.id))
  puts JSON.generate(user_id: name, webauthn_id: handle, external_id: made.id, public_key: made.public_key, sign_count: made.sign_count.to_i)
end

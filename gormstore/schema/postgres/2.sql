ALTER TABLE passkeys_credentials ADD COLUMN rp_id TEXT NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN user_handle BYTEA NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE passkeys_credentials ADD COLUMN spent BYTEA NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE;

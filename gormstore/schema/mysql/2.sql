ALTER TABLE passkeys_credentials ADD COLUMN rp_id VARCHAR(253) NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN user_handle VARBINARY(64) NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN handle_unknown BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE passkeys_credentials ADD COLUMN spent VARBINARY(1024) NOT NULL DEFAULT '';
ALTER TABLE passkeys_credentials ADD COLUMN discoverable_known BOOLEAN NOT NULL DEFAULT FALSE;

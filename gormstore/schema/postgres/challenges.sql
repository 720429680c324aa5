CREATE TABLE IF NOT EXISTS passkeys_challenges (
    handle_hash BYTEA  NOT NULL PRIMARY KEY,
    payload     BYTEA  NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS passkeys_challenges_expires_at ON passkeys_challenges (expires_at);

CREATE TABLE IF NOT EXISTS passkeys_credentials (
    id_hash            BLOB     NOT NULL PRIMARY KEY,
    id                 BLOB     NOT NULL,
    user_id            BLOB     NOT NULL,
    public_key         BLOB     NOT NULL,
    algorithm          BIGINT   NOT NULL,
    sign_count         BIGINT   NOT NULL,
    backup_eligible    BOOLEAN  NOT NULL,
    backup_state       BOOLEAN  NOT NULL,
    backup_unknown     BOOLEAN  NOT NULL,
    uv_initialized     BOOLEAN  NOT NULL,
    discoverable       BOOLEAN  NOT NULL,
    transports         TEXT     NOT NULL,
    aaguid             BLOB     NOT NULL,
    attestation_format BLOB     NOT NULL,
    device_name        TEXT     NOT NULL,
    created_at         BIGINT,
    last_used_at       BIGINT,
    quarantined_at     BIGINT,
    quarantine_reason  TEXT     NOT NULL,
    revision           BIGINT   NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS passkeys_credentials_user_id ON passkeys_credentials (user_id);

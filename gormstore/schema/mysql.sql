CREATE TABLE IF NOT EXISTS passkeys_credentials (
    id_hash            BINARY(32)      NOT NULL PRIMARY KEY,
    id                 VARBINARY(1023) NOT NULL,
    user_id            VARBINARY(64)   NOT NULL,
    public_key         VARBINARY(4096) NOT NULL,
    algorithm          BIGINT          NOT NULL,
    sign_count         BIGINT          NOT NULL,
    backup_eligible    BOOLEAN         NOT NULL,
    backup_state       BOOLEAN         NOT NULL,
    backup_unknown     BOOLEAN         NOT NULL,
    uv_initialized     BOOLEAN         NOT NULL,
    discoverable       BOOLEAN         NOT NULL,
    transports         VARCHAR(255)    NOT NULL,
    aaguid             BINARY(16)      NOT NULL,
    attestation_format VARBINARY(32)   NOT NULL,
    device_name        VARCHAR(64)     NOT NULL,
    created_at         BIGINT,
    last_used_at       BIGINT,
    quarantined_at     BIGINT,
    quarantine_reason  VARCHAR(255)    NOT NULL,
    revision           BIGINT          NOT NULL DEFAULT 0,
    KEY user_id (user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE IF NOT EXISTS passkeys_challenges (
    handle_hash BINARY(32) NOT NULL PRIMARY KEY,
    payload     MEDIUMBLOB NOT NULL,
    expires_at  BIGINT     NOT NULL,
    KEY expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS passkeys_challenges (
    handle_hash BINARY(32) NOT NULL PRIMARY KEY,
    payload     MEDIUMBLOB NOT NULL,
    expires_at  BIGINT     NOT NULL,
    KEY expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

-- Keys that are revoked, and keys that are kept in a device. One text for SQLite and PostgreSQL.

-- The same table with one more state: SQLite cannot change a CHECK in place.
CREATE TABLE signing_key_line (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'revoked')),
    home TEXT NOT NULL CHECK (home IN ('store', 'hsm')),
    sealed TEXT NOT NULL,                   -- under the master key, base64url: the private key, or where
                                            -- the device has it; '' once revoked
    since BIGINT NOT NULL,                  -- in this state
    gone_after BIGINT NOT NULL              -- a retiring or revoked key is removed then; else 0
);
INSERT INTO signing_key_line (kid, algorithm, state, home, sealed, since, gone_after)
SELECT kid, algorithm, state, 'store', sealed, since, gone_after FROM signing_key;
DROP TABLE signing_key;
ALTER TABLE signing_key_line RENAME TO signing_key;
CREATE UNIQUE INDEX signing_key_in_use ON signing_key (algorithm, state)
WHERE state IN ('next', 'active');

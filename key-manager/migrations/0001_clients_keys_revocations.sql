-- One text for SQLite and PostgreSQL: only TEXT and BIGINT, times in Unix seconds.

CREATE TABLE client (
    client_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    grant_types TEXT NOT NULL,              -- parted by spaces
    scopes TEXT NOT NULL,                   -- parted by spaces
    access_token_seconds BIGINT NOT NULL,   -- 0: the default in force
    algorithm TEXT NOT NULL,                -- '': the default in force
    ended_until BIGINT NOT NULL,            -- tokens issued until then were revoked together
    created_at BIGINT NOT NULL
);

CREATE TABLE client_secret (
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    secret_id TEXT NOT NULL,
    digest TEXT NOT NULL,                   -- HMAC-SHA-256 in base64url, never the secret
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,             -- 0: never
    PRIMARY KEY (client_id, secret_id)
);

-- The row that every writer of the log, and every change of the keys, goes through one at a time.
CREATE TABLE ledger (
    ledger_id BIGINT PRIMARY KEY CHECK (ledger_id = 1),
    epoch TEXT NOT NULL,                    -- of the revocation log
    head BIGINT NOT NULL,                   -- the last sequence given; stays when lines are forgotten
    key_version BIGINT NOT NULL,            -- grows with every change of signing_key
    longest_seconds BIGINT NOT NULL,        -- the longest life that an access token was ever allowed
    master_id TEXT NOT NULL                 -- which master key seals; '': none yet
);

INSERT INTO ledger (ledger_id, epoch, head, key_version, longest_seconds, master_id)
VALUES (1, '', 0, 0, 0, '');

CREATE TABLE revocation (
    sequence BIGINT PRIMARY KEY,
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('token', 'client', 'subject')),
    name TEXT NOT NULL,                     -- jti, client_id or subject
    issued_until BIGINT NOT NULL,           -- 0 for a token
    forget_after BIGINT NOT NULL
);

CREATE INDEX revocation_name ON revocation (name, kind);
CREATE INDEX revocation_forget ON revocation (forget_after);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retiring')),
    sealed TEXT NOT NULL,                   -- the private key under the master key, base64url
    since BIGINT NOT NULL,                  -- in this state
    gone_after BIGINT NOT NULL              -- a retiring key is removed then; else 0
);

CREATE UNIQUE INDEX signing_key_in_use ON signing_key (algorithm, state)
WHERE state IN ('next', 'active');

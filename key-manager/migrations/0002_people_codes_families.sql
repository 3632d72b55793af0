-- People, what they allowed, and what was issued for them. One text for SQLite and PostgreSQL.

ALTER TABLE client ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '';      -- parted by spaces
ALTER TABLE client ADD COLUMN first_party BIGINT NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN refresh_policy TEXT NOT NULL DEFAULT 'static';

-- The same table with one more kind: SQLite cannot change a CHECK in place.
CREATE TABLE revocation_line (
    sequence BIGINT PRIMARY KEY,
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('token', 'client', 'subject', 'family')),
    name TEXT NOT NULL,                     -- jti, client_id, subject or family
    issued_until BIGINT NOT NULL,           -- 0 for a token and a family
    forget_after BIGINT NOT NULL
);
INSERT INTO revocation_line (sequence, issuer, kind, name, issued_until, forget_after)
SELECT sequence, issuer, kind, name, issued_until, forget_after FROM revocation;
DROP TABLE revocation;
ALTER TABLE revocation_line RENAME TO revocation;
CREATE INDEX revocation_name ON revocation (name, kind);
CREATE INDEX revocation_forget ON revocation (forget_after);

CREATE TABLE person (
    user_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,              -- NFKC, lower case
    password TEXT NOT NULL,                 -- PHC string
    disabled BIGINT NOT NULL,
    ended_until BIGINT NOT NULL,            -- tokens issued until then were revoked together
    created_at BIGINT NOT NULL
);

CREATE TABLE session (
    session_id TEXT PRIMARY KEY,            -- the sid
    digest TEXT NOT NULL UNIQUE,            -- of the cookie, never the cookie
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    logged_in_at BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_over ON session (ends_at);
CREATE INDEX session_idle ON session (idle_until);

CREATE TABLE consent (
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,                   -- parted by spaces
    given_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- Failed logins, by a digest of the name or the network that they were for.
CREATE TABLE attempt (
    name TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);
CREATE INDEX attempt_last ON attempt (last_at);

CREATE TABLE code (
    digest TEXT PRIMARY KEY,                -- HMAC-SHA-256, never the code
    family_id TEXT NOT NULL,                -- of everything that is issued from it
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,                -- PKCE S256
    nonce TEXT NOT NULL,                    -- '': none
    scopes TEXT NOT NULL,                   -- parted by spaces
    audience TEXT NOT NULL,                 -- a JSON list
    logged_in_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL                 -- 0: not yet
);
CREATE INDEX code_expiry ON code (expires_at);

CREATE TABLE family (
    family_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    scopes TEXT NOT NULL,                   -- parted by spaces
    audience TEXT NOT NULL,                 -- a JSON list
    logged_in_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    digest TEXT NOT NULL,                   -- of the refresh token that is good
    former_digest TEXT NOT NULL,            -- of the one before it; '': none
    former_until BIGINT NOT NULL,           -- so long the one before gets the same answer
    successor TEXT NOT NULL,                -- that answer, sealed; '' after the grace
    idle_until BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL,                -- 1: it was ended before its time
    key_thumbprint TEXT NOT NULL            -- of the key that each use has to prove; '': none
);
CREATE INDEX family_user ON family (user_id);
CREATE INDEX family_client ON family (client_id);
CREATE INDEX family_end ON family (ends_at);
CREATE INDEX family_idle ON family (idle_until);
CREATE INDEX family_grace ON family (former_until) WHERE successor <> '';

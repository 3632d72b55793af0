-- What happened, and what people prove themselves with besides a password.

-- The audit log. Each line holds a keyed hash of itself and of the line before it.
CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,                    -- like 'user.created'
    who TEXT NOT NULL,                      -- a subject, or a service; '': nobody that is known
    client TEXT NOT NULL,                   -- a client_id; '': none
    address TEXT NOT NULL,                  -- where it was asked from; '': not known
    outcome TEXT NOT NULL,
    details TEXT NOT NULL,                  -- a JSON object of texts
    former TEXT NOT NULL,                   -- the hash of the line before; '': this is the first
    hash TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);

-- The last line; every writer of the log goes through this row one at a time.
CREATE TABLE audit_head (
    head_id BIGINT PRIMARY KEY CHECK (head_id = 1),
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (head_id, sequence, hash) VALUES (1, 0, '');

-- How a person logged in (RFC 8176, parted by spaces), and where.
ALTER TABLE session ADD COLUMN methods TEXT NOT NULL DEFAULT 'pwd';
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE code ADD COLUMN methods TEXT NOT NULL DEFAULT 'pwd';
ALTER TABLE family ADD COLUMN methods TEXT NOT NULL DEFAULT 'pwd';

-- 1: they signed up, and nobody has approved it yet.
ALTER TABLE person ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;

CREATE TABLE authenticator (
    user_id TEXT PRIMARY KEY REFERENCES person (user_id) ON DELETE CASCADE,
    sealed TEXT NOT NULL,                   -- the seed under the master key
    last_step BIGINT NOT NULL,              -- the time step of the last code; it is good once
    created_at BIGINT NOT NULL
);

CREATE TABLE recovery_code (
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    digest TEXT NOT NULL,                   -- HMAC-SHA-256, never the code
    PRIMARY KEY (user_id, digest)
);

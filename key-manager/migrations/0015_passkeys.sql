-- Passkeys of people (Web Authentication). One text for SQLite and PostgreSQL.

CREATE TABLE passkey (
    passkey_id TEXT PRIMARY KEY,            -- as the authenticator names it, base64url
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    name TEXT NOT NULL,                     -- as its person calls it
    public_key TEXT NOT NULL,               -- a COSE_Key, base64url
    counter BIGINT NOT NULL,                -- how often it has signed; 0: it does not count
    synced BIGINT NOT NULL,                 -- 1: it may be copied to other devices of its person
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL                 -- 0: never
);
CREATE INDEX passkey_of_user ON passkey (user_id);

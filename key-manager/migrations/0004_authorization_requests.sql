-- Requests that came before the browser, and keys that codes are bound to. One text for SQLite and
-- PostgreSQL.

CREATE TABLE pushed_request (
    digest TEXT PRIMARY KEY,                -- of the request_uri, never the address
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    parameters TEXT NOT NULL,               -- a form
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_request_expiry ON pushed_request (expires_at);

ALTER TABLE code ADD COLUMN key_thumbprint TEXT NOT NULL DEFAULT '';       -- of the DPoP key; '': none

ALTER TABLE client ADD COLUMN require_pushed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN require_signed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN logout_uris TEXT NOT NULL DEFAULT '';        -- parted by spaces

-- The keys by which gateways tell backends who calls. One text for SQLite and PostgreSQL.

CREATE TABLE gateway_key (
    instance TEXT NOT NULL,                 -- of the gateway, as its certificate names it
    kid TEXT NOT NULL,                      -- RFC 7638 thumbprint
    jwk TEXT NOT NULL,                      -- the public key as JSON
    expires_at BIGINT NOT NULL,             -- Unix seconds
    PRIMARY KEY (instance, kid)
);
CREATE INDEX gateway_key_expiry ON gateway_key (expires_at);

-- How often they have changed, so that processes know when to read them.
ALTER TABLE ledger ADD COLUMN gateway_key_version BIGINT NOT NULL DEFAULT 0;

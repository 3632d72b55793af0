-- How clients prove who they are (KM-051), what their tokens are bound to, and what was used once.

ALTER TABLE client ADD COLUMN auth_method TEXT NOT NULL DEFAULT '';       -- '': a secret, either way
ALTER TABLE client ADD COLUMN auth_algorithm TEXT NOT NULL DEFAULT '';    -- of its assertions
ALTER TABLE client ADD COLUMN jwks TEXT NOT NULL DEFAULT '';              -- public keys only
ALTER TABLE client ADD COLUMN certificate_name TEXT NOT NULL DEFAULT '';  -- like 'dns:app.example'
ALTER TABLE client ADD COLUMN dpop_bound BIGINT NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN certificate_bound BIGINT NOT NULL DEFAULT 0;

-- The secret under the master key, where its owner signs with it (client_secret_jwt); else ''.
ALTER TABLE client_secret ADD COLUMN sealed TEXT NOT NULL DEFAULT '';

-- What was used and must not be used again: the jti of assertions and DPoP proofs (KM-122).
CREATE TABLE used_once (
    owner TEXT NOT NULL,                    -- whose room it takes
    name TEXT NOT NULL,                     -- SHA-256 in base64url
    until BIGINT NOT NULL,                  -- Unix seconds; later it is refused for its age
    PRIMARY KEY (owner, name)
);

CREATE INDEX used_once_until ON used_once (until);

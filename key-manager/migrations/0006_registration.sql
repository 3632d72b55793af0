-- Clients that register themselves. One text for SQLite and PostgreSQL.

ALTER TABLE client ADD COLUMN jwks_uri TEXT NOT NULL DEFAULT '';           -- where its keys are; '': in jwks
ALTER TABLE client ADD COLUMN about TEXT NOT NULL DEFAULT '{}';            -- a JSON object, for people
ALTER TABLE client ADD COLUMN registration TEXT NOT NULL DEFAULT '';       -- of the token that manages it; '': none

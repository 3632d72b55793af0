-- What authorizations hold beside their scopes, and what else is agreed with clients. One text for SQLite
-- and PostgreSQL.

ALTER TABLE code ADD COLUMN wishes TEXT NOT NULL DEFAULT '';     -- JSON; '': nothing
ALTER TABLE family ADD COLUMN wishes TEXT NOT NULL DEFAULT '';
ALTER TABLE device_request ADD COLUMN bell TEXT NOT NULL DEFAULT '';    -- sealed; '': the client asks
ALTER TABLE client ADD COLUMN terms TEXT NOT NULL DEFAULT '';    -- JSON; '': as for all others

-- Clients that ask a person who is not before their browser. One text for SQLite and PostgreSQL.

ALTER TABLE device_request ADD COLUMN for_user TEXT NOT NULL DEFAULT '';   -- who is asked; '': whoever types the code
ALTER TABLE device_request ADD COLUMN message TEXT NOT NULL DEFAULT '';    -- what both see
CREATE INDEX device_request_for ON device_request (for_user) WHERE for_user <> '';

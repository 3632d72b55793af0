-- Where clients hear that a login has ended. One text for SQLite and PostgreSQL.

ALTER TABLE client ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';   -- https; '': nowhere
CREATE INDEX family_session ON family (session_id);
CREATE INDEX code_session ON code (session_id);

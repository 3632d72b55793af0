-- What the directory says that people are. One text for SQLite and PostgreSQL.

ALTER TABLE person ADD COLUMN directory_roles TEXT NOT NULL DEFAULT '';    -- a JSON list; '': nothing

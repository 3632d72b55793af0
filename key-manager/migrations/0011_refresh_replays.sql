-- How often an answer to a refresh was given again. One text for SQLite and PostgreSQL.

ALTER TABLE family ADD COLUMN replays BIGINT NOT NULL DEFAULT 0;   -- of the last step, counted ones

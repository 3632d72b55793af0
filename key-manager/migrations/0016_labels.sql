-- Secrets of clients have names for people. One text for SQLite and PostgreSQL.

ALTER TABLE client_secret ADD COLUMN label TEXT NOT NULL DEFAULT '';

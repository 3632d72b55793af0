-- How often clients have changed, so that processes know when to forget those that they remember. One text
-- for SQLite and PostgreSQL.

ALTER TABLE ledger ADD COLUMN client_version BIGINT NOT NULL DEFAULT 0;

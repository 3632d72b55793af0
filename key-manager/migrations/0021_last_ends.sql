-- Until when everything of any client, and of any person, ended last: what is issued in the same second
-- afterwards is dated ahead, and the next end has to name it. One text for SQLite and PostgreSQL.

ALTER TABLE ledger ADD COLUMN client_ended_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN person_ended_until BIGINT NOT NULL DEFAULT 0;

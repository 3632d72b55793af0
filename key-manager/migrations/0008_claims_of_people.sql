-- What is known of a person, and clients that cannot do PKCE. One text for SQLite and PostgreSQL.

ALTER TABLE person ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';           -- a JSON object
ALTER TABLE person ADD COLUMN claims_at BIGINT NOT NULL DEFAULT 0;         -- 0: never set

ALTER TABLE client ADD COLUMN allow_no_pkce BIGINT NOT NULL DEFAULT 0;

-- Accounts of people who log in at providers. One text for SQLite and PostgreSQL.

CREATE TABLE linked_account (
    issuer TEXT NOT NULL,                   -- of the provider, byte for byte
    subject TEXT NOT NULL,                  -- what the provider calls them
    user_id TEXT NOT NULL REFERENCES person (user_id) ON DELETE CASCADE,
    linked_at BIGINT NOT NULL,              -- Unix seconds
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX linked_account_of_person ON linked_account (user_id);

-- A verified mail address, from the profile; '': none, or the profile was written before this column.
ALTER TABLE person ADD COLUMN email TEXT NOT NULL DEFAULT '';
CREATE INDEX person_by_email ON person (email) WHERE email <> '';

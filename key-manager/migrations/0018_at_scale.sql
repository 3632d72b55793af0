-- What is looked for among millions of rows. One text for SQLite and PostgreSQL.

-- A client that goes takes what it was allowed with it, and a person their codes.
CREATE INDEX consent_client ON consent (client_id);
CREATE INDEX code_client ON code (client_id);
CREATE INDEX code_user ON code (user_id);

-- Whoever waits to be let in is counted with each sign-up.
CREATE INDEX person_pending ON person (created_at, user_id) WHERE pending = 1;

-- Requests of devices that wait for a person elsewhere. One text for SQLite and PostgreSQL.

CREATE TABLE device_request (
    digest TEXT PRIMARY KEY,                -- of the device code, never the code
    user_digest TEXT NOT NULL UNIQUE,       -- of the code that the person types
    family_id TEXT NOT NULL,                -- of everything that is issued from it
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,                  -- '': nobody has answered
    session_id TEXT NOT NULL,
    scopes TEXT NOT NULL,                   -- parted by spaces
    audience TEXT NOT NULL,                 -- a JSON list
    logged_in_at BIGINT NOT NULL,
    methods TEXT NOT NULL,
    denied BIGINT NOT NULL,                 -- 1: the person said no
    pause BIGINT NOT NULL,                  -- seconds between two questions of the device
    asked_at BIGINT NOT NULL,               -- when it last asked
    expires_at BIGINT NOT NULL
);
CREATE INDEX device_request_client ON device_request (client_id);
CREATE INDEX device_request_expiry ON device_request (expires_at);

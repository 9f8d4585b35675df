-- Accounts without their password hashes.
CREATE TABLE accounts (
    realm text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    -- Dense within the realm, from 1.
    number bigint NOT NULL,
    roles text[] NOT NULL,
    -- The places a terminal is bound to; empty: not bound.
    places text[] NOT NULL,
    registered_at timestamptz NOT NULL,
    -- How many login tokens were revoked.
    token_generation bigint NOT NULL DEFAULT 0,
    -- SHA-256 of the login token, while there is one.
    token_hash bytea
);

-- Keys
ALTER TABLE accounts ADD PRIMARY KEY (realm, username);
ALTER TABLE accounts ADD UNIQUE (realm, number);
CREATE INDEX accounts_by_token ON accounts (token_hash);

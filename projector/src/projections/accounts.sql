-- Accounts without their password hashes.
CREATE TABLE accounts (
    realm text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    -- Dense within the realm, from 1.
    number bigint NOT NULL,
    roles text[] NOT NULL,
    -- The places a terminal is bound to; empty: not bound.
    places text[] NOT NULL,
    registered_at timestamptz NOT NULL
);

-- Keys
ALTER TABLE accounts ADD PRIMARY KEY (realm, username);
ALTER TABLE accounts ADD UNIQUE (realm, number);

-- Accounts as they are, without their passwords. What names a person is sealed, but in accounts of earlier Tills until they are
-- sealed too. Postgres keeps samples of columns for its planner: of these names it keeps none.
CREATE TABLE accounts (
    realm text COLLATE "C" NOT NULL,
    -- Dense within the realm, from 1.
    number bigint NOT NULL,
    -- Whose key opens what is sealed; null before the account is sealed.
    subject uuid,
    sealed bytea,
    -- The name of an account that is not sealed yet; null from then on.
    username text COLLATE "C",
    roles text[] NOT NULL,
    -- The places a terminal is bound to; empty: not bound.
    places text[] NOT NULL,
    -- The sellers that the account acts for: [{"home", "id"}].
    sellers jsonb NOT NULL,
    -- The generation of the account's tokens. Those of earlier ones are worth nothing.
    generation bigint NOT NULL,
    -- SHA-256 of the login token, while there is one.
    token_hash bytea,
    disabled boolean NOT NULL,
    closed_at timestamptz,
    revision integer NOT NULL,
    registered_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
ALTER TABLE accounts ALTER COLUMN username SET STATISTICS 0;

-- The keys of terminals that are good.
CREATE TABLE terminal_keys (
    realm text COLLATE "C" NOT NULL,
    -- SHA-256 of the key.
    digest bytea NOT NULL,
    -- The number of the account that it acts for.
    account bigint NOT NULL,
    key uuid NOT NULL,
    label text NOT NULL,
    -- The places whose receipts it may send; empty: those of its account.
    places text[] NOT NULL,
    issued_at timestamptz NOT NULL,
    -- A use that is at most an hour older than the last one.
    used_at timestamptz
);

-- Keys
ALTER TABLE accounts ADD PRIMARY KEY (realm, number);
CREATE INDEX accounts_by_token ON accounts (realm, token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX accounts_by_subject ON accounts (subject) WHERE subject IS NOT NULL;
CREATE INDEX accounts_by_name ON accounts (realm, username) WHERE username IS NOT NULL;
ALTER TABLE terminal_keys ADD PRIMARY KEY (realm, digest);
CREATE INDEX terminal_keys_by_account ON terminal_keys (realm, account);

-- Customers as last changed. What is personal of them is sealed: only who has the key of the subject can read it.
CREATE TABLE customers (
    home text COLLATE "C" NOT NULL,
    -- Tells the customer from others of its home: a number, or a UUID.
    id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    -- The id, where it is a number.
    number bigint,
    subject uuid NOT NULL,
    sealed bytea NOT NULL,
    active boolean NOT NULL,
    -- The account that the customer logs in with, if it has one.
    account_home text COLLATE "C",
    account_id text COLLATE "C",
    revision integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- A customer that was taken off the lists stays as a row, because orders name it.
    removed_at timestamptz
);

-- Persons who were erased. They stand apart from customers and keys, so it does not matter which is folded first: nobody whose
-- subject is here can be read any more, whatever else is there.
CREATE TABLE erased (
    subject uuid NOT NULL,
    erased_at timestamptz NOT NULL
);

-- Keys
ALTER TABLE customers ADD PRIMARY KEY (home, id);
ALTER TABLE erased ADD PRIMARY KEY (subject);
CREATE INDEX customers_by_number ON customers (scope, number) WHERE removed_at IS NULL;
CREATE INDEX customers_by_age ON customers (scope, created_at, id);
CREATE INDEX customers_by_subject ON customers (subject);
CREATE INDEX customers_by_account ON customers (account_home, account_id);

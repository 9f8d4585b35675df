-- Sellers as last changed.
CREATE TABLE sellers (
    home text COLLATE "C" NOT NULL,
    -- Tells the seller from others of its home; empty in a home of its own.
    id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    -- The id, where it is a number.
    number bigint,
    name text NOT NULL,
    description text NOT NULL,
    address text NOT NULL,
    -- The accounts that may change it, as realm/number.
    managers text[] COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- A seller that was taken off the lists stays as a row, because products and orders name it.
    removed_at timestamptz
);

-- Products as last changed.
CREATE TABLE products (
    home text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    number bigint,
    seller_home text COLLATE "C",
    seller_id text COLLATE "C",
    title text NOT NULL,
    description text,
    section text COLLATE "C" NOT NULL,
    price numeric(38, 2),
    currency text COLLATE "C" NOT NULL,
    active boolean NOT NULL,
    counts_stock boolean NOT NULL,
    keep_one boolean NOT NULL,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    removed_at timestamptz
);

-- What can still be reserved. It is folded from a topic of its own, before or after the product that it is of.
CREATE TABLE stock (
    home text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    available numeric(18, 3) NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Cashback types as last changed.
CREATE TABLE cashback_types (
    home text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    number bigint,
    name text NOT NULL,
    rate numeric(38, 12) NOT NULL,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    removed_at timestamptz
);

-- Keys
ALTER TABLE sellers ADD PRIMARY KEY (home, id);
ALTER TABLE products ADD PRIMARY KEY (home, id);
ALTER TABLE stock ADD PRIMARY KEY (home, id);
ALTER TABLE cashback_types ADD PRIMARY KEY (home, id);
CREATE INDEX sellers_by_number ON sellers (scope, number) WHERE removed_at IS NULL;
CREATE INDEX products_by_number ON products (scope, number) WHERE removed_at IS NULL;
CREATE INDEX products_by_section ON products (scope, section, number) WHERE removed_at IS NULL;
CREATE INDEX products_by_seller ON products (seller_home, seller_id);
CREATE INDEX sellers_by_age ON sellers (created_at, home, id) WHERE removed_at IS NULL;
CREATE INDEX products_by_age ON products (created_at, home, id) WHERE removed_at IS NULL;

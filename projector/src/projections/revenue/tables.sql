-- What sellers earn: sums of the shares in events. A row stays when its sums fall to zero. Where nobody sells, the seller's home and id
-- are empty, and the row is of the scope alone.
CREATE TABLE seller_totals (
    seller_home text COLLATE "C" NOT NULL,
    -- Tells the seller from others of its home; empty in a home of its own.
    seller_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    orders bigint NOT NULL,
    quantity numeric(18, 3) NOT NULL,
    sold numeric(38, 2) NOT NULL,
    approved numeric(38, 2) NOT NULL,
    refunded numeric(38, 2) NOT NULL
) WITH (fillfactor = 80);

-- The same of each day, in the zone of revenue_zone.
CREATE TABLE seller_days (
    seller_home text COLLATE "C" NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    scope text COLLATE "C" NOT NULL,
    orders bigint NOT NULL,
    quantity numeric(18, 3) NOT NULL,
    sold numeric(38, 2) NOT NULL,
    approved numeric(38, 2) NOT NULL,
    refunded numeric(38, 2) NOT NULL
) WITH (fillfactor = 90);

-- The same of each product. Its orders are not counted: an order is in the share of one product of its seller alone.
CREATE TABLE product_days (
    seller_home text COLLATE "C" NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    product_home text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    quantity numeric(18, 3) NOT NULL,
    sold numeric(38, 2) NOT NULL,
    approved numeric(38, 2) NOT NULL,
    refunded numeric(38, 2) NOT NULL
) WITH (fillfactor = 90);

-- What each order has brought its sellers.
CREATE TABLE seller_entries (
    seller_home text COLLATE "C" NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    order_home text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    -- When the first share of it was recorded.
    at timestamptz NOT NULL,
    sold numeric(38, 2) NOT NULL,
    approved numeric(38, 2) NOT NULL,
    refunded numeric(38, 2) NOT NULL
) WITH (fillfactor = 90);

-- The zone of the days: the one that was set when the first batch was folded. Days of two zones cannot be added up, so another
-- setting counts from the next rebuild on.
CREATE TABLE revenue_zone (
    only_row boolean NOT NULL CHECK (only_row),
    zone text NOT NULL
);

-- Keys
ALTER TABLE seller_totals ADD PRIMARY KEY (seller_home, seller_id, scope);
ALTER TABLE seller_days ADD PRIMARY KEY (seller_home, seller_id, day, scope);
ALTER TABLE product_days ADD PRIMARY KEY (seller_home, seller_id, day, product_home, product_id, scope);
ALTER TABLE seller_entries ADD PRIMARY KEY (seller_home, seller_id, order_home, order_id, scope);
ALTER TABLE revenue_zone ADD PRIMARY KEY (only_row);
CREATE INDEX seller_entries_by_age ON seller_entries (seller_home, seller_id, at, order_home, order_id);

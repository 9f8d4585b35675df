-- The journal: one row a receipt.
CREATE TABLE receipts (
    transaction_id text COLLATE "C" NOT NULL,
    place_id text COLLATE "C" NOT NULL,
    place_name text NOT NULL,
    -- Business time: when the till wrote it, of the years 1 to 9999.
    occurred_at timestamptz NOT NULL,
    -- [{"product_id", "quantity", "price", "category"}], prices as text.
    items jsonb NOT NULL,
    total_amount numeric(38, 2) NOT NULL,
    tax_amount numeric(38, 2) NOT NULL,
    tips_amount numeric(38, 2) NOT NULL,
    payment_method text NOT NULL,
    -- false: recorded although its total is not the sum of its items.
    totals_match boolean NOT NULL,
    recorded_by text NOT NULL,
    -- Arrival: the broker's clock.
    recorded_at timestamptz NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    voided_at timestamptz,
    voided_by text,
    void_reason text
);

-- Keys
ALTER TABLE receipts ADD PRIMARY KEY (transaction_id);
CREATE INDEX receipts_by_time ON receipts (occurred_at, transaction_id);
CREATE INDEX receipts_by_place ON receipts (place_id, occurred_at, transaction_id);
CREATE INDEX receipts_by_arrival ON receipts (place_id, recorded_at, partition, "offset");

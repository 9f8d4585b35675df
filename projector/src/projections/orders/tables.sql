-- Orders as last changed.
CREATE TABLE orders (
    home text COLLATE "C" NOT NULL,
    -- Tells the order from others of its home; empty in a home of its own.
    id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    -- The id, where it is a number.
    number bigint,
    rules text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    -- The order of the kitchen's queue: 1 ready, 2 preparing, 3 received; none: not in the kitchen.
    queue_rank smallint,
    -- Who it is for: the home and id of a customer or an account, and whose key seals what is personal.
    buyer_kind text COLLATE "C",
    buyer_home text COLLATE "C",
    buyer_id text COLLATE "C",
    buyer_subject uuid,
    fulfilment text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    total numeric(38, 2) NOT NULL,
    -- Recipient and address, sealed under the key of that subject.
    ship_to_subject uuid,
    ship_to bytea,
    payment_id text COLLATE "C",
    payment_status text COLLATE "C" NOT NULL,
    -- What a contract shows in place of those, where it was corrected by hand.
    shown_payment_id text COLLATE "C",
    shown_payment_status text COLLATE "C",
    received_at timestamptz,
    preparing_at timestamptz,
    ready_at timestamptz,
    finished_at timestamptz,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    revision integer NOT NULL,
    removed_at timestamptz,
    -- What the kitchen is to prepare: the lines as its queue shows them, in JSON, so that a page of it is read from this table
    -- alone. Lines of a placed order never change. None where nothing is prepared.
    kitchen_lines text
);

-- What was ordered.
CREATE TABLE order_lines (
    home text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    line integer NOT NULL,
    -- The line's number within its home, 0 without one.
    number bigint NOT NULL,
    product_home text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    seller_home text COLLATE "C",
    seller_id text COLLATE "C",
    title text NOT NULL,
    section text COLLATE "C" NOT NULL,
    quantity numeric(18, 3) NOT NULL,
    unit_price numeric(38, 2) NOT NULL,
    discount numeric(38, 2) NOT NULL,
    amount numeric(38, 2) NOT NULL,
    note text,
    -- uncounted, asked, held, refused or released.
    hold text COLLATE "C" NOT NULL
);

-- Each event of an order, for people who ask what happened.
CREATE TABLE order_history (
    home text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- The place of the event in the log.
    "offset" bigint NOT NULL,
    revision integer NOT NULL,
    at timestamptz NOT NULL,
    event text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    by text COLLATE "C" NOT NULL
);

-- Payments as last changed.
CREATE TABLE payments (
    id text COLLATE "C" NOT NULL,
    home text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_id text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    amount numeric(38, 2) NOT NULL,
    refunded numeric(38, 2) NOT NULL,
    card_brand text COLLATE "C",
    card_last4 text,
    qr_data text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Refunds as last changed.
CREATE TABLE refunds (
    home text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    amount numeric(38, 2) NOT NULL,
    provider_id text COLLATE "C",
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Keys
ALTER TABLE orders ADD PRIMARY KEY (home, id);
ALTER TABLE order_lines ADD PRIMARY KEY (home, id, line);
ALTER TABLE order_history ADD PRIMARY KEY (home, id, "offset");
ALTER TABLE payments ADD PRIMARY KEY (home, order_id, id);
ALTER TABLE refunds ADD PRIMARY KEY (home, order_id, id);
CREATE INDEX orders_by_queue ON orders (scope, queue_rank, received_at, number, home, id) WHERE queue_rank IS NOT NULL AND removed_at IS NULL;
CREATE INDEX orders_by_buyer ON orders (buyer_home, buyer_id, placed_at DESC);
CREATE INDEX orders_by_stage ON orders (scope, stage, received_at);
CREATE INDEX orders_by_age ON orders (placed_at, home, id);
CREATE INDEX payments_by_provider ON payments (provider, provider_id);
CREATE INDEX payments_by_status ON payments (status, updated_at);

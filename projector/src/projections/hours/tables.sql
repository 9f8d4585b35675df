-- Figures by arrival, as the analytics worker has recorded them. A window is the time between two ticks of its schedule.
CREATE TABLE hours (
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    -- [{"partition", "start", "end"}]: the part of the receipts topic the window is; each start is the end of the window before.
    slices jsonb NOT NULL,
    recorded bigint NOT NULL,
    voided bigint NOT NULL,
    places bigint NOT NULL,
    closed_at timestamptz NOT NULL
);

-- Places the worker has seen, from their first window on; later windows without receipts read as zeros.
CREATE TABLE hour_places (
    place_id text COLLATE "C" NOT NULL,
    place_name text NOT NULL,
    first_window timestamptz NOT NULL,
    last_window timestamptz NOT NULL
);

-- Sums of a window's receipts, its voids taken out, and of all windows up to and with it.
CREATE TABLE hour_sums (
    place_id text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    recorded bigint NOT NULL,
    voided bigint NOT NULL,
    purchases bigint NOT NULL,
    total_amount numeric(38, 2) NOT NULL,
    tax_amount numeric(38, 2) NOT NULL,
    tips_amount numeric(38, 2) NOT NULL,
    average_receipt numeric(38, 2) NOT NULL,
    running_purchases bigint NOT NULL,
    running_total_amount numeric(38, 2) NOT NULL,
    running_tax_amount numeric(38, 2) NOT NULL,
    running_tips_amount numeric(38, 2) NOT NULL
);

CREATE TABLE hour_categories (
    place_id text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    category text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    amount numeric(38, 2) NOT NULL,
    running_quantity bigint NOT NULL,
    running_amount numeric(38, 2) NOT NULL
);

-- Keys
ALTER TABLE hours ADD PRIMARY KEY (window_start);
ALTER TABLE hour_places ADD PRIMARY KEY (place_id);
ALTER TABLE hour_sums ADD PRIMARY KEY (place_id, window_start);
ALTER TABLE hour_categories ADD PRIMARY KEY (place_id, window_start, category);
CREATE INDEX hour_categories_by_category ON hour_categories (place_id, category, window_start);

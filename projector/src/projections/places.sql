-- Figures by business time. A voided receipt is in none of them; a row stays when its figures fall to zero.
CREATE TABLE places (
    place_id text COLLATE "C" NOT NULL,
    -- The name on the latest receipt by business time, then transaction id: the same in whatever order partitions are read.
    place_name text NOT NULL,
    latest_at timestamptz NOT NULL,
    latest_transaction_id text COLLATE "C" NOT NULL,
    -- The first receipt by arrival, then place in the log, and its name of the place.
    first_at timestamptz NOT NULL,
    first_partition integer NOT NULL,
    first_offset bigint NOT NULL,
    first_name text NOT NULL,
    purchases bigint NOT NULL,
    total_amount numeric(38, 2) NOT NULL,
    tax_amount numeric(38, 2) NOT NULL,
    tips_amount numeric(38, 2) NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE place_hours (
    place_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    purchases bigint NOT NULL,
    total_amount numeric(38, 2) NOT NULL,
    tax_amount numeric(38, 2) NOT NULL,
    tips_amount numeric(38, 2) NOT NULL
) WITH (fillfactor = 90);

CREATE TABLE place_hour_categories (
    place_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    category text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    amount numeric(38, 2) NOT NULL
) WITH (fillfactor = 90);

-- Keys
ALTER TABLE places ADD PRIMARY KEY (place_id);
ALTER TABLE place_hours ADD PRIMARY KEY (place_id, hour);
ALTER TABLE place_hour_categories ADD PRIMARY KEY (place_id, hour, category);

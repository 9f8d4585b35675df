-- Figures by business time. A voided receipt is in none of them; a row stays when its figures fall to zero.
-- The name of a place is not here but read from its receipts, because a void may take away the receipt that named it.
CREATE TABLE places (
    place_id text COLLATE "C" NOT NULL,
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

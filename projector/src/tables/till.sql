-- What the projector keeps about its projections. `projector migrate` runs this again and again: what exists stays.
CREATE SCHEMA IF NOT EXISTS till;

-- The live generation of each projection.
CREATE TABLE IF NOT EXISTS till.projections (
    name text PRIMARY KEY,
    version integer NOT NULL,
    generation integer NOT NULL,
    -- Where its tables are, such as places_v1_g3.
    schema_name text NOT NULL
);

-- Events a fold cannot take, and the later events of their aggregates, in the order of the log: a rebuild tries them again.
-- Also the first records that are no events at all, to be looked into: they hold nothing back.
CREATE TABLE IF NOT EXISTS till.parked (
    projection text NOT NULL,
    generation integer NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    -- The record's key: the home of its aggregate.
    key bytea NOT NULL,
    error text NOT NULL,
    recorded_at timestamptz NOT NULL,
    is_event boolean NOT NULL,
    PRIMARY KEY (projection, generation, topic, partition, "offset")
);
ALTER TABLE till.parked ADD COLUMN IF NOT EXISTS is_event boolean NOT NULL DEFAULT true;
-- The aggregate's id within its home: later events of this home and id are held back. Where it is empty, the whole home is.
ALTER TABLE till.parked ADD COLUMN IF NOT EXISTS aggregate text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS parked_by_key ON till.parked USING hash (key) WHERE is_event;

-- The log the projections were folded from.
CREATE TABLE IF NOT EXISTS till.log (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster_id text NOT NULL,
    topic_prefix text NOT NULL,
    partitions integer NOT NULL
);

-- The keys of persons, each encrypted under a master key. Both tables are unlogged. What Postgres learns of a column for its
-- planner stands in a table that is logged, and holds samples: of these columns it learns nothing.
CREATE TABLE person_keys (
    subject uuid NOT NULL,
    home text COLLATE "C" NOT NULL,
    wrapped bytea NOT NULL,
    -- The number of that master key.
    master integer NOT NULL
);
ALTER TABLE person_keys ALTER COLUMN wrapped SET STATISTICS 0;

-- Whose a username, an e-mail address or a document is, by its keyed hash. It counts only while its person is there.
CREATE TABLE person_indexes (
    home text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    subject uuid NOT NULL
);
ALTER TABLE person_indexes ALTER COLUMN value SET STATISTICS 0;

-- Keys
ALTER TABLE person_keys ADD PRIMARY KEY (subject);
ALTER TABLE person_indexes ADD PRIMARY KEY (home, kind, value);
CREATE INDEX person_indexes_by_subject ON person_indexes (subject);

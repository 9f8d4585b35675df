-- Who did what to which person's account or data, and when: a row an event. Nothing in it is personal, so it outlives erasures.
CREATE TABLE audit (
    -- Where the event stands in the log.
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    at timestamptz NOT NULL,
    -- An account as `realm/number`, a contract as `contract:name`, or `todo`.
    by text COLLATE "C" NOT NULL,
    -- The type of the event.
    act text COLLATE "C" NOT NULL,
    -- The aggregate that it was done to. Of an erasure the id is the first subject that was erased.
    subject_home text COLLATE "C" NOT NULL,
    subject_id text COLLATE "C" NOT NULL,
    reason text
);

-- Keys
ALTER TABLE audit ADD PRIMARY KEY (topic, partition, "offset");
CREATE INDEX audit_by_time ON audit (at, topic, partition, "offset");

-- How far a generation has folded: `next` is the first offset that is not folded yet. Control records take offsets too.
-- The last record before it is named, because a log that has lost its tail, or was made anew, may have grown past `next` again.
CREATE TABLE positions (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL,
    last_offset bigint,
    last_event_id uuid,
    -- When the fold was last seen at its end, in rows of compacted topics only: who is away for long may miss deletions.
    seen_at timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- What became of the rows of files that went into tables; messages that belong to no alert; what
-- alarms on destinations count; dead letters that are purged.

-- 'purged': was dead for as long as dead letters are kept, or until somebody purged it.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_check CHECK (state IN
    ('waiting', 'running', 'delivered', 'dead', 'superseded', 'cancelled', 'purged'));

-- For those that grow too old while they wait.
CREATE INDEX deliveries_aging ON deliveries (route, arrival) WHERE state = 'waiting';

-- Where to; NULL for what was done to the object afterwards, and for those from before this was
-- recorded: no alarm looks back so far.
ALTER TABLE attempts ADD COLUMN destination TEXT COLLATE "C";
-- How many ran there when it began, itself included.
ALTER TABLE attempts ADD COLUMN at_once BIGINT;
-- It was ready and had to wait until another there had ended.
ALTER TABLE attempts ADD COLUMN is_held_back BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE attempts ADD COLUMN is_failed BOOLEAN NOT NULL DEFAULT false;

CREATE INDEX attempts_begun ON attempts (destination, began_at) WHERE destination IS NOT NULL;
CREATE INDEX attempts_held_back ON attempts (destination, began_at) WHERE is_held_back;
CREATE INDEX attempts_failed ON attempts (destination, ended_at) WHERE is_failed;

-- One a delivery into a table, whatever the number of its attempts.
CREATE TABLE loads (
    delivery BIGINT NOT NULL PRIMARY KEY REFERENCES deliveries (number),
    destination TEXT COLLATE "C" NOT NULL,
    engine TEXT NOT NULL,
    table_name TEXT NOT NULL,
    -- Rows; those so far until it has ended.
    rows_read BIGINT NOT NULL,
    inserted BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    superseded BIGINT NOT NULL,
    -- Where the rejected ones are.
    rejects_bucket TEXT COLLATE "C",
    rejects_key TEXT COLLATE "C" CHECK ((rejects_bucket IS NULL) = (rejects_key IS NULL)),
    began_at BIGINT NOT NULL,
    -- When the rows were counted last.
    told_at BIGINT NOT NULL,
    ended_at BIGINT,
    -- How long the attempt took that ended it, in microseconds; NULL if nobody knows.
    took BIGINT,
    undone_at BIGINT
);

CREATE INDEX loads_ended ON loads (destination, ended_at) WHERE took IS NOT NULL;
CREATE INDEX loads_destination ON loads (destination, delivery);

-- What it is about: an alert, or something that was so once and has a key only.
ALTER TABLE notifications ALTER COLUMN alert DROP NOT NULL;
ALTER TABLE notifications ADD COLUMN key TEXT COLLATE "C";
ALTER TABLE notifications ADD CONSTRAINT notifications_key_check
    CHECK ((alert IS NULL) = (key IS NOT NULL));

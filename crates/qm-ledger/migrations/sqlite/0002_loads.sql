-- What became of the rows of files that went into tables; messages that belong to no alert; what
-- alarms on destinations count; dead letters that are purged. A CHECK cannot be changed, so the
-- tables that have another one now are made anew.

CREATE TABLE deliveries_2 (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    arrival INTEGER NOT NULL REFERENCES arrivals (seq),
    version TEXT NOT NULL REFERENCES versions (id),
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    target TEXT NOT NULL,
    -- 'purged': was dead for as long as dead letters are kept, or until somebody purged it.
    state TEXT NOT NULL CHECK (state IN
        ('waiting', 'running', 'delivered', 'dead', 'superseded', 'cancelled', 'purged')),
    ready_at INTEGER CHECK ((state = 'waiting') = (ready_at IS NOT NULL)),
    -- Which runs it.
    node TEXT CHECK ((state = 'running') = (node IS NOT NULL)),
    -- Where a waiting one stands, so that a claim looks only at what it can take:
    -- 'ready' in line by arrival, 'later' its time has not come, 'behind' another of its ordering
    -- key goes first. Of a key of which none runs neither the oldest waiting one is 'behind', nor
    -- every independent one whose time has come.
    queue TEXT NOT NULL CHECK (queue IN ('ready', 'later', 'behind')),
    -- It waits for older ones of its ordering key only while they run.
    is_independent INTEGER NOT NULL CHECK (is_independent IN (0, 1)),
    -- A newer arrival of the same source path has a delivery to the same target.
    overtaken INTEGER NOT NULL CHECK (overtaken IN (0, 1)),
    -- Its route does something to the object when it is delivered, and has not done it yet.
    has_after INTEGER NOT NULL CHECK (has_after IN (0, 1)),
    -- Something is to be done to the object, and why.
    finished TEXT CHECK (finished IN ('delivered', 'rejected')),
    attempts INTEGER NOT NULL,
    possible_duplicate INTEGER NOT NULL CHECK (possible_duplicate IN (0, 1)),
    fence INTEGER NOT NULL,
    last_error TEXT,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO deliveries_2 (number, id, arrival, version, route, destination, target, state, ready_at,
    node, queue, is_independent, overtaken, has_after, finished, attempts, possible_duplicate, fence,
    last_error, revision, created_at, updated_at)
SELECT number, id, arrival, version, route, destination, target, state, ready_at,
    node, queue, is_independent, overtaken, has_after, finished, attempts, possible_duplicate, fence,
    last_error, revision, created_at, updated_at
FROM deliveries;

CREATE TABLE attempts_2 (
    delivery INTEGER NOT NULL REFERENCES deliveries_2 (number),
    -- Counted from 1; the last one is the one that runs.
    number INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    note TEXT,
    -- Where to; NULL for what was done to the object afterwards, and for those from before this
    -- was recorded: no alarm looks back so far.
    destination TEXT,
    -- How many ran there when it began, itself included.
    at_once INTEGER,
    -- It was ready and had to wait until another there had ended.
    is_held_back INTEGER NOT NULL DEFAULT 0 CHECK (is_held_back IN (0, 1)),
    is_failed INTEGER NOT NULL DEFAULT 0 CHECK (is_failed IN (0, 1)),
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

INSERT INTO attempts_2 (delivery, number, began_at, ended_at, note)
SELECT delivery, number, began_at, ended_at, note FROM attempts;

DROP TABLE attempts;
DROP TABLE deliveries;
ALTER TABLE deliveries_2 RENAME TO deliveries;
ALTER TABLE attempts_2 RENAME TO attempts;

CREATE INDEX deliveries_version ON deliveries (version, route);
CREATE INDEX deliveries_target ON deliveries (destination, target, arrival);
CREATE INDEX deliveries_state ON deliveries (state);
CREATE INDEX deliveries_line ON deliveries (destination, arrival)
    WHERE state = 'waiting' AND queue = 'ready';
CREATE INDEX deliveries_later ON deliveries (ready_at)
    WHERE state = 'waiting' AND queue = 'later';
CREATE INDEX deliveries_next ON deliveries (destination, ready_at)
    WHERE state = 'waiting' AND queue <> 'behind';
CREATE INDEX deliveries_waiting ON deliveries (destination, target, arrival)
    WHERE state = 'waiting';
CREATE INDEX deliveries_independent ON deliveries (destination, target, arrival)
    WHERE state = 'waiting' AND queue = 'behind' AND is_independent = 1;
-- One of a key runs at a time, whatever a claim thinks.
CREATE UNIQUE INDEX deliveries_running ON deliveries (destination, target)
    WHERE state = 'running';
CREATE INDEX deliveries_newest ON deliveries (destination, target, arrival)
    WHERE overtaken = 0 AND state IN ('waiting', 'running', 'dead');
CREATE INDEX deliveries_overtaken ON deliveries (number)
    WHERE overtaken = 1 AND state IN ('waiting', 'dead');
CREATE INDEX deliveries_after ON deliveries (version) WHERE has_after = 1;
CREATE INDEX deliveries_finished ON deliveries (number) WHERE finished IS NOT NULL;

-- For those that grow too old while they wait.
CREATE INDEX deliveries_aging ON deliveries (route, arrival) WHERE state = 'waiting';

CREATE INDEX attempts_begun ON attempts (destination, began_at, at_once)
    WHERE destination IS NOT NULL;
CREATE INDEX attempts_held_back ON attempts (destination, began_at) WHERE is_held_back = 1;
CREATE INDEX attempts_failed ON attempts (destination, ended_at) WHERE is_failed = 1;

-- One a delivery into a table, whatever the number of its attempts.
CREATE TABLE loads (
    delivery INTEGER NOT NULL PRIMARY KEY REFERENCES deliveries (number),
    destination TEXT NOT NULL,
    engine TEXT NOT NULL,
    table_name TEXT NOT NULL,
    -- Rows; those so far until it has ended.
    rows_read INTEGER NOT NULL,
    inserted INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    -- Where the rejected ones are.
    rejects_bucket TEXT,
    rejects_key TEXT CHECK ((rejects_bucket IS NULL) = (rejects_key IS NULL)),
    began_at INTEGER NOT NULL,
    -- When the rows were counted last.
    told_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- How long the attempt took that ended it, in microseconds; NULL if nobody knows.
    took INTEGER,
    undone_at INTEGER
) STRICT;

CREATE INDEX loads_ended ON loads (destination, ended_at) WHERE took IS NOT NULL;
CREATE INDEX loads_destination ON loads (destination, delivery);

CREATE TABLE notifications_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What it is about: an alert, or something that was so once and has a key only.
    alert INTEGER REFERENCES alerts (id),
    key TEXT CHECK ((alert IS NULL) = (key IS NOT NULL)),
    notifier TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts INTEGER NOT NULL,
    -- Not before; moved on while somebody sends it.
    ready_at INTEGER NOT NULL,
    last_error TEXT,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO notifications_2 (id, alert, notifier, subject, body, state, attempts, ready_at,
    last_error, updated_at)
SELECT id, alert, notifier, subject, body, state, attempts, ready_at, last_error, updated_at
FROM notifications;

DROP TABLE notifications;
ALTER TABLE notifications_2 RENAME TO notifications;

CREATE INDEX notifications_alert ON notifications (alert) WHERE alert IS NOT NULL;
CREATE INDEX notifications_waiting ON notifications (ready_at) WHERE state = 'waiting';
CREATE INDEX notifications_dead ON notifications (id) WHERE state = 'dead';

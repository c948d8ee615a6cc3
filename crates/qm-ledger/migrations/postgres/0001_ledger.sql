-- The ledger that nodes share. Times are microseconds since 1970, versions ULIDs, delivery ids
-- hexadecimal. Names are compared by their bytes, whatever the database's collation.

-- The last transaction that each session committed: what is read when the answer to a COMMIT was
-- lost and nobody can say whether it counts.
CREATE TABLE commit_stamps (
    session TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE nodes (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Goes up with every lease: what an earlier one began is fenced off.
    epoch BIGINT NOT NULL,
    -- By the clock of this database.
    alive_until TIMESTAMPTZ NOT NULL,
    -- What the node last told; NULL before it told anything.
    sftp_address TEXT,
    fingerprints TEXT[],
    process BIGINT,
    version TEXT,
    started_at BIGINT,
    alive_at BIGINT
) WITH (fillfactor = 50);

CREATE TABLE versions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    identity TEXT NOT NULL,
    -- Where its bytes were staged; cleared when they are an object.
    staged TEXT,
    received_at BIGINT NOT NULL
);

CREATE TABLE arrivals (
    -- Given under a lock that is held to the end of the transaction: in this order arrivals become
    -- visible.
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL REFERENCES versions (id),
    sha256 BYTEA NOT NULL,
    account TEXT COLLATE "C",
    cause TEXT NOT NULL CHECK (cause IN ('upload', 'rename', 'restore', 'found')),
    at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('appearing', 'arrived', 'failed')),
    duplicate_of BIGINT REFERENCES arrivals (seq),
    -- How many; NULL while it is in the outbox.
    deliveries BIGINT
);

CREATE INDEX arrivals_outbox ON arrivals (seq) WHERE state = 'arrived' AND deliveries IS NULL;
CREATE INDEX arrivals_unrouted ON arrivals (version) WHERE deliveries IS NULL;
CREATE INDEX arrivals_content ON arrivals (bucket, key, sha256, at) WHERE account IS NOT NULL;
CREATE INDEX arrivals_time ON arrivals (bucket, at, key, seq) WHERE state = 'arrived';

CREATE TABLE operations (
    -- Given under the same lock.
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    change TEXT NOT NULL CHECK (change IN ('publish', 'rename', 'remove', 'restore')),
    renamed_to TEXT COLLATE "C",
    version TEXT COLLATE "C" REFERENCES versions (id),
    replaces TEXT COLLATE "C",
    keep_aside BOOLEAN NOT NULL,
    keep_moved BOOLEAN NOT NULL,
    arrival BIGINT REFERENCES arrivals (seq),
    account TEXT COLLATE "C",
    at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'failed')),
    reason TEXT,
    -- Whose it is while it is pending.
    node TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL
);

CREATE INDEX operations_pending ON operations (seq) WHERE state = 'pending';

-- Keys with an operation that is neither completed nor failed: the primary key is what makes it
-- one at most, over all nodes.
CREATE TABLE pending_names (
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    operation BIGINT NOT NULL REFERENCES operations (seq),
    PRIMARY KEY (bucket, key)
);

CREATE TABLE current_names (
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL REFERENCES versions (id),
    -- Completed without an arrival, with bytes that are only staged.
    is_hidden BOOLEAN NOT NULL,
    PRIMARY KEY (bucket, key)
);

CREATE INDEX current_names_hidden ON current_names (version) WHERE is_hidden;

-- Versions whose bytes are kept though no name shows them.
CREATE TABLE kept_versions (
    version TEXT COLLATE "C" NOT NULL REFERENCES versions (id),
    bucket TEXT COLLATE "C" NOT NULL,
    -- The name it had.
    key TEXT COLLATE "C" NOT NULL,
    -- What took the name from it; in this order the versions of a name are newer and older.
    operation BIGINT NOT NULL REFERENCES operations (seq),
    kept_at BIGINT NOT NULL,
    -- 'retained': superseded or removed under the name; a version is that under one name at most.
    -- 'moved': has another name now, only deliveries look for it under this one.
    -- 'releasing': given up; its bytes are removed, then the row.
    state TEXT NOT NULL CHECK (state IN ('retained', 'moved', 'releasing')),
    PRIMARY KEY (version, bucket, key)
);

CREATE INDEX kept_versions_state ON kept_versions (bucket, state, kept_at);
CREATE INDEX kept_versions_name ON kept_versions (bucket, key, operation)
    WHERE state = 'retained';

-- How many retained versions a name has, so that those with too many are found among a million.
CREATE TABLE kept_names (
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    versions BIGINT NOT NULL CHECK (versions > 0),
    PRIMARY KEY (bucket, key)
);

CREATE INDEX kept_names_versions ON kept_names (bucket, versions);

-- Attributes of files that their bucket cannot keep; they belong to the file with the identity.
CREATE TABLE name_attributes (
    bucket TEXT COLLATE "C" NOT NULL,
    folder TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    identity TEXT NOT NULL,
    modified BIGINT,
    mode BIGINT,
    PRIMARY KEY (bucket, folder, name)
);

CREATE TABLE partials (
    account TEXT COLLATE "C" NOT NULL,
    bucket TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Where the bytes are, how many, and what the bucket needs to go on with them.
    token TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    state TEXT,
    lost_at BIGINT NOT NULL,
    PRIMARY KEY (account, bucket, key)
);

CREATE TABLE deliveries (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    arrival BIGINT NOT NULL REFERENCES arrivals (seq),
    version TEXT COLLATE "C" NOT NULL REFERENCES versions (id),
    route TEXT COLLATE "C" NOT NULL,
    destination TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL CHECK
        (state IN ('waiting', 'running', 'delivered', 'dead', 'superseded', 'cancelled')),
    -- Waiting: when it is ready.
    ready_at BIGINT CHECK ((state = 'waiting') = (ready_at IS NOT NULL)),
    -- Running: who runs it.
    node TEXT COLLATE "C" CHECK ((state = 'running') = (node IS NOT NULL)),
    epoch BIGINT CHECK ((state = 'running') = (epoch IS NOT NULL)),
    -- Waits for older ones of its ordering key only while they run.
    is_independent BOOLEAN NOT NULL,
    -- A newer arrival of the same source path has a delivery to the same target.
    is_overtaken BOOLEAN NOT NULL,
    -- Something is to be done to the object once every delivery of its version has ended.
    has_after BOOLEAN NOT NULL,
    -- Something is to be done to the object now.
    finished TEXT CHECK (finished IN ('delivered', 'rejected')),
    possible_duplicate BOOLEAN NOT NULL,
    -- Since it was created or last redriven.
    attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    last_error TEXT,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX deliveries_version ON deliveries (version, route);
CREATE INDEX deliveries_needed ON deliveries (version)
    WHERE state IN ('waiting', 'running', 'dead');
CREATE INDEX deliveries_target ON deliveries (destination, target, arrival);
CREATE INDEX deliveries_waiting ON deliveries (destination, target, arrival, number)
    WHERE state = 'waiting';
CREATE INDEX deliveries_independent ON deliveries (destination, target, ready_at)
    WHERE state = 'waiting' AND is_independent;
-- At most one of an ordering key runs, on any node.
CREATE UNIQUE INDEX deliveries_running ON deliveries (destination, target)
    WHERE state = 'running';
CREATE INDEX deliveries_newest ON deliveries (destination, target, arrival)
    WHERE NOT is_overtaken AND state IN ('waiting', 'running', 'dead');
CREATE INDEX deliveries_overtaken ON deliveries (number)
    WHERE is_overtaken AND state IN ('waiting', 'dead');
CREATE INDEX deliveries_run ON deliveries (number) WHERE state = 'running';
CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead';
CREATE INDEX deliveries_open ON deliveries (number) WHERE state IN ('waiting', 'running');
CREATE INDEX deliveries_after ON deliveries (version) WHERE has_after;
CREATE INDEX deliveries_finished ON deliveries (number) WHERE finished IS NOT NULL;
CREATE INDEX deliveries_state ON deliveries (state);

-- One row an ordering key (destination and target) with deliveries that wait or run. Whoever
-- changes which of them do holds its lock: it is what makes one at most run, over all nodes, and
-- a claim looks at lines alone, however many wait in them.
CREATE TABLE lines (
    destination TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    is_running BOOLEAN NOT NULL,
    -- Its time had not come when that was last asked.
    is_later BOOLEAN NOT NULL,
    -- Of the one whose turn is next; NULL if none waits.
    ready_at BIGINT,
    arrival BIGINT,
    number BIGINT,
    PRIMARY KEY (destination, target)
);

CREATE INDEX lines_ready ON lines (destination, arrival, number)
    WHERE NOT is_running AND NOT is_later AND ready_at IS NOT NULL;
CREATE INDEX lines_later ON lines (ready_at) WHERE NOT is_running AND is_later;
CREATE INDEX lines_next ON lines (ready_at) WHERE NOT is_running;
CREATE INDEX lines_destination ON lines (destination, ready_at) WHERE NOT is_running;

CREATE TABLE attempts (
    delivery BIGINT NOT NULL REFERENCES deliveries (number),
    -- 1, 2, 3, over the whole life of the delivery.
    number BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    note TEXT,
    PRIMARY KEY (delivery, number)
);

-- Up to which cutoff an expectation was evaluated.
CREATE TABLE evaluations (
    expectation TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);

CREATE TABLE slots (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    expectation TEXT COLLATE "C" NOT NULL,
    date TEXT COLLATE "C" NOT NULL,
    opens BIGINT NOT NULL,
    due BIGINT NOT NULL,
    cutoff BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('met', 'missed', 'late')),
    arrival BIGINT REFERENCES arrivals (seq),
    evaluated_at BIGINT NOT NULL,
    UNIQUE (expectation, date)
);

CREATE INDEX slots_cutoff ON slots (cutoff, number);

CREATE TABLE alerts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved')),
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    resolved_at BIGINT
);

CREATE UNIQUE INDEX alerts_firing ON alerts (key) WHERE state = 'firing';

CREATE TABLE notifications (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert BIGINT NOT NULL REFERENCES alerts (id),
    notifier TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts BIGINT NOT NULL,
    ready_at BIGINT NOT NULL,
    last_error TEXT,
    updated_at BIGINT NOT NULL
);

CREATE INDEX notifications_alert ON notifications (alert);
CREATE INDEX notifications_waiting ON notifications (ready_at) WHERE state = 'waiting';
CREATE INDEX notifications_dead ON notifications (id) WHERE state = 'dead';

-- Messages from outside, rows before anybody has understood them.
CREATE TABLE inbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket TEXT COLLATE "C" NOT NULL,
    -- What makes a repeated message the same one.
    event TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    -- Waiting: when its time comes.
    ready_at BIGINT CHECK ((state = 'waiting') = (ready_at IS NOT NULL)),
    -- Otherwise: what it was, or why it is dead.
    note TEXT CHECK ((state = 'waiting') = (note IS NULL)),
    attempts BIGINT NOT NULL,
    last_error TEXT,
    updated_at BIGINT NOT NULL,
    UNIQUE (bucket, event)
);

CREATE INDEX inbox_waiting ON inbox (ready_at, id) WHERE state = 'waiting';
CREATE INDEX inbox_done ON inbox (received_at) WHERE state = 'done';
CREATE INDEX inbox_dead ON inbox (id) WHERE state = 'dead';

CREATE TABLE audit (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    source TEXT,
    activity TEXT NOT NULL,
    subject TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('allowed', 'denied', 'failed')),
    reason TEXT
);

CREATE TABLE revisions (
    number BIGINT NOT NULL PRIMARY KEY,
    config TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- What nodes made of revisions.
CREATE TABLE revision_nodes (
    revision BIGINT NOT NULL REFERENCES revisions (number),
    node TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    rejected TEXT,
    PRIMARY KEY (revision, node)
);

CREATE TABLE account_keys (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    account TEXT COLLATE "C" NOT NULL,
    -- Type and key in base64: what makes two lines the same key.
    material TEXT COLLATE "C" NOT NULL,
    line TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (account, material)
);

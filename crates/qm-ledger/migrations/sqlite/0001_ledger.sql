-- The ledger. Times are microseconds since 1970, versions ULIDs, delivery ids hexadecimal.

-- The last group of transactions that each writer committed: what is read when a COMMIT failed
-- and nobody can say whether it counts.
CREATE TABLE commit_groups (
    place INTEGER PRIMARY KEY,
    writer TEXT NOT NULL UNIQUE,
    number INTEGER NOT NULL
) STRICT;

CREATE TABLE versions (
    id TEXT NOT NULL PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    identity TEXT NOT NULL,
    -- Where its bytes were staged; cleared when they are an object.
    staged TEXT,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE arrivals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL REFERENCES versions (id),
    sha256 BLOB NOT NULL,
    account TEXT,
    cause TEXT NOT NULL CHECK (cause IN ('upload', 'rename', 'restore', 'found')),
    at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('appearing', 'arrived', 'failed')),
    duplicate_of INTEGER REFERENCES arrivals (seq),
    -- How many; NULL while it is in the outbox.
    deliveries INTEGER
) STRICT;

CREATE INDEX arrivals_outbox ON arrivals (seq) WHERE state = 'arrived' AND deliveries IS NULL;
CREATE INDEX arrivals_unrouted ON arrivals (version) WHERE deliveries IS NULL;
CREATE INDEX arrivals_content ON arrivals (bucket, key, sha256, at) WHERE account IS NOT NULL;
CREATE INDEX arrivals_time ON arrivals (bucket, at, key) WHERE state = 'arrived';

CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL CHECK (change IN ('publish', 'rename', 'remove', 'restore')),
    renamed_to TEXT,
    version TEXT REFERENCES versions (id),
    replaces TEXT,
    keep_aside INTEGER NOT NULL CHECK (keep_aside IN (0, 1)),
    keep_moved INTEGER NOT NULL CHECK (keep_moved IN (0, 1)),
    arrival INTEGER REFERENCES arrivals (seq),
    account TEXT,
    at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'failed')),
    reason TEXT
) STRICT;

-- Keys with an operation that is neither completed nor failed: the primary key is what makes it
-- one at most.
CREATE TABLE pending_names (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    operation INTEGER NOT NULL REFERENCES operations (seq),
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE current_names (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL REFERENCES versions (id),
    -- Completed without an arrival, with bytes that are only staged.
    is_hidden INTEGER NOT NULL CHECK (is_hidden IN (0, 1)),
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX current_names_hidden ON current_names (version) WHERE is_hidden = 1;

-- Versions whose bytes are kept though no name shows them.
CREATE TABLE kept_versions (
    version TEXT NOT NULL REFERENCES versions (id),
    bucket TEXT NOT NULL,
    -- The name it had.
    key TEXT NOT NULL,
    -- What took the name from it; in this order the versions of a name are newer and older.
    operation INTEGER NOT NULL REFERENCES operations (seq),
    kept_at INTEGER NOT NULL,
    -- 'retained': superseded or removed under the name; a version is that under one name at most.
    -- 'moved': has another name now, only deliveries look for it under this one.
    -- 'releasing': given up; its bytes are removed, then the row.
    state TEXT NOT NULL CHECK (state IN ('retained', 'moved', 'releasing')),
    PRIMARY KEY (version, bucket, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_versions_state ON kept_versions (bucket, state, kept_at);
CREATE INDEX kept_versions_name ON kept_versions (bucket, key, operation)
    WHERE state = 'retained';

-- How many retained versions a name has, so that those with too many are found among a million.
CREATE TABLE kept_names (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    versions INTEGER NOT NULL CHECK (versions > 0),
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_names_versions ON kept_names (bucket, versions);

-- Attributes of files that their bucket cannot keep; they belong to the file with the identity.
CREATE TABLE name_attributes (
    bucket TEXT NOT NULL,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    identity TEXT NOT NULL,
    modified INTEGER,
    mode INTEGER,
    PRIMARY KEY (bucket, folder, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE partials (
    account TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL UNIQUE,
    -- Where the bytes are, how many, and what the bucket needs to go on with them.
    token TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    state TEXT,
    lost_at INTEGER NOT NULL,
    PRIMARY KEY (account, bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    arrival INTEGER NOT NULL REFERENCES arrivals (seq),
    version TEXT NOT NULL REFERENCES versions (id),
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('waiting', 'running', 'delivered', 'dead', 'superseded', 'cancelled')),
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

CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (number),
    -- Counted from 1; the last one is the one that runs.
    number INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    note TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- Up to which cutoff an expectation was evaluated.
CREATE TABLE evaluations (
    expectation TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE slots (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    expectation TEXT NOT NULL,
    date TEXT NOT NULL,
    opens INTEGER NOT NULL,
    due INTEGER NOT NULL,
    cutoff INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('met', 'missed', 'late')),
    arrival INTEGER REFERENCES arrivals (seq),
    evaluated_at INTEGER NOT NULL,
    UNIQUE (expectation, date)
) STRICT;

CREATE INDEX slots_cutoff ON slots (cutoff);

CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved')),
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;

CREATE UNIQUE INDEX alerts_firing ON alerts (key) WHERE state = 'firing';

CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    alert INTEGER NOT NULL REFERENCES alerts (id),
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

CREATE INDEX notifications_alert ON notifications (alert);
CREATE INDEX notifications_waiting ON notifications (ready_at) WHERE state = 'waiting';
CREATE INDEX notifications_dead ON notifications (id) WHERE state = 'dead';

-- Messages from outside, rows before anybody has understood them.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    -- What makes a repeated message the same one.
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    -- Waiting: when its time comes.
    ready_at INTEGER CHECK ((state = 'waiting') = (ready_at IS NOT NULL)),
    -- Otherwise: what it was, or why it is dead.
    note TEXT CHECK ((state = 'waiting') = (note IS NULL)),
    attempts INTEGER NOT NULL,
    last_error TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (bucket, event)
) STRICT;

CREATE INDEX inbox_waiting ON inbox (ready_at) WHERE state = 'waiting';
CREATE INDEX inbox_done ON inbox (received_at) WHERE state = 'done';
CREATE INDEX inbox_dead ON inbox (id) WHERE state = 'dead';

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    source TEXT,
    activity TEXT NOT NULL,
    subject TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('allowed', 'denied', 'failed')),
    reason TEXT
) STRICT;

CREATE TABLE revisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    config TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- What nodes made of a revision.
CREATE TABLE taken_up (
    revision INTEGER NOT NULL REFERENCES revisions (number),
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- Why it was not.
    rejected TEXT,
    PRIMARY KEY (revision, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_keys (
    account TEXT NOT NULL,
    -- Type and key in base64: what makes two lines the same key.
    material TEXT NOT NULL,
    line TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (account, material)
) STRICT;

CREATE TABLE nodes (
    -- One node a ledger.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    node TEXT NOT NULL,
    sftp_address TEXT NOT NULL,
    fingerprints TEXT NOT NULL,
    process INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    alive_at INTEGER
) STRICT;

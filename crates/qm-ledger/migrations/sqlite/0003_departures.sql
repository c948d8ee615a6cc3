-- True until routes have looked at it: the version went away from its name by somebody's wish.
ALTER TABLE operations ADD COLUMN departs INTEGER NOT NULL DEFAULT 0 CHECK (departs IN (0, 1));

CREATE INDEX operations_departures ON operations (seq) WHERE departs = 1 AND state = 'completed';

-- Versions that were brought back, which arrived before those that they replaced.
CREATE INDEX arrivals_restored ON arrivals (version) WHERE cause = 'restore';

-- The delivery whose copy this one takes away; NULL for one that puts something there.
ALTER TABLE deliveries ADD COLUMN removes TEXT;
-- The delivery whose copy is taken away when this one is delivered: the object was renamed.
ALTER TABLE deliveries ADD COLUMN replaces TEXT;

-- True until routes have looked at it: the version went away from its name by somebody's wish.
ALTER TABLE operations ADD COLUMN departs BOOLEAN NOT NULL DEFAULT false;

CREATE INDEX operations_departures ON operations (seq) WHERE departs AND state = 'completed';

-- Versions that were brought back, which arrived before those that they replaced.
CREATE INDEX arrivals_restored ON arrivals (version) WHERE cause = 'restore';

-- The delivery whose copy this one takes away; NULL for one that puts something there.
ALTER TABLE deliveries ADD COLUMN removes TEXT COLLATE "C";
-- The delivery whose copy is taken away when this one is delivered: the object was renamed.
ALTER TABLE deliveries ADD COLUMN replaces TEXT COLLATE "C";

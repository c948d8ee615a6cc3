-- Until when a node has a message alone, by the clock of this database; NULL if nobody has it.
ALTER TABLE notifications ADD COLUMN held_until TIMESTAMPTZ;

-- A ledger of the first migration that has worked for a while: of every table rows, of every state one.
-- Read for both ledgers; what only one of them has stands in a file of its own.

INSERT INTO versions (id, size_bytes, sha256, identity, staged, received_at) VALUES
    ('01ARZ3NDEKTSV4RRFFQ69G5FA1', 0, $SHA256, '', NULL, 1),
    ('01ARZ3NDEKTSV4RRFFQ69G5FA2', 9000000000, $SHA256, 'étag "2"', 'staged/2', 1764504000000000),
    ('01ARZ3NDEKTSV4RRFFQ69G5FA3', 3, $SHA256, '3', NULL, -1);

INSERT INTO arrivals (bucket, key, version, sha256, account, cause, at, state, duplicate_of, deliveries) VALUES
    ('landing', 'a.csv', '01ARZ3NDEKTSV4RRFFQ69G5FA1', $SHA256, 'north', 'upload', 1, 'arrived', NULL, 6),
    ('landing', 'ä b.csv', '01ARZ3NDEKTSV4RRFFQ69G5FA2', $SHA256, NULL, 'found', 2, 'appearing', NULL, NULL),
    ('landing', 'a.csv', '01ARZ3NDEKTSV4RRFFQ69G5FA3', $SHA256, 'north', 'rename', 3, 'failed', 1, 0),
    ('landing', 'a.csv', '01ARZ3NDEKTSV4RRFFQ69G5FA1', $SHA256, 'north', 'restore', 4, 'arrived', 1, NULL);

INSERT INTO kept_names (bucket, key, versions) VALUES ('landing', 'a.csv', 2), ('landing', 'b', 1);

INSERT INTO name_attributes (bucket, folder, name, identity, modified, mode) VALUES
    ('landing', '', 'a.csv', 'i', 1764504000, 420), ('landing', 'f/g', 'b', 'j', NULL, NULL);

INSERT INTO partials (account, bucket, key, version, token, size_bytes, state, lost_at) VALUES
    ('north', 'landing', 'part', '01ARZ3NDEKTSV4RRFFQ69G5FA4', 'token', 5, '{"a":1}', 7),
    ('north', 'landing', 'more', '01ARZ3NDEKTSV4RRFFQ69G5FA5', '', 0, NULL, 8);

INSERT INTO revisions (number, config, at) VALUES (1, '[node]', 1), (2, '[node]
data = "data"', 2);

INSERT INTO attempts (delivery, number, began_at, ended_at, note) VALUES
    (1, 1, 10, 20, 'no answer'), (1, 2, 30, NULL, NULL), (2, 1, 10, NULL, NULL), (3, 1, 10, 11, 'delivered'),
    (4, 1, 10, 11, 'refused: line
two'), (4, 2, 12, 13, NULL);

INSERT INTO evaluations (expectation, until) VALUES ('north-daily', 1764504000000000);

INSERT INTO slots (expectation, date, opens, due, cutoff, state, arrival, evaluated_at) VALUES
    ('north-daily', '2026-11-28', 1, 2, 3, 'met', 1, 4),
    ('north-daily', '2026-11-29', 1, 2, 3, 'missed', NULL, 4),
    ('north-daily', '2026-11-30', 1, 2, 3, 'late', 3, 4);

INSERT INTO alerts (key, state, subject, body, raised_at, resolved_at) VALUES
    ('missed:north-daily', 'firing', 's', 'b', 1, NULL), ('missed:north-daily', 'resolved', 's', 'b', 1, 2);

INSERT INTO notifications (alert, notifier, subject, body, state, attempts, ready_at, last_error, updated_at)
VALUES
    (1, 'sre', 's', 'b', 'waiting', 0, 1, NULL, 1),
    (1, 'sre', 's', 'b', 'sent', 1, 1, NULL, 2),
    (2, 'sre', 's', 'b', 'dead', 3, 1, 'no mail server', 3);

INSERT INTO inbox (bucket, event, body, received_at, state, ready_at, note, attempts, last_error, updated_at)
VALUES
    ('landing', 'e1', '{}', 1, 'waiting', 2, NULL, 1, 'not now', 1),
    ('landing', 'e2', '{}', 1, 'done', NULL, 'nothing new', 0, NULL, 1),
    ('landing', 'e3', '{"key1":"value1"}', 1, 'dead', NULL, 'no event', 3, 'no event', 1);

INSERT INTO audit (at, actor, source, activity, subject, decision, reason) VALUES
    (1, 'north', '203.0.113.7', 'open', 'landing/a.csv', 'allowed', NULL),
    (2, 'north', NULL, 'open', 'landing/b', 'denied', 'no right'),
    (3, 'node', NULL, 'rename', 'landing/c', 'failed', 'disk');

INSERT INTO account_keys (account, material, line, added_at) VALUES
    ('north', 'ssh-ed25519 AAAA', 'ssh-ed25519 AAAA ops', 1);

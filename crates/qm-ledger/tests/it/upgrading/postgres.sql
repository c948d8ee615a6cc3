INSERT INTO commit_stamps (session, number, at) VALUES ('session', 41, '2026-11-30T12:00:00Z');

INSERT INTO nodes (name, epoch, alive_until, sftp_address, fingerprints, process, version, started_at, alive_at)
VALUES
    ('other', 7, '2026-11-30T12:00:00Z', '127.0.0.1:2022', '{a,b}', 17, '0.1.0', 1, 2),
    ('third', 1, '2026-11-30T12:00:00Z', NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO operations (bucket, key, change, renamed_to, version, replaces, keep_aside, keep_moved,
    arrival, account, at, state, reason, node, epoch) VALUES
    ('landing', 'a.csv', 'publish', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', NULL, false, false, 1, 'north', 1, 'completed', NULL, 'other', 7),
    ('landing', 'a.csv', 'rename', 'b', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', true, true, 3, 'north', 2, 'failed', 'lost', 'other', 6),
    ('landing', 'c', 'remove', NULL, NULL, NULL, true, false, NULL, 'north', 3, 'pending', NULL, 'other', 7),
    ('landing', 'd', 'restore', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', NULL, false, false, 4, NULL, 4, 'completed', NULL, 'third', 1);

INSERT INTO deliveries (id, arrival, version, route, destination, target, state, ready_at, node, epoch,
    is_independent, is_overtaken, has_after, finished, attempts, possible_duplicate, fence, last_error, revision,
    created_at, updated_at) VALUES
    ('01', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't1', 'waiting', 5, NULL, NULL, false, false, true, NULL, 2, false, 3, 'no answer', 1, 1, 2),
    ('02', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't2', 'running', NULL, 'other', 7, true, false, false, NULL, 1, true, 1, NULL, 1, 1, 2),
    ('03', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't3', 'delivered', NULL, NULL, NULL, false, false, true, 'delivered', 1, false, 1, NULL, 1, 1, 2),
    ('04', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't4', 'dead', NULL, NULL, NULL, false, true, true, 'rejected', 2, false, 2, 'refused', 1, 1, 2),
    ('05', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't5', 'superseded', NULL, NULL, NULL, false, true, false, NULL, 0, false, 0, NULL, 1, 1, 2),
    ('06', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't6', 'cancelled', NULL, NULL, NULL, false, false, false, NULL, 0, false, 0, NULL, 2, 1, 2);

INSERT INTO lines (destination, target, is_running, is_later, ready_at, arrival, number) VALUES
    ('d', 't1', false, true, 5, 1, 1), ('d', 't2', true, false, NULL, NULL, NULL);

INSERT INTO revision_nodes (revision, node, at, rejected) VALUES (1, 'other', 1, NULL), (2, 'third', 2, 'no bucket');

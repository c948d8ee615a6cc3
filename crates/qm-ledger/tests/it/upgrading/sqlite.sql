INSERT INTO commit_groups (place, writer, number) VALUES (1, 'writer', 41);

INSERT INTO operations (bucket, key, change, renamed_to, version, replaces, keep_aside, keep_moved,
    arrival, account, at, state, reason) VALUES
    ('landing', 'a.csv', 'publish', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', NULL, 0, 0, 1, 'north', 1, 'completed', NULL),
    ('landing', 'a.csv', 'rename', 'b', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 1, 1, 3, 'north', 2, 'failed', 'lost'),
    ('landing', 'c', 'remove', NULL, NULL, NULL, 1, 0, NULL, 'north', 3, 'pending', NULL),
    ('landing', 'd', 'restore', NULL, '01ARZ3NDEKTSV4RRFFQ69G5FA1', NULL, 0, 0, 4, NULL, 4, 'completed', NULL);

INSERT INTO deliveries (id, arrival, version, route, destination, target, state, ready_at, node, queue,
    is_independent, overtaken, has_after, finished, attempts, possible_duplicate, fence, last_error, revision,
    created_at, updated_at) VALUES
    ('01', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't1', 'waiting', 5, NULL, 'later', 0, 0, 1, NULL, 2, 0, 3, 'no answer', 1, 1, 2),
    ('02', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't2', 'running', NULL, 'node', 'ready', 1, 0, 0, NULL, 1, 1, 1, NULL, 1, 1, 2),
    ('03', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't3', 'delivered', NULL, NULL, 'ready', 0, 0, 1, 'delivered', 1, 0, 1, NULL, 1, 1, 2),
    ('04', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't4', 'dead', NULL, NULL, 'ready', 0, 1, 1, 'rejected', 2, 0, 2, 'refused', 1, 1, 2),
    ('05', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't5', 'superseded', NULL, NULL, 'behind', 0, 1, 0, NULL, 0, 0, 0, NULL, 1, 1, 2),
    ('06', 1, '01ARZ3NDEKTSV4RRFFQ69G5FA1', 'r', 'd', 't6', 'cancelled', NULL, NULL, 'ready', 0, 0, 0, NULL, 0, 0, 0, NULL, 2, 1, 2);

INSERT INTO taken_up (revision, node, at, rejected) VALUES (1, 'node', 1, NULL), (2, 'node', 2, 'no bucket');

INSERT INTO nodes (id, node, sftp_address, fingerprints, process, version, started_at, alive_at) VALUES
    (1, 'node', '127.0.0.1:2022', '[]', 17, '0.1.0', 1, 2);

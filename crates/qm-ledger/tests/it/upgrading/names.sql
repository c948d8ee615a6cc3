INSERT INTO pending_names (bucket, key, operation) VALUES ('landing', 'c', 3);

INSERT INTO current_names (bucket, key, version, is_hidden) VALUES
    ('landing', 'a.csv', '01ARZ3NDEKTSV4RRFFQ69G5FA1', false), ('landing', 'h', '01ARZ3NDEKTSV4RRFFQ69G5FA2', true);

INSERT INTO kept_versions (version, bucket, key, operation, kept_at, state) VALUES
    ('01ARZ3NDEKTSV4RRFFQ69G5FA1', 'landing', 'a.csv', 1, 1, 'retained'),
    ('01ARZ3NDEKTSV4RRFFQ69G5FA1', 'landing', 'm', 2, 1, 'moved'),
    ('01ARZ3NDEKTSV4RRFFQ69G5FA2', 'landing', 'x', 2, 1, 'releasing');

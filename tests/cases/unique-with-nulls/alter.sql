ALTER TABLE t ADD UNIQUE KEY with_nulls (a, b);

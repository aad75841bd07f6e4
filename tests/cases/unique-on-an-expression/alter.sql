ALTER TABLE t ADD UNIQUE INDEX one_each ((a * 2));

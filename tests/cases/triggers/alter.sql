ALTER TABLE t ADD COLUMN with_triggers INT;

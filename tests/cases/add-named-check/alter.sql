ALTER TABLE t ADD CONSTRAINT a_is_positive CHECK (a > 0);

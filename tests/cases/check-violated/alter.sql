ALTER TABLE t ADD CONSTRAINT not_negative CHECK (a >= 0);

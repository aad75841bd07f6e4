ALTER TABLE t ADD UNIQUE KEY by_email (email);

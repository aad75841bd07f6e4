ALTER TABLE t ADD FULLTEXT INDEX words (title, body);

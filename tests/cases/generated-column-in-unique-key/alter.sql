ALTER TABLE t ADD COLUMN domain VARCHAR(60) AS (SUBSTRING_INDEX(email, '@', -1)) VIRTUAL AFTER email, ADD KEY by_domain (domain);

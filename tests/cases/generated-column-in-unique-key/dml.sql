SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET email = CONCAT('U', @session, '.', @round, '@x') WHERE id = @id;
INSERT IGNORE INTO t (email) VALUES (CONCAT('new', @round, '@', @session));
DELETE FROM t WHERE id = @id + 7;

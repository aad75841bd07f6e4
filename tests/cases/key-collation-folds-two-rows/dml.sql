SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = a + 1 WHERE w = CONCAT('w', @id);
INSERT INTO t (w, a) VALUES (CONCAT('n', @session, '-', @round), 0);

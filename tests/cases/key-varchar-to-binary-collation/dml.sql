SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE w = CONCAT('wort ', @id);
UPDATE t SET w = CONCAT('WÖRT ', @id + 1) WHERE w = CONCAT('wort ', @id + 1);
INSERT INTO t (w, a) VALUES (CONCAT('n', @session, '-', @round), 0);
DELETE FROM t WHERE w = CONCAT('wort ', @id + 7);

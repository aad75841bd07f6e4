SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 2, b = 1 - b WHERE id = @id;
INSERT INTO t (a, b) VALUES (-9007199254740993, 0);
DELETE FROM t WHERE id = @id + 7;

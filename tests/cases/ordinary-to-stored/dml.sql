SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, s = a * 2 WHERE id = @id;
INSERT INTO t (a, s) VALUES (@round, 0);
DELETE FROM t WHERE id = @id + 7;

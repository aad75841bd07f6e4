SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, b = b + 1 WHERE id = @id;
INSERT INTO t (a, b) VALUES (@round, 0);
DELETE FROM t WHERE id = @id + 7;

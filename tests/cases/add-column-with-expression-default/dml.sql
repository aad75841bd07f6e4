SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 3, b = b - 1 WHERE id = @id;
INSERT INTO t (a, b) VALUES (@round, @session);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, d = d / 3 WHERE id = @id;
INSERT INTO t (a, d) VALUES (@round, 1.5);
DELETE FROM t WHERE id = @id + 7;

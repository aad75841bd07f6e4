SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE id IN (0, -7, @id);
INSERT INTO t (a) VALUES (@round);
DELETE FROM t WHERE id = @id + 7;

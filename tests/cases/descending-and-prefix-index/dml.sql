SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, x = 'short' WHERE id = @id;
INSERT INTO t (a, x) VALUES (@round, 'new');
DELETE FROM t WHERE id = @id + 7;

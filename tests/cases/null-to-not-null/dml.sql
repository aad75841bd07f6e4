SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, v = 'w' WHERE id = @id;
INSERT INTO t (a, v) VALUES (@round, 'x');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, b = 'late' WHERE id = @id;
INSERT INTO t (a, b) VALUES (@round, 'x');
DELETE FROM t WHERE id = @id + 7;

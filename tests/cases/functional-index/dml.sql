SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, name = 'N' WHERE id = @id;
INSERT INTO t (a, name) VALUES (@round, 'M');
DELETE FROM t WHERE id = @id + 7;

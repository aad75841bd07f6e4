SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, name = 'Changed' WHERE id = @id;
INSERT INTO t (a, name) VALUES (@round, 'X');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, note = 'n' WHERE id = @id;
INSERT INTO t (a, note) VALUES (@round, NULL);
DELETE FROM t WHERE id = @id + 7;

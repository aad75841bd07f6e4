SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, b = 'changed', d = 'y', e = 'new' WHERE id = @id;
INSERT INTO t (a, b, c, d, e) VALUES (@round, 'n', NOW(), 'x', NULL);
DELETE FROM t WHERE id = @id + 7;

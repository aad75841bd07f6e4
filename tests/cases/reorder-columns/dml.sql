SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, b = b + 1, c = c + 1, d = d + 1 WHERE id = @id;
INSERT INTO t (a, b, c, d) VALUES (1, 2, 3, 4);
DELETE FROM t WHERE id = @id + 7;

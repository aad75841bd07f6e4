SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = -a, b = b - 1 WHERE id = @id;
INSERT INTO t (a, b) VALUES (-2147483648, 0);
DELETE FROM t WHERE id = @id + 7;

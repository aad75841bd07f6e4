SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = b + 1 WHERE id = @id;
INSERT INTO t (a, b) VALUES (@round + 100, 3);
DELETE FROM t WHERE id = @id + 7;

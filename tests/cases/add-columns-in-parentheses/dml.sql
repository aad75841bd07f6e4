SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a DIV 2 WHERE id = @id;
INSERT INTO t (a) VALUES (@round);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET x = x + 1 WHERE n = @id;
UPDATE t SET e = 'c' WHERE n = @id + 1;
INSERT INTO t (e, n, x) VALUES ('b', 100000 * @session + @round, 0);
DELETE FROM t WHERE n = @id + 7;

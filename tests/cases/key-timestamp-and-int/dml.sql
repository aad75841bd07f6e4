SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE n = @id;
UPDATE t SET at = at + INTERVAL 1 DAY WHERE n = @id + 1;
INSERT INTO t (at, n, a) VALUES (NOW(3), 100000 * @session + @round, 0);
DELETE FROM t WHERE n = @id + 7;

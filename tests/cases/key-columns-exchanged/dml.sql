SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, x = x + 1 WHERE y = @id;
INSERT INTO t (x, y, a) VALUES (1, 100000 * @session + @round, 0);
DELETE FROM t WHERE y = @id + 7;

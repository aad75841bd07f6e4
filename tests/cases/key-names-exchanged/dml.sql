SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, y = y + 500000 WHERE x = @id AND y < 500000;
INSERT INTO t (x, y, a) VALUES (10000000 * @session + @round, 10000000 * @session + @round, 0);
DELETE FROM t WHERE x = @id + 7;

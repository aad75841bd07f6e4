SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, u = u + 2000000 WHERE id = @id AND u < 2000000;
INSERT INTO t (a, u) VALUES (@round, 10000000 * @session + @round);
DELETE FROM t WHERE id = @id + 7;

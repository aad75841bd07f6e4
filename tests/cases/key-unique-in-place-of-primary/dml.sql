SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE u = @id * 3;
UPDATE t SET u = u + 1 WHERE u = (@id + 1) * 3;
INSERT INTO t (u, a) VALUES (100000 * @session + @round, 0);
DELETE FROM t WHERE u = (@id + 7) * 3;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, id = id + 10000 WHERE id = @id;
UPDATE t SET u = u + 20000 WHERE id = @id + 1 AND u < 20000;
INSERT INTO t (id, u, a) VALUES (1000000 * @session + @round, 1000000 * @session + @round, 0);
DELETE FROM t WHERE id = @id + 7;

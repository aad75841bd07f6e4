SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE id = @id;
UPDATE t SET id = 4294900000 - id - 2000 * @session WHERE id = @id + 1;
DELETE FROM t WHERE id = @id + 7;
INSERT INTO t (id, a) VALUES (2000000 + 10000 * @session + @round, 0);

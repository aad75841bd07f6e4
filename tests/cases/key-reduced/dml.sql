SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, g = g + 1 WHERE id = @id;
INSERT INTO t (id, g, a) VALUES (100000 * @session + @round, 1, 0);
DELETE FROM t WHERE id = @id + 7;

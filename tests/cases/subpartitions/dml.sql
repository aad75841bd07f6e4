SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, y = y + 1 WHERE id = @id;
INSERT INTO t (id, y, a) VALUES (100000 * @session + @round, 2005, 1);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 10000 WHERE id = @id AND a < 10000;
INSERT INTO t (a) VALUES (1000000 * @session + @round);
DELETE FROM t WHERE id = @id + 7;

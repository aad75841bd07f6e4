SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, region = (region + 1) % 6 WHERE id = @id;
INSERT INTO t (id, region, a) VALUES (100000 * @session + @round, 5, 1);
DELETE FROM t WHERE id = @id + 7;

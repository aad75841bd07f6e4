SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = a + 1 WHERE id = @id;
INSERT INTO t (id, region, a) VALUES (100000 * @session + @round, 2, 1);

SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = 1000000 * @session + @round WHERE id = @id;
DELETE FROM t WHERE id = 444;

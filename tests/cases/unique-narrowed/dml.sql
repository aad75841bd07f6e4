SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET b = b + 1 WHERE id = @id;
INSERT INTO t (a, b) VALUES (1000000 * @session + @round, 0);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = NULL WHERE id = @id;
INSERT INTO t (a, b) VALUES (NULL, 1), (1000000 * @session + @round, NULL);
DELETE FROM t WHERE id = @id + 7;

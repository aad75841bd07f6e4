SET @n = FLOOR(RAND() * 100), @w = FLOOR(RAND() * 10);
UPDATE t SET a = a + 1 WHERE n = @n AND w = CONCAT('w', @w);
UPDATE t SET w = LOWER(w) WHERE n = @n + 1;
INSERT INTO t (n, w, a) VALUES (1000 * @session + @round, 'Ä', 0);
DELETE FROM t WHERE n = @n + 2 AND w = 'w5';

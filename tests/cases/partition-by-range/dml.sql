SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE id = @id;
UPDATE t SET made = made + INTERVAL 1 YEAR WHERE id = @id + 3 AND made < '2025-01-01';
INSERT INTO t (id, made, a) VALUES (100000 * @session + @round, '2021-07-07', 1);
DELETE FROM t WHERE id = @id + 7;

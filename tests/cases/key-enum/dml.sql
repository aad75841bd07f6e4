SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE n = @id;
UPDATE t SET e = 'alpha' WHERE n = @id + 1 AND e = 'zeta';
INSERT INTO t (e, n, a) VALUES ('mid', 100000 * @session + @round, 0);
DELETE FROM t WHERE n = @id + 7;

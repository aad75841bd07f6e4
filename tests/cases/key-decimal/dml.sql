SET @k = (FLOOR(RAND() * 1000) - 500) * 1.0625;
UPDATE t SET a = a + 1 WHERE k = @k;
UPDATE t SET k = k + 0.0001 WHERE k = @k + 1.0625;
INSERT INTO t (k, a) VALUES (1000000 + @session * 100000 + @round, 0);
DELETE FROM t WHERE k = @k + 5.3125;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE n = @id;
UPDATE t SET w = 'ÿ' WHERE n = @id + 1;
INSERT INTO t (w, n, a) VALUES ('ü', 100000 * @session + @round, 0);
DELETE FROM t WHERE n = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE b = @id * 1000003;
UPDATE t SET b = b + 1 WHERE b = (@id + 1) * 1000003;
INSERT INTO t (b, a) VALUES (900000000000 + 100000 * @session + @round, 0);
DELETE FROM t WHERE b = (@id + 7) * 1000003;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE q = @id;
UPDATE t SET p = p + 1 WHERE q = @id + 1;
INSERT INTO t (p, q, a) VALUES (@round, -100000 * @session - @round, 0);
DELETE FROM t WHERE q = @id + 7;

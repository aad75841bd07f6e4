SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE s = @id;
UPDATE t SET p = -p, r = r - 1 WHERE s = @id + 1;
INSERT INTO t (p, q, r, s, a) VALUES (0, 0, 0, -100000 * @session - @round, 0);
DELETE FROM t WHERE s = @id + 7;

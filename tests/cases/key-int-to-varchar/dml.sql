SET @id = FLOOR(RAND() * 1000) - 300;
UPDATE t SET a = a + 1 WHERE id = @id;
UPDATE t SET id = id + 100000 WHERE id = @id + 1;
INSERT INTO t (id, a) VALUES (-100000 * @session - @round, 0);
DELETE FROM t WHERE id = @id + 7;

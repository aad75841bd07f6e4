SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE n = @id;
UPDATE t SET w = UPPER(w) WHERE n = @id + 1;
INSERT INTO t (n, w, a) VALUES (100000 * @session + @round, 'group 3', 0);
DELETE FROM t WHERE n = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, w = UPPER(w) WHERE n = @id;
UPDATE t SET n = -n, m = NULL WHERE n = @id + 1;
INSERT INTO t (w, n, b, a) VALUES (CONCAT(@session, '-', @round), 100000 * @session + @round, RANDOM_BYTES(8), 0);
DELETE FROM t WHERE n = @id + 7;

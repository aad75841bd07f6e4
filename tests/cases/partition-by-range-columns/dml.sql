SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, word = CONCAT('z', a) WHERE id = @id;
INSERT INTO t (id, word, a) VALUES (100000 * @session + @round, 'mid', 1);
DELETE FROM t WHERE id = @id + 7;

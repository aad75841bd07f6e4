SET @id = 1 + FLOOR(RAND() * 300);
UPDATE t SET a = a + 1 WHERE id = @id;
UPDATE t SET x = REPEAT('kurz', 1 + @round % 5000), y = REPEAT('y', 1 + @round % 9000) WHERE id = @id + 1;
INSERT INTO t (x, y, a) VALUES (REPEAT('neu', 20000), '', @round);
DELETE FROM t WHERE id = @id + 7;

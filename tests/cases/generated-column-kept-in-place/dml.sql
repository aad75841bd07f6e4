SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET x = 'changed', a = a + 1 WHERE id = @id;
INSERT INTO t (x, a) VALUES ('new', @round);
DELETE FROM t WHERE id = @id + 7;

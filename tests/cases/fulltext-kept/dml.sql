SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET title = 'other words', a = a + 1 WHERE id = @id;
INSERT INTO t (title, a) VALUES ('fresh words', @round);
DELETE FROM t WHERE id = @id + 7;

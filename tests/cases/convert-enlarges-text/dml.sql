SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET x = REPEAT('à', 500), y = 'z' WHERE id = @id;
INSERT INTO t (x, y) VALUES (REPEAT('ÿ', 60000), REPEAT('ÿ', 255));
DELETE FROM t WHERE id = @id + 7;

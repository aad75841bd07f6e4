SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET j = JSON_ARRAY(@round, 5) WHERE id = @id;
INSERT INTO t (j) VALUES ('[1, 2, 3]');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'changed', x = REPEAT('z', 90) WHERE id = @id;
INSERT INTO t (v, x) VALUES (NULL, '');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a * 2, z = 'z' WHERE id = @id;
INSERT INTO t (a) VALUES (RAND() * 1000);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET z = z + 1, y = y + 1 WHERE id = @id;
INSERT INTO t (z, y) VALUES (17, 3);
DELETE FROM t WHERE id = @id + 7;

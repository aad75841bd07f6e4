SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET f = f / 7, g = g * 1.0000001, h = h + 0.1 WHERE id = @id;
INSERT INTO t (f, g, h) VALUES (1e-30, 0.1, 2.5);
DELETE FROM t WHERE id = @id + 7;

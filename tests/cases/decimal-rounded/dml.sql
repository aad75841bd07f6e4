SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET d = -d / 3, w = w * 1.5 WHERE id = @id;
INSERT INTO t (d, w) VALUES (0.005, 0.01);
DELETE FROM t WHERE id = @id + 7;

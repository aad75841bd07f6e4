SET @id = 1 + FLOOR(RAND() * 400);
UPDATE t SET c1 = (c1 + 1) % 100, c500 = 50 WHERE id = @id;
INSERT INTO t (c7) VALUES (7);
DELETE FROM t WHERE id = @id + 3;

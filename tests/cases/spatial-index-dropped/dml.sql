SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET g = POINT(@round, 1) WHERE id = @id;
INSERT INTO t (g) VALUES (POINT(0, 0));
DELETE FROM t WHERE id = @id + 7;

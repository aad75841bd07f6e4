SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET g = ST_SRID(POINT(@round % 90, 5), 4326), p = NULL WHERE id = @id;
INSERT INTO t (g, p) VALUES (ST_SRID(POINT(1.5, -2.25), 4326), POINT(0, 0));
DELETE FROM t WHERE id = @id + 7;

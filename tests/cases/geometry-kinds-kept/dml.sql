SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET l = ST_GeomFromText('LINESTRING(5 5, 6 6)'), a = a + 1 WHERE id = @id;
INSERT INTO t (p, a) VALUES (NULL, @round);
DELETE FROM t WHERE id = @id + 7;

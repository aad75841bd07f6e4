SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET d = NOW(6), h = '-01:02:03.95' WHERE id = @id;
INSERT INTO t (d, s, h) VALUES ('2020-01-01 00:00:00.499999', NOW(6), '00:00:00.05');
DELETE FROM t WHERE id = @id + 7;

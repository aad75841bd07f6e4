SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET d = '1000-01-01', e = NOW() WHERE id = @id;
INSERT INTO t (d, e, f) VALUES (NULL, '2020-02-29 23:59:59', '2024-02-29');
DELETE FROM t WHERE id = @id + 7;

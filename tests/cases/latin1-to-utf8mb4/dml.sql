SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'ÿÀ', x = 'Œuvre' WHERE id = @id;
INSERT INTO t (v, x) VALUES ('ñ', '¿');
DELETE FROM t WHERE id = @id + 7;

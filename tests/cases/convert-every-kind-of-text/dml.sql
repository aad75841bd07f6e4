SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'Ä', e = 'three', s = 'x,z' WHERE id = @id;
INSERT INTO t (v, c, x, e, s, b) VALUES ('ÿ', 'ÿ', NULL, 'two', '', x'ff00');
DELETE FROM t WHERE id = @id + 7;

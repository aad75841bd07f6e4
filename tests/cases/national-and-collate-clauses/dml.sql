SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'å' WHERE id = @id;
INSERT INTO t (v, c) VALUES ('ä', 'ö');
DELETE FROM t WHERE id = @id + 7;

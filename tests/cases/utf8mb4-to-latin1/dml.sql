SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'Öl' WHERE id = @id;
INSERT INTO t (v) VALUES ('ß');
DELETE FROM t WHERE id = @id + 7;

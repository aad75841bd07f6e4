SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'ÿ', u = 'ÿ' WHERE id = @id;
INSERT INTO t (v, u) VALUES ('ß', 'ẞ');
DELETE FROM t WHERE id = @id + 7;

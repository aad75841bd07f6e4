SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = '字' WHERE id = @id;
INSERT INTO t (v, x) VALUES ('é', '😎');
DELETE FROM t WHERE id = @id + 7;

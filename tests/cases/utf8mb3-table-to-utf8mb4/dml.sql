SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = '变', c = 'ü' WHERE id = @id;
INSERT INTO t (v, c) VALUES ('新', '');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = UPPER(v) WHERE id = @id;
INSERT INTO t (v) VALUES ('é');
DELETE FROM t WHERE id = @id + 7;

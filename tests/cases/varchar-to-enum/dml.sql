SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = 'tue' WHERE id = @id;
INSERT INTO t (v) VALUES ('MON');
DELETE FROM t WHERE id = @id + 7;

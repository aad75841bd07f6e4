SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET y = 2000, s = 2155, v = '1999' WHERE id = @id;
INSERT INTO t (y, s, v) VALUES (1999, 0, NULL);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, d = '0000-00-00' WHERE id = @id;
INSERT INTO t (d, e, a) VALUES ('2021-00-01', NULL, @round);
DELETE FROM t WHERE id = @id + 7;

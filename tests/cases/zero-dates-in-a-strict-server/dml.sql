SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE id = @id;
INSERT INTO t (d, a) VALUES ('2021-01-01', @round);
DELETE FROM t WHERE id = @id + 7;

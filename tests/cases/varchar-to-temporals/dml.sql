SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET d = '2021-12-31T23:59:59.5', h = '11:12' WHERE id = @id;
INSERT INTO t (d, h) VALUES ('21-1-2 3:4:5', '-1:2:3');
DELETE FROM t WHERE id = @id + 7;

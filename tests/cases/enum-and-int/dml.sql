SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = '30', i = 2 WHERE id = @id;
INSERT INTO t (e, i) VALUES ('20', 1);
DELETE FROM t WHERE id = @id + 7;

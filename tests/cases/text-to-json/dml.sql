SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET x = '  [1,  2]' WHERE id = @id;
INSERT INTO t (x) VALUES ('{"n": 1e2, "n": null}');
DELETE FROM t WHERE id = @id + 7;

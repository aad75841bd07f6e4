SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = 'über', a = a + 1 WHERE id = @id;
INSERT INTO t (e, a) VALUES ('für', 0);
DELETE FROM t WHERE id = @id + 7;

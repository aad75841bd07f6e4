SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = 'green' WHERE id = @id;
INSERT INTO t (e) VALUES ('red');
DELETE FROM t WHERE id = @id + 7;

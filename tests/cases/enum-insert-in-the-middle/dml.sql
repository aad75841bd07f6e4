SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = 'high' WHERE id = @id;
INSERT INTO t (e) VALUES (NULL);
DELETE FROM t WHERE id = @id + 7;

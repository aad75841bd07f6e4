SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = 1 + @round % 4 WHERE id = @id;
INSERT INTO t (e) VALUES ('b');
DELETE FROM t WHERE id = @id + 7;

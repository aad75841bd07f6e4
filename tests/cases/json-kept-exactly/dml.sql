SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET j = JSON_SET(j, '$.more', CAST(@round AS DECIMAL(10,3))), a = a + 1 WHERE id = @id;
INSERT INTO t (j, a) VALUES (JSON_OBJECT('big', @round), 1);
DELETE FROM t WHERE id = @id + 7;

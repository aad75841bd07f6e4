SET @id = 1 + FLOOR(RAND() * 500);
UPDATE t SET body = 'something else' WHERE id = @id;
DELETE FROM t WHERE id = @id + 7;

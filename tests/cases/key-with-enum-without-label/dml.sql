SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = v + 1 WHERE id = @id;

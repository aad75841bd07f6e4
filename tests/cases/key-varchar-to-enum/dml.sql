SET @id = 1 + FLOOR(RAND() * 499);
UPDATE t SET v = v + 1 WHERE k = '1' AND id = @id;

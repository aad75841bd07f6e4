SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET email = CONCAT(@session, '.', @round, '@y') WHERE id = @id;

SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = a + 5000 WHERE id = @id AND a < 5000;
UPDATE t SET a = 7 WHERE id IN (950, 951);

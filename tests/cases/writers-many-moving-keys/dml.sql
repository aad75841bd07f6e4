SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET id = 5000 - id WHERE id = @id;
UPDATE t SET id = 5000 - id, a = a + 1 WHERE id = 5000 - @id - 1;
UPDATE t SET id = -id WHERE id = @id + 3;
UPDATE t SET id = -id WHERE id = -@id;

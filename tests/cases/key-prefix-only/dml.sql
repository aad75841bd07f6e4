SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE v = CONCAT(LPAD(@id, 10, '0'), ' and more');

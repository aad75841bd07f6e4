SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE name = CONCAT(CHAR(33 + @id % 90), '😀', @id);
UPDATE t SET name = CONCAT('é', name) WHERE a = @id + 1 AND CHAR_LENGTH(name) < 30;
INSERT INTO t (name, a) VALUES (CONCAT('ab ', @session, '-', @round, ' '), 0);

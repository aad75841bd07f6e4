SET @id = 1 + FLOOR(RAND() * 500);
UPDATE t SET a = a + 1 WHERE name = CONCAT('k', @id, ' ');
UPDATE t SET name = CONCAT(name, ' ') WHERE name = CONCAT('K', @id + 1, ' ');
DELETE FROM t WHERE name = CONCAT('k', @id + 7);
INSERT INTO t (name, a) VALUES (CONCAT('n', @session, '-', @round, '  '), 0), (CONCAT('n', @session, '-', @round), 0);

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, b = CONCAT('u', @round), c = c + INTERVAL 1 DAY WHERE id = @id;
INSERT INTO t (a, b, c) VALUES (@round, 'n', '2030-02-03');
DELETE FROM t WHERE id = @id + 7;

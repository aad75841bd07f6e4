SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE name = CONCAT('KEY', @id) COLLATE utf8mb4_general_ci;
UPDATE t SET name = CONCAT('key', @id + 1, '   ') WHERE name = CONCAT('KEY', @id + 1) COLLATE utf8mb4_general_ci;
INSERT INTO t (name, a) VALUES (CONCAT('new ', @session, ' ', @round, ' '), 0);
DELETE FROM t WHERE name = CONCAT('key', @id + 7) COLLATE utf8mb4_general_ci;

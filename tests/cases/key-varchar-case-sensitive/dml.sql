SET @id = 1 + FLOOR(RAND() * 500);
UPDATE t SET a = a + 1 WHERE name = CONCAT('word', @id) COLLATE utf8mb4_0900_as_cs;
UPDATE t SET name = CONCAT('Word', @id + 1) WHERE name = CONCAT('WORD', @id + 1) COLLATE utf8mb4_0900_as_cs;
DELETE FROM t WHERE name = CONCAT('Word', @id + 7) COLLATE utf8mb4_0900_as_cs;
INSERT INTO t (name, a) VALUES (CONCAT('Straße', @session, '-', @round), 0);

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE u = @id;
INSERT INTO t (u, a) VALUES (NULL, @round);

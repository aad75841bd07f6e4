SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = a + 1 WHERE id = @id;
INSERT INTO t (a) VALUES (@round);

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET b = b + 1 WHERE a = @id;
INSERT INTO t (a, b) VALUES (@round, @session);

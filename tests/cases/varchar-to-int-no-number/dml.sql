SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET a = @round WHERE id = @id;
INSERT INTO t (a) VALUES (@session);

SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET b = 'fine' WHERE id = @id;
INSERT INTO t (b) VALUES ('fine too');

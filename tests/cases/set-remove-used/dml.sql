SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET s = 'c' WHERE id = @id;
INSERT INTO t (s) VALUES ('');

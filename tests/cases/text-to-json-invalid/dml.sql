SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET x = '[]' WHERE id = @id;
INSERT INTO t (x) VALUES ('null');

SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET e = 'x' WHERE id = @id;
INSERT INTO t (e) VALUES ('y');

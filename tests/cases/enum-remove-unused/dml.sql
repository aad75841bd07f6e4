SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET e = 'y' WHERE id = @id;
INSERT INTO t (e) VALUES ('x');
DELETE FROM t WHERE id = @id + 7;

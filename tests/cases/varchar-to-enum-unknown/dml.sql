SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET v = 'tue' WHERE id = @id;
INSERT INTO t (v) VALUES ('mon');

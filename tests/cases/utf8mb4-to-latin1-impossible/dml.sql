SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET v = 'still plain' WHERE id = @id;
INSERT INTO t (v) VALUES ('plain');

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET firstname = 'f', lastname = 'l' WHERE id = @id;
INSERT INTO t (firstname) VALUES ('new');
DELETE FROM t WHERE id = @id + 7;

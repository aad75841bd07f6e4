SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET body = 'over the lazy dog' WHERE id = @id;
INSERT INTO t (title, body) VALUES ('new', 'words words');
DELETE FROM t WHERE id = @id + 7;

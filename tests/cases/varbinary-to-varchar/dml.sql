SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET b = '日本' WHERE id = @id;
INSERT INTO t (b) VALUES ('😀');
DELETE FROM t WHERE id = @id + 7;

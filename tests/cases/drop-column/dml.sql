SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1, gone = 'still here' WHERE id = @id;
INSERT INTO t (a, gone) VALUES (@round, 'soon');
DELETE FROM t WHERE id = @id + 7;

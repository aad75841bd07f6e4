SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = -a, b = 'touched' WHERE id = @id;
INSERT INTO t (a, b) VALUES (@round, 'fresh');
DELETE FROM t WHERE id = @id + 7;

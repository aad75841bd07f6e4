SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET d = NOW(), h = '-838:59:59' WHERE id = @id;
INSERT INTO t (d, s, h) VALUES (NULL, NOW(), '00:00:01');
DELETE FROM t WHERE id = @id + 7;

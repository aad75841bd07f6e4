SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = @round WHERE id = @id;
INSERT INTO t (a) VALUES (CONCAT('00', @round));
DELETE FROM t WHERE id = @id + 7;

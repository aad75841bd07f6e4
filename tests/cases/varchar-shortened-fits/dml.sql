SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = REPEAT('x', @round % 21) WHERE id = @id;
INSERT INTO t (v) VALUES ('short');
DELETE FROM t WHERE id = @id + 7;

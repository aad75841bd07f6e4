SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = LEFT(SHA2(@round, 256), 20) WHERE id = @id;
INSERT INTO t (v) VALUES (CONCAT('r', @round));
DELETE FROM t WHERE id = @id + 7;

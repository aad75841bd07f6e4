SET @id = 1 + FLOOR(RAND() * 900);
UPDATE t SET v = CONCAT('u', @round) WHERE id = @id;
INSERT INTO t (v) VALUES ('short');

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = CONCAT('Other ', id) WHERE id = @id;
INSERT INTO t (v) VALUES (CONCAT('New ', @session, ' ', @round));
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET amount = amount + 1, NAME = 'upper' WHERE id = @id;
INSERT INTO t (name, amount) VALUES ('x', @round);
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET c = 'a ', v = ' a  ' WHERE id = @id;
INSERT INTO t (c, v) VALUES ('  ', '');
DELETE FROM t WHERE id = @id + 7;

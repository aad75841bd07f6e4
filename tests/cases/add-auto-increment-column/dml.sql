SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE b = UNHEX(LPAD(HEX(@id * 911), 8, '0'));
INSERT INTO t (code, b, a) VALUES ('new', UNHEX(LPAD(HEX(2000000 + @round * 10 + @session), 8, '0')), @round);
DELETE FROM t WHERE b = UNHEX(LPAD(HEX((@id + 1) * 911), 8, '0'));

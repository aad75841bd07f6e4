SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE y = UNHEX(LPAD(HEX(@id), 4, '0'));
UPDATE t SET w = UPPER(w) WHERE y = UNHEX(LPAD(HEX(@id + 1), 4, '0'));
UPDATE t SET x = 255 - x WHERE y = UNHEX(LPAD(HEX(@id + 2), 4, '0'));
DELETE FROM t WHERE y = UNHEX(LPAD(HEX(@id + 7), 4, '0'));

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE v = CONCAT(REPEAT('Ö', 100), @id) AND w = REPEAT(CHAR(97 + @id % 26), 150);
UPDATE t SET w = UPPER(w) WHERE v = CONCAT(REPEAT('o', 100), @id + 1);
INSERT INTO t (w, v, a) VALUES ('', CONCAT(@session, '-', @round), 0);
DELETE FROM t WHERE v = CONCAT(REPEAT('ö', 100), @id + 7);

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE c = CONCAT(ELT(1 + @id % 4, 'AE', 'SS', 'O', 'ue'), @id);
UPDATE t SET c = UPPER(c) WHERE a = @id + 1;
DELETE FROM t WHERE c = CONCAT('ß', @id + 7);
INSERT INTO t (c, a) VALUES (CONCAT('n', @session, '-', @round), 0);

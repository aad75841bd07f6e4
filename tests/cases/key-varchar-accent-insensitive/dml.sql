SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE name = CONCAT('RESUME ', @id);
UPDATE t SET name = CONCAT('Resumé ', @id + 1) WHERE name = CONCAT('resume ', @id + 1);
UPDATE t SET name = UPPER(name) WHERE name = CONCAT('resume ', @id + 2);
INSERT INTO t (name, a) VALUES (CONCAT('ñandú ', @session, ' ', @round), 0);
DELETE FROM t WHERE name = CONCAT('rÉsumé ', @id + 7);

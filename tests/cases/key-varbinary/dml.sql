SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET a = a + 1 WHERE id = LEFT(UNHEX(SHA2(@id, 256)), 3 + @id % 30);
UPDATE t SET id = CONCAT(id, x'00') WHERE LENGTH(id) < 38 AND a = @id + 1;
INSERT INTO t (id, a) VALUES (RANDOM_BYTES(1 + @round % 40), -@round);
UPDATE t SET a = a + 1 WHERE id IN ('', x'00', x'0000');

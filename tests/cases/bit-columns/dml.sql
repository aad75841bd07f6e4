SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET b = b'10101010', c = c ^ 1, d = 31 - d WHERE id = @id;
INSERT INTO t (b, c, d) VALUES (b'1', 0, b'11');
DELETE FROM t WHERE id = @id + 7;

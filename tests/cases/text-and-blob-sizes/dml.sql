SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET x = 'small', y = RANDOM_BYTES(20) WHERE id = @id;
INSERT INTO t (x, y, z) VALUES ('x', x'00ff', REPEAT('z', 3000));
DELETE FROM t WHERE id = @id + 7;

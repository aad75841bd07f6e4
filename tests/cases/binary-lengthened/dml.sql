SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET b = x'00010000ff', v = x'00', bl = '' WHERE id = @id;
INSERT INTO t (b, v, bl) VALUES (x'80', RANDOM_BYTES(30), RANDOM_BYTES(64));
DELETE FROM t WHERE id = @id + 7;

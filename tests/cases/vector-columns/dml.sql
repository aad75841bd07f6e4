SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET v = TO_VECTOR('[1, 2, 3]'), a = a + 1 WHERE id = @id;
INSERT INTO t (v, a) VALUES (TO_VECTOR('[1e-9, 7]'), @round);
DELETE FROM t WHERE id = @id + 7;

INSERT INTO t (a) VALUES (@round), (-@round);
UPDATE t SET a = a + 1 WHERE id % 10 = @round % 10 LIMIT 5;
DELETE FROM t ORDER BY id LIMIT 1;

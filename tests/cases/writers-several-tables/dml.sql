SET @g = FLOOR(RAND() * 50);
UPDATE t JOIN other USING (g) SET t.a = t.a + other.plus, other.plus = other.plus + 1 WHERE g = @g;
DELETE t FROM t JOIN other USING (g) WHERE t.g = @g AND t.id % 20 = @round % 20 AND other.plus > 5;
INSERT INTO t (id, a, g) SELECT 100000 * @session + @round, plus, g FROM other WHERE g = @g;

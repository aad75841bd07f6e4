SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET g = '国', s = '日本', k = 'да', e = '글' WHERE id = @id;
INSERT INTO t (g, s, k, e) VALUES ('a', 'b', 'c', 'd');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET s = 'a,c', r = 'x,z', v = 'p,q' WHERE id = @id;
INSERT INTO t (s, r, v) VALUES ('', NULL, 'q');
DELETE FROM t WHERE id = @id + 7;

SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET u = '𐍈', w = 'ü', l = 'z' WHERE id = @id;
INSERT INTO t (u, w, l) VALUES ('', NULL, '𝄞');
DELETE FROM t WHERE id = @id + 7;

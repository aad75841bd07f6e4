CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, s SET('a', 'b', 'c') NOT NULL, r SET('x', 'y', 'z'), v SET('p', 'q'));
INSERT INTO t (s, r, v) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i % 8, i % 8, i % 4 FROM n;

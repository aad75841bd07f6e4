CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(30), c CHAR(10), x TEXT, e ENUM('one', 'two', 'three'), s SET('x', 'y', 'z'), b VARBINARY(10)) DEFAULT CHARSET = latin1;
INSERT INTO t (v, c, x, e, s, b) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT CONCAT('ö', i), 'ç', REPEAT('ñ', 40), 1 + i % 3, i % 8, x'e4' FROM n;

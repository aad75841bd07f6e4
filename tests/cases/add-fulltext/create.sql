CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(60), body TEXT);
INSERT INTO t (title, body) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT CONCAT('title number ', i), CONCAT('the quick brown fox ', i, ' jumps') FROM n;

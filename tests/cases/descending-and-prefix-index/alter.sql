ALTER TABLE t ADD INDEX down (a DESC, id ASC), ADD INDEX part (x(10), b(5) DESC);

ALTER TABLE t MODIFY s SET('a', 'b', 'c', 'd') NOT NULL, MODIFY r SET('z', 'new', 'y', 'x'), MODIFY v VARCHAR(20);

ALTER TABLE t ADD INDEX by_sum ((a * 2 % 7)), ADD INDEX by_lower ((LOWER(name)), a);

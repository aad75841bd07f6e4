ALTER TABLE t MODIFY e ENUM('d', 'c', 'b', 'a') NOT NULL;

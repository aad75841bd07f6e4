ALTER TABLE t MODIFY e ENUM('c', 'new', 'b', 'a') NOT NULL;

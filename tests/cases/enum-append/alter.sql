ALTER TABLE t MODIFY e ENUM('red', 'green', 'blue') NOT NULL DEFAULT 'blue';

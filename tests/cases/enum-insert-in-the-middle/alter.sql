ALTER TABLE t MODIFY e ENUM('low', 'middle', 'high');

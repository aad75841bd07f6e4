ALTER TABLE t MODIFY v ENUM('mon', '2', 'tue') NOT NULL;

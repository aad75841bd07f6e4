ALTER TABLE t MODIFY state ENUM('new', 'taken', 'late', 'done') NOT NULL DEFAULT 'new', ADD COLUMN tries INT NOT NULL DEFAULT 0;

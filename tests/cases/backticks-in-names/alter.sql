ALTER TABLE `a``b ``c` RENAME COLUMN `x y` TO `y``x`, ADD COLUMN `%d %s` INT DEFAULT 4, ADD KEY `k``1` (`'quoted"`);

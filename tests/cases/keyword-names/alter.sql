ALTER TABLE `select` ADD COLUMN `add` INT DEFAULT 1, CHANGE `group` `drop` VARCHAR(20), ADD INDEX `index` (`drop`);

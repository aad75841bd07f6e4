CREATE TABLE `select` (`key` INT NOT NULL AUTO_INCREMENT, `order` INT, `group` VARCHAR(20), PRIMARY KEY (`key`), KEY `from` (`order`));
INSERT INTO `select` (`order`, `group`) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, CONCAT('g', i) FROM n;

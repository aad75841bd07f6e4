SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE `select` SET `order` = `order` + 1 WHERE `key` = @id;
INSERT INTO `select` (`order`, `group`) VALUES (@round, 'new');
DELETE FROM `select` WHERE `key` = @id + 7;

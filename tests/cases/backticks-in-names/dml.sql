SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE `a``b ``c` SET `x y` = `x y` + 1, `'quoted"` = @round WHERE `i``d` = @id;
INSERT INTO `a``b ``c` (`100%s`) VALUES (@round);
DELETE FROM `a``b ``c` WHERE `i``d` = @id + 7;

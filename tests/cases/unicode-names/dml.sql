SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE `таблица` SET größe = größe + 1, `名前` = 'ändert' WHERE `ключ` = @id;
INSERT INTO `таблица` (größe) VALUES (@round);
DELETE FROM `таблица` WHERE `ключ` = @id + 7;

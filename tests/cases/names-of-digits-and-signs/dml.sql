SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t_1$ SET `2` = `2` + 1, `a.b` = 1 WHERE `1st` = @id;
INSERT INTO t_1$ (`a-b`) VALUES (@round);
DELETE FROM t_1$ WHERE `1st` = @id + 7;

ALTER TABLE `таблица` CHANGE `名前` `имя` VARCHAR(40) COMMENT '名', ADD KEY `индекс` (größe);

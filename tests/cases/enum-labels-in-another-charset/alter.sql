ALTER TABLE t MODIFY e ENUM('größe', 'über', 'für', '漢') CHARACTER SET utf8mb4;

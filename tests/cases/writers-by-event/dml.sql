UPDATE t SET a = a * -1 WHERE id = 1 + FLOOR(RAND() * 1000);
